#!/usr/bin/perl
# Registrations of nodes: who keeps them, and that losing one moves no key (I13).
use strict;
use warnings;
use Memfleet;
use Memfleet::Plane;

my $plane = Memfleet::Plane->new(pool => ['--min-nodes', 2]);
my @controls = map { $plane->control('--node-lease-ttl', '3s', '--follower-timeout', '20s') } 1 .. 2;
my ($here, $there) = @controls;

my $a = $plane->node($here, 'a', '10.0.0.1:11211');
my $b = $plane->node($here, 'b', '10.0.0.2:11211');
my $lease = $a->wait_frame('LEASE');
like($lease->{id}, qr/^\d+$/, 'a node is told its lease');
cmp_ok($lease->{ttl_ms}, '>=', 3000, '... and how long it lasts');
is($_->wait_frame('TABLE')->{epoch}, 1, 'the table is there') for $a, $b;
wait_until(sub { defined $plane->get('nodes/a') }, deadline(5), 'a is registered');

# ---- a lease goes with its node ------------------------------------------------------

$a->close;
$a = $plane->node($there, 'a', '10.0.0.1:11211', lease => $lease->{id});
is($a->wait_frame('LEASE')->{id}, $lease->{id}, 'another mfcontrol goes on with the lease');
for (1 .. 5) {
    $a->report;
    $a->frames_within(1);
    $b->report;
}
ok(defined $plane->get('nodes/a'), '... and keeps it alive');
is($plane->metric($there, 'node_leases_lost_total'), 0, '... without losing it');

my $twin = $plane->node($there, 'a', '10.0.0.1:11211', lease => $lease->{id});
ok($a->ends, 'an older stream of the same node is ended');
is($twin->wait_frame('LEASE')->{id}, $lease->{id}, '... and its lease taken over');
ok(defined $plane->get('nodes/a'), '... with the registration');

# ---- a node that is not well -----------------------------------------------------------

$twin->{mute} = 1;
my $gone = sub {
    $twin->report(healthy => JSON::PP::false);
    return !defined $plane->get('nodes/a');
};
wait_until($gone, deadline(20), 'hung workers cost the registration');
pass('a node whose workers hang loses its registration');
$twin->{mute} = 0;
$twin->report;
my $again = $twin->wait_frame('LEASE', deadline(20));
isnt($again->{id}, $lease->{id}, 'when they move again it gets a new lease');
wait_until(sub { defined $plane->get('nodes/a') }, deadline(5), 'a is registered again');

# ---- a lost lease changes no ring ----------------------------------------------------------

$twin->close;
$b->close;
wait_until(sub { !defined $plane->get('nodes/a') && !defined $plane->get('nodes/b') },
           deadline(20), 'the leases of killed nodes run out');
my $proxy = $plane->proxy($here, 'p');
my $table = $proxy->wait_frame('TABLE');
is($table->{epoch}, 1, 'all leases lost: no new table');
is_deeply([map { $_->{state} } @{ $table->{pools}{main}{nodes} }], [qw(active active)],
          '... and both nodes have their places');
like(($plane->ctl('nodes'))[1], qr/^main\s+a\s+\S+\s+lost/m, 'mfctl says that they are lost');

# ---- goodbye ----------------------------------------------------------------------------------

$b = $plane->node($here, 'b', '10.0.0.2:11211');
wait_until(sub { defined $plane->get('nodes/b') }, deadline(10), 'b is back');
$b->bye(0);
ok($b->ends, 'a goodbye ends the stream');
wait_until(sub { defined $plane->get('leaving/b') }, deadline(5), 'the goodbye is noted');
is($plane->get('nodes/b'), undef, '... in the same step the registration is gone');
like($plane->get('leaving/b'), qr/"for_good":false/, '... with what was meant');
$b = $plane->node($here, 'b', '10.0.0.2:11211');
wait_until(sub { defined $plane->get('nodes/b') }, deadline(10), 'b is back');
is($plane->get('leaving/b'), undef, 'who comes back is not leaving any more');

# A node that ends well and keeps its memory is back with the same boot id, perhaps before its
# goodbye is noted; that must not be taken for the new one's.
my $log_has = sub {
    my ($control, $event, $times) = @_;
    return (() = $control->log_text =~ /event=$event id="?b\b/g) == $times;
};
my $left = () = $here->log_text =~ /event=node_left id="?b\b/g;
my $missing = 0;
for my $n (1 .. 20) {
    $b->bye(0);
    my $next = $plane->node($there, 'b', '10.0.0.2:11211');
    wait_until(sub { $log_has->($here, 'node_left', $left + $n) }, deadline(10), 'a goodbye is dealt with');
    wait_until(sub { $log_has->($there, 'node_registered', $n) }, deadline(10), 'b is back');
    $missing++ if !defined $plane->get('nodes/b');
    $b->close;
    $next->close;
    $b = $plane->node($here, 'b', '10.0.0.2:11211');
    $b->wait_frame('LEASE');
}
is($missing, 0, 'a late goodbye does not remove who is back');
is($plane->table->{epoch}, 1, 'none of it was worth a table');

done_testing;
