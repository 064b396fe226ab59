# Bytes: any split of the input gives the same output, long pipelines, large
# values, clients that do not read, clients that close half.
use strict;
use warnings;
use Memfleet;

my $node = mfcached(args => [qw(-I 4m)]);
my $c = $node->connect;

my $conversation = "set a 1 0 5\r\nhello\r\nget a b a\r\nset big 0 0 3000\r\n" . 'x' x 3000
    . "\r\nmg a v k f Oabc\r\nms m 3 T0\r\nabc\r\nincr n 1\r\nset n 0 0 1\r\n5\r\nincr n 7\r\n"
    . "get big\r\nbogus\r\nset a 0 0 1\r\ntoolong\r\nset huge 0 0 5000000\r\n" . 'y' x 100;
my $rest = 'y' x (5_000_000 - 100) . "\r\ndelete a\r\nma n v\r\nversion\r\n";

my $whole = $c->ask($conversation . $rest);
like($whole, qr/^STORED\r\nVALUE a 1 5\r\nhello\r\nVALUE a/, 'in one piece');
like($whole, qr/SERVER_ERROR object too large for cache\r\nDELETED\r\nVA 2\r\n13\r\nVERSION/,
     'to its end');

# Byte by byte, each sent alone and seen by the server: after every 64th byte
# another connection's answer shows that the node has had its turns.
{
    my $other = $node->connect;
    my $slow = $node->connect;
    $other->ask("flush_all\r\n");
    my $count = 0;
    for my $byte (split //, $conversation) {
        $slow->send($byte);
        $other->ask('') if ++$count % 64 == 0;
    }
    is($slow->ask($rest), $whole, 'byte by byte');
}

for my $size (2, 3, 7, 100, 1460, 16383) {
    my $other = $node->connect;
    $other->ask("flush_all\r\n");
    my $pieces = $node->connect;
    for (my $at = 0; $at < length $conversation; $at += $size) {
        $pieces->send(substr($conversation, $at, $size));
        $other->ask('');
    }
    is($pieces->ask($rest), $whole, "in pieces of $size");
}

# A pipeline longer than one turn and one read.
{
    my $n = 20_000;
    my $reply = $c->ask(join('', map { "set k$_ 0 0 1\r\nv\r\nget k$_\r\n" } 1 .. $n));
    my $wanted = join('', map { "STORED\r\nVALUE k$_ 0 1\r\nv\r\nEND\r\n" } 1 .. $n);
    ok($reply eq $wanted, "$n sets and gets in one pipeline");
    ok($c->stats->{conn_yields} > 0, 'which gave others their turn');
}

# Values around the sizes where the node goes from copying to referring, from
# one read to several, and up to the limit.
for my $size (0, 1, 2045, 2046, 2047, 2048, 2049, 16384, 65534, 65536, 1_000_000, 4_000_000) {
    my $value = join('', map { chr(97 + $_ % 26) } 1 .. 1000) x int($size / 1000 + 1);
    $value = substr($value, 0, $size);
    is($c->set("v$size", $value), 'STORED', "set of $size bytes");
    ok($c->get("v$size") eq $value, "get of $size bytes");
}
{
    my $found = $c->get_many(map { "v$_" } (2045, 2049, 65536, 1, 1_000_000, 2047) x 20);
    is(join(' ', map { "$_=" . length $found->{$_} } sort keys %$found),
       'v1=1 v1000000=1000000 v2045=2045 v2047=2047 v2049=2049 v65536=65536', 'a long multiget');
}

# A client that asks for much and reads nothing: the node keeps a bounded amount
# for it, others go on, and when it reads all is there.
{
    my $lazy = $node->connect;
    my $asked = 400;
    my $pipeline = "get v1000000\r\n" x $asked;
    is(syswrite($lazy->socket, $pipeline), length $pipeline, 'the requests fit in the socket');
    $c->ask('') for 1 .. 20;
    my $rss = rss_kb($node->pid);
    is($c->set('other', 'x'), 'STORED', 'others go on');
    my ($got, $wrong) = (0, 0);
    for (1 .. $asked) {
        $wrong++ if $lazy->read_line ne "VALUE v1000000 0 1000000\r\n";
        $got += length $lazy->read_exact(1_000_000);
        $wrong++ if $lazy->read_exact(7) ne "\r\nEND\r\n";
    }
    is($got, $asked * 1_000_000, 'it gets everything');
    is($wrong, 0, 'in order');
    cmp_ok($rss, '<', 200_000, 'and cost no memory while it did not read');
}
{
    my $lazy = $node->connect;
    my $line = 'get ' . join(' ', ('v2046') x 8000) . "\r\n";
    my $n = 20;
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) { # the socket does not take this many requests at once
        my $sent = $lazy->send($line x $n);
        POSIX::_exit($sent == length($line) * $n ? 0 : 1);
    }
    waitpid($pid, 0);
    is($?, 0, 'a client reads while it asks for a lot');
}

# A client that closes its half still gets its answers.
{
    my $half = $node->connect;
    $half->send("get v1000000\r\nget v1\r\n");
    $half->half_close;
    my $reply = $half->read_to_close;
    is(length $reply, length("VALUE v1000000 0 1000000\r\n") + 1_000_000
       + length("\r\nEND\r\nVALUE v1 0 1\r\na\r\nEND\r\n"), 'answers after a half close');
}

# Connections that end in the middle of anything leave nothing behind.
{
    my $before = $c->stats->{memory_used};
    for my $part ("get v1", "set v1 0 0 1000000\r\nxxx", "set v0 0 0 4000000\r\nxxx", "get v1000000\r\n") {
        my $gone = $node->connect;
        $gone->ask('');
        $gone->send($part);
        $gone->reset;
    }
    wait_until(sub { $c->stats->{curr_connections} == 1 }, deadline(10), 'they are closed');
    # Connections are counted in steps of 64 KB, and a little longer than they live.
    wait_until(sub { $c->stats->{memory_used} <= $before + 65536 }, deadline(10),
               'reserved memory is given back');
}

sub rss_kb {
    my ($pid) = @_;
    my ($kb) = slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m;
    return $kb;
}

done_testing;
