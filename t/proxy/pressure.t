# Everything is bounded: requests on their way, replies that nobody takes, half
# commands, connections. Over a bound there is a clear answer and a number.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $mock = MockBackend->start(name => 'a');
my @quiet = map { MockBackend->start(name => $_) } qw(b c);
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } $mock, @quiet), '--threads', 1,
                             '--max-inflight', 20, '--max-connections', 60, '-m', '4m',
                             '--request-timeout', '20s', '--half-command-timeout', '300ms',
                             '-I', '64k']);
my $c = $proxy->connect;
my @keys = grep { $c->get($_) =~ /^a:/ } map { "k$_" } 1 .. 180;
my $key = $keys[0];

# ---- requests on their way ---------------------------------------------------------
$mock->mode('hang');
my @waiting = map { $proxy->connect } 1 .. 20;
$waiting[$_]->send("get $keys[$_]\r\n") for 0 .. 19;
wait_until(sub { $c->stats->{backend_requests_total} >= 20 + 180 }, deadline(10), 'twenty wait');
is($c->ask("get $keys[20]\r\n"), "END\r\n", 'over the limit a read is a miss');
is($c->ask("set $key 0 0 1\r\nx\r\n"), "SERVER_ERROR overloaded\r\n", 'a write is refused');
is($c->ask("set $key 0 0 1 noreply\r\nx\r\n"), '', 'silently if it asked for that');
cmp_ok($c->stats->{failed_overloaded_total}, '>=', 3, 'and counted');

# A single client with a deep pipeline is slowed down, not refused.
$mock->mode('answer');
is_deeply($waiting[$_]->read_values, { $keys[$_] => "a:$keys[$_]" }, 'the waiting are served') for 0 .. 19;
my $deep = $proxy->connect;
my $reply = $deep->ask("get $key\r\n" x 2000);
is(scalar(() = $reply =~ /a:$key\r\n/g), 2000, 'two thousand pipelined gets are all hits');
$_->close for @waiting;

# ---- replies that nobody takes --------------------------------------------------------
my $value = 'v' x 60_000;
$mock->mode("bytes VALUE $key 0 60000\\r\\n$value\\r\\nEND\\r\\n");
my @lazy = map { $proxy->connect } 1 .. 10;
$_->send("get $key\r\n" x 200) for @lazy; # 120 MB if nothing stopped it
my $most = 0;
for (1 .. 50) {
    my $held = $c->stats->{client_held_bytes};
    $most = $held if $held > $most;
    is($c->get('k0'), $c->get('k0'), 'others are served') if $_ % 25 == 0;
}
cmp_ok($most, '<', 24 << 20, "at most $most bytes were held");
my $sanitizer = sanitized(); # has its own allocator
sub rss_kb { return slurp("/proc/@{[ $proxy->pid ]}/status") =~ /VmRSS:\s+(\d+)/ ? $1 : 0 }
my $rss = rss_kb();
cmp_ok($rss, '<', ($sanitizer ? 600 : 60) << 10, "RSS is $rss KB");
$_->close for @lazy;
$mock->mode('answer');
wait_until(sub { ($c->get($key) // '') eq "a:$key" }, deadline(20), 'the node answers its queue');

  SKIP: {
    skip('a sanitizer keeps freed memory', 1) if $sanitizer;
    wait_until(sub { rss_kb() < 20 << 10 }, deadline(15), 'the memory goes back to the system');
    pass('the memory of a burst goes back to the system');
}

# ---- values, half commands, connections -----------------------------------------------
my $huge = 'h' x 70_000;
is($c->ask("set $key 0 0 70000\r\n$huge\r\nversion_\r\n"),
   "SERVER_ERROR object too large for cache\r\nERROR\r\n", 'a value over the limit is swallowed');
is($c->ask("set $key 0 0 70000 noreply\r\n$huge\r\n"), '', 'silently if it asked for that');

my $half = $proxy->connect;
$half->send("set $key 0 0 10\r\nabc");
is($half->read_to_close, '', 'half a command is cut after a while');
my $idle = $proxy->connect;
$idle->ask('');
cmp_ok($c->stats->{client_half_commands_total}, '>=', 1, 'and counted');

my @many = map { $proxy->connect } 1 .. 70;
my @refused = grep { !eval { $_->ask(''); !$_->closed } } @many;
cmp_ok(scalar @refused, '>=', 10, 'connections over the limit are refused');
cmp_ok($c->stats->{rejected_connections}, '>=', 10, 'and counted');
$_->close for @many;
wait_until(sub { $c->stats->{curr_connections} < 10 }, deadline(10), 'they are gone');
is($proxy->connect->get($key), "a:$key", 'and there is room again');
ok($idle->ask("get $key\r\n"), 'an idle client was left alone');

# ---- large values on their way in --------------------------------------------------------
my $small = mfproxy(args => ['--servers', $mock->addr, '--threads', 1, '-m', '1m', '-I', '900k', patient()]);
my $value_bytes = 700_000;
my $filler = 'f' x $value_bytes;
my ($one, $two) = ($small->connect, $small->connect);
$one->send("set one 0 0 $value_bytes\r\n" . substr($filler, 0, 500_000));
$two->ask('') for 1 .. 2; # the worker has seen the beginning of the first
is($two->ask("set two 0 0 $value_bytes\r\n$filler\r\nget two\r\n"),
   "SERVER_ERROR out of memory storing object\r\nVALUE two 0 5\r\na:two\r\nEND\r\n",
   'a second large value is refused while the first is coming in');
$one->send(substr($filler, 500_000) . "\r\n");
is($one->read_line, "STORED\r\n", 'the first is stored');
is($two->set('two', $filler), 'STORED', 'and then there is room for the second');

# ---- who does not read makes room for who does ---------------------------------------------
my $node = mfcached();
my $short = mfproxy(args => ['--servers', $node->addr, '--threads', 1, '-m', '4m', patient()]);
my $reader = $short->connect;
$reader->set('k', 'v' x 60_000);
my @deaf = map { $short->connect } 1 .. 30;
$_->send("get k\r\n" x 200) for @deaf;
my ($held, $since) = (-1, 0);
wait_until(sub {
    my $now = $reader->stats->{client_held_bytes};
    ($held, $since) = ($now, Memfleet::Deadline::now()) if $now != $held;
    return Memfleet::Deadline::now() > $since + 0.3;
}, deadline(10), 'nothing moves any more');
my $expected = 40 * length("VALUE k 0 60000\r\n" . 'v' x 60_000 . "\r\n") + length("END\r\n");
wait_until(sub {
    my $other = $short->connect;
    my $got = eval { $other->ask('get ' . join(' ', ('k') x 40) . "\r\n") } // '';
    $other->close;
    return length($got) == $expected;
}, deadline(10), 'a large reply is served again');
pass('clients that do not read cost those who do a second at most');
done_testing;
