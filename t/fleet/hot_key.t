# 64 clients on one hot key, through real nodes: few requests reach the node, all
# replies are right, and nobody reads what is older than an acknowledged write.
use strict;
use warnings;
use Memfleet;

my @nodes = map { mfcached() } 1 .. 3;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), patient()]);
my @clients = map { $proxy->connect } 1 .. 64;
my $value = 'v' x 100;

sub backend_requests { return $clients[0]->stats->{backend_requests_total} }
sub node_gets {
    my $sum = 0;
    $sum += $_->connect->stats->{cmd_get} for @nodes;
    return $sum;
}
is($clients[0]->set('hot', $value), 'STORED', 'a value');
my $whole = "VALUE hot 0 100\r\n$value\r\nEND\r\n";

# All ask while the proxy does not run, so that it finds them together, as a
# proxy under load does.
my $rounds = 20;
my ($before, $gets, $wrong) = (backend_requests(), node_gets(), 0);
for (1 .. $rounds) {
    $proxy->freeze;
    $_->send("get hot\r\n") for @clients;
    $proxy->signal('CONT');
    $wrong += $_->read_exact(length $whole) ne $whole for @clients;
}
is($wrong, 0, 'all replies are right');
my $asked = backend_requests() - $before;
cmp_ok($asked, '<=', 0.1 * 64 * $rounds, "$asked requests for " . 64 * $rounds);
is(node_gets() - $gets, $asked, 'as the nodes have counted, too');

# Pipelined, and with everything else that clients do meanwhile: the key in
# multigets, in meta, and writes of other keys.
$before = backend_requests();
my $many = "VALUE hot 0 100\r\n$value\r\nEND\r\n" x 8 . "VA 100 Oab khot\r\n$value\r\n" x 8
    . "VALUE hot 0 100\r\n$value\r\n" x 2 . "END\r\n" . "STORED\r\n";
for my $round (1 .. 10) {
    my $n = 0;
    $_->send("get hot\r\n" x 8 . "mg hot v Oab k\r\n" x 8 . "get hot hot\r\nset own" . $n++ . " 0 0 1\r\nx\r\n")
        for @clients;
    $wrong += $_->read_exact(length $many) ne $many for @clients;
}
is($wrong, 0, 'pipelined, in all forms');
$asked = backend_requests() - $before - 10 * 64; # the writes
cmp_ok($asked, '<=', 0.2 * 64 * 18 * 10, "$asked requests for " . 64 * 18 * 10);

# A writer among them: whoever asks when a write has been acknowledged, by
# whichever connection, reads nothing older, though others' reads are on their way.
my ($old, $last) = (0, 0);
is($clients[0]->set('n', '0'), 'STORED', 'a counter');
for my $round (1 .. 40) {
    my $writer = $clients[rand @clients];
    $_->send("get n\r\n") for @clients;
    ($last) = $writer->ask("incr n 1\r\n") =~ /END\r\n(\d+)\r\n\z/;
    $_->send("get n\r\n") for @clients;
    for my $client (@clients) {
        $client->read_values if $client != $writer; # asked before the write
        $old++ if $client->read_values->{n} < $last;
    }
}
is($last, 40, 'forty were added');
is($old, 0, 'nobody read a number older than the last that was acknowledged');
done_testing;
