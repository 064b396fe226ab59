# A node is killed as by a power cut: its keys are misses and its writes errors,
# those of the others do not notice; when it is back on its address it serves.
use strict;
use warnings;
use Memfleet;

my @nodes = map { mfcached()->listen_again } 1 .. 3;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), patient()]);
my $c = $proxy->connect;

my @keys = map { "key-$_" } 1 .. 90;
is($c->set($_, "value of $_"), 'STORED', "set $_") for @keys;

# Whose keys they are, as the nodes themselves tell.
my %owner;
for my $i (0 .. 2) {
    my $there = $nodes[$i]->connect->get_many(@keys);
    $owner{$_} = $i for keys %$there;
}
is(scalar keys %owner, scalar @keys, 'each key is on one node');
my @lost = grep { $owner{$_} == 1 } @keys;
my @kept = grep { $owner{$_} != 1 } @keys;
cmp_ok(scalar @lost, '>', 5, 'the node to die has some');

$nodes[1]->kill_hard;

# From the first request on: a miss, and within the time that the pool allows.
my $found = $c->get_many(@keys);
is_deeply([sort keys %$found], [sort @kept], 'one multiget: what lives is found, the rest missed');
is($c->get($lost[0]), undef, 'a get is a miss');
like($c->set($lost[0], 'new'), qr/^SERVER_ERROR backend (?:down|timeout)$/, 'a set is an error');
like($c->ask_line("incr $lost[0] 1\r\n"), qr/^SERVER_ERROR backend (?:down|timeout)\r\n$/,
     'an incr is an error and no NOT_FOUND, which would begin a counter anew');
like($c->ask("set $lost[0] 0 0 1 noreply\r\nx\r\n"), qr/^$/, 'noreply is not answered, failed or not');
is($c->ask("mg $lost[0] v\r\n"), "EN\r\n", 'a meta get is a miss');
is($c->ask("mg $lost[0] v q\r\n"), '', 'a quiet one says nothing');

is($c->get($_), "value of $_", "$_ of another node is there") for @kept[0 .. 9];
is($c->set($_, "new $_"), 'STORED', "$_ of another node can be set") for @kept[0 .. 9];

# The same connection of ours, all along; and the same address.
$nodes[1]->restart;
wait_until(sub { $c->set($lost[0], 'again') eq 'STORED' }, deadline(15), 'the node serves again');
is($c->get($lost[0]), 'again', 'what was set after its return is found');
is($c->get($lost[1]), undef, 'it came back empty');
is($c->set($_, "back $_"), 'STORED', "set $_ again") for @lost;
is($nodes[1]->connect->get($_), "back $_", "$_ is where it was before") for @lost[0 .. 4];

done_testing;
