#!/usr/bin/perl
# Two mfcontrols: whoever leads, there is one truth. A killed leader is followed,
# and one that was stalled writes nothing when it wakes (I3).
use strict;
use warnings;
use Memfleet;
use Memfleet::Plane;

my $plane = Memfleet::Plane->new(pool => ['--min-nodes', 1]);
my @controls = map { $plane->control } 1 .. 2;
my $first = $plane->leader(@controls);
my ($second) = grep { $_ != $first } @controls;

# ---- both serve ------------------------------------------------------------------

my $node = $plane->node($second, 'n1', '10.0.0.1:11211');
my %proxy = map { ($_->name => $plane->proxy($_, 'proxy-' . $_->name)) } @controls;
for my $control (@controls) {
    is($proxy{ $control->name }->wait_frame('TABLE')->{epoch}, 1,
       'the table comes through ' . ($control == $first ? 'the leader' : 'the standby'));
}
my $beat = $proxy{ $second->name }->wait_frame('BEAT');
is($beat->{state}, 'live', 'a beat says that etcd is seen');
is($beat->{epoch}, 1, '... and the epoch');
is_deeply($beat->{relays}, [$first->addr], '... and where the other mfcontrol is');

# ---- SIGSTOP: the lease runs out, another publishes, the sleeper wakes -----------------

$first->signal('STOP');
wait_until(sub { $plane->metric($second, 'leader') }, deadline(20), 'the standby leads');
my $joined = $plane->node($second, 'n2', '10.0.0.2:11211');
is($proxy{ $second->name }->wait_table(sub { $_[0]{epoch} == 2 })->{by}, $second->name,
   'the new leader publishes');
# Fences by hand what the sleeper would write: it still believes to lead when it
# wakes, and its view is that of epoch 1.
$plane->put('intent/nodes/n3', '{"action":"admit","id":"n3","pool":"main","addr":"10.0.0.3:11211"}');
my $table = $proxy{ $second->name }->wait_table(sub { $_[0]{epoch} == 3 });
$first->signal('CONT');
is($proxy{ $first->name }->wait_table(sub { $_[0]{epoch} == 3 })->{by}, $second->name,
   'the one that slept serves what the other published');
wait_until(sub { !$plane->metric($first, 'leader') }, deadline(15), 'it knows that it is deposed');
is($plane->metric($second, 'leader'), 1, '... and the other leads on');
is($plane->table->{epoch}, 3, 'nothing of the sleeper is in etcd');
is($plane->metric($_, 'tables_refused_total'), 0, $_->name . ' refused no table') for @controls;

# ---- SIGKILL --------------------------------------------------------------------------

$second->kill_hard;
wait_until(sub { $plane->metric($first, 'leader') }, deadline(20), 'the survivor leads');
my $moved = $plane->node($first, 'n2', '10.0.0.22:11211');
$table = $proxy{ $first->name }->wait_table(sub { $_[0]{epoch} == 4 });
is($table->{by}, $first->name, 'after a SIGKILL of the leader the other publishes');
is_deeply([Memfleet::Plane::nodes_of($table)], [qw(n1 n2 n3)],
          '... and a node whose mfcontrol died is in the table as before');

# ---- SIGTERM ----------------------------------------------------------------------------

$second->restart;
my $standby = $plane->proxy($second, 'proxy-late');
ok($standby->wait_table(sub { $_[0]{epoch} == 4 }),
   'a restarted mfcontrol gets to the newest table, whatever its last-known-good is');
$first->stop;
wait_until(sub { $plane->metric($second, 'leader') }, deadline(3), 'who resigns is followed at once');
pass('who resigns is followed at once');

done_testing;
