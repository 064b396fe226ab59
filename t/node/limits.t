# What is bounded: connections, half commands, idle time, the memory of an idle
# connection, the requests of a turn.
use strict;
use warnings;
use Memfleet;
use Time::HiRes ();

# Over -c a connection is told so and closed; a slot that is given back serves
# the next.
{
    my $node = mfcached(args => [qw(-c 3)]);
    my @held = map { $node->connect } 1 .. 3;
    $_->ask('') for @held;
    my $over = $node->connect;
    is($over->read_to_close, "ERROR Too many open connections\r\n", 'over the limit: a line, closed');
    my $stats = $held[0]->stats;
    is($stats->{rejected_connections}, 1, 'counted');
    is($stats->{max_connections}, 3, 'max_connections');
    is($stats->{curr_connections}, 3, 'curr_connections');
    (pop @held)->close;
    wait_until(sub { $held[0]->stats->{curr_connections} == 2 }, deadline(10), 'a slot is free');
    is($node->connect->ask("get a\r\n"), "END\r\n", 'and serves the next');
}

# Slots that are held with half a command are given up for a new client.
{
    my $node = mfcached(args => [qw(-c 4 --debug-clock)]);
    my $c = $node->connect;
    my @halves = map { $node->connect } 1 .. 3;
    $_->ask('') for $c, @halves;
    $_->send('get a') for @halves;
    wait_until(sub { 4 == grep { $_ eq 'conn_parse_cmd' } values %{ $c->stats('conns') } },
               deadline(10), 'the half commands have arrived');
    is($node->connect->read_to_close, "ERROR Too many open connections\r\n", 'not at once');
    $c->ask("debugtime 2\r\n");
    is($node->connect->ask("get b\r\n"), "END\r\n", 'but after a second');
    is($c->stats->{half_kicks}, 1, 'for one client one goes');
}

# With no_maxconns_fast it waits in the kernel's queue instead.
{
    my $node = mfcached(args => [qw(-c 2 -o no_maxconns_fast)]);
    my @held = map { $node->connect } 1 .. 2;
    $_->ask('') for @held;
    my $waiting = $node->connect;
    $waiting->send("get a\r\n");
    wait_until(sub { $held[0]->stats->{accepting_conns} == 0 }, deadline(10), 'accepting stops');
    is($waiting->unread, '', 'over the limit: not served');
    (pop @held)->close;
    is($waiting->read_line, "END\r\n", 'served when a slot is free');
    $held[0]->close;
    wait_until(sub { $waiting->stats->{accepting_conns} == 1 }, deadline(10), 'accepting goes on');
    cmp_ok($waiting->stats->{time_in_listen_disabled_us}, '>', 0, 'and how long it did not');
    $waiting->ask("stats reset\r\n");
    my $stats = $waiting->stats;
    is("$stats->{listen_disabled_num} $stats->{time_in_listen_disabled_us}", '0 0', 'until reset');
}

# Half a command for 10 s: cut, on the line and in the value. Whoever holds none
# stays. The clock is moved.
{
    my $node = mfcached(args => [qw(--debug-clock -o idle_timeout=100)]);
    my $idle = $node->connect;
    my $line = $node->connect;
    my $value = $node->connect;
    my $swallow = $node->connect;
    $_->ask('') for $idle, $line, $value, $swallow;
    my $c = $node->connect;
    $line->send('get a');
    $value->send("set a 0 0 10\r\n12345");
    $swallow->send("set a 0 0 9999999\r\n12345");
    my @wanted = qw(conn_listening conn_nread conn_parse_cmd conn_parse_cmd conn_read conn_swallow);
    wait_until(sub { "@wanted" eq join(' ', sort grep { /^conn_/ } values %{ $c->stats('conns') }) },
               deadline(10), 'the half commands have arrived');
    $c->ask("debugtime 9\r\n");
    $value->send('6');
    wait_until(sub { idle_seconds($c, 'conn_nread') == 0 }, deadline(10), 'the byte has arrived');
    $c->ask("debugtime 5\r\n");
    is($line->read_to_close, '', 'half a line is cut');
    is($swallow->read_to_close, '', 'half a refused value is cut');
    is($value->ask("7890\r\n"), "STORED\r\n", 'a value that goes on arriving is not');
    is($idle->ask("get a\r\n"), "VALUE a 0 10\r\n1234567890\r\nEND\r\n", 'an idle connection is not');
    is($c->stats->{half_kicks}, 2, 'counted');

    # A client that goes on talking after quit is cut too.
    my $talker = $node->connect;
    $talker->ask('');
    $talker->send("quit\r\n");
    is($talker->read_to_close, '', 'quit closes');
    my $open = sub { $c->stats->{curr_connections} };
    my $before = $open->();
    $c->ask("debugtime 6\r\n");
    $talker->send('more');
    $c->ask("debugtime 6\r\n");
    wait_until(sub { $open->() == $before - 1 }, deadline(10), 'it is cut');
    is($c->stats->{half_kicks}, 3, 'and counted');

    $value->ask('');
    $idle->ask('');
    $c->ask("debugtime 99\r\n");
    $value->ask('');
    $c->ask("debugtime 2\r\n");
    is($idle->read_to_close, '', 'idle for longer than idle_timeout: closed');
    is($value->ask("get none\r\n"), "END\r\n", 'another that was active is not');
    is($c->stats->{idle_kicks}, 1, 'counted');
}

# Who takes a long reply slowly is not idle, nor is a watcher who is told nothing.
{
    my $node = mfcached(args => [qw(-t 1 -m 128 -I 60m --debug-clock -o idle_timeout=100)]);
    my ($c, $slow, $watcher, $idle) = map { $node->connect } 1 .. 4;
    $_->ask('') for $slow, $watcher, $idle;
    my $piece = 'x' x 10_000_000;
    $c->set('v', $piece x 4);
    is($watcher->ask_line("watch evictions\r\n"), "OK\r\n", 'a watcher');
    $slow->send("get v\r\n");
    is($slow->read_line, "VALUE v 0 40000000\r\n", 'a reply of 40 MB');
    for (1 .. 2) {
        $c->ask("debugtime 60\r\n");
        ok($slow->read_exact(length $piece) eq $piece, 'a quarter of it');
    }
    is($idle->read_to_close, '', 'one that is idle is closed');
    ok($slow->read_exact(length $piece) eq $piece, 'one that reads is not') for 1 .. 2;
    is($c->stats->{log_watchers}, 1, 'nor one that watches');
    is($c->stats->{idle_kicks}, 1, 'counted');
}

# Idle connections hold no buffers, whatever they did before.
{
    my $node = mfcached(args => [qw(-c 3000)]);
    my $c = $node->connect;
    my $value = 'x' x 20000;
    $c->set('v', $value);
    $c->ask("get v\r\n");
    my $before = rss_kb($node->pid);
    my $n = 1000;
    my @idle = map { $node->connect } 1 .. $n;
    for my $conn (@idle) {
        $conn->ask("set w 0 0 20000\r\n$value\r\nget v\r\n");
    }
  SKIP: {
        skip('a sanitizer has an allocator of its own', 1)
            if sanitized();
        my $each = (rss_kb($node->pid) - $before) * 1024 / $n;
        cmp_ok($each, '<', 1000, sprintf('%.0f bytes of memory for an idle connection', $each));
    }
}

# A long pipeline of one client does not hold up another on the same worker.
{
    my $node = mfcached(args => [qw(-t 1 -R 20)]);
    my $busy = $node->connect;
    my $c = $node->connect;
    $_->ask('') for $busy, $c;
    $busy->send("get a\r\n" x 5000);
    $c->ask('');
    cmp_ok($c->stats->{conn_yields}, '>', 0, '-R: turns are given up');
    is($busy->ask(''), "END\r\n" x 5000, 'and nothing is lost');

    my $one = mfcached(args => [qw(-t 1 -R 1)])->connect;
    is($one->ask("get a\r\n" x 100), "END\r\n" x 100, '-R 1');
    cmp_ok($one->stats->{conn_yields}, '>=', 99, 'one request a turn');
}

# For how long the one connection in this state has been silent.
sub idle_seconds {
    my ($conn, $state) = @_;
    my $conns = $conn->stats('conns');
    my ($fd) = map { /^(\d+):state$/ && $conns->{$_} eq $state ? $1 : () } keys %$conns;
    return defined $fd ? $conns->{"$fd:secs_since_last_cmd"} : -1;
}

sub rss_kb {
    my ($pid) = @_;
    my ($kb) = slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m;
    return $kb;
}

done_testing;
