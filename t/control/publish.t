#!/usr/bin/perl
# From an empty etcd to a table that followers use, and how it changes.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use JSON::PP qw(decode_json);
use Memfleet;
use Memfleet::Plane;

my $plane = Memfleet::Plane->new;

# ---- a cluster and a pool ----------------------------------------------------------

my ($status, $text) = $plane->ctl('init');
is($status, 1, 'init is refused where a cluster of that name exists');
like($text, qr/exists already/, '... and says so');
($status, $text) = $plane->ctl('pool', 'create', 'main', '--ring', 'no-such-ring');
is($status, 64, 'a pool with an unknown ring is refused');
like($text, qr/ring: expected one of libmemcached/, '... and names what was expected');
($status, $text) = $plane->ctl('pool', 'create', 'main', '--hash-strip-prefix', "\xff");
is($status, 64, 'what is not UTF-8 is not dropped in silence');
$plane->ctl_ok('pool', 'create', 'main', '--min-nodes', 3, '--reason', 'a test');
($status, $text) = $plane->ctl('pool', 'create', 'main');
is($status, 1, 'a pool is created once');

my $state   = scratch_dir();
my $control = $plane->control('--state-dir', $state);
my $proxy   = $plane->proxy($control, 'proxy-1');

# ---- the first table -----------------------------------------------------------------

my @nodes = map { $plane->node($control, "n$_", "10.0.0.$_:11211") } 1 .. 2;
ok(defined $_->wait_frame('LEASE'), 'a node gets its lease') for @nodes;
is($plane->table, undef, 'no table below min-nodes');
like(($plane->ctl('status'))[1], qr/^pool +main: not served yet, from 3 nodes on$/m, '... as mfctl status says');
push @nodes, $plane->node($control, 'n3', '10.0.0.3:7000', weight => 2, zone => 'b');
my $table = $proxy->wait_frame('TABLE');
is($table->{epoch}, 1, 'the first table has epoch 1');
is_deeply([Memfleet::Plane::nodes_of($table)], [qw(n1 n2 n3)], '... and all three nodes, in one step');
like(($plane->ctl('status'))[1], qr/^pool +main: 3 nodes$/m, '... and mfctl status counts them');
is_deeply([map { $_->{ring_name} } @{ $table->{pools}{main}{nodes} }],
          ['10.0.0.1', '10.0.0.2', '10.0.0.3:7000'],
          '... under the labels that legacy clients give those addresses');
is($table->{by}, 'control1', '... says who wrote it');
like($table->{reason}, qr/new pool main: 3 joined: n1 n2 n3/, '... and why');
is($_->wait_frame('TABLE')->{epoch}, 1, 'nodes get it too') for @nodes;

my $late = $plane->proxy($control, 'proxy-2');
is($late->wait_frame('TABLE')->{epoch}, 1, 'who comes later gets it at once');
my $again = $plane->proxy($control, 'proxy-3', incarnation => $table->{incarnation}, epoch => 1,
                          sha => sha256_hex($late->{last_body}));
is_deeply([grep { $_ eq 'TABLE' } $again->frames_within(1)], [], 'who has it is not sent it');

# ---- what followers answer -----------------------------------------------------------

$proxy->ack($table);
$late->nack($table, 'adopt', "a name \"x\" does not resolve\n");
$control->wait_log(qr/event=table_nacked role=proxy id="proxy-2" epoch=1 code="adopt"/);
wait_until(sub { $plane->metric($control, 'nacks_total') == 1 }, deadline(5), 'the NACK is counted');
is($plane->metric($control, 'acks_total'), 1, 'the ACK is counted, and the NACK is not one');
like($plane->page($control, '/'), qr/a name &quot;x&quot; does not resolve/, 'the status page shows the refusal, escaped');

# ---- changes ---------------------------------------------------------------------------

$nodes[0]->close;
$nodes[0] = $plane->node($control, 'n1', '10.0.9.9:11211', generation => 4);
$table = $proxy->wait_table(sub { $_[0]{epoch} == 2 });
my ($n1) = grep { $_->{id} eq 'n1' } @{ $table->{pools}{main}{nodes} };
is($n1->{addr}, '10.0.9.9:11211', 'a node that comes back elsewhere is found there');
is($n1->{ring_name}, '10.0.0.1', '... and keeps its keys');
is($n1->{generation}, 4, '... and the generation of its data is known');

push @nodes, $plane->node($control, 'n4', '10.0.0.1:11211');
$table = $proxy->wait_table(sub { $_[0]{epoch} == 3 });
is($table->{pools}{main}{nodes}[3]{ring_name}, 'n4',
   'a newcomer at an address whose label is taken goes by its id');

my $thief = $plane->node($control, 'thief', '10.0.0.2:11211');
$control->wait_log(qr/event=plan_refused reason="thief offers address 10.0.0.2:11211, which is that of n2"/);
like(($plane->ctl('nodes'))[1], qr/^main\s+thief\s+\S+\s+waiting/m,
     'a node with another\'s address waits, and mfctl shows it');
$thief->bye(1);

$plane->ctl_ok('pool', 'set', 'main', '--request-timeout', '300ms', '--by', 'me');
$table = $proxy->wait_table(sub { $_[0]{epoch} == 4 });
is($table->{pools}{main}{request_timeout_ms}, 300, 'settings reach the table');
my $before_force = scratch_dir();
wait_until(sub { slurp("$state/table") =~ /"epoch":\s*4\b/ }, deadline(5), 'epoch 4 is on disk');
spew("$before_force/table", slurp("$state/table"));
like($plane->ctl_ok('pool', 'set', 'main', '--ring', 'twemproxy'),
     qr/^not followed pool main: another ring or key hash needs force$/m, 'who orders what is not followed hears it');
$control->wait_log(qr/event=plan_refused reason="pool main: another ring or key hash needs force"/);
$plane->ctl_ok('pool', 'set', 'main', '--ring', 'twemproxy', '--force');
$table = $proxy->wait_table(sub { $_[0]{epoch} == 5 });
ok($table->{force} && $table->{pools}{main}{ring} eq 'twemproxy', 'with force the ring changes');

($status, $text) = $plane->ctl('node', 'remove', 'n4');
is($status, 1, 'removing a quarter of a pool needs force');
$plane->ctl_ok('node', 'remove', 'n4', '--force');
$table = $proxy->wait_table(sub { $_[0]{epoch} == 6 });
is_deeply([Memfleet::Plane::nodes_of($table)], [qw(n1 n2 n3)], 'a node is removed by order');
$plane->ctl_ok('node', 'admit', 'legacy', '--pool', 'main', '--addr', '10.1.0.1:11211');
$table = $proxy->wait_table(sub { $_[0]{epoch} == 7 });
is($table->{pools}{main}{nodes}[3]{kind}, 'memcached', 'a plain memcached is admitted by order');
($status, $text) = $plane->ctl('node', 'admit', 'legacy');
is($status, 1, 'an admission is not taken back by one that says nothing');
like(($plane->ctl('nodes'))[1], qr/^main\s+legacy\s+\S+\s+admitted/m, '... and stands');
($status, $text) = $plane->ctl('node', 'remove', 'lagecy');
is($status, 1, 'a node of which nobody has heard is not removed');
$plane->ctl_ok('node', 'remove', 'n5', '--force');
like($plane->ctl_ok('node', 'admit', 'n5'), qr/^the order that node n5 leaves is taken back$/m, '... unless it is meant');
is(decode_json($plane->ctl_ok('freeze', '--json'))->{frozen}, JSON::PP::true(), 'orders are answered in JSON, too');
is(decode_json($plane->ctl_ok('thaw', '--json'))->{frozen}, JSON::PP::false(), '... all of them');

($status, $text) = $plane->ctl('route', 'set', 's:', 'sess');
is($status, 1, 'a route to a pool that was never ordered is refused');
($status, $text) = $plane->ctl('route', 'set', 'a b', 'main');
is($status, 64, '... and one of a prefix that no key has');
$plane->ctl_ok('pool', 'create', 'sess');
$plane->ctl_ok('route', 'set', 's:', 'sess', '--reason', 'sessions of their own');
$control->wait_log(qr/event=plan_refused reason="the route of s: waits for its pool sess"/);
my $session_node = $plane->node($control, 's1', '10.0.1.1:11211', pool => 'sess');
$table = $proxy->wait_table(sub { $_[0]{routes} });
is_deeply($table->{routes}, { 's:' => 'sess' }, 'a route is published with its pool');
like($plane->ctl_ok('route', 'list'), qr/^s:\s+sess$/m, 'mfctl route list');
like($plane->ctl_ok('ring', 'explain', 's:1'), qr/^node\s+s1\b/m, 'mfctl ring explain follows it');
($status, $text) = $plane->ctl('route', 'remove', 'x:');
is($status, 1, 'a route that is not there is not removed');
$plane->ctl_ok('route', 'set', 's:', 'sess', '--strip-prefix');
$table = $proxy->wait_table(sub { ref $_[0]{routes}{'s:'} });
is_deeply($table->{routes}, { 's:' => { pool => 'sess', strip_prefix => JSON::PP::true() } }, 'one may take its prefix off');
like($plane->ctl_ok('route', 'list'), qr/^s:\s+sess, without the prefix$/m, 'as mfctl route list says');
$plane->ctl_ok('pool', 'set', 'main', '--config-cluster', 'proxy.example.com:11211');
$table = $proxy->wait_table(sub { $_[0]{pools}{main}{config_cluster} });
is($table->{pools}{main}{config_cluster}, 'proxy.example.com:11211', 'a pool may list its proxies');
for my $bad (['sess', qr/shadow: expected an object/], ['sess:', qr/shadow: expected an object/],
             ['sess:101', qr/shadow\.percent: expected a whole number from 0 to 100/],
             ['sess:1:some', qr/shadow\.requests: expected one of all, reads, writes/],
             ['main:1', qr/shadow\.pool: is the pool itself/]) {
    ($status, $text) = $plane->ctl('pool', 'set', 'main', '--shadow', $bad->[0]);
    is($status, 64, "a shadow of $bad->[0] is refused");
    like($text, $bad->[1], '... and said why');
}
$plane->ctl_ok('pool', 'set', 'main', '--shadow', 'sess:10');
$table = $proxy->wait_table(sub { $_[0]{pools}{main}{shadow} });
is_deeply($table->{pools}{main}{shadow}, { pool => 'sess', percent => 10, requests => 'all' }, 'a pool may have a shadow');
($status, $text) = $plane->ctl('pool', 'set', 'sess', '--shadow', 'other:1');
like($text, qr/shadow: pool 'sess' is the shadow of 'main'/, 'but that has none');
($status, $text) = $plane->ctl('pool', 'create', 'other', '--shadow', 'main:1');
like($text, qr/shadow: pool 'main' has a shadow of its own/, 'nor is anybody a second one');
$plane->ctl_ok('pool', 'set', 'main', '--shadow', 'sess:20:writes');
$table = $proxy->wait_table(sub { $_[0]{pools}{main}{shadow}{percent} == 20 });
is($table->{pools}{main}{shadow}{requests}, 'writes', 'it may be changed');
$plane->ctl_ok('pool', 'set', 'main', '--shadow', '');
$table = $proxy->wait_table(sub { !$_[0]{pools}{main}{shadow} });
ok(!$table->{pools}{main}{shadow}, 'and taken away');
# 0 is an order like any other, and what is not given stays.
$plane->ctl_ok('pool', 'set', 'main', '--near-cache', '16m', '--miss-lease', '50ms');
$table = $proxy->wait_table(sub { $_[0]{pools}{main}{near_cache_bytes} });
is($table->{pools}{main}{near_cache_bytes}, 16 << 20, 'a near cache');
$plane->ctl_ok('pool', 'set', 'main', '--near-cache', 0);
$table = $proxy->wait_table(sub { !$_[0]{pools}{main}{near_cache_bytes} });
is($table->{pools}{main}{miss_lease_ms}, 50, '... is turned off, and the rest stays');
($status, $text) = $plane->ctl('pool', 'set', 'main', '--replicas', 0);
is($status, 64, 'no replicas at all are refused');
($status, $text) = $plane->ctl('pool', 'set', 'main', '--coalesce', 'maybe');
is("$status $text", "64 mfctl pool set: option --coalesce: expected on or off\n", 'a switch says what it takes');
$plane->ctl_ok('route', 'remove', 's:');
$table = $proxy->wait_table(sub { !$_[0]{routes} });
my $epoch = $table->{epoch};

# Another mfcontrol was away for what was forced, and all that came since.
my $behind = $plane->control('--state-dir', $before_force);
like($behind->log_text, qr/event=state_table_loaded epoch=4 /, 'an mfcontrol starts from an old table');
wait_until(sub { $plane->metric($behind, 'table_epoch') == $epoch }, deadline(10), 'it catches up');
$behind->stop;
pass('... and catches up over forced steps that it missed');

# ---- the stop button -----------------------------------------------------------------------

$plane->ctl_ok('freeze', '--by', 'me', '--reason', 'a storm');
$control->wait_log(qr/event=plan_refused reason="frozen by me: a storm"/);
my $frozen = $plane->node($control, 'n9', '10.0.0.99:11211');
wait_until(sub { defined $plane->get('nodes/n9') }, deadline(5), 'n9 is registered');
like($plane->ctl_ok('status'), qr/^not followed frozen by me: a storm$/m, 'mfctl status says that it is frozen');
is($plane->metric($control, 'table_epoch'), $epoch, '... and nothing changes');
$plane->ctl_ok('thaw');
ok($proxy->wait_table(sub { $_[0]{epoch} == $epoch + 1 }), 'what came meanwhile follows when it thaws');

# ---- the fence ----------------------------------------------------------------------------

$epoch++;
my ($code, $said) = $plane->ctl('fence', '--min-epoch', $epoch + 1);
is($code, 1, 'an epoch that is none yet is refused');
like($said, qr/at most $epoch, the table's epoch/, '... and why');
like($plane->ctl_ok('fence', '--by', 'me', '--reason', 'one is silent'), qr/is ordered to be $epoch$/, 'mfctl fence');
$table = $proxy->wait_table(sub { $_[0]{min_epoch} });
is("$table->{min_epoch} $table->{epoch}", $epoch . ' ' . ($epoch + 1), 'the next table says so');
is($table->{reason}, "min_epoch $epoch by me: one is silent", '... and why');
like($plane->ctl_ok('status'), qr/^min_epoch\s+$epoch$/m, '... and so does mfctl status');
like($plane->ctl_ok('fence', '--min-epoch', $epoch), qr/is already $epoch$/, 'once more changes nothing');
($code, $said) = $plane->ctl('fence', '--min-epoch', $epoch - 1);
is("$code $said", "1 mfctl fence: min_epoch is $epoch and cannot go back to @{[$epoch - 1]}: nodes go on refusing who goes by less\n", 'it never falls');

# ---- what mfctl says ---------------------------------------------------------------------

$text = $plane->ctl_ok('status');
like($text, qr/^leader\s+control1 at \S+/m, 'mfctl status names the leader');
like($text, qr/^table\s+epoch @{[$epoch + 1]}\b/m, '... and the epoch');
is($plane->table->{epoch}, $epoch + 1, 'mfctl table show');
$text = $plane->ctl_ok('ring', 'explain', 'user:1');
like($text, qr/^hashed\s+user:1\nhash\s+[0-9a-f]+\npoint\s.*\nnode\s+\S+/m, 'mfctl ring explain');
is(scalar(grep { /^event=table_refused/ } split(/\n/, $control->log_text)), 0,
   'nothing that was published was refused');

done_testing;
