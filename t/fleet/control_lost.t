# The data path and the control path are strangers: nodes join under load, then
# everything that steers is killed, and no request of any client notices; a proxy
# that starts meanwhile serves from its last good table.
use strict;
use warnings;
use Memfleet;
use Memfleet::Fleet;

my $fleet = Memfleet::Fleet->new(nodes => 3);
my $c = $fleet->proxy->connect;
my $load = mfreplay($fleet->proxy->addr, '--set-every', 5, '-c', 4);

# Nodes join while requests are on their way.
for (4 .. 5) {
    my $node = $fleet->add_node;
    ok($fleet->wait_serving($node), "node $_ joins under load");
}

# All of the control plane dies. A thousand answers later nobody has noticed.
my @keys = map { "k$_" } 1 .. 50;
is($c->set($_, "v$_"), 'STORED', "set $_") for @keys;
$fleet->kill_control_plane;
my @gets = map { $_->connect->stats->{cmd_get} } $fleet->nodes;
wait_until(sub {
    my @now = map { $_->connect->stats->{cmd_get} } $fleet->nodes;
    return !grep { $now[$_] < $gets[$_] + 1000 } 0 .. $#now;
}, deadline(30), 'every node answers a thousand gets more');
is(scalar keys %{ $c->get_many(@keys) }, scalar @keys, 'every key is where it was');
is($c->set('later', '1'), 'STORED', 'and writes are taken');
$load->stop;
my %sum = replay_sum($load);
is("$sum{errors} $sum{wrong}", '0 0', "$sum{requests} requests: no error, no wrong value");

# A proxy restarts with nobody to ask.
$fleet->proxy->restart;
$c = $fleet->proxy->connect;
is(scalar keys %{ $c->get_many(@keys) }, scalar @keys,
   'a restarted proxy routes by its last good table, from the first request on');
is($c->set('after', '1'), 'STORED', 'and writes');

# Everything is back: the restarted proxy follows again.
$fleet->restart_control_plane;
my $again = mfreplay($fleet->proxy->addr, '--set-every', 5, '-c', 4);
my $node = $fleet->add_node;
ok($fleet->wait_serving($node), 'with the control plane back, another node joins');
$again->stop;
%sum = replay_sum($again);
is("$sum{errors} $sum{wrong}", '0 0', "$sum{requests} requests: no error, no wrong value");

done_testing;
