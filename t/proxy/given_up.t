# What the proxy has given up must not arrive later: a network that is back after a
# while would bring an old set behind the delete that made it good. So a connection
# on which replies are owed is reset, not closed, and the system forgets what it
# has not delivered. Nor must what has waited in vain for a connection.
use strict;
use warnings;
use Errno qw(ECONNRESET);
use IO::Select ();
use IO::Socket::INET ();
use Memfleet;

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', Listen => 8) or die "listen: $!";
my $addr = '127.0.0.1:' . $listener->sockport;
my $proxy = mfproxy(args => ['--servers', $addr, '--threads', 1, '--request-timeout', '1s',
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

# A node whose queue of connections is full looks as one that is not there, until it
# accepts one: the system asks again after a second.
my $full = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', Listen => 1) or die "listen: $!";
my $at = '127.0.0.1:' . $full->sockport;
my @fill = map { IO::Socket::INET->new(PeerAddr => $at, Blocking => 0) } 1 .. 2;
wait_until(sub { IO::Select->new(@fill)->can_write(0) == @fill }, deadline(15), 'it is full');
$proxy = mfproxy(args => ['--servers', $at, '--threads', 1, '--request-timeout', '100ms', '--connect-timeout', '20s']);
$c = $proxy->connect;
my $down = "SERVER_ERROR backend down\r\n";
is($c->ask("set b 0 0 1\r\nx\r\n"), $down, 'a set that waits for a connection has not been sent');
is($c->ask("incr c 1\r\nget d\r\n"), "${down}END\r\n", 'nor anything else');
is($c->ask("delete e\r\n"), "NOT_FOUND\r\n", 'a delete is kept');
my $proxied;
while (!$proxied) {
    my $next = $full->accept or die "accept: $!";
    my $port = $next->peerport;
    $proxied = $next if !grep { $_->sockport == $port } @fill;
}
my $all = '';
while ($all !~ /\bdelete e\r\n/) {
    IO::Select->new($proxied)->can_read(deadline(20)) or last;
    sysread($proxied, $all, 1000, length $all) or last;
    my %reply = (version => 'VERSION 1', stats => "STAT uptime 100000\r\nEND", delete => 'DELETED');
    syswrite($proxied, join('', map { "$_\r\n" } map { $reply{$_} // 'ERROR' } $1)) if $all =~ /(\w+)[^\n]*\n\z/;
}
like($all, qr/^delete b\r\n/m, 'when it comes about the node has the deletes');
like($all, qr/^delete e\r\n/m, 'both');
unlike($all, qr/^(?:set|incr|get) /m, 'and what was given up is not sent any more');

done_testing;
