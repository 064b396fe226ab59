# Fifteen thousand connections are held while a million come and go, each in one of the
# ways in which clients go: nobody is refused or forgotten, no descriptor leaks, and
# the memory comes back. Of a node, and of a proxy with two of them.
#
# CONNECTIONS_HELD and CONNECTIONS_CHURNED say otherwise. `make check-long` runs it.
use strict;
use warnings;
use Memfleet;
use POSIX ();
use Socket qw(AF_INET SOCK_STREAM SOL_SOCKET SO_LINGER pack_sockaddr_in inet_aton);

my $held    = $ENV{CONNECTIONS_HELD}    // 15_000;
my $churned = $ENV{CONNECTIONS_CHURNED} // 1_000_000;
my $hands   = 4;
my $hosts   = 60; # addresses of one listener: a pair of addresses has only 28,000 ports
alarm(deadline(1800));

sub rss_kb {
    my ($server) = @_;
    return slurp('/proc/' . $server->pid . '/status') =~ /^VmRSS:\s+(\d+) kB/m ? $1 : die;
}

sub descriptors {
    my ($server) = @_;
    my @fds = glob '/proc/' . $server->pid . '/fd/*';
    return scalar @fds;
}

sub open_connection {
    my ($port, $n) = @_;
    socket(my $s, AF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
    my $host = '127.0.0.' . (1 + $n % $hosts);
    connect($s, pack_sockaddr_in($port, inet_aton($host))) or die "connect: $!\n";
    return $s;
}

# One reply, to its end.
sub ask {
    my ($s, $request, $end) = @_;
    my $reply = '';
    syswrite($s, $request) == length $request or die "write: $!\n";
    while (substr($reply, -length $end) ne $end) {
        sysread($s, $reply, 4096, length $reply) or die "closed after '$reply'\n";
    }
    return $reply;
}

my @ways = (
    ['closes'            => sub { ask($_[0], "get k\r\n", "END\r\n") }],
    ['says quit'         => sub { ask($_[0], "get k\r\n", "END\r\n"); syswrite($_[0], "quit\r\n"); sysread($_[0], my $x, 1) }],
    ['resets'            => sub { ask($_[0], "mg k v\r\n", "\r\n"); setsockopt($_[0], SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) }],
    ['leaves a question' => sub { syswrite($_[0], "get k k k\r\n") }],
    ['half a command'    => sub { syswrite($_[0], "set k 0 0 100\r\nabc") }],
    ['says nothing'      => sub { }],
);

# The number of connections that failed, by all hands together.
sub churn {
    my ($port) = @_;
    my @pids;
    for my $hand (0 .. $hands - 1) {
        my $pid = fork() // die "fork: $!";
        if ($pid != 0) {
            push @pids, $pid;
            next;
        }
        local $SIG{PIPE} = 'IGNORE';
        my $failed = 0;
        for (my $n = $hand; $n < $churned; $n += $hands) {
            eval { $ways[int($n / $hands) % @ways][1]->(open_connection($port, $n)); 1 } or $failed++;
        }
        POSIX::_exit($failed > 255 ? 255 : $failed);
    }
    my $failed = 0;
    for my $pid (@pids) {
        waitpid($pid, 0);
        $failed += $? == 0 ? 0 : 1;
    }
    return $failed;
}

sub hold_and_churn {
    my ($name, $server, $each_kb) = @_;
    my ($port) = $server->addr =~ /:(\d+)$/;
    my $c = $server->connect;
    is($c->set('k', 'v'), 'STORED', "$name serves");
    ask(open_connection($port, $_), "get k\r\n", "END\r\n") for 1 .. 8; # each thread has been asked
    wait_until(sub { $c->stats->{curr_connections} == 1 }, deadline(30), 'they are gone');
    my ($fds, $kb) = (descriptors($server), rss_kb($server));

    my @held = map { open_connection($port, $_) } 1 .. $held;
    my $right = grep { ask($_, "get k\r\n", "END\r\n") =~ /^VALUE k 0 1\r\nv\r\n/ } @held;
    is($right, $held, "$name: $held connections are served");
    my $held_kb = rss_kb($server);
    cmp_ok($held_kb - $kb, '<=', $held * $each_kb, sprintf('%s: %.2f kB each', $name, ($held_kb - $kb) / $held));

    is(churn($port), 0, "$name: $churned more come and go, none fails");
    wait_until(sub { descriptors($server) <= $fds + $held }, deadline(30), 'those that went are closed');
    is(descriptors($server), $fds + $held, "$name: no descriptor leaks");
    is($c->stats->{curr_connections}, $held + 1, "$name: as stats says");
    $right = grep { ask($_, "get k\r\n", "END\r\n") =~ /^VALUE k 0 1\r\nv\r\n/ } @held;
    is($right, $held, "$name: who was there is served as before");
    cmp_ok(rss_kb($server), '<=', $held_kb + 8192, "$name: the memory is what it was: " . rss_kb($server) . ' kB');

    close $_ for @held;
    wait_until(sub { descriptors($server) <= $fds }, deadline(30), 'all are closed');
    wait_until(sub { rss_kb($server) <= $kb + 8192 }, deadline(30), 'and their memory comes back') if !sanitized();
    cmp_ok(rss_kb($server), '<=', $kb + 8192, "$name: the memory is back: " . rss_kb($server) . " of $kb kB") if !sanitized();
    return;
}

my ($limit) = qx{sh -c 'ulimit -n'} =~ /(\d+)/;
plan(skip_all => "a process may have $limit descriptors only") if $limit =~ /^\d+$/ && $limit < $held + 100;
my $node = mfcached(listen => '0.0.0.0:0', args => ['-c', $held + 1000, '-t', 2]);
hold_and_churn('mfcached', $node, 0.6);

my @nodes = map { mfcached() } 1 .. 2;
my $proxy = mfproxy(listen => '0.0.0.0:0', args => ['--servers', join(',', map { $_->addr } @nodes), '--threads', 2,
                                                    '--max-connections', $held + 1000, patient()]);
hold_and_churn('mfproxy', $proxy, 1);
done_testing;
