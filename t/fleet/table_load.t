# New routing tables while requests are on their way: nodes join one after the
# other, and no client sees an error or another key's value.
use strict;
use warnings;
use Memfleet;

my @nodes = map { mfcached() } 1 .. 6;
my $table = scratch_dir() . '/table.json';

# Publishes a table with the first `count` nodes.
sub publish {
    my ($epoch, $count, %members) = @_;
    spew($table, table_json(epoch => $epoch, nodes => [@nodes[0 .. $count - 1]],
                            table => \%members, pool => { patient(table => 1) }));
    return;
}

publish(1, 2);
my $proxy = mfproxy(args => ['--table', $table]);
my $load = mfreplay($proxy->addr, '--set-every', 5);

sub items { return $_[0]->connect->stats->{curr_items} }

for my $count (3 .. 6) {
    my $joined = $nodes[$count - 1];
    is(items($joined), 0, "node $count is empty");
    publish($count - 1, $count);
    ok(wait_until(sub { items($joined) > 100 }, deadline(15), "node $count gets its keys"),
       "node $count has joined");
}

# Back to three nodes, which an operator must mean.
publish(6, 3);
$proxy->wait_log(qr/without force/);
pass('a table without half of the nodes is refused');
publish(7, 3, force => JSON::PP::true());
$proxy->wait_log(qr/event=table_in_use epoch=7 /);
my $gone = $nodes[5];
my $gets = -1;
wait_until(sub {
    my $now = $gone->connect->stats->{cmd_get};
    my $quiet = $now == $gets;
    $gets = $now;
    return $quiet;
}, deadline(15), 'nothing is asked of a node that left');
pass('with force it is taken');

$load->stop;
my %sum = replay_sum($load);
is($sum{errors}, 0, 'no request of the load had an error');
is($sum{wrong}, 0, 'and none a wrong value');
cmp_ok($sum{requests}, '>', 1000, "$sum{requests} requests");

done_testing;
