# Reads of one key that come together are one request to its node, and every
# client gets what it would have got alone: docs/coalescing.md, rule by rule.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $mock = MockBackend->start(name => 'a');
my ($proxy, $probe, @c);

sub begin {
    my (@args) = @_;
    $proxy = mfproxy(args => ['--servers', $mock->addr, '--threads', 1, @args]);
    $probe = client();
    @c = map { $proxy->connect } 1 .. 8;
    connected();
    return;
}

# A connection that its thread knows of.
sub client {
    my $client = $proxy->connect;
    $client->ask('');
    return $client;
}

# The proxy has its connection to the node, so that requests leave at once.
sub connected {
    $_->get('first') for @c;
    $mock->seen;
    return;
}
begin('--request-timeout', '10s');

# What is sent to one client after the other is read in that order: behind each
# a command of another client is answered.
sub asks {
    my (@pairs) = @_;
    while (my ($client, $bytes) = splice(@pairs, 0, 2)) {
        $client->send($bytes);
        $probe->ask('');
    }
    return;
}

# The node owes an answer, so that a lost connection is not taken for a stale one,
# whose reads are all sent once more (t/proxy/failures.t).
sub busy_connection {
    client()->send("touch z 0\r\n");
    wait_until(sub { grep { /^touch/ } $mock->seen }, deadline(5), 'the node is asked');
    return;
}

# Requests that the node has had since this was asked last.
sub seen { return join(', ', grep { $_ ne 'version' } $mock->seen) }
sub value { return "VALUE $_[0] 0 @{[ 2 + length $_[0] ]}\r\na:$_[0]\r\n" }
sub whole { return value($_[0]) . "END\r\n" }
sub stat_of { return $probe->stats->{ $_[0] } }
sub passes { my $end = Memfleet::Deadline::now() + $_[0];
             return wait_until(sub { Memfleet::Deadline::now() > $end }, deadline(20), 'time passes') }

# ---- one request, many answers ------------------------------------------------------
$mock->mode('hang');
asks(map { $_ => "get k\r\n" } @c);
is(seen(), 'get k', 'eight clients, one request');
$mock->mode('answer');
is($_->ask(''), whole('k'), 'each has the value') for @c;
is(stat_of('coalesced_total'), 7, 'seven waited');
is(stat_of('coalesced_flights_total'), 1, 'for one request');

# Each in its own words. The first of a kind asks for the most.
my @words = (
    ["gets w\r\n",           "VALUE w 0 3 1\r\na:w\r\nEND\r\n"],
    ["get w\r\n",            "VALUE w 0 3\r\na:w\r\nEND\r\n"],
    ["gets w\r\n",           "VALUE w 0 3 1\r\na:w\r\nEND\r\n"],
    ["mg w v k Oabc\r\n",    "VA 3 kw Oabc\r\na:w\r\n"],
    ["mg w v\r\n",           "VA 3\r\na:w\r\n"],
    ["mg w Odef q k\r\n",    "HD Odef kw\r\n"],
    ["mg dw== v b k O9\r\n", "VA 3 kw O9\r\na:w\r\n"],
    ["mg w k O7 v q\r\n",    "VA 3 kw O7\r\na:w\r\n"],
);
$mock->mode('hang');
asks(map { $c[$_] => $words[$_][0] } 0 .. 7);
is(seen(), 'gets w, mg w v k Oabc', 'text and meta ask once each');
$mock->mode('answer');
is($c[$_]->ask(''), $words[$_][1], 'told as asked: ' . $words[$_][0] =~ s/\r\n//r) for 0 .. 7;

$mock->mode('hang');
asks($c[0] => "mg miss v k\r\n", $c[1] => "mg miss v q k O2\r\n", $c[2] => "mg miss k v O1\r\n",
     $c[3] => "get miss\r\n", $c[4] => "get miss\r\n", $c[5] => "mg bWlzcw== b k\r\n");
is(seen(), 'mg miss v k, get miss', 'a miss is asked for once');
$mock->mode('answer');
my @missed = ("EN\r\n", '', "EN kmiss O1\r\n", "END\r\n", "END\r\n", "EN kbWlzcw== b\r\n");
is($c[$_]->ask(''), $missed[$_], 'and told to each as asked') for 0 .. 5;

# ---- multigets ---------------------------------------------------------------------------
$mock->mode('hang');
asks($c[0] => "get k1 k2 missx k3\r\n", $c[1] => "get k2\r\n", $c[2] => "get k4 k3 k2\r\n",
     $c[3] => "get missx k1 missx\r\n", $c[4] => "get missx\r\n", $c[5] => "gets k1\r\n",
     $c[6] => "get k5 k5\r\n");
is(seen(), 'get k1 k2 missx k3, get k4, gets k1, get k5', 'keys of a multiget join one by one');
$mock->mode('answer');
my @many = (value('k1') . value('k2') . value('k3'), value('k2'),
            value('k4') . value('k3') . value('k2'), value('k1'), '',
            "VALUE k1 0 4 1\r\na:k1\r\n", value('k5') x 2);
is($c[$_]->ask(''), "$many[$_]END\r\n", 'each in its own order') for 0 .. 6;

# ---- what is not shared --------------------------------------------------------------------
for my $command ("gat 10 k\r\n", "gats 10 k k\r\n", "mg k v T10\r\n", "mg k N1 v\r\n", "mg k h v\r\n",
                 "touch k 1\r\n", "me k\r\n", "incr k 1\r\n") {
    $mock->mode('hang');
    asks($c[0] => $command, $c[1] => $command);
    is(scalar(() = seen() =~ /,/g), 1, 'each for itself: ' . $command =~ s/\r\n//r);
    $mock->mode('answer');
    is($c[0]->ask(''), $c[1]->ask(''), 'with the same answer');
}

# ---- writes --------------------------------------------------------------------------------
for my $write ("set k 0 0 1\r\nx\r\n", "set k 0 0 1 noreply\r\nx\r\n", "delete k\r\n", "incr k 1\r\n",
               "touch k 9\r\n", "ms k 1\r\nx\r\n", "md k q\r\n", "gat 9 k\r\n", "gat 9 x k\r\n",
               "append k 0 0 1\r\nx\r\n", "mg k T0 v\r\n", "flush_all\r\n") {
    $mock->mode('hang');
    asks($c[0] => "get k\r\n", $c[1] => "get k\r\n", $c[2] => $write, $c[3] => "get k\r\n",
         $c[4] => "get k\r\n");
    is(scalar(() = seen() =~ /\bget k\b/g), 2, 'a read asks anew behind ' . $write =~ s/\r\n.*//sr);
    $mock->mode('answer');
    is($c[$_]->ask(''), whole('k'), 'each is answered') for 0, 1, 3, 4;
    $c[2]->ask('');
}
for my $other ("set other 0 0 1\r\nx\r\n", "mg k h v\r\n", "me k\r\n") {
    $mock->mode('hang');
    asks($c[0] => "get k\r\n", $c[1] => $other, $c[2] => "get k\r\n");
    is(scalar(() = seen() =~ /\bget k\b/g), 1, 'but not behind ' . $other =~ s/\r\n.*//sr);
    $mock->mode('answer');
    $c[$_]->ask('') for 0 .. 2;
}

# A fetch that was sent while a write was on its way may have been served before
# it: whoever asks when the write is acknowledged asks anew.
$mock->mode('hang');
asks($c[2] => "set k 0 0 1\r\nx\r\n", $c[0] => "get k\r\n", $c[1] => "get k\r\n");
is(seen(), 'set k 0 0 1, get k', 'others share while a write is on its way');
$mock->mode('hold get');
is($c[2]->read_line, "STORED\r\n", 'it is acknowledged first');
asks($c[2] => "get k\r\n", $c[3] => "get k\r\n");
is(seen(), 'get k', 'then there is one more request, for both');
$mock->mode('answer');
is($c[$_]->ask(''), whole('k'), 'each is answered') for 0 .. 3;

$mock->mode('hang');
asks($c[0] => "set k 0 0 1 noreply\r\nx\r\n", $c[1] => "get k\r\n",
     $c[0] => "get k\r\nmg k v\r\nget other k\r\n", $c[2] => "get k\r\n",
     $c[3] => "flush_all\r\n", $c[4] => "get z\r\n", $c[3] => "get z\r\n");
is(seen(), 'set k 0 0 1, get k, get k, mg k v, get other k, flush_all, get z, get z',
   'who has a write of the key on its way asks itself');
$mock->mode('answer');
is($c[0]->ask(''), whole('k') . "VA 3\r\na:k\r\n" . value('other') . whole('k'), 'in its order');
$c[$_]->ask('') for 1 .. 4;

# ---- clients that leave ------------------------------------------------------------------------
$mock->mode('hang');
my @leaving = map { client() } 1 .. 3;
asks($leaving[0] => "get k\r\n", $leaving[1] => "get k\r\n", $c[0] => "get k\r\n",
     $leaving[2] => "get k2 k\r\n", $c[1] => "get k\r\n");
my $connections = stat_of('client_connections');
$_->reset for @leaving;
wait_until(sub { stat_of('client_connections') <= $connections - 3 }, deadline(5), 'they are gone');
asks($c[2] => "get k\r\n", $c[3] => "get k2\r\n");
is(seen(), 'get k, get k2', 'what a client asked for that left is still fetched');
$mock->mode('answer');
is($c[$_]->ask(''), whole('k'), 'for those who stayed') for 0 .. 2;
is($c[3]->ask(''), whole('k2'), 'a key of its multiget too');

# ---- stale items: one client may refill -----------------------------------------------------------
$mock->mode('hang');
asks($c[0] => "mg s v\r\n", $c[1] => "mg s v O2\r\n", $c[2] => "mg s O3\r\n");
$mock->mode('bytes VA 3 X W\r\nold\r\n');
is($c[0]->read_exact(15), "VA 3 X W\r\nold\r\n", 'the first may');
is($c[1]->read_exact(18), "VA 3 O2 Z X\r\nold\r\n", 'others are told that somebody does');
is($c[2]->read_line, "HD O3 Z X\r\n", 'each in its own words');
$mock->mode('hang');
my $leaver = client();
asks($leaver => "mg s v\r\n", $c[1] => "mg s v\r\n", $c[2] => "mg s v\r\n");
$leaver->reset;
wait_until(sub { stat_of('client_connections') <= $connections - 3 }, deadline(5), 'it is gone');
$mock->mode('bytes VA 3 X W\r\nold\r\n');
is($c[1]->read_exact(15), "VA 3 X W\r\nold\r\n", 'if it has left, the next may');
is($c[2]->read_exact(15), "VA 3 Z X\r\nold\r\n", 'and no other');

# ---- errors of the node ------------------------------------------------------------------------------
$mock->mode('hang');
asks($c[0] => "get k\r\n", $c[1] => "get k\r\n", $c[2] => "get k k2\r\n", $c[3] => "mg k v\r\n",
     $c[4] => "mg k v q\r\n", $c[5] => "get k2\r\n");
seen();
$mock->mode('line SERVER_ERROR busy');
is($c[$_]->read_line, "SERVER_ERROR busy\r\n", 'an error line is told to all') for 0, 1, 3, 4, 5;
is($c[2]->read_line, "END\r\n", 'in a multiget it is a miss');
$mock->mode('answer');

# ---- large values ----------------------------------------------------------------------------------------
my $large = 'v' x ((1 << 20) + 1);
$mock->mode('hang');
asks(map { $c[$_] => "get l\r\n" } 0 .. 3);
is(seen(), 'get l', 'a request is shared before its size is known');
$mock->mode("bytes VALUE l 0 @{[ length $large ]}\\r\\n$large\\r\\nEND\\r\\n");
for my $i (0 .. 3) {
    is($c[$i]->read_values->{l} eq $large ? 'same' : 'other', 'same', 'each gets a large value');
}
is(seen(), 'get l, get l, get l', 'by a request of its own');
$mock->mode('hang');
asks(map { $c[$_] => "get l\r\n" } 0 .. 3);
is(seen(), 'get l, get l, get l, get l', 'nobody waits in vain again');
$mock->mode('answer');
is($c[$_]->ask(''), whole('l'), 'until it is small') for 0 .. 3;
$mock->mode('hang');
asks(map { $c[$_] => "get l\r\n" } 0 .. 3);
is(seen(), 'get l', 'then it is shared again');
$mock->mode('answer');
$c[$_]->ask('') for 0 .. 3;

# Four megabytes at a time: the rest ask again, together.
my $half = 'h' x (1 << 19);
$mock->mode('hang');
my @crowd = map { client() } 1 .. 20;
asks(map { $_ => "get h\r\n" } @crowd);
is(seen(), 'get h', 'a crowd asks for half a megabyte');
$mock->mode("bytes VALUE h 0 @{[ length $half ]}\\r\\n$half\\r\\nEND\\r\\n");
is((grep { $_->read_values->{h} ne $half } @crowd) + 0, 0, 'all get it');
is(seen(), 'get h, get h', 'in three parts');
$mock->mode('answer');

# ---- limits ------------------------------------------------------------------------------------------------
$_->close for @crowd;
@crowd = map { client() } 1 .. 20;
$mock->mode('hang');
asks(map { $_ => "get k\r\n" x 60 } @crowd);
is(seen(), 'get k, get k', 'a thousand and twenty-four wait for one request');
cmp_ok(stat_of('coalesced_overflows_total'), '==', 1, 'an overflow is counted');
$mock->mode('answer');
is((grep { $_->ask('') ne whole('k') x 60 } @crowd) + 0, 0, 'all are answered');
$_->close for @crowd;

# ---- a fetch that fails -----------------------------------------------------------------------------------
$mock->mode('hang');
busy_connection();
asks(map { $c[$_] => "get k\r\n" } 0 .. 4);
asks($c[5] => "get k2 k\r\n", $c[6] => "mg k v O6\r\n", $c[7] => "mg k v O7\r\n");
seen();
$mock->mode('close 0');
is($c[0]->read_line, "END\r\n", 'the connection is lost: who asked first misses');
is($c[$_]->ask(''), whole('k'), 'one asks again for those who waited') for 1 .. 4;
is($c[5]->ask(''), whole('k'), 'a multiget that waited for one of its keys has that');
is($c[6]->read_line, "EN O6\r\n", 'in meta the same');
is($c[7]->ask(''), "VA 3 O7\r\na:k\r\n", 'in meta the same');
is(seen(), 'get k, mg k v', 'one in each form');
is(stat_of('coalesced_reelections_total'), 2, 'which is counted');

$mock->mode('hang');
asks(map { $c[$_] => "get k\r\n" } 0 .. 3);
seen();
$mock->mode('close 5');
is($c[$_]->ask(''), "END\r\n", 'in the middle of the answer: all miss') for 0 .. 3;
is(seen(), '', 'nobody asks again');
wait_until(sub { $c[0]->get('k') }, deadline(5), 'the next connection serves');

# ---- budget ----------------------------------------------------------------------------------------------
$mock->mode('hang');
seen();
busy_connection();
asks(map { $c[0] => "get b$_\r\n", $c[1] => "get b$_\r\n" } 1 .. 10);
seen();
$mock->mode('close 0');
is($c[0]->ask(''), "END\r\n" x 10, 'ten fetches are lost');
my $again = () = $c[1]->ask('') =~ /VALUE/g;
is(scalar(() = seen() =~ /get/g), $again, 'as many as are asked again are served');
cmp_ok($again, '>=', 3, 'a few always are');
cmp_ok($again, '<', 10, 'but not all');

# ---- deadlines -----------------------------------------------------------------------------------------------
$proxy->stop;
begin('--request-timeout', '1500ms');
$mock->mode('hang');
asks($c[0] => "get k\r\n", $c[1] => "get k\r\n");
passes(0.7);
asks($c[2] => "get k\r\n", $c[3] => "get x k\r\n", $c[4] => "mg k v\r\n");
is(seen(), 'get k, get x, mg k v', 'five wait for two requests');
is($c[0]->read_line, "END\r\n", 'each waits for its own time');
is($c[1]->read_line, "END\r\n", 'those who waited as long are told the same');
is(seen(), 'get k', 'one asks again for the others');
is($c[2]->unread, '', 'who still have time');
$mock->mode('answer');
is($c[2]->ask(''), whole('k'), 'and are served');
is($c[3]->ask(''), value('x') . whole('k'), 'all of them');
is($c[4]->ask(''), "VA 3\r\na:k\r\n", 'whatever they asked');
$mock->mode('hang');
asks($c[0] => "get k\r\n");
passes(0.7);
asks($c[1] => "get k\r\n");
is($c[0]->read_line, "END\r\n", 'the first has no more time');
is($c[1]->read_line, "END\r\n", 'the second, by its own');
is(seen(), 'get k, get k', 'it was asked for twice, no more');
$mock->mode('answer');
wait_until(sub { $c[0]->get('k') }, deadline(10), 'the node is well again');

# A delete that was given up is remembered, and told as done: nobody joins a
# fetch that was sent before.
$mock->mode('hang');
asks($c[0] => "delete k\r\n");
passes(0.7);
asks($c[1] => "get k\r\n");
is($c[0]->read_line, "NOT_FOUND\r\n", 'a delete is given up');
asks($c[2] => "get k\r\n");
$mock->mode('answer');
is($c[1]->ask(''), whole('k'), 'who asked before it was has what there was');
is($c[2]->ask(''), "END\r\n", 'who asked after it has not');
wait_until(sub { $c[0]->get('k') }, deadline(10), 'the node is told');

# ---- a node that is DOWN -----------------------------------------------------------------------------------------
$mock->mode('hang');
seen();
asks($c[0] => "get k\r\n");
$c[1]->send("get d$_\r\n") for 1 .. 3;
$proxy->wait_log(qr/event=backend_down/);
is($c[2]->ask("get k\r\n"), "END\r\n", 'nobody waits for a node that is DOWN');
$mock->mode('answer');
wait_until(sub { $c[2]->get('k') }, deadline(15), 'it is up again');
$c[$_]->ask('') for 0, 1;

# ---- pools and epochs -----------------------------------------------------------------------------------------------
$proxy->stop;
begin('--coalesce', 'off', '--request-timeout', '10s');
$mock->mode('hang');
asks($c[0] => "get k\r\n", $c[1] => "get k\r\n", $c[2] => "get k k\r\n");
is(seen(), 'get k, get k, get k k', 'a pool may go without');
$mock->mode('answer');
is($c[2]->ask(''), value('k') . whole('k'), 'and is served as well');
$proxy->stop;

my $file = scratch_dir() . '/table.json';

sub publish {
    my ($epoch, %pool) = @_;
    spew($file, table_json(epoch => $epoch, nodes => [$mock->addr],
                           pool => { patient(table => 1), %pool }));
    return;
}
publish(1);
$proxy = mfproxy(args => ['--table', $file, '--threads', 1]);
$probe = client();
@c = map { $proxy->connect } 1 .. 4;
connected();
$mock->mode('hang');
asks($c[0] => "get k\r\n", $c[1] => "get k\r\n");
publish(2);
$proxy->wait_log(qr/event=table_in_use epoch=2/);
wait_until(sub { stat_of('tables_adopted_total') >= 2 }, deadline(5), 'another table');
asks($c[2] => "get k\r\n");
is(seen(), 'get k, get k', 'under another table one asks anew');
$mock->mode('answer');
is($c[$_]->ask(''), whole('k'), 'all are served') for 0 .. 2;
publish(3, coalesce => JSON::PP::false());
$proxy->wait_log(qr/event=table_in_use epoch=3/);
wait_until(sub { stat_of('table_clear_epoch') == 3 }, deadline(5), 'the third is in use');
$mock->mode('hang');
asks($c[0] => "get k\r\n", $c[1] => "get k\r\n");
is(seen(), 'get k, get k', 'a table may say that a pool goes without');
$mock->mode('answer');
is($c[$_]->ask(''), whole('k'), 'all are served') for 0, 1;
$proxy->stop;

# ---- a miss lease ------------------------------------------------------------------------------------------------------
publish(4, miss_lease_ms => 8000);
$proxy = mfproxy(args => ['--table', $file, '--threads', 1]);
$probe = client();
@c = map { client() } 1 .. 8;
connected();
sub misses {
    my ($end, @asked) = @_;
    $mock->mode('hang');
    asks(@asked);
    $mock->mode("bytes $end\\r\\n");
    is($asked[0]->read_line, "$end\r\n", 'the first is told the miss');
    $probe->ask('');
    $mock->mode('answer');
    return seen();
}
is(misses('END', $c[0] => "get z\r\n", $c[1] => "get z\r\n", $c[2] => "gets x\r\n", $c[3] => "get z x\r\n"),
   'get z, gets x', 'four ask for two keys');
asks($c[4] => "get z\r\n");
is(seen(), '', 'who comes now waits too');
is($c[$_]->unread_now, '', 'for what the first writes') for 1, 3, 4;
asks($c[0] => "get z\r\n");
is(seen(), 'get z', 'but not the first itself');
is($c[0]->ask(''), whole('z'), 'which asks again');
$mock->mode('hang');
asks($c[5] => "set z 0 0 1\r\nx\r\n", $c[6] => "get z\r\n");
is(seen(), 'set z 0 0 1, get z', 'nor who comes when it is being written');
$mock->mode('answer');
is($c[6]->ask(''), whole('z'), 'whoever writes it');
is($c[$_]->ask(''), whole('z'), 'they ask again, together') for 1, 4;
is(seen(), 'get z', 'by one request');
is($c[3]->unread_now, '', 'one of two keys');
$c[0]->ask("delete x\r\n");
is($c[3]->ask(''), value('z') . value('x') . "END\r\n", 'and the other');
is($c[2]->ask(''), "END\r\n", 'the leader of a miss waits for nobody');
seen();
is(misses('EN', $c[0] => "mg z v k\r\n", $c[1] => "mg z v O1 k\r\n", $c[2] => "mg z v q O2\r\n"),
   'mg z v k', 'in meta');
$c[0]->ask("ms z 1\r\nx\r\n");
is($c[1]->ask(''), "VA 3 O1 kz\r\na:z\r\n", 'the same');
is($c[2]->ask(''), "VA 3 O2\r\na:z\r\n", 'quietly too');
is(stat_of('coalesced_miss_leases_total'), 3, 'leases are counted');
$proxy->stop;

publish(5, miss_lease_ms => 200);
$proxy = mfproxy(args => ['--table', $file, '--threads', 1]);
$probe = client();
@c = map { client() } 1 .. 8;
connected();
my $leaves = client();
misses('END', $c[0] => "get z\r\n", $c[1] => "get z\r\n", $leaves => "get z\r\n", $c[2] => "get y z\r\n");
$leaves->reset;
is($c[1]->read_line, "END\r\n", 'nobody writes: a miss, in time');
is($c[2]->ask(''), whole('y') =~ s/\Q@{[value('y')]}\E//r, 'in a multiget too');
misses('EN', $c[0] => "mg z v\r\n", $c[1] => "mg z v O1\r\n");
is($c[1]->read_line, "EN O1\r\n", 'in meta too');
is($c[3]->ask("get z\r\n"), whole('z'), 'and the next asks the node');
misses('END', $c[0] => "get z\r\n", $c[1] => "get z\r\n");
$proxy->stop; # with one that waits

# ---- two threads ----------------------------------------------------------------------------------------------------
# Connections go to the threads in turn; a write by one is known to the other.
$proxy = mfproxy(args => ['--servers', $mock->addr, '--threads', 2, '--request-timeout', '10s']);
@c = map { $proxy->connect } 1 .. 8;
my @probes = map { client() } 1 .. 2;
connected();
sub settle { $_->ask('') for @probes; return }
$mock->mode('hang');
for my $client (@c) {
    $client->send("get k\r\n");
    settle();
}
is(seen(), 'get k, get k', 'each thread asks once');
$mock->mode('hold get');
my $writer = client();
my $second = client();
$writer->send("set other 0 0 1\r\nx\r\n");
settle();
$_->send("get k\r\n") for $writer, $second;
settle();
is(seen(), 'set other 0 0 1', 'a write of another key changes nothing');
$mock->mode('answer');
$_->ask('') for @c, $writer, $second;
$mock->mode('hold get');
$second->send("get k\r\n");
settle();
is($writer->set('k', 'x'), 'STORED', 'a write by the other thread');
$second->send("get k\r\n");
settle();
is(join(', ', sort split(/, /, seen())), 'get k, get k, set k 0 0 1', 'and the key is asked for anew');
$mock->mode('answer');
is($second->ask(''), whole('k') x 2, 'both are answered');
done_testing;
