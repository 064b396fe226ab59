# watch: memcached's log lines of what happens, from all workers; a watcher that
# does not read delays nobody and is told how much it has missed.
use strict;
use warnings;
use Memfleet;

my $node = mfcached(args => [qw(-t 2 -m 64)]);
my $c = $node->connect;
my $other = $node->connect; # on the other worker

sub watcher {
    my (@streams) = @_;
    my $w = $node->connect;
    is($w->ask_line(join(' ', 'watch', @streams) . "\n"), "OK\r\n", "watch @streams");
    return $w;
}

my $gid = 0;

# The next line without its time and number, which must be well formed.
sub line_of {
    my ($w) = @_;
    my $line = $w->read_line;
    like($line, qr/^ts=\d+\.\d{6} gid=\d+ type=/, 'time and number') if $line !~ /^skipped/;
    return $line =~ s/^ts=\S+ gid=\d+ type=//r =~ s/cfd=\d+/cfd=N/r;
}

# --- fetchers, mutations, deletions ------------------------------------------------

{
    my $w = watcher(qw(fetchers mutations deletions));
    $c->ask("get a\r\nset a%b 0 0 3\r\nabc\r\nget a%b\r\nmg a%b v\r\nadd a%b 0 0 1\r\nx\r\n"
            . "cas a%b 0 100 1 1\r\nx\r\nms m 2 T60\r\nxx\r\nset big 0 0 2000000\r\n"
            . 'x' x 2000000 . "\r\ndelete a%b\r\ndelete a%b\r\nmd m\r\ngat 10 z\r\n");
    my @wanted = (
        'item_get key=a status=not_found clsid=0 cfd=N size=0',
        'item_get key=a%25b status=not_found clsid=0 cfd=N size=0',
        'item_store key=a%25b status=stored cmd=set ttl=0 clsid=1 cfd=N size=3',
        'item_get key=a%25b status=found clsid=1 cfd=N size=3',
        'item_get key=a%25b status=found clsid=1 cfd=N size=3',
        'item_get key=a%25b status=found clsid=1 cfd=N size=3',
        'item_store key=a%25b status=not_stored cmd=add ttl=0 clsid=1 cfd=N size=1',
        'item_get key=a%25b status=found clsid=1 cfd=N size=3',
        'item_store key=a%25b status=exists cmd=cas ttl=100 clsid=1 cfd=N size=1',
        'item_get key=m status=not_found clsid=0 cfd=N size=0',
        'item_store key=m status=stored cmd=set ttl=60 clsid=1 cfd=N size=2',
        'item_store key=big status=too_large cmd=set ttl=0 clsid=39 cfd=N size=2000000',
        'deleted key=a%25b cmd=delete clsid=0 cfd=N', 'deleted key=m cmd=md clsid=0 cfd=N',
        'item_get key=z status=not_found clsid=0 cfd=N size=0');
    is(line_of($w), "$_\n", $_) for @wanted;

    $other->ask("get from_other\r\n");
    is(line_of($w), "item_get key=from_other status=not_found clsid=0 cfd=N size=0\n",
       'from another worker');

    # What is there no more says why, to the first who asks.
    $c->ask("set brief 0 -1 1\r\nx\r\nget brief\r\nget brief\r\nset old 0 0 1\r\nx\r\n"
            . "flush_all\r\nmg old\r\n");
    is(line_of($w) =~ /(key=\S+ (?:status|cmd)=\w+)/ ? $1 : '', $_, $_)
        for 'key=brief status=not_found', 'key=brief status=stored', 'key=brief status=expired',
            'key=brief status=not_found', 'key=old status=not_found', 'key=old status=stored',
            'key=old status=flushed';

    # Only what is asked for; and what memcached knows besides is accepted.
    my $m = watcher(qw(mutations rawcmds sysevents proxyreqs));
    my $plain = watcher();
    my $key = '#' x 250;
    $c->ask("get x\r\nset $key 0 0 1\r\nx\r\n");
    is(line_of($m), 'item_store key=' . '%23' x 250
       . " status=stored cmd=set ttl=0 clsid=7 cfd=N size=1\n", 'the longest key');
    like(line_of($plain), qr/^item_get key=x /, 'fetchers if nothing is named');
    like(line_of($plain), qr/^item_get key=%23/, 'and what a set looks up');
    my $stats = $c->stats;
    is($stats->{log_watchers}, 3, 'watchers are counted');
    is("$stats->{log_watcher_sent} $stats->{log_watcher_skipped}", '29 0', 'and lines');
    like(join(' ', values %{ $c->stats('conns') }), qr/conn_watch/, 'stats conns');
    $w->send("get a\r\nquit\r\n");
    $c->ask("get after\r\n");
    like(line_of($plain), qr/^item_get key=after /, 'what a watcher sends means nothing');
}
wait_until(sub { $c->stats->{log_watchers} == 0 }, deadline(10), 'watchers leave');
my $before = $c->stats->{log_worker_written};
$c->ask("get nobody_watches\r\n");
is($c->stats->{log_worker_written}, $before, 'nothing is written for nobody');

# To tell a watcher of what a store finds there is not to ask for it.
{
    my $w = watcher('fetchers');
    is($c->ask("set st 0 0 1\r\nx\r\nmd st I\r\nms st 1 C1\r\ny\r\nmg st v\r\n"),
       "STORED\r\nHD\r\nEX\r\nVA 1 X W\r\nx\r\n", 'a watched store takes no token');
}

# --- connections --------------------------------------------------------------------

{
    my $w = watcher('connevents');
    my $quits = $node->connect;
    my $port = $quits->socket->sockport;
    $quits->ask('');
    is(line_of($w), "conn_new rip=127.0.0.1 rport=$port transport=tcp cfd=N\n", 'a new one');
    $quits->send("quit\r\n");
    is(line_of($w), "conn_close rip=127.0.0.1 rport=$port transport=tcp reason=normal cfd=N\n",
       'that quits');
    my $http = $node->connect;
    $http->send("GET / HTTP/1.1\r\n");
    like(line_of($w), qr/^conn_new /, 'a browser');
    like(line_of($w), qr/^conn_close .* reason=error cfd=N$/, 'is sent away');
}

# --- evictions, and a watcher that does not read ----------------------------------------

{
    my $w = watcher('evictions');
    my $lazy = watcher(qw(evictions mutations fetchers));
    my $value = 'v' x 30_000;
    my $key = 'k' x 200;
    my $pipeline = join '', map { "set $key$_ 0 0 30000 noreply\r\n$value\r\n" } 1 .. 300;
    for (1 .. 12) {
        $c->ask($pipeline =~ s/k(\d+) 0 0/k$_.$1 0 0/gr);
        last if $c->stats->{evictions} > 0;
    }
    like(line_of($w), qr/^eviction key=\S+ fetch=(?:yes|no) ttl=-1 la=\d+ clsid=27 size=\d+$/,
         'an eviction');

    my $gets = "get $key\r\n" x 5000;
    my $rounds = 0;
    my $skipping = sub { $c->ask($gets); $c->stats->{log_worker_written} > 60_000 };
    1 while !$skipping->() && ++$rounds < 50;
    is($c->ask("get nothing\r\n"), "END\r\n", 'others are served');
    my ($lines, $skipped) = (0, 0);
    while ($lines + $skipped < 60_000) {
        my $line = $lazy->read_line;
        $skipped += $1 if $line =~ /^skipped=(\d+)$/;
        $lines++ if $line =~ /^ts=/;
        # A skip is told in front of the next line that there is room for.
        $c->ask("get more\r\n") if $lines % 500 == 0;
    }
    cmp_ok($skipped, '>', 0, "a slow watcher is told what it missed: $skipped of " . ($lines + $skipped));
}

# --- refusals ----------------------------------------------------------------------------

is($c->ask("watch nonsense\r\n"), "ERROR\r\n", 'an unknown stream');
is($c->ask("mg a v\r\nwatch\r\n"), "EN\r\nERROR cannot pipeline other commands before watch\r\n",
   'behind another reply');
wait_until(sub { $c->stats->{log_watchers} == 0 }, deadline(10), 'none is left');
my @twenty = map { watcher('fetchers') } 1 .. 20;
is($c->ask("watch\r\n"), "WATCHER_TOO_MANY log watcher limit reached\r\n", 'too many');
is(mfcached(args => ['-W'])->connect->ask("watch\r\n"),
   "CLIENT_ERROR watch commands not allowed\r\n", '-W');

done_testing;
