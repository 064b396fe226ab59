# Many ask in the same moment, with io_uring and without.
use strict;
use warnings;
use AskTogether;
use Memfleet;

for my $mode (['with io_uring', qr/^(?:on|unavailable)$/], ['without', qr/^off$/, '--no-io-uring'],
              ['crowded, each read little', qr/^(?:on|unavailable)$/, '--gather-us', 1000]) {
    my ($what, $state, @args) = @$mode;
    my $node = mfcached(args => ['-t', 1, @args]);
    check_together($node, $what, 16);
    my $settings = $node->connect->stats('settings');
    like($settings->{io_uring}, $state, "settings: $settings->{io_uring}");
    is($settings->{gather_us}, $args[1] // 30, 'and how long a turn takes under load');
}

done_testing;
