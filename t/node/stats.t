# Statistics: memcached's names over the protocol, the exporter's names over HTTP.
use strict;
use warnings;
use Memfleet;

my $node = mfcached(args => [qw(-t 3 -o idle_timeout=0 --metrics 127.0.0.1:0)]);
my $c = $node->connect;

# What monitoring reads from a memcached.
my @names = qw(
    pid uptime time version libevent pointer_size rusage_user rusage_system max_connections
    curr_connections total_connections rejected_connections connection_structures cmd_get cmd_set
    cmd_flush cmd_touch cmd_meta get_hits get_misses get_expired get_flushed delete_misses
    delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval
    touch_hits touch_misses store_too_large store_no_memory auth_cmds auth_errors idle_kicks
    bytes_read bytes_written limit_maxbytes accepting_conns listen_disabled_num threads conn_yields
    hash_power_level hash_bytes hash_is_expanding bytes curr_items total_items expired_unfetched
    evicted_unfetched evictions reclaimed crawler_reclaimed);
my $stats = $c->stats;
is(join(' ', grep { !exists $stats->{$_} } @names), '', 'every name is there');
is($stats->{pid}, $node->pid, 'pid');
is($stats->{threads}, 3, 'threads');
is($stats->{limit_maxbytes}, 64 << 20, 'limit_maxbytes');
like($stats->{version}, qr/^1\.6\.\d+-memfleet-/, 'version');

# Each command and what it must have counted, on connections of all workers, whose
# counters are summed. ask() ends with an mn, which is a meta command too.
my @turns = (
    ["get a\r\n",                        { cmd_get => 1, get_misses => 1 }],
    ["set a 0 0 1\r\n1\r\n",             { cmd_set => 1, curr_items => 1, total_items => 1 }],
    ["get a b a\r\n",                    { cmd_get => 3, get_hits => 2, get_misses => 1 }],
    ["mg a v\r\n",                       { cmd_meta => 2, cmd_get => 1, get_hits => 1 }],
    ["touch a 0\r\ntouch b 0\r\n",       { cmd_touch => 2, touch_hits => 1, touch_misses => 1 }],
    ["gat 0 a b\r\n",                    { cmd_touch => 2, touch_hits => 1, touch_misses => 1 }],
    ["incr a 1\r\nincr b 1\r\n",         { incr_hits => 1, incr_misses => 1 }],
    ["decr a 1\r\nma b MD\r\n",          { decr_hits => 1, decr_misses => 1, cmd_meta => 2 }],
    ["ma m N0\r\n",                      { incr_hits => 0, incr_misses => 0 }],
    ["md m I\r\n",                       { delete_hits => 0, delete_misses => 0 }],
    ["mg none T0\r\n",                   { cmd_touch => 0, cmd_get => 1, get_misses => 1 }],
    ["mg m T0\r\n",                      { cmd_touch => 1, touch_hits => 1, cmd_get => 0 }],
    ["mg new N0\r\n",                    { get_misses => 1, cmd_get => 1 }],
    ["delete m\r\ndelete new\r\n",       { delete_hits => 2, curr_items => -2 }],
    ["cas a 0 0 1 1\r\nx\r\n",           { cas_badval => 1, cmd_set => 1 }],
    ["cas b 0 0 1 1\r\nx\r\n",           { cas_misses => 1, cmd_set => 1 }],
    ["delete b\r\ndelete a\r\n",         { delete_misses => 1, delete_hits => 1, curr_items => -1 }],
    ["set l 0 0 2000000\r\n" . 'x' x 2000000 . "\r\n", { store_too_large => 1 }],
    ["set e 0 -1 1\r\nx\r\nget e\r\n",   { get_expired => 1, get_misses => 1, expired_unfetched => 1 }],
    ["set f 0 0 1\r\nx\r\nflush_all\r\nget f\r\n", { cmd_flush => 1, get_flushed => 1 }],
);
for my $turn (@turns) {
    my ($request, $wanted) = @$turn;
    my $before = $c->stats;
    my $other = $node->connect;
    $other->ask($request);
    my $after = $c->stats;
    my $title = substr($request, 0, 40) =~ s/\r\n/ /gr;
    is(join(' ', map { "$_=" . ($after->{$_} - $before->{$_}) } sort keys %$wanted),
       join(' ', map { "$_=$wanted->{$_}" } sort keys %$wanted), $title);
    cmp_ok($after->{bytes_read}, '>', $before->{bytes_read}, 'bytes_read') if $title =~ /^get a \z/;
}
is($c->stats->{total_connections}, 1 + @turns, 'total_connections');
wait_until(sub { $c->stats->{curr_connections} == 1 }, deadline(10), 'the others are gone');

$c->set('kept', 'x');
my $version_before = $c->stats->{version};
is($c->ask("stats reset\r\n"), "RESET\r\n", 'stats reset');
$stats = $c->stats;
is(join(' ', map { $stats->{$_} } qw(cmd_get cmd_set get_hits total_connections total_items)),
   '0 0 0 0 0', 'counters begin anew');
is("$stats->{curr_items} $stats->{curr_connections} $stats->{version}", "1 1 $version_before",
   'what is there does not');

my $settings = $c->stats('settings');
is(join(' ', map { "$_=$settings->{$_}" } qw(maxbytes maxconns num_threads evictions cas_enabled
                                             item_size_max maxconns_fast flush_enabled)),
   'maxbytes=67108864 maxconns=1024 num_threads=3 evictions=on cas_enabled=yes '
   . 'item_size_max=1048576 maxconns_fast=yes flush_enabled=yes', 'stats settings');

is($c->stats('items')->{'items:1:number'}, 1, 'stats items');
is($c->stats('slabs')->{active_slabs}, 1, 'stats slabs');
is($c->ask("stats sizes\r\n"), "STAT sizes_status disabled\r\nEND\r\n", 'stats sizes');
is($c->ask("stats cachedump 1 0\r\n"), "ITEM kept [1 b; 0 s]\r\nEND\r\n", 'stats cachedump');
is($c->ask("stats cachedump 2 0\r\n"), "END\r\n", 'of a class that we do not have');
is($c->ask("stats nonsense\r\n"), "ERROR\r\n", 'an unknown report');

{
    my $busy = $node->connect;
    $busy->ask('');
    $busy->send("set v 0 0 10\r\nxxx");
    wait_until(sub { join(' ', values %{ $c->stats('conns') }) =~ /conn_nread/ }, deadline(10),
               'a value is on its way');
    my $conns = $c->stats('conns');
    my @states = sort grep { /^conn_/ } values %$conns;
    is("@states", 'conn_listening conn_nread conn_parse_cmd', 'stats conns');
    my $addr = $node->addr;
    is(scalar(grep { $_ eq "tcp:$addr" } values %$conns), 3, 'where it listens, and whom they reached');
}

# --- HTTP ------------------------------------------------------------------------

my ($http) = $node->log_text =~ /event=listening_http addr=(\S+)/;
is(join(' ', http_get($http, '/healthz')), "200 ok\n", '/healthz');
is(join(' ', http_get($http, '/readyz')), "200 ok\n", '/readyz');
is((http_get($http, '/nothing'))[0], 404, 'no other page');
$c->ask("get kept\r\nget kept\r\nget none\r\n");
my ($status, $page) = http_get($http, '/metrics');
is($status, 200, '/metrics');
for my $line ('memcached_up 1', 'memcached_current_items 1', 'memcached_limit_bytes 67108864',
              'memcached_max_connections 1024', 'memcached_accepting_connections 1',
              'memcached_connections_listener_disabled_total 0', 'memcached_item_too_large_total 1',
              'memcached_commands_total{command="cas",status="badval"} 1',
              'memcached_slab_current_items{slab="1"} 1', 'memcached_slab_chunk_size_bytes{slab="1"} 96',
              'memcached_slab_commands_total{slab="1",command="cas",status="badval"} 1',
              'memcached_commands_total{command="delete",status="hit"} 3') {
    like($page, qr/^\Q$line\E$/m, $line);
}
like($page, qr/^memcached_commands_total\{command="get",status="hit"\} \d+$/m, 'commands by outcome');
like($page, qr/^memfleet_node_gets_total \d+$/m, 'our own names');
my %types = $page =~ /^# TYPE (\S+) (\S+)$/mg;
my @samples = map { s/_(?:bucket|sum|count)\z//r =~ /_seconds\z/ ? s/_(?:bucket|sum|count)\z//r : $_ }
    $page =~ /^([a-z_]+)(?:\{[^}]*\})? [0-9.]+$/mg;
is(join(' ', grep { !$types{$_} } @samples), '', 'every sample has a type');
my @lines = grep { !/^#/ } split /\n/, $page;
is(scalar @lines, scalar @samples, 'and every line is a sample');
my %seen;
is(join(' ', grep { $seen{$_}++ } $page =~ /^# TYPE (\S+)/mg), '', 'no name is described twice');

# --- latency -------------------------------------------------------------------------

# About one turn in 32 is measured, so there must be many.
$c->ask("stats reset\r\n");
for (1 .. 40) {
    $c->ask("get kept kept\r\n") for 1 .. 10;
    $c->ask("set kept 0 0 1\r\nx\r\ntouch kept 0\r\ndelete none\r\n") for 1 .. 10;
}
my $latency = $c->stats('latency');
for my $class (qw(get set touch delete)) {
    my $all = $class eq 'get' ? 800 : 400;
    my %row = map { $_ => $latency->{"$class:$_"} } qw(count mean_us p50_us p90_us p99_us p999_us);
    cmp_ok(abs($row{count} - $all), '<', 0.9 * $all, "$class: about $all, told $row{count}");
    cmp_ok($row{mean_us}, '>', 0, 'which took time');
    ok($row{p50_us} <= $row{p90_us} && $row{p90_us} <= $row{p99_us} && $row{p99_us} <= $row{p999_us}, 'in order');
}
is($latency->{'incr:count'} . $latency->{'incr:p99_us'}, '00', 'what there was not is 0');
(undef, $page) = http_get($http, '/metrics');
like($page, qr/^# TYPE memfleet_node_service_seconds histogram$/m, 'the histogram');
my @buckets = $page =~ /^memfleet_node_service_seconds_bucket\{command="get",le="[^"]+"\} (\d+)$/mg;
my ($count) = $page =~ /^memfleet_node_service_seconds_count\{command="get"\} (\d+)$/m;
is(scalar @buckets, 22, 'has its buckets');
is("@buckets", join(' ', sort { $a <=> $b } @buckets), 'each with all below it');
is($buckets[-1], $count, 'the last with all');
cmp_ok($count, '>=', $latency->{'get:count'}, 'since the start');
$c->ask("stats reset\r\n");
cmp_ok($c->stats('latency')->{'get:count'}, '<', 200, 'stats reset');

# --- keys that are no text --------------------------------------------------------

$c->ask("ms YQ0KRU5EDQpiIGM= 1 b\r\nx\r\n"); # "a\r\nEND\r\nb c"
like($c->ask("stats cachedump 1 0\r\n"), qr/^ITEM YQ0KRU5EDQpiIGM= \[1 b; 0 s\]\r$/m,
     'a binary key adds no lines to a dump');
# A listing that is made at once is a long turn; and one can begin anew.
{
    my $slow = mfcached();
    my $d = $slow->connect;
    $d->ask(join('', map { "set key$_ 0 0 1 noreply\r\nx\r\n" } 1 .. 20_000));
    $d->ask("stats cachedump 1 0\r\n");
    my $after = $d->stats;
    cmp_ok($after->{longest_turn_us}, '>=', 500, 'longest_turn_us');
    cmp_ok($after->{slow_turns}, '>=', $after->{longest_turn_us} >= 1000 ? 1 : 0, 'slow_turns');
    $d->ask("stats reset\r\n");
    cmp_ok($d->stats->{longest_turn_us}, '<', $after->{longest_turn_us}, 'stats reset');
}

done_testing;
