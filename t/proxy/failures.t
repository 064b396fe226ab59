# What clients see when nodes refuse, hang, break off or answer with errors:
# docs/failure-modes.md, line by line.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my @mocks = map { MockBackend->start(name => $_) } qw(a b c);
my %mock = map { $_->name => $_ } @mocks;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @mocks), '--threads', 1,
                             '--request-timeout', '600ms']);
my $c = $proxy->connect;

# Keys by the node that owns them: whoever answers owns.
my %keys;
for my $i (1 .. 200) {
    my ($owner) = $c->get("k$i") =~ /^(\w+):/;
    push @{ $keys{$owner} }, "k$i";
}
is(join(' ', sort keys %keys), 'a b c', 'every node owns some of the keys');
my ($ka, $ka2, $kb, $kc) = (@{ $keys{a} }[0, 1], $keys{b}[0], $keys{c}[0]);

# What each command gets when its node fails: reads miss, writes err, noreply
# is silent, quiet meta is told with its name.
my $set = "set $ka 0 0 1\r\nx\r\n";
my @asked = (
    ["get $ka\r\n",                       "END\r\n"],
    ["gets $ka\r\n",                      "END\r\n"],
    ["gat 10 $ka\r\n",                    "END\r\n"],
    ["gats 10 $ka\r\n",                   "END\r\n"],
    [$set,                                "SERVER_ERROR backend %s\r\n"],
    ["add $ka 0 0 1\r\nx\r\n",            "SERVER_ERROR backend %s\r\n"],
    ["replace $ka 0 0 1\r\nx\r\n",        "SERVER_ERROR backend %s\r\n"],
    ["append $ka 0 0 1\r\nx\r\n",         "SERVER_ERROR backend %s\r\n"],
    ["prepend $ka 0 0 1\r\nx\r\n",        "SERVER_ERROR backend %s\r\n"],
    ["cas $ka 0 0 1 5\r\nx\r\n",          "SERVER_ERROR backend %s\r\n"],
    ["incr $ka 1\r\n",                    "SERVER_ERROR backend %s\r\n"],
    ["decr $ka 1\r\n",                    "SERVER_ERROR backend %s\r\n"],
    ["touch $ka 10\r\n",                  "NOT_FOUND\r\n"],
    ["delete $ka\r\n",                    "NOT_FOUND\r\n"],
    ["mg $ka v\r\n",                      "EN\r\n"],
    ["mg $ka v k Oabc\r\n",               "EN k$ka Oabc\r\n"],
    ["mg $ka v q\r\n",                    ''],
    ["ms $ka 1\r\nx\r\n",                 "SERVER_ERROR backend %s\r\n"],
    ["ms $ka 1 q\r\nx\r\n",               "NS\r\n"],
    ["ms $ka 1 q Oabc k\r\nx\r\n",        "NS Oabc k$ka\r\n"],
    ["md $ka\r\n",                        "NF\r\n"],
    ["md $ka q O1\r\n",                   "NF O1\r\n"],
    ["ma $ka q k\r\n",                    "NS k$ka\r\n"],
    ["me $ka\r\n",                        "SERVER_ERROR backend %s\r\n"],
    ["set $ka 0 0 1 noreply\r\nx\r\n",    ''],
    ["incr $ka 1 noreply\r\n",            ''],
    ["touch $ka 1 noreply\r\n",           ''],
    ["delete $ka noreply\r\n",            ''],
    ["get $ka $kb $ka2 $kb\r\n",          "VALUE $kb 0 " . length("b:$kb") . "\r\nb:$kb\r\n" x 1
                                          . "VALUE $kb 0 " . length("b:$kb") . "\r\nb:$kb\r\nEND\r\n"],
    ["get $ka $ka2\r\n",                  "END\r\n"],
);

sub fails_as {
    my ($how) = @_;
    my $all = join('', map { $_->[0] } @asked);
    my $expected = join('', map { $_->[1] =~ s/%s/$how/r } @asked);
    return is($c->ask($all), $expected, "all commands fail as $how");
}

# ---- a node that hangs -----------------------------------------------------------
$mock{a}->mode('hang');
is($c->ask("get $ka\r\nset $ka 0 0 1\r\nx\r\n"), "END\r\nSERVER_ERROR backend timeout\r\n",
   'a read of a hung node is a miss, a write says timeout');
is($c->get($kb), "b:$kb", 'other nodes serve');
my $connections = $mock{a}->connections;
$mock{a}->mode('answer');
$c->ask("get $ka2\r\n");
wait_until(sub { ($c->get($ka) // '') eq "a:$ka" }, deadline(5),
           'the late replies went to nobody else, and what the set left is deleted');
is($mock{a}->connections, $connections, 'and the connection was kept');

$mock{a}->mode('hang');
$mock{a}->seen;
fails_as('timeout');
$proxy->wait_log(qr/event=backend_down node=\S*:$mock{a}{port}/);
$mock{a}->seen;
fails_as('down');
is_deeply([grep { $_ ne 'version' } $mock{a}->seen], [], 'a DOWN node is sent probes only');
$mock{a}->mode('answer');
$proxy->wait_log(qr/event=backend_up node=\S*:$mock{a}{port}/);
is($c->get($ka), "a:$ka", 'two answered probes and it is served again');

# ---- a node that refuses ------------------------------------------------------------
$mock{b}->mode('refuse');
my $b_down = qr/event=backend_down node=\S*:$mock{b}{port}" after=connect_failed/;
wait_until(sub { $c->get($kb) and die "a dead node answers"; $proxy->log_text =~ $b_down },
           deadline(5), 'reads miss and find the node dead');
is($c->ask("set $kb 0 0 1\r\nx\r\n"), "SERVER_ERROR backend down\r\n", 'writes err');
is($c->ask("get $kb $ka\r\n"), "VALUE $ka 0 " . length("a:$ka") . "\r\na:$ka\r\nEND\r\n",
   'a multiget has one END and the live shard');
is($c->ask("flush_all\r\n"), "SERVER_ERROR backend down\r\n", 'flush_all tells the worst');
$mock{b}->mode('answer');
$proxy->wait_log(qr/event=backend_up node=\S*:$mock{b}{port}/);
is($c->get($kb), "b:$kb", 'a probe finds it again');
is($c->ask("flush_all\r\n"), "OK\r\n", 'flush_all reaches all');

# ---- a connection that breaks ---------------------------------------------------------
for my $end (qw(reset close)) {
    for my $bytes (5, 19) {
        $mock{c}->mode("$end $bytes");
        is($c->ask("get $kc\r\n"), "END\r\n", "$end after $bytes bytes: a miss, never half a value");
        wait_until(sub { $c->get($kc) }, deadline(5), 'the next connection serves');
        $mock{c}->mode("$end $bytes");
        is($c->ask("get $kc $ka\r\n"), "VALUE $ka 0 " . length("a:$ka") . "\r\na:$ka\r\nEND\r\n",
           "$end after $bytes bytes: the others of a multiget live");
        wait_until(sub { $c->get($kc) }, deadline(5), 'the next connection serves');
    }
}

# Before any byte of an answer it was stale, and reads are sent once more.
for my $end ('reset 0', 'close 0') {
    my $retries = $c->stats->{read_retries_total};
    my $value = "VALUE $kc 0 " . length("c:$kc") . "\r\nc:$kc\r\n";
    for my $case (["get $kc\r\n", $value . "END\r\n"], ["mg $kc v k O7\r\n", "VA " . length("c:$kc") . " k$kc O7\r\nc:$kc\r\n"],
                  ["get $kc $ka\r\n", $value . "VALUE $ka 0 " . length("a:$ka") . "\r\na:$ka\r\nEND\r\n"]) {
        my ($ask, $expected) = @$case;
        $mock{c}->mode($end);
        is($c->ask($ask), $expected, "$end: once more, " . $ask =~ s/\r.*//sr);
    }
    is($c->stats->{read_retries_total}, $retries + 3, 'which is counted');
    for my $case (["mg $kc v t T30\r\n", "EN\r\n"], ["gat 9 $kc\r\n", "END\r\n"], ["touch $kc 9\r\n", "NOT_FOUND\r\n"],
                  ["incr $kc 1\r\n", "SERVER_ERROR backend timeout\r\n"]) {
        my ($ask, $expected) = @$case;
        $mock{c}->mode($end);
        is($c->ask($ask), $expected, "$end: not once more, " . $ask =~ s/\r.*//sr);
        wait_until(sub { $c->get($kc) }, deadline(5), 'the next connection serves');
    }
    is($c->stats->{read_retries_total}, $retries + 3, 'only reads without side effects');

    # What a lost write leaves in doubt is not read.
    $mock{c}->seen;
    $mock{c}->mode($end);
    is($c->ask("get $kc\r\nset $kc 0 0 1\r\nx\r\n"), "END\r\nSERVER_ERROR backend timeout\r\n", 'a write among them');
    wait_until(sub { $c->get($kc) }, deadline(5), 'the delete is delivered');
    my @seen = grep { /^(?:get|delete) \Q$kc\E/ } $mock{c}->seen;
    is($seen[1], "delete $kc", 'before the key is read again');
}
# Once, and no more.
{
    my $retries = $c->stats->{read_retries_total};
    $mock{c}->mode('hang');
    $c->send("get $kc\r\n");
    wait_until(sub { grep { /^get/ } $mock{c}->seen }, deadline(5), 'it is asked');
    $mock{c}->mode('refuse');
    is($c->read_line, "END\r\n", 'a node that is gone: a miss');
    $mock{c}->mode('answer');
    wait_until(sub { $c->get($kc) }, deadline(10), 'it serves again');
    is($c->stats->{read_retries_total}, $retries + 1, 'after one more try');
}

# A node that was restarted while nothing was on its way: the proxy learns of
# it in the same turn in which it is asked again.
$c->get($_) for $ka, $kb, $kc;
$proxy->freeze;
$c->send("get $ka\r\nset $kb 0 0 1\r\nx\r\nget $kc $ka\r\n");
for my $node (@mocks) {
    $node->mode('refuse'); # and every connection is gone
    $node->mode('answer');
}
$proxy->signal('CONT');
is_deeply($c->read_values, { $ka => "a:$ka" }, 'a read goes out by a new connection');
is($c->read_line, "STORED\r\n", 'so does a write');
is_deeply($c->read_values, { $ka => "a:$ka", $kc => "c:$kc" }, 'and a multiget');

# ---- error lines, and what is no reply ---------------------------------------------------
$connections = $mock{c}->connections;
my $other = $proxy->connect;
for my $line ('CLIENT_ERROR bad data', 'SERVER_ERROR out of memory', 'ERROR') {
    $mock{c}->mode("line $line");
    is($c->ask("incr $kc 1\r\n"), "$line\r\n", "forwarded to the one who asked: $line");
    is($c->ask("get $kc\r\n"), "$line\r\n", 'to a single get too');
    is($c->ask("get $kc $ka\r\n"), "VALUE $ka 0 " . length("a:$ka") . "\r\na:$ka\r\nEND\r\n",
       'a multiget takes it as a miss');
    $mock{c}->mode('answer');
    is($other->get($kc), "c:$kc", 'nobody else notices');
}
is($mock{c}->connections, $connections, 'error lines close no connection');

for my $bytes ('\0\1\2\r\n', 'STORED\r\n', 'VALUE x 0 99999999999999999999\r\n',
               'VALUE other 0 1\r\nx\r\nEND\r\n') {
    $mock{c}->mode("bytes $bytes");
    is($c->ask("get $kc $kc\r\n"), "END\r\n", "no reply to a get, so a miss: $bytes");
    $mock{c}->mode('answer');
    wait_until(sub { $c->get($kc) }, deadline(5), 'the next connection serves');
}

# ---- bytes in any portion -------------------------------------------------------------------
$mock{c}->mode('split');
is($c->ask("get $kc\r\nmg $kc v k\r\nset $kc 0 0 1\r\nx\r\nincr $kc 1\r\ngets $kc $ka\r\n"),
   "VALUE $kc 0 " . length("c:$kc") . "\r\nc:$kc\r\nEND\r\nVA " . length("c:$kc")
   . " k$kc\r\nc:$kc\r\nSTORED\r\n7\r\nVALUE $kc 0 " . length("c:$kc") . " 1\r\nc:$kc\r\n"
   . "VALUE $ka 0 " . length("a:$ka") . " 1\r\na:$ka\r\nEND\r\n",
   'replies that come byte by byte');
$mock{c}->mode('answer');

# ---- a node that accepts nobody -----------------------------------------------------------------
# Its backlog is full, so a connect lasts; what waits for it has long timed out.
my $full = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1);
my $full_addr = '127.0.0.1:' . $full->sockport;
my @fill = map { IO::Socket::INET->new(PeerAddr => $full_addr, Blocking => 0) } 1 .. 8;
my $waiter = mfproxy(args => ['--servers', $full_addr, '--threads', 1, '--request-timeout', '20ms',
                              '--connect-timeout', '20s']);

sub wakeups {
    my $sum = 0;
    for my $status (glob("/proc/$waiter->{pid}/task/*/status")) {
        $sum += $1 if slurp($status) =~ /^voluntary_ctxt_switches:\s+(\d+)/m;
    }
    return $sum;
}
is($waiter->connect->ask("get $ka\r\n"), "END\r\n", 'a node that accepts nobody is a miss in time');
my ($from, $until) = (wakeups(), Memfleet::Deadline::now() + 1);
wait_until(sub { Memfleet::Deadline::now() > $until }, deadline(5), 'a second passes');
cmp_ok(wakeups() - $from, '<', 40, 'and while it is waited for, the proxy sleeps');
is($waiter->connect->stats->{backend_connects_total}, 1, 'in one connect');
$waiter->stop;

# ---- a client that leaves ---------------------------------------------------------------------
$mock{a}->mode('late 50');
my $leaver = $proxy->connect;
$leaver->send("get $ka $kb\r\nset $ka 0 0 1\r\nx\r\n" x 20);
$leaver->reset;
is($c->get($kb), "b:$kb", 'the replies of one that left reach nobody');
$mock{a}->mode('answer');
wait_until(sub { ($c->get($ka) // '') eq "a:$ka" }, deadline(5), 'and the queue goes on');

# ---- a proxy that did not run ------------------------------------------------------------------
# Longer than the request timeout: what was answered meanwhile is no timeout.
$mock{a}->seen;
$c->send("get $ka\r\nset $ka 0 0 1\r\nx\r\n");
$proxy->freeze;
my $stopped = Memfleet::Deadline::now();
wait_until(sub { Memfleet::Deadline::now() > $stopped + 0.8 }, deadline(5), 'the timeout has passed');
$proxy->signal('CONT');
is_deeply($c->read_values, { $ka => "a:$ka" }, 'a proxy that was stopped blames no node');
is($c->read_line, "STORED\r\n", 'for nothing');

is($proxy->connect->stats->{backend_garbage_total}, 4, 'what was no reply is counted');

# ---- a node that has no room -------------------------------------------------------------------
# memcached over its limit of connections accepts, says so and closes.
$mock{a}->mode('refuse');
wait_until(sub { $c->get($ka); $c->stats->{backends_down} == 1 }, deadline(5), 'a node is DOWN');
$mock{a}->mode('line', 'ERROR Too many open connections');
my $probes = $c->stats->{backend_probes_total};
wait_until(sub { $c->stats->{backend_probes_total} >= $probes + 4 }, deadline(10), 'it was probed');
is($c->ask("get $ka\r\n"), "END\r\n", 'an error line does not prove that a node is back');
$mock{a}->mode('answer');
wait_until(sub { ($c->get($ka) // '') eq "a:$ka" }, deadline(15), 'a version does');

# The line is no reply to whoever asked first; nothing was executed.
$mock{a}->mode('line', 'ERROR Too many open connections');
for my $case (["get $ka\r\n", "END\r\n"], ["set $ka 0 0 1\r\nx\r\n", "SERVER_ERROR backend down\r\n"],
              ["get $kb $ka\r\n", "VALUE $kb 0 " . length("b:$kb") . "\r\nb:$kb\r\nEND\r\n"],
              ["mg $ka v\r\n", "EN\r\n"]) {
    my ($request, $reply) = @$case;
    my $new = mfproxy(args => ['--servers', join(',', map { $_->addr } @mocks), '--threads', 1]);
    my $client = $new->connect;
    is($client->ask($request), $reply, 'turned away: ' . ($request =~ /^(\w+)/)[0]);
    is($client->stats->{backends_down}, 1, 'as by a node that refuses');
    $new->stop;
}
done_testing;
