# A node that stood still does not execute what was sent before a reset: the client
# has given that up, and may have sent something else behind it.
use strict;
use warnings;
use Memfleet;

my $node = mfcached(args => ['-t', 1]);
my $c = $node->connect;
my ($reset, $half, $open) = map { $node->connect } 1 .. 3;
$_->ask("mn\r\n") for $reset, $half, $open;
$node->freeze;
$reset->send("set given_up 0 0 3\r\nold\r\n");
$reset->reset;
my $new = $node->connect; # by the system; the node has not accepted it
$new->send("set unseen 0 0 3\r\nold\r\n");
$new->reset;
$half->send("set half 0 0 1\r\n1\r\n");
$half->half_close;
$open->send("set open 0 0 1\r\n1\r\n");
select(undef, undef, undef, 0.4); # longer than a timer is late; how long is what matters
$node->signal('CONT');

is($half->read_to_close, "STORED\r\n", 'half a close is no reset');
is($open->read_line, "STORED\r\n", 'nor is an open connection');
wait_until(sub { $c->stats->{curr_connections} == 2 }, deadline(10), 'who has reset is gone');
is($c->ask("get given_up\r\n"), "END\r\n", 'what was sent before a reset is not done');
is($c->ask("get unseen\r\n"), "END\r\n", 'nor by a connection that was not accepted yet');
cmp_ok($c->stats->{given_up}, '>=', 1, 'it is counted');

# While the node runs it is done, as by memcached. On a busy machine the node may be
# kept from running for as long as if it were stopped.
my $done = 0;
for my $try (1 .. 20) {
    my $hasty = $node->connect;
    $hasty->ask("mn\r\n");
    $hasty->send("set running 0 0 1\r\n1\r\n");
    $hasty->reset;
    wait_until(sub { $c->stats->{curr_connections} == 2 }, deadline(10), 'closed');
    $done = $c->ask("get running\r\n") =~ /VALUE/ and last;
}
ok($done, 'while the node runs it is done');

# ---- unix sockets ----------------------------------------------------------------------------
# They know no reset. What a proxy has left unanswered when it closed is given up as
# well, and a proxy is who says by which table it goes; others may close when they have
# sent what they do not wait for.
my $socket = scratch_dir() . '/socket';
$node = mfcached(args => ['-t', 1, '-s', $socket]);
sub by_socket { return Memfleet::Conn->new("unix:$socket") }
my $epoch = 'epoch 1 0 ' . '0' x 16 . ' ' . '0' x 16 . "\r\n";
$c = by_socket();
my ($proxy, $half_proxy, $polite) = map { by_socket() } 1 .. 3;
is($_->ask_line($epoch), "OK\r\n", 'a proxy') for $proxy, $half_proxy;
$polite->ask("mn\r\n");
$node->freeze;
$proxy->send("set given_up 0 0 3\r\nold\r\n");
$proxy->close;
my $new_proxy = by_socket();
$new_proxy->send($epoch . "set unseen 0 0 3\r\nold\r\n");
$new_proxy->close;
$half_proxy->send("set half 0 0 1\r\n1\r\n");
$half_proxy->half_close;
$polite->send("set polite 0 0 1 noreply\r\n1\r\n");
$polite->close;
select(undef, undef, undef, 0.4);
$node->signal('CONT');
is($half_proxy->read_to_close, "STORED\r\n", 'unix: half a close is none');
wait_until(sub { $c->stats->{curr_connections} == 1 }, deadline(10), 'who has closed is gone');
is($c->ask("get given_up\r\n"), "END\r\n", 'unix: what a proxy has left is not done');
is($c->ask("get unseen\r\n"), "END\r\n", 'nor by a connection that was not accepted yet');
is($c->ask("get polite\r\n"), "VALUE polite 0 1\r\n1\r\nEND\r\n", 'but what a client has');

done_testing;
