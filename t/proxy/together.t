# Many clients ask in the same moment, with io_uring and without.
use strict;
use warnings;
use AskTogether;
use Memfleet;

my @nodes = map { mfcached(args => ['-t', 1]) } 1 .. 3;
for my $mode (['with io_uring', qr/^(?:on|unavailable)$/], ['without', qr/^off$/, '--no-io-uring']) {
    my ($what, $state, @args) = @$mode;
    my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), '--threads', 1,
                                 '--request-timeout', '30s', @args]);
    check_together($proxy, $what, 16);
    my $settings = $proxy->connect->stats('settings');
    like($settings->{io_uring}, $state, "settings: $settings->{io_uring}");
    is($settings->{gather_us}, 60, 'and how long a turn takes under load');
}

done_testing;
