package AskTogether;
# Many clients ask in the same moment: a server that makes several system calls as one
# (common/net/call_batch.h) does it for them. Each asks something else, and each gets its
# own answer. The server is stopped while they ask, so that it finds them all at once.
use strict;
use warnings;
use Exporter 'import';
use Memfleet;

our @EXPORT = qw(check_together);

my $large = 'L' x 100_000;

# What a client sends, and what it is answered; '' if nothing yet.
my @kinds = (
    sub { my ($n) = @_; ("get k$n\r\n", "VALUE k$n 0 2\r\nv1\r\nEND\r\n") },
    sub { my ($n) = @_; ("set own$n 5 0 3\r\nabc\r\n", "STORED\r\n") },
    sub { my ($n) = @_; ("mg k$n v k\r\n", "VA 2 kk$n\r\nv1\r\n") },
    sub { my ($n) = @_; ("get nothing$n\r\nmn\r\n", "END\r\nMN\r\n") },
    sub { my ($n) = @_; ("get k$n\r\n" x 500, "VALUE k$n 0 2\r\nv1\r\nEND\r\n" x 500) },
    sub { my ($n) = @_; ("get large\r\n", "VALUE large 0 100000\r\n$large\r\nEND\r\n") },
    sub { my ($n) = @_; ("set big$n 0 0 9000\r\n" . 'b' x 9000 . "\r\n", "STORED\r\n") },
    sub { my ($n) = @_; ("set quiet$n 0 0 1 noreply\r\nx\r\nmn\r\n", "MN\r\n") },
);

# `$what` begins the names of the checks.
sub check_together {
    my ($server, $what, $rounds) = @_;
    my $c = $server->connect;
    $c->set("k$_", 'v1') for 0 .. 39;
    $c->set('large', $large);
    my @clients = map { $server->connect } 0 .. 39;
    my $half = $server->connect;
    my $quits = $server->connect;
    $_->ask("mn\r\n") for @clients, $half, $quits;
    for my $round (1 .. $rounds) {
        $server->freeze;
        my @expected;
        for my $i (0 .. $#clients) {
            # each has a turn of each kind, and in some rounds a whole batch is of one kind
            my $kind = $round % 2 ? ($i + $round) % @kinds : $round / 2 % @kinds;
            my ($bytes, $answer) = $kinds[$kind]->($i);
            $clients[$i]->send($bytes);
            push @expected, $answer;
        }
        $half->send($round % 2 ? 'get k' : "7\r\n");
        $server->signal('CONT');
        my @wrong = grep { $clients[$_]->read_exact(length $expected[$_]) ne $expected[$_] } 0 .. $#clients;
        is(join(' ', @wrong), '', "$what, round $round: each has its answer");
        is($half->ask("mn\r\n"), "VALUE k7 0 2\r\nv1\r\nEND\r\nMN\r\n", "half a command waits for the rest")
            if $round % 2 == 0;
    }

    # Some go while others ask.
    $server->freeze;
    $quits->send("mn\r\nquit\r\n");
    $clients[$_]->send("get k$_\r\n") for 0 .. 39;
    $clients[$_]->half_close for 10 .. 19;
    $server->signal('CONT');
    is($quits->read_to_close, "MN\r\n", "$what: one quits");
    my @wrong = grep { $clients[$_]->read_exact(length "VALUE k$_ 0 2\r\nv1\r\nEND\r\n") ne "VALUE k$_ 0 2\r\nv1\r\nEND\r\n" } 0 .. 39;
    is(join(' ', @wrong), '', 'the others have their answers');
    is(join('', map { $clients[$_]->read_to_close } 10 .. 19), '', 'those who closed their side are closed');
    is($clients[0]->ask("get own1\r\n"), "VALUE own1 5 3\r\nabc\r\nEND\r\n", 'sets of a batch are done');
    return;
}

1;
