# Who is to refill an item (W), who is not (Z), and that it is stale (X): what
# memcached answers, in its order, and how incr treats the marks.
use strict;
use warnings;
use Memfleet;

my $node = mfcached(args => [qw(-t 1)]);
my $c = $node->connect;

my @talk = (
    ["set k 0 0 1\r\n1\r\n", "STORED\r\n"],
    ["mg k h v\r\n", "VA 1 h0\r\n1\r\n", 'fresh'],
    ["md k I\r\n", "HD\r\n"],
    ["mg k v\r\n", "VA 1 X W\r\n1\r\n", 'the first to see it stale refills it'],
    ["mg k t v\r\n", "VA 1 t-1 Z X\r\n1\r\n", 'the next does not'],
    ["incr k 1\r\n", "2\r\n"],
    ["mg k v\r\n", "VA 1 Z X\r\n2\r\n", 'incr keeps the marks'],
    ["incr k 100\r\n", "102\r\n"],
    ["mg k h v\r\n", "VA 3 h0\r\n102\r\n", 'a number that outgrows its item has none'],
    ["set k 0 0 1\r\n1\r\n", "STORED\r\n"],
    ["incr k 1\r\n", "2\r\n"],
    ["mg k h v\r\n", "VA 1 h0\r\n2\r\n", 'incr is no fetch'],
    ["mg new N30 v\r\n", "VA 0 W\r\n\r\n", 'made by a miss'],
    ["mg new N30 v\r\n", "VA 0 Z\r\n\r\n", 'and being filled'],
    ["ma made N30 T90 t\r\n", "HD t90\r\n", 'of T and N the later one decides'],
    ["ma other T90 N30 t\r\n", "HD t30\r\n"],
    ["mg mine N30 T90 t\r\n", "HD t90 W\r\n"],
    ["ms k 1 I C0\r\nx\r\n", "EX\r\n", 'a CAS value of 0 is not an older one'],
    ["ms k 1 I C1\r\nx\r\n", "HD\r\n"],
    ["mg k v\r\n", "VA 1 X W\r\nx\r\n", 'an outdated value is kept as stale'],

    # Only who will refill an item may be told to.
    ["set s 0 0 1\r\n1\r\n", "STORED\r\n"],
    ["md s I\r\n", "HD\r\n"],
    ["me s\r\n", qr/^ME s exp=-1 .* fetch=no /, 'me looks at what is stale'],
    ["ms s 3000 MA C1\r\n" . 'x' x 3000 . "\r\n", "EX\r\n", 'so does what is not appended'],
    ["gat 0 s\r\n", "VALUE s 0 1\r\n1\r\nEND\r\n"],
    ["touch s 0\r\n", "TOUCHED\r\n"],
    ["mg s v\r\n", "VA 1 X W\r\n1\r\n", 'and nobody took the token'],

    ["set a 0 0 1\r\n1\r\n", "STORED\r\n"],
    ["add a 0 0 1\r\n2\r\n", "NOT_STORED\r\n"],
    ["mg a h v\r\n", "VA 1 h0\r\n1\r\n", 'add is no fetch'],
    ["mg made_here N30 h\r\n", "HD h0 W\r\n"],
    ["mg made_here h\r\n", "HD h1 Z\r\n", 'but making an item by mg is one'],
    ["mg made_there N30 u\r\n", "HD W\r\n"],
    ["mg made_there h\r\n", "HD h0 Z\r\n", 'unless it is not to be noted'],
);
for my $turn (@talk) {
    my ($request, $reply, $what) = @$turn;
    my $said = $what // $request =~ s/\r\n.*//sr;
    ref $reply ? like($c->ask($request), $reply, $said) : is($c->ask($request), $reply, $said);
}
done_testing;
