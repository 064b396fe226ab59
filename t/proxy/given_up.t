# What the proxy has given up must not arrive later: a network that is back after a
# while would bring an old set behind the delete that made it good. So a connection
# on which replies are owed is reset, not closed, and the system forgets what it
# has not delivered.
use strict;
use warnings;
use Errno qw(ECONNRESET);
use IO::Socket::INET ();
use Memfleet;

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', Listen => 8) or die "listen: $!";
my $addr = '127.0.0.1:' . $listener->sockport;
my $proxy = mfproxy(args => ['--servers', $addr, '--threads', 1, '--request-timeout', '100ms',
                             '--connect-timeout', '5s']);
my $c = $proxy->connect;

# Answers once, so that the connection is one that worked, and then no more.
$c->send("get a\r\n");
my $node = $listener->accept;
sysread($node, my $request, 100);
is($request, "get a\r\n", 'the node is asked');
syswrite($node, "END\r\n");
is($c->read_line, "END\r\n", 'and answers');

is($c->ask("set a 0 0 1\r\nx\r\n"), "SERVER_ERROR backend timeout\r\n", 'nobody knows whether it is done');
my ($got, $error) = ('');
while (1) {
    my $n = sysread($node, $got, 1000, length $got);
    $error = $! + 0 if !defined $n;
    last if !$n;
}
like($got, qr/^set a 0 0 1\r\nx\r\n/, 'the node has it');
is($error, ECONNRESET + 0, 'and sees that the connection was given up');

done_testing;
