# etcd's leader is killed, then the leading mfcontrol: tables go on being
# published, and requests do not notice.
use strict;
use warnings;
use Memfleet;
use Memfleet::Fleet;

my $fleet = Memfleet::Fleet->new(etcd => 3, controls => 2, nodes => 2);
my $load = mfreplay($fleet->proxy->addr, '--set-every', 5, '-c', 4);

my $leader;
wait_until(sub { defined($leader = $fleet->etcd->leader) }, deadline(10), 'etcd has a leader');
$fleet->etcd->kill($leader);
pass("the leader of etcd is killed, member $leader");
ok($fleet->wait_serving($fleet->add_node), 'a node joins all the same');
isnt($fleet->etcd->leader, $leader, 'another member leads');

my ($control) = $fleet->controls;
$control->kill_hard;
pass('an mfcontrol is killed');
ok($fleet->wait_serving($fleet->add_node), 'a node joins by the other one');

$fleet->etcd->revive($leader);
$control->restart;
my ($last) = reverse $fleet->controls;
$last->kill_hard;
ok($fleet->wait_serving($fleet->add_node), 'and by the first, when it is back and the other dead');

$load->stop;
my %sum = replay_sum($load);
is("$sum{errors} $sum{wrong}", '0 0', "$sum{requests} requests: no error, no wrong value");

done_testing;
