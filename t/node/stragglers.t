# Proxies say by which routing table they go; who is too far behind is refused, and
# nobody else.
use strict;
use warnings;
use IO::Socket::INET;
use Memfleet;
use Memfleet::Follower;

# The ids of cluster "" and "shop", and of incarnation "" and "two".
my ($none, $shop, $two) = qw(e3b0c44298fc1c14 8d9001d32c6a703d 3fc4ccfe745870e2);
sub says {
    my ($c, $epoch, $min, $cluster, $incarnation) = @_;
    return $c->ask(join(' ', 'epoch', $epoch, $min // 0, $cluster // $none, $incarnation // $none) . "\r\n");
}
sub counts { my ($c) = @_; my $s = $c->stats; return join(' ', map { $s->{$_} } qw(min_epoch fenced_connections stale_refused)) }

my $node = mfcached(args => [qw(-t 2 --metrics 127.0.0.1:0)]);
my ($old, $new, $plain, $admin) = map { $node->connect } 1 .. 4;
is(says($old, 41), "OK\r\n", 'a proxy announces its epoch');
$old->set('k', 'v');
is(counts($admin), '0 0 0', 'nobody is refused');

# ---- fenced ----------------------------------------------------------------------------
is(says($new, 43, 42), "OK\r\n", 'another is ahead, and has a minimum');
wait_until(sub { counts($admin) eq '42 1 0' }, deadline(10), 'it holds: ' . counts($admin));
my $refusal = "SERVER_ERROR stale epoch 41\r\n";
my @requests = (
    "get k\r\n", "gets k\r\n", "get k a b\r\n", "gat 100 k\r\n", "gats 100 k\r\n",
    (map { "$_ k 0 0 1\r\nx\r\n" } qw(set add replace append prepend)), "cas k 0 0 1 1\r\nx\r\n",
    "set k 0 0 100000\r\n" . 'x' x 100_000 . "\r\n",
    "incr k 1\r\n", "decr k 1\r\n", "touch k 100\r\n", "delete k\r\n",
    "mg k v\r\n", "mg k v N30\r\n", "mg k v q\r\n", "ms k 1\r\nx\r\n", "ms k 1 q\r\nx\r\n", "md k\r\n", "md k q\r\n",
    "ma k\r\n", "me k\r\n", "flush_all\r\n",
);
for my $request (@requests) {
    is($old->ask($request), $refusal, 'refused: ' . $request =~ s/\r\n.*//sr);
}
is($old->ask("set k 0 0 1 noreply\r\nx\r\ndelete k noreply\r\nflush_all noreply\r\nmn\r\n"), "MN\r\n", 'without a word where none is wanted');
is($old->ask("set k 0 0 x\r\n"), "CLIENT_ERROR bad command line format\r\n", 'what is malformed is told so');
$old = $node->connect; # that has closed it
is(says($old, 41), $refusal, 'it is told when it announces that');
is($old->ask("get k\r\nset k 0 0 1\r\nx\r\nget k\r\n"), $refusal x 3, 'all of a pipeline');
$old->send("set k 0 0 4\r\nab");
$old->send("cd\r\nmn\r\n");
is($old->read_line . $old->read_line, "${refusal}MN\r\n", 'a value in pieces');
like($old->ask("version\r\n"), qr/^VERSION /, 'it may ask for the version');
is($old->stats->{min_epoch}, 42, 'and for statistics');
is($plain->get('k'), 'v', 'who announces nothing is served, and nothing has changed');
is($plain->ask("set p 0 0 1\r\nx\r\n"), "STORED\r\n", 'with writes, too');
is($new->get('k'), 'v', 'so is who is ahead');
is($new->ask("set n 0 0 1\r\nx\r\n"), "STORED\r\n", 'with writes');
is($admin->stats->{stale_refused}, @requests + 3 + 3 + 1, 'refusals are counted');
my ($http) = $node->log_text =~ /event=listening_http addr=(\S+)/;
my (undef, $page) = http_get($http, '/metrics');
like($page, qr/^memfleet_node_min_epoch 42$/m, 'Prometheus is told the minimum');
like($page, qr/^memfleet_node_connections_fenced 1$/m, 'and who is fenced');
like($page, qr/^memfleet_node_stale_refused_total [1-9]/m, 'and how much it was');
ok($node->wait_log(qr/event=proxy_fenced epoch=41 min_epoch=42/), 'the log says it');

# ---- and again not -----------------------------------------------------------------------
is(says($old, 42), "OK\r\n", 'it has got a newer table');
is($old->get('k'), 'v', 'and is served');
is($old->ask("set k 0 0 1\r\nw\r\nget k\r\n"), "STORED\r\nVALUE k 0 1\r\nw\r\nEND\r\n", 'with writes');
is(counts($admin) =~ s/ \d+$//r, '42 0', 'nobody is fenced any more');

# ---- what was under way ------------------------------------------------------------------
my $half = $node->connect;
my $held = $node->connect;
says($_, 42) for $half, $held;
$half->send("set half 0 0 10\r\nabc");
$held->send("get k");
wait_until(sub { (grep { /conn_nread/ } values %{ $admin->stats('conns') }) == 1 }, deadline(10), 'the value is arriving');
is(says($new, 50, 50), "OK\r\n", 'the minimum rises');
wait_until(sub { $admin->stats->{min_epoch} == 50 }, deadline(10), 'at all workers');
$half->send("defghij\r\n");
is($half->read_to_close, '', 'half a value is not stored behind the fence');
$held->send("\r\n");
is($held->read_line, "SERVER_ERROR stale epoch 42\r\n", 'half a line is refused when it is whole');
is($plain->get('half'), undef, 'nothing is there');

# ---- whose epochs they are -----------------------------------------------------------------
is(says($old, 60, 49), "OK\r\n", 'a lower minimum');
is($admin->stats->{min_epoch}, 50, 'changes nothing');
is(says($old, 3, 0, $shop), "OK\r\n", 'epochs of another cluster are no less');
is(says($old, 99, 99, $shop), "OK\r\n", 'its minimum');
is($admin->stats->{min_epoch}, 50, 'is not ours');
is(says($old, 1050, 0, $none, $two), "OK\r\n", 'an incarnation that was recovered goes on with higher ones');
for my $bad ('epoch', 'epoch 1', "epoch 0 0 $none $none", "epoch 4 5 $none $none", "epoch 4 0 x $none",
             "epoch 4 0 $none $none 1", 'epoch' . ' 1' x 20) {
    is($plain->ask("$bad\r\n"), "CLIENT_ERROR bad command line format\r\n", "malformed: $bad");
}
is($plain->get('k'), 'w', 'and means nothing');

# ---- the node's own table --------------------------------------------------------------------
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "cannot listen: $!";
my $own = mfcached(args => ['-t', 3, '--control', '127.0.0.1:' . $listener->sockport, '--node-name', 'n', '--pool', 'main']);
my $control = bless { socket => scalar $listener->accept, in => '', mute => 1 }, 'Memfleet::Follower';
$control->wait_frame('HELLO');
my @proxies = map { $own->connect } 1 .. 6; # of all workers
says($_, 41, 0, $none, $two) for @proxies;
my $table = sub {
    my ($epoch, $min, $incarnation) = @_;
    $control->send_frame('TABLE', { memfleet_table => 1, epoch => $epoch, min_epoch => $min, incarnation => $incarnation,
                                    pools => { main => { nodes => [{ id => 'n', addr => $own->addr }] } } });
    return $control->wait_frame('ACK')->{epoch};
};
is($table->(42, 0, 'two'), 42, 'a table is acknowledged');
is($_->ask("set k 0 0 1\r\nx\r\n"), "STORED\r\n", 'nobody is refused by it') for $proxies[0];
is($table->(43, 42, 'two'), 43, 'one with a minimum, too');
is(join('', map { $_->ask("get k\r\n") } @proxies), $refusal x 6, 'and from then on no worker serves who is behind');
is(says($proxies[0], 43, 42, $none, $two), "OK\r\n", 'who is not is served');
is(says($proxies[1], 45, 44, $none, $two), "OK\r\n", 'a proxy is ahead of the node');
is(says($proxies[0], 43, 42, $none, $two), "SERVER_ERROR stale epoch 43\r\n", 'which believes it');
is(says($proxies[1], 99, 99, $none, $none), "OK\r\n", 'one of another incarnation');
is($own->connect->stats->{min_epoch}, 44, 'is not believed');
is($table->(2, 0, ''), 2, 'the cluster is set up anew');
is(says($proxies[0], 1, 0, $none, $none), "OK\r\n", 'and its epochs count anew');
is($own->connect->stats->{min_epoch}, 0, 'nobody is refused');

done_testing;
