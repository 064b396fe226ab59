# Start and stop: within their time, with connections open, and nothing left.
use strict;
use warnings;
use Memfleet;
use POSIX ();
use Time::HiRes qw(time);


for my $signal (qw(TERM INT)) {
    my $node = mfcached(args => [qw(-t 4)]);
    my @conns = map { $node->connect } 1 .. 20;
    $_->ask('') for @conns;
    $conns[0]->send('set a 0 0 100000' . "\r\nxxx");
    $conns[1]->set('v', 'x' x 500_000);
    $conns[2]->send("get v\r\n" x 50); # and reads nothing
    $conns[3]->send('get v');
    $conns[4]->ask('');
    my $began = time;
    $node->signal($signal);
    is($node->wait_end, 0, "SIG$signal: exit status 0");
    my $took = (time - $began) * 1000;
    cmp_ok($took, '<', deadline(sanitized() ? 5000 : 500), sprintf('in %.0f ms', $took));
    like($node->log_text, qr/event=shutdown reason=signal/, 'and says why');
    is($conns[4]->read_to_close, '', 'its connections are closed');
}

# What clients have sent before it stops is answered, however many they are.
{
    my $node = mfcached(args => [qw(-t 1)]);
    my @conns = map { $node->connect } 1 .. 400;
    $_->ask('') for @conns;
    $node->freeze;
    $_->send("get a\r\n" x 1000) for @conns;
    $node->signal('TERM');
    $node->signal('CONT');
    my $answers = "END\r\n" x 1000;
    is(scalar(grep { $_->read_to_close eq $answers } @conns), 400, 'all are answered');
    is($node->wait_end, 0, 'and it ends');
}

# Connections that arrive while it stops find either a server or a refusal, and
# the node still ends.
{
    my $node = mfcached();
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        my $end = time + deadline(10);
        while (time < $end) {
            my $c = eval { $node->connect } or last;
            eval { $c->ask("get a\r\n") };
        }
        POSIX::_exit(0);
    }
    wait_until(sub { $node->connect->stats->{total_connections} > 50 }, deadline(10), 'a stream of clients');
    $node->signal('TERM');
    is($node->wait_end, 0, 'ends under a stream of new connections');
    waitpid($pid, 0);
}

done_testing;
