# mfctl top without a terminal: lines and JSON of nodes, proxies and what is not
# there, by addresses and by tables.
use strict;
use warnings;
use JSON::PP ();
use Memfleet;
use MockBackend;

my $node = mfcached(args => ['-t', 1]);
my $mock = MockBackend->start(name => 'm');
my $proxy = mfproxy(args => ['--servers', join(',', $node->addr, $mock->addr), patient()]);
my $c = $node->connect;
my @fast = qw(-n 1 -d 300ms);

sub top {
    my (@args) = @_;
    my ($status, $text) = mfctl('top', @args);
    return ($status, $text);
}

sub top_json {
    my (@args) = @_;
    my ($status, $text) = mfctl('top', @args, '--json');
    return ($status, map { JSON::PP::decode_json($_) } split /\n/, $text);
}

# ---- one node --------------------------------------------------------------------------
$c->ask("set hot%key 0 0 1\r\nx\r\n" . "get hot%key\r\n" x 3000 . "get cold\r\n");
my ($status, $text) = top($node->addr, @fast);
is($status, 0, 'a node that answers');
like($text, qr/\A\d\d:\d\d:\d\d  \Q@{[ $node->addr ]}\E  node \S+  up 0d \d\d:\d\d:\d\d  1 threads  CPU \d/, 'which it is');
like($text, qr/^requests\/s \d\S*: \d\S* get, \d\S* set, \d\S* delete, /m, 'requests');
like($text, qr/^items 1   memory \d+ of 64\.0M   evictions\/s 0$/m, 'memory');
like($text, qr/^COMMAND +COUNT +P50 +P99 +P99\.9\nget  +\S+ +\d+\S+ +\d+\S+ +\d+\S+$/m, 'latency by command');
like($text, qr/^SHARE % +COUNT  HOTTEST KEYS\n +(?:9[5-9]\.\d|100\.0) +\S+  hot%25key$/m, 'hot keys with their share');
unlike($text, qr/BACKEND|\e/, 'no backends, and nothing for terminals');

# ---- rates ------------------------------------------------------------------------------
# A node is read from between its first and its last answer.
my $pid = open(my $out, '-|', program_path('mfctl'), '--json', 'top', $node->addr, '-n', 50, '-d', '200ms') // die "fork: $!";
my ($sum, $rows, $seen) = (0, 0, 0);
wait_until(sub { $c->stats->{curr_connections} == 2 }, deadline(10), 'it is connected');
while (my $line = <$out>) {
    my $server = JSON::PP::decode_json($line)->{servers}[0];
    $rows++;
    $sum += $server->{gets_per_second} * $server->{seconds};
    $seen++ if defined $server->{hit_ratio} && abs($server->{hit_ratio} - 0.75) < 0.001;
    last if $sum >= 3999;
    $c->ask("get hot%key\r\nget hot%key\r\nget none\r\nget hot%key\r\n" x 1000) if $rows == 2;
}
cmp_ok(abs($sum - 4000), '<', 1, 'what was asked for is in the rates, once') or diag("sum $sum");
cmp_ok($seen, '>', 0, 'and the hit ratio is that of then');
kill('TERM', $pid);
close $out;
is($?, 0, 'SIGTERM ends it well');

# ---- a proxy -------------------------------------------------------------------------------
my $p = $proxy->connect;
$p->ask(join('', map { "get k$_\r\n" } 1 .. 500) . "get hot\r\n" x 1000);
($status, $text) = top($proxy->addr, @fast);
is($status, 0, 'a proxy');
like($text, qr/  proxy \S+  up /, 'is known as one');
like($text, qr/^hits \S+ %   connections 2   in \S+\/s, out \S+\/s   failed\/s 0$/m, 'and what failed');
like($text, qr/^BACKEND  .*\n(?:\Q@{[ $_->addr ]}\E +active +\d\S* +\d\S* +0 +0 +0\n|.*\n)+/m, 'its backends') for $node, $mock;
$mock->mode('refuse');
wait_until(sub { $p->ask(join('', map { "get k$_\r\n" } 1 .. 20)); $proxy->log_text =~ /event=backend_down/ },
           deadline(15), 'one is DOWN');
like((top($proxy->addr, @fast))[1], qr/^\Q@{[ $mock->addr ]}\E +DOWN +\S+ +\d\S* +[1-9]\S* +0 +[12]$/m, 'and shown so');

# ---- several, and one that is not there -----------------------------------------------------
my $nobody = '127.0.0.1:' . free_port();
($status, $text) = top($node->addr, $nobody, $proxy->addr, @fast);
is($status, 1, 'not all answer');
my @lines = split /\n/, $text;
like($lines[0], qr/  3 servers, 1 gone  \S+ requests\/s  \S+ % hits  1 items  /, 'their sum');
like($lines[2], qr/^SERVER +POOL +REQ\/S /, 'a table');
is(join(' ', map { (split ' ')[0] } @lines[3 .. 5]), join(' ', $node->addr, $nobody, $proxy->addr), 'as listed');
like($lines[4], qr/ gone: Connection refused$/, 'and why');
my ($json_status, $json) = top_json($node->addr, $nobody, $proxy->addr, @fast);
is($json_status, 1, 'JSON');
my ($n, $g, $x) = @{ $json->{servers} };
is("$n->{state} $n->{kind} $n->{items} $g->{state} $g->{reason} $x->{kind}", 'up node 1 gone Connection refused proxy', 'has the same');
is($n->{keys}[0]{key}, 'hot%25key', 'with keys');
cmp_ok($n->{commands}{get}{p99_us}, '>', 0, 'latency');
is(join(' ', sort map { $_->{id} } @{ $x->{backends} }), join(' ', sort $node->addr, $mock->addr), 'and backends');
cmp_ok($_->{p99_us}, '>=', $_->{p50_us}, "latency of $_->{id}") for @{ $x->{backends} };

# ---- what answers something else, or nothing --------------------------------------------------
my $silent = MockBackend->start(name => 's');
$silent->mode('hang');
like((top($silent->addr, @fast))[1], qr/  gone: no answer within 2 seconds$/m, 'who does not answer');

# ---- a restart ---------------------------------------------------------------------------------
$node->listen_again;
$pid = open($out, '-|', program_path('mfctl'), '--json', 'top', $node->addr, '-n', 100, '-d', '200ms') // die "fork: $!";
my @states;
my $state = sub { my $line = <$out> // die "it ended\n"; return JSON::PP::decode_json($line)->{servers}[0] };
is($state->()->{state}, 'up', 'a node');
$node->stop;
1 while (my $s = $state->())->{state} ne 'gone';
$node->restart;
my $back;
1 while ($back = $state->())->{state} ne 'up' || !defined $back->{seconds};
ok($back->{restarted}, 'that comes back is asked again, and known to be another process');
cmp_ok($_, '>=', 0, 'no rate is negative') for grep { defined } @$back{qw(gets_per_second requests_per_second)};
kill('INT', $pid);
close $out;
is($?, 0, 'SIGINT ends it well');

# ---- tables ---------------------------------------------------------------------------------------
my $file = scratch_dir() . '/table';
spew($file, table_json(nodes => [$node, $nobody], ids => ['first', 'second']));
($status, $text) = top('--table', $file, '-s', 'name', @fast);
is($status, 1, 'the servers of a table');
like($text, qr/^first +main +\d.*\nsecond +main +gone: /m, 'by their ids, with their pool');

# ---- wrong command lines -----------------------------------------------------------------------------
delete @ENV{qw(MEMFLEET_ETCD MEMFLEET_CLUSTER)};
for (['expected --etcd URL', 64], ["'xx' is not one of listed name", 64, 'h:1', '-s', 'xx'],
     ['at least 100 ms', 64, 'h:1', '-d', '10ms'], ["expected HOST:PORT, got ':x:'", 64, ':x:'],
     ['No such file', 1, '--table', '/nowhere/table']) {
    my ($says, $code, @args) = @$_;
    my ($got, $line) = top(@args);
    is($got, $code, "mfctl top @args");
    like($line, qr/\Amfctl top: .*\Q$says\E.*\n\z/, '... says why');
}
done_testing;
