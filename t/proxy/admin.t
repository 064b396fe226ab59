# stats, the HTTP endpoints, draining, and options that make no sense.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my @mocks = map { MockBackend->start(name => $_) } qw(a b c);
my $servers = join(',', map { $_->addr } @mocks);
my $proxy = mfproxy(args => ['--servers', $servers, '--http', '127.0.0.1:0', '--drain', '20s',
                            '--request-timeout', '10s'],
                    listens => 2);
my $c = $proxy->connect;

# ---- stats, with the names that exporters know ---------------------------------------------
$c->get($_) for qw(x y miss);
$c->set('x', 1);
my $stats = $c->stats;
for my $name (qw(pid uptime time version pointer_size rusage_user rusage_system max_connections
                 curr_connections total_connections rejected_connections cmd_get cmd_set cmd_flush
                 cmd_touch cmd_meta get_hits get_misses bytes_read bytes_written threads)) {
    ok(exists $stats->{$name}, "stats has $name");
}
is($stats->{pid}, $proxy->pid, 'pid');
is("$stats->{cmd_get} $stats->{cmd_set} $stats->{get_hits} $stats->{get_misses}", '3 1 2 1', 'counts');
is($stats->{table_epoch}, 1, 'epoch of the table');
is($stats->{table_source}, 'fixed', 'and its source');
my $backends = $c->stats('backends');
is($backends->{ $_->addr . ':state' }, 'active', 'stats backends: ' . $_->addr) for @mocks;
for my $group (qw(settings items slabs conns sizes)) {
    like($c->ask("stats $group\r\n"), qr/^(?:STAT .*\r\n)*END\r\n\z/, "stats $group");
}
is($c->ask("stats reset\r\n"), "RESET\r\n", 'stats reset');
is($c->stats->{cmd_get}, 0, 'begins anew');
is($c->ask("stats nothing\r\n"), "ERROR\r\n", 'an unknown group');

# ---- HTTP -------------------------------------------------------------------------------------
my $http = $proxy->addr(role => 'http');
is_deeply([http_get($http, '/healthz')], [200, "ok\n"], '/healthz');
is_deeply([http_get($http, '/readyz')], [200, "ready\n"], '/readyz');
my ($status, $metrics) = http_get($http, '/metrics');
is($status, 200, '/metrics');
like($metrics, qr/^mfproxy_keys_get_total 3$/m, 'counters are not reset');
my $first = quotemeta $mocks[0]->addr;
like($metrics, qr/^mfproxy_node_requests_total\{node="$first",addr="$first"\} \d+$/m, 'by node');
my %seen;
for my $line (grep { !/^#/ } split /\n/, $metrics) {
    like($line, qr/^[a-z_]+(?:\{(?:,?[a-z]+="[^"]*")+\})? [0-9.]+$/, $line) if !$seen{ $line =~ s/\{.*//r =~ s/ .*//r }++;
}
is(scalar(grep { !/_total$/ && $metrics =~ /TYPE $_ counter/ } keys %seen), 0, 'counters end in _total');
like((http_get($http, '/'))[1], qr/\Q@{[ $mocks[1]->addr ]}\E/, 'the status page lists the nodes');
is((http_get($http, '/nothing'))[0], 404, 'nothing else is there');

# ---- draining ------------------------------------------------------------------------------------
$mocks[$_]->mode('late 500') for 0 .. 2;
my $busy = $proxy->connect;
$busy->ask('');
my $idle = $proxy->connect;
$idle->ask('');
$busy->send("get slow\r\n");
wait_until(sub { grep { grep { /slow/ } $_->seen } @mocks }, deadline(10), 'the request is on its way');
$proxy->signal('TERM');
like($busy->read_to_close, qr/^VALUE slow .*END\r\n\z/s, 'what is on its way is answered, then closed');
is($idle->read_to_close, '', 'idle clients are closed');
is($proxy->wait_end, 0, 'and it ends long before the limit');

# ---- several addresses, a pid file ---------------------------------------------------------------
my $dir = scratch_dir();
my $mock = MockBackend->start(name => 'd');
my $both = mfproxy(args => ['--servers', $mock->addr, '--listen', "unix:$dir/proxy.sock", '-P', "$dir/pid", patient()],
                   listens => 2);
is($both->connect->get('x'), 'd:x', 'by TCP');
is(Memfleet::Conn->new("unix:$dir/proxy.sock")->get('x'), 'd:x', 'by a unix socket');
is(slurp("$dir/pid"), $both->pid . "\n", 'the pid file');
$both->stop;
ok(!-e "$dir/proxy.sock" && !-e "$dir/pid", 'both are gone when it has ended');

# ---- options -----------------------------------------------------------------------------------------
my $path = program_path('mfproxy');
my @root = has_option('mfproxy', '-u') ? ('-u', 'root') : ();
for my $case (
    [[], qr/exactly one of --servers, --table and --control/],
    [['--servers', 'a:1', '--table', 'x'], qr/exactly one of/],
    [['--servers', 'a:1', '--threads', 0], qr/--threads/],
    [['--servers', 'a:1', '--ring', 'nothing'], qr/nothing/],
    [['--servers', 'a:1', '--log-level', 'loud'], qr/--log-level/],
    [['--servers', 'a:1', '--gather-us', '1001'], qr/--gather-us: expected 0 to 1000/],
    [['--servers', 'a:1', '--coalesce', 'maybe'], qr/--coalesce: expected on or off/],
    [['--servers', 'a:1', 'rest'], qr/no arguments/],
    [['--servers', '127.0.0.1:1', '--listen', 'nowhere.invalid:1'], qr/cannot listen on nowhere\.invalid/],
    [['--servers', '127.0.0.1:1', '--listen', $mocks[0]->addr], qr/cannot listen on/],
    [['--servers', '127.0.0.1:1', '--listen', '127.0.0.1:0=man'], qr/--listen: the pool of --servers is called default/],
    [['--servers', 'a:1', '--max-inflight', '4294967296'], qr/--max-inflight: expected 1 to 1000000/],
    [['--servers', 'a:1', '--request-timeout', '11m'], qr/--request-timeout: expected 1ms to 10m/],
    [['--servers', 'a:1', '--half-command-timeout', '0'], qr/--half-command-timeout: expected 1ms to 1h/],
    [['--servers', 'a:1', '--max-value-size', '2g'], qr/--max-value-size: expected 1k to 1g/],
    [['--control', '127.0.0.1:1', '--id', 'a b'], qr/--id: expected 1 to 128 letters/],
    [['--table', '/nowhere/table.json'], qr{/nowhere/table\.json}],
    [['--table', $dir], qr{table file \Q$dir\E: Is a directory}],
) {
    my ($args, $expected) = @$case;
    my $out = qx{'$path' @root @{[ map { "'$_'" } @$args ]} 2>&1};
    isnt($?, 0, "refused: @$args");
    like($out, $expected, 'and says why');
}

# Of two sources of settings one is not heard in silence.
my $table = "$dir/table.json";
spew($table, table_json(epoch => 1, nodes => [$mock->addr]));
my $deaf = mfproxy(args => ['--table', $table, '--request-timeout', '9s', '--ring', 'libmemcached']);
like($deaf->log_text, qr/level=warn event=option_ignored option=--request-timeout reason="tables have their own"\n/,
     'an option of --servers beside a table is warned of');
unlike($deaf->log_text, qr/option_ignored option=--ring/, '... but not what changes nothing');
done_testing;
