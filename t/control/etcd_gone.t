#!/usr/bin/perl
# etcd away, compacted, restarted, restored: what is served goes on, and never
# goes back.
use strict;
use warnings;
use Memfleet;
use Memfleet::Plane;

my $plane = Memfleet::Plane->new(pool => ['--min-nodes', 1]);
my $control = $plane->control;
my $n1 = $plane->node($control, 'n1', '10.0.0.1:11211');
my $proxy = $plane->proxy($control, 'p');
is($proxy->wait_frame('TABLE')->{epoch}, 1, 'epoch 1');
my $snapshot = scratch_dir() . '/snapshot';
$plane->etcd->snapshot($snapshot);
my $n2 = $plane->node($control, 'n2', '10.0.0.2:11211');
my $table = $proxy->wait_table(sub { $_[0]{epoch} == 2 });

# ---- compaction and a restart -----------------------------------------------------------

my $revision = $plane->put('config/cluster', '{}')->{header}{revision};
$plane->etcd->call('/v3/kv/compaction', { revision => $revision, physical => JSON::PP::true });
$plane->etcd->kill(0);
$control->wait_log(qr/event=etcd_stale serving=2/);
is($plane->proxy($control, 'while-away')->wait_frame('TABLE')->{epoch}, 2,
   'with etcd gone the table is served');
my $beat; # one from before may still wait to be read
do { $beat = $proxy->wait_frame('BEAT') } while (defined $beat && $beat->{state} ne 'stale');
is($beat->{state}, 'stale', '... and beats say that the view is stale');
my ($status, $text) = $plane->ctl('status');
is($status, 69, 'mfctl says that etcd does not answer');

# ---- a restart of mfcontrol without etcd -----------------------------------------------------

$control->restart;
is($plane->proxy($control, 'p2')->wait_frame('TABLE')->{epoch}, 2,
   'a restarted mfcontrol serves its last-known-good without etcd');
like($plane->page($control, '/readyz'), qr/^ready/, '... and is ready');

$plane->etcd->revive(0);
$proxy = $plane->proxy($control, 'p3');
$plane->leader($control);
my $n3 = $plane->node($control, 'n3', '10.0.0.3:11211');
$table = $proxy->wait_table(sub { $_[0]{epoch} == 3 });
is_deeply([Memfleet::Plane::nodes_of($table)], [qw(n1 n2 n3)],
          'after compaction and restart the epoch goes on, with every node');

# ---- etcd restored from a backup of epoch 1 --------------------------------------------------

$plane->etcd->restore($snapshot);
wait_until(sub { $plane->metric($control, 'store_regressed') }, deadline(40),
           'a restored etcd is noticed');
pass('a restored etcd raises the alarm');
is($plane->proxy($control, 'p4')->wait_frame('TABLE')->{epoch}, 3, '... what is served stays');
my $n4 = $plane->node($control, 'n4', '10.0.0.4:11211');
$n4->frames_within(3);
is($plane->metric($control, 'table_epoch'), 3, '... nothing is published on the old store');
is($plane->table->{epoch}, 1, '... neither by this leader');

my $fresh = $plane->control;
my $witness = $plane->proxy($fresh, 'witness', incarnation => $table->{incarnation}, epoch => 3,
                            sha => 'f' x 64);
wait_until(sub { $plane->metric($fresh, 'store_regressed') }, deadline(20),
           'a follower tells a new mfcontrol');
pass('an mfcontrol without a memory learns it from its followers');
$control->stop;
$plane->leader($fresh);
my $n5 = $plane->node($fresh, 'n5', '10.0.0.5:11211');
$fresh->wait_log(qr/event=plan_refused reason="etcd is behind a table that is in use/);
is($plane->table->{epoch}, 1, '... and does not use an epoch twice');

# ---- an operator recovers the cluster --------------------------------------------------------

my ($state) = grep { -e } map { "$_/table" } $control->args_after('--state-dir');
my $faithful = $plane->proxy($fresh, 'faithful', incarnation => $table->{incarnation}, epoch => 3,
                             sha => 'f' x 64);
$text = $plane->ctl_ok('recover', '--table', $state, '--reason', 'restored a backup');
like($text, qr/epoch 1003$/, 'mfctl recover takes the newest table that is left');
my $after = $faithful->wait_table(sub { $_[0]{epoch} == 1003 });
isnt($after->{incarnation}, $table->{incarnation}, '... under a new incarnation');
is_deeply([Memfleet::Plane::nodes_of($after)], [qw(n1 n2 n3)], '... with the nodes of then');
$after = $faithful->wait_table(sub { $_[0]{epoch} == 1004 });
is(scalar(grep { $_ eq 'n5' } Memfleet::Plane::nodes_of($after)), 1,
   '... and who could not join meanwhile joins now');
is($plane->metric($fresh, 'store_regressed'), 0, 'the alarm is over');

# ---- a new etcd in the place of one that is lost for good --------------------------------------

my $new = Memfleet::Plane->new(pool => ['--min-nodes', 1]);
($state) = map { "$_/table" } $fresh->args_after('--state-dir');
$fresh->stop;
my $foreign = scratch_dir() . '/table';
spew($foreign, slurp($state) =~ s/\Amemfleet-state[^\n]*\n//r =~ s/("cluster":\s*)"[^"]*"/$1"another"/r);
($status, my $refused) = $new->ctl('recover', '--table', $foreign);
is($status, 1, 'a table of another cluster is not recovered');
like($refused, qr/a table of cluster 'another': say --force/, '... unless that is meant');
$new->ctl_ok('recover', '--table', $state, '--reason', 'a new etcd');
my $phoenix = $new->control('--state-dir', $state =~ s{/table$}{}r);
my $follower = $new->proxy($phoenix, 'p9', incarnation => $after->{incarnation}, epoch => 1004,
                           sha => 'f' x 64);
$after = $follower->wait_table(sub { $_[0]{epoch} == 2004 });
is_deeply([sort(Memfleet::Plane::nodes_of($after))], [sort(Memfleet::Plane::nodes_of($new->table))],
          'a cluster goes on with a new etcd from a last-known-good');

done_testing;
