# Nodes of a whole fleet are killed and stopped under load, and come back: no
# reply ever belongs to another request, and no table changes on that account.
use strict;
use warnings;
use Memfleet;
use Memfleet::Fleet;

my $fleet = Memfleet::Fleet->new(nodes => 3, pool => ['--request-timeout', '1s']);
my @nodes = $fleet->nodes;
my $epoch = $fleet->epoch;
my $load = mfreplay($fleet->proxy->addr, '--set-every', 5, '-c', 4);

sub backend_event {
    my ($event, $node) = @_;
    my $name = $node->name;
    return qr/event=$event node="$name"/;
}

# The load goes on while the node is away, and finds it when it is back.
sub answered_by { return $_[0]->connect->stats->{cmd_get} }

sub wait_answers {
    my ($node, $count) = @_;
    my $before = answered_by($node);
    return wait_until(sub { answered_by($node) >= $before + $count }, deadline(20),
                      $node->name . " answers $count gets more");
}

ok(wait_answers($_, 500), $_->name . ' has its share') for @nodes;

# Killed: empty when it comes back, with the same name at the same address.
$nodes[1]->kill_hard;
$fleet->proxy->wait_log(backend_event('backend_down', $nodes[1]));
ok(wait_answers($_, 500), 'node2 is dead, ' . $_->name . ' goes on') for @nodes[0, 2];
$nodes[1]->restart;
ok($fleet->wait_serving($nodes[1]), 'node2 is back and is filled');

# Stopped: it holds its connections and answers late, all at once.
$nodes[2]->signal('STOP');
$fleet->proxy->wait_log(backend_event('backend_down', $nodes[2]));
ok(wait_answers($_, 500), 'node3 hangs, ' . $_->name . ' goes on') for @nodes[0, 1];
$nodes[2]->signal('CONT');
ok(wait_answers($nodes[2], 500), 'node3 runs again and is asked again');

is($fleet->epoch, $epoch, 'the table is the one of the beginning');

$load->stop(allow => qr/exit status 1/);
my %sum = replay_sum($load);
is($sum{wrong}, 0, 'no reply was the one to another request');
cmp_ok($sum{errors}, '>', 0, "writes to the nodes that were away failed: $sum{errors}");
unlike($load->log_text, qr/connection_lost|broken_reply/, 'and no connection of a client was lost');
my @errors = $load->log_text =~ /event=error_reply .*? reply="([^"\\]*)/g;
is(join(', ', grep { !/^SERVER_ERROR backend (?:down|timeout)$/ } @errors), '',
   'with the two errors that say so');

done_testing;
