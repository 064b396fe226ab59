# What a node missed while it could not be reached, and how it gets it before its
# keys are read again: docs/failure-modes.md, "Deletes that cannot be delivered".
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $mock = MockBackend->start(name => 'a');

sub proxy_with {
    my (@args) = @_;
    return mfproxy(args => ['--servers', $mock->addr, '--threads', 1, '--request-timeout', '300ms', @args]);
}

sub counter {
    my ($c, $name) = @_;
    return $c->stats->{$name};
}

# The node looks DOWN to the proxy: it closes and listens no more.
sub take_down {
    my ($proxy, $c) = @_;
    my $downs = () = $proxy->log_text =~ /event=backend_down/g;
    $mock->mode('refuse');
    wait_until(sub { $c->get('probe'); my $n = () = $proxy->log_text =~ /event=backend_down/g; $n > $downs },
               deadline(10), 'the node is DOWN');
    $mock->seen;
    return;
}

sub bring_up {
    my ($proxy) = @_;
    my $ups = () = $proxy->log_text =~ /event=backend_up/g;
    $mock->mode('answer');
    wait_until(sub { my $n = () = $proxy->log_text =~ /event=backend_up/g; $n > $ups }, deadline(20),
               'the node is UP');
    return grep { !/^(?:version|get|mn)/ } $mock->seen;
}

# ---- deletes of a node that is DOWN ---------------------------------------------------
my $proxy = proxy_with();
my $c = $proxy->connect;
is($c->get('k'), 'a:k', 'it serves');
take_down($proxy, $c);
is($c->ask("delete k\r\nmd k2\r\nmd k2 q O7\r\ndelete k noreply\r\n"), "NOT_FOUND\r\nNF\r\nNF O7\r\n",
   'deletes of a DOWN node are remembered and so are no errors');
is($c->ask("md YSBi b\r\n"), "NF\r\n", 'also of a key that is no word');
is($c->ask("set k3 0 0 1\r\nx\r\nms k4 1 q\r\nx\r\n"), "SERVER_ERROR backend down\r\nNS\r\n",
   'a set is an error');
is($c->ask("add k5 0 0 1\r\nx\r\nincr k6 1\r\nappend k7 0 0 1\r\nx\r\n"), "SERVER_ERROR backend down\r\n" x 3,
   'and so is what was not sent and leaves the value as good as it was');
like($c->ask("stats backends\r\n"), qr/:journal 5\r$/m, 'five keys are remembered, each once');
is_deeply([bring_up($proxy)], ['stats', 'delete k', 'delete k2', 'md YSBi b', 'delete k3', 'delete k4'],
          'the node is asked how old its memory is, and has every delete before it is UP');
is($c->get('k'), 'a:k', 'then its keys are read again');
like($c->ask("stats backends\r\n"), qr/:journal 0\r$/m, 'and nothing is left');
is(counter($c, 'journal_replays_total'), 5, 'five deliveries are counted');

# ---- a node that came back empty --------------------------------------------------------
take_down($proxy, $c);
$c->ask("delete old\r\n");
my $later = Memfleet::Deadline::now() + 2.2;
wait_until(sub { Memfleet::Deadline::now() > $later }, deadline(10), 'time passes');
$c->ask("delete new\r\n");
$mock->uptime(0);
is_deeply([bring_up($proxy)], ['stats', 'delete new'], 'what was deleted before it began is nothing to it');
is(counter($c, 'journal_moot_total'), 1, 'and counted');
$mock->uptime(1_000_000);

# One that does not say its age, or not a likely one, gets everything.
for my $stats ('END', "STAT uptime 18446744073709551615\r\nEND", "STAT uptime -1\r\nEND", 'ERROR') {
    take_down($proxy, $c);
    $c->ask("delete old\r\n");
    my $later = Memfleet::Deadline::now() + 2.2;
    wait_until(sub { Memfleet::Deadline::now() > $later }, deadline(10), 'time passes');
    $mock->busy('stats', $stats =~ s/\r/\\r/gr =~ s/\n/\\n/gr);
    is_deeply([bring_up($proxy)], ['stats', 'delete old'], 'told by stats: ' . $stats =~ s/\r\n.*//sr);
}
$mock->busy('');

# ---- a request whose outcome nobody knows ---------------------------------------------------
$mock->busy('delete');
$mock->mode('hang');
is($c->ask("set k 0 0 1\r\nx\r\n"), "SERVER_ERROR backend timeout\r\n", 'a set is not answered');
$mock->mode('answer');
wait_until(sub { $c->get('other') }, deadline(10), 'the node answers');
is($c->ask("get k\r\n"), "END\r\n", 'its key is not read there');
is($c->ask("get k k\r\nmg k v\r\nincr k 1\r\ndelete k\r\n"),
   "END\r\nEN\r\nSERVER_ERROR backend down\r\nNOT_FOUND\r\n", 'whatever asks for it');
$mock->seen;
$mock->busy('');
wait_until(sub { ($c->get('k') // '') eq 'a:k' }, deadline(10), 'until it was deleted');
ok((grep { $_ eq 'delete k' } $mock->seen), 'which it was');
for my $write ("cas u 0 0 1 5\r\nx\r\n", "append u 0 0 1\r\nx\r\n", "incr u 1\r\n", "ma u\r\n",
               "replace u 0 0 1\r\nx\r\n", "delete u\r\n") {
    $mock->seen;
    $mock->mode('hang');
    my $told = $write =~ /^delete/ ? 'NOT_FOUND' : 'SERVER_ERROR backend timeout';
    is($c->ask($write), "$told\r\n", 'no answer to ' . $write =~ s/\r.*//sr);
    $mock->mode('answer');
    wait_until(sub { ($c->get('u') // '') eq 'a:u' }, deadline(10), 'it is deleted');
    ok((grep { $_ eq 'delete u' } $mock->seen), 'at its node');
}

# ---- the delivery fails too --------------------------------------------------------------------
take_down($proxy, $c);
$c->ask("delete x1\r\ndelete x2\r\n");
$mock->mode('bytes VERSION x\r\n'); # answers probes, and nothing else well
wait_until(sub { grep { /^delete|^stats/ } $mock->seen }, deadline(20), 'it is told');
is($c->get('x1'), undef, 'a node that does not take it is not read');
ok(!(grep { /^get/ } $mock->seen), 'nor asked');
is_deeply([(grep { /^delete/ } bring_up($proxy))[-2, -1]], ['delete x1', 'delete x2'], 'until it has taken it');
$proxy->stop;

# ---- two workers ---------------------------------------------------------------------------------
$proxy = mfproxy(args => ['--servers', $mock->addr, '--threads', 2, '--request-timeout', '300ms']);
my ($one, $two) = map { $proxy->connect } 1 .. 2;
is($_->get('k'), 'a:k', 'both workers serve') for $one, $two;
$mock->busy('delete');
$mock->mode('hang');
is($one->ask("delete k\r\n"), "NOT_FOUND\r\n", 'one cannot deliver');
$mock->mode('answer');
wait_until(sub { $two->get('k2') }, deadline(10), 'the other reads there');
is($two->ask("get k\r\n"), "END\r\n", 'but not this key');
$mock->busy('');
wait_until(sub { ($two->get('k') // '') eq 'a:k' }, deadline(10), 'until the one has delivered');
$proxy->stop;

# ---- more than is remembered ------------------------------------------------------------------------
$proxy = proxy_with('--journal-entries', 3);
$c = $proxy->connect;
take_down($proxy, $c);
is($c->ask(join('', map { "delete k$_\r\n" } 1 .. 9)), "NOT_FOUND\r\n" x 9, 'more deletes than are remembered');
is_deeply([bring_up($proxy)], ['stats', 'flush_all'], 'are one flush');
is(counter($c, 'journal_overflows_total'), 1, 'counted as such');
is($c->get('k1'), 'a:k1', 'and then it serves');

# flush_all itself
take_down($proxy, $c);
is($c->ask("flush_all\r\n"), "SERVER_ERROR backend down\r\n", 'a flush that did not reach all is an error');
is_deeply([bring_up($proxy)], ['stats', 'flush_all'], 'and still happens');
take_down($proxy, $c);
$c->ask("flush_all 100\r\n");
is_deeply([bring_up($proxy)], [], 'but not one of a time to come');
$mock->mode('hang');
is($c->ask("flush_all\r\n"), "SERVER_ERROR backend timeout\r\n", 'a flush is not answered');
$mock->mode('answer');
wait_until(sub { defined $c->get('k1') }, deadline(10), 'it serves again');
is(scalar(grep { /^flush_all/ } $mock->seen), 2, 'when it was flushed again');

# A node too old for a delete by base64 gets a flush instead.
take_down($proxy, $c);
$mock->busy('md', 'ERROR');
$c->ask("md YSBi b\r\n");
is_deeply([bring_up($proxy)], ['stats', 'md YSBi b', 'flush_all'], 'a delete that the node does not know');
$mock->busy('');
$proxy->stop;

# A rate below one a burst is kept to, too. (Two of four are certain to be a fifth of a second
# apart and more, whatever else the machine does.)
$proxy = proxy_with('--replay-rate', 5);
$c = $proxy->connect;
take_down($proxy, $c);
$c->ask("delete r$_\r\n") for 1 .. 4;
$mock->mode('answer');
my @came;
wait_until(sub { push @came, (Memfleet::Deadline::now()) x grep { /^delete/ } $mock->seen; @came > 0 }, deadline(20), 'the first is there');
wait_until(sub { push @came, (Memfleet::Deadline::now()) x grep { /^delete/ } $mock->seen; @came == 4 }, deadline(20), 'and the last');
cmp_ok($came[3] - $came[0], '>', 0.2, '--replay-rate 5: four take their time');
$proxy->stop;

# ---- what the pool wants ----------------------------------------------------------------------------------
$proxy = proxy_with('--rejoin', 'flush');
$c = $proxy->connect;
take_down($proxy, $c);
is_deeply([bring_up($proxy)], ['stats', 'flush_all'], 'rejoin: flush');
take_down($proxy, $c);
$mock->uptime(0);
$later = Memfleet::Deadline::now() + 2.2;
wait_until(sub { Memfleet::Deadline::now() > $later }, deadline(10), 'time passes');
is_deeply([bring_up($proxy)], ['stats'], 'but not of one that began empty since');
$proxy->stop;

$proxy = proxy_with('--rejoin', 'trust');
$c = $proxy->connect;
take_down($proxy, $c);
is($c->ask("delete k\r\nmd k q O1\r\n"), "SERVER_ERROR backend down\r\nNS O1\r\n", 'rejoin: trust remembers nothing');
is_deeply([bring_up($proxy)], [], 'and delivers nothing');
$proxy->stop;
done_testing;
