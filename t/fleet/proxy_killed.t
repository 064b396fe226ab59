# A proxy that is killed while a node is cut off, and started anew: what it had
# acknowledged as deleted is never read in its old form, neither through the next
# proxy nor, in the end, at the node.
use strict;
use warnings;
use Memfleet;

my @nodes = map { mfcached(args => [qw(-t 2)]) } 1 .. 3;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), '--request-timeout', '300ms',
                             '--connect-timeout', '2s', '--journal-dir', scratch_dir() . '/journals']);
$proxy->listen_again;
my @keys = map { "key:$_" } 1 .. 300;
my $c    = $proxy->connect;
$c->set($_, 'old') for @keys;
my %mine = map { $_ => 1 } keys %{ $nodes[0]->connect->get_many(@keys) };
my @mine = grep { $mine{$_} } @keys;
cmp_ok(scalar @mine, '>', 50, 'the node has some of the keys');

for my $round (1 .. 3) {
    my $last = $mine[-1];
    my @deleted = grep { $_ ne $last } @mine[grep { $_ % 2 } 0 .. $#mine];
    my %deleted = map { $_ => 1 } @deleted;
    $nodes[0]->freeze;
    # Sets that stand in the node's sockets when the deletes are taken: whoever
    # reads `lost` later reads what was deleted, too.
    my $sets = join('', map { "set $_ 0 0 4\r\nlost\r\n" } @deleted);
    my $told = $c->ask($sets . join('', map { "delete $_\r\n" } @deleted));
    is(() = $told =~ /^NOT_FOUND\r$/mg, scalar @deleted, "round $round: the deletes are taken");
    $proxy->kill_hard;
    $proxy->restart;
    my @clients = map { $proxy->connect } 1 .. 4; # of both workers
    my $looks = 0;
    my $stale = sub {
        my $read = $clients[ $looks++ % 4 ]->get_many(@mine);
        return grep { $deleted{$_} && exists $read->{$_} } @mine;
    };
    my @found = map { $stale->() } 1 .. 4;
    $proxy->kill_hard if $round == 2; # and once more, before anything could be delivered
    if ($round == 2) {
        $proxy->restart;
        @clients = map { $proxy->connect } 1 .. 4;
    }
    push @found, map { $stale->() } 1 .. 4;
    $nodes[0]->signal('CONT');
    wait_until(sub {
        push @found, $stale->();
        my $stats = $clients[0]->ask("stats backends\r\n");
        return $stats !~ /:journal [1-9]/ && $stats !~ /:down_workers [1-9]/;
    }, deadline(30), 'it has had all that it missed');
    push @found, $stale->() for 1 .. 8;
    is_deeply(\@found, [], "nothing deleted is read ($looks reads)");
    my $direct = $nodes[0]->connect->get_many(@mine);
    is_deeply([grep { exists $direct->{$_} } @deleted], [], 'nor is it at the node');
    is(scalar(grep { !$deleted{$_} && ($direct->{$_} // '') eq 'old' } @mine), @mine - @deleted,
       'and nothing else was lost');
    $c = $clients[0];
    $c->set($_, 'old') for @mine;
}
done_testing;
