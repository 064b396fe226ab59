# Ordinary conversations, byte for byte what Debian's memcached answers, at a
# node and through the proxy. Odd input is the business of bad_inputs.t; what is
# left out here are CAS values, which every server counts by itself, and seconds
# that pass.
use strict;
use warnings;
use Memfleet;

skip_without('memcached');

my $long = 'v' x 5000;
my $binary = join('', map { chr } 0 .. 255);
my @conversations = (
    ['set, get, miss',        "set a 5 0 3\r\nabc\r\n", "get a\r\n", "get nothing\r\n", "get a nothing a\r\n",
                              "bget a nothing\r\n"],
    ['flags and an expiry',   "set a 4294967295 1000 1\r\nx\r\n", "get a\r\n", "set b 0 -1 1\r\nx\r\n", "get b\r\n"],
    ['an empty value',        "set a 0 0 0\r\n\r\n", "get a\r\n", "append a 0 0 2\r\nxy\r\n", "get a\r\n"],
    ['any bytes',             "set a 0 0 256\r\n$binary\r\n", "get a\r\n", "mg a v s\r\n"],
    ['a longer value',        "set a 0 0 5000\r\n$long\r\n", "get a\r\n", "prepend a 0 0 1\r\n-\r\n", "get a\r\n"],
    ['add and replace',       "add a 1 0 1\r\n1\r\n", "add a 2 0 1\r\n2\r\n", "get a\r\n", "replace a 3 0 1\r\n3\r\n",
                              "get a\r\n", "replace nothing 0 0 1\r\n1\r\n"],
    ['append and prepend',    "append a 0 0 1\r\nx\r\n", "set a 7 0 1\r\n0\r\n", "append a 9 0 2\r\n+1\r\n",
                              "prepend a 9 0 2\r\n1-\r\n", "get a\r\n"],
    ['numbers',               "incr a 1\r\n", "set a 0 0 2\r\n98\r\n", "incr a 5\r\n", "decr a 4\r\n", "get a\r\n",
                              "decr a 1000\r\n", "get a\r\n", "set a 0 0 20\r\n18446744073709551615\r\n",
                              "incr a 2\r\n", "set b 0 0 1\r\nx\r\n", "incr b 1\r\n", "incr a x\r\n"],
    ['delete and touch',      "delete a\r\n", "set a 0 0 1\r\nx\r\n", "touch a 100\r\n", "touch nothing 1\r\n",
                              "delete a\r\n", "get a\r\n", "delete a 0\r\n"],
    ['gat',                   "set a 3 0 1\r\nx\r\n", "gat 100 a nothing\r\n", "gat 0 a\r\n", "gat -1 a\r\n", "get a\r\n"],
    ['noreply is silence',    "set a 0 0 1 noreply\r\n1\r\n", "get a\r\n", "incr a 5 noreply\r\n", "get a\r\n",
                              "append a 0 0 1 noreply\r\n!\r\n", "get a\r\n", "delete a noreply\r\n", "get a\r\n"],
    ['many keys',             (map { "set k$_ $_ 0 3\r\nv$_\r\n" } 10 .. 39),
                              'get ' . join(' ', map { "k$_" } 5 .. 45) . "\r\n"],
    ['a long pipeline',       join('', map { "set p$_ 0 0 1\r\nx\r\nget p$_ p1 nothing\r\ndelete p$_\r\n" } 10 .. 99)],
    ['cas that cannot match', "cas nothing 0 0 1 5\r\nx\r\n", "set a 0 0 1\r\nx\r\n",
                              "cas a 0 0 1 18446744073709551610\r\ny\r\n", "get a\r\n"],
    ['meta get',              "mg a v\r\n", "set a 5 0 3\r\nabc\r\n", "mg a\r\n", "mg a v\r\n", "mg a s v k f t Oxyz\r\n",
                              "mg a k O1\r\n", "mg nothing v k O2\r\n", "mg a v q\r\n", "mg nothing v q\r\n"],
    ['meta set',              "ms a 3 F7 T0\r\nabc\r\n", "mg a v f\r\n", "ms a 1 k O9 ME\r\nx\r\n", "ms a 1 MR\r\ny\r\n",
                              "ms a 2 MA\r\nzz\r\n", "ms a 1 MP\r\n.\r\n", "mg a v s f\r\n", "ms b 1 MR\r\ny\r\n",
                              "ms a 1 q\r\nx\r\n", "ms b 1 ME q\r\nx\r\nms b 1 ME q O4\r\nx\r\n"],
    ['meta delete',           "md a\r\n", "ms a 1\r\nx\r\n", "md a k O1\r\n", "md a q\r\n", "ms a 1\r\nx\r\nmd a q\r\n"],
    ['meta arithmetic',       "ma a\r\n", "ma a N0 J13 v\r\n", "ma a v D2\r\n", "ma a MD D5 v t\r\n", "ma a MD D100 v\r\n",
                              "ma a q\r\n", "mg a v\r\n"],
    ['stale, won, too late',  "ms a 1 T100\r\nx\r\n", "md a I T30\r\n", "mg a v\r\n", "mg a v\r\n", "ms a 1\r\ny\r\n", "mg a v\r\n"],
    ['vivify',                "mg a v N30\r\n", "mg a v N30\r\n", "ms a 1\r\ny\r\n", "mg a v N30\r\n"],
    ['whether it was hit',    "ms a 1\r\nx\r\n", "mg a h\r\n", "mg a h\r\n"],
    ['binary keys',           "ms Zm9vYmFy 1 b\r\nx\r\n", "mg Zm9vYmFy b v k\r\n", "mg foobar v\r\n", "md Zm9vYmFy b\r\n"],
    ['a key of 250 bytes',    'set ' . 'k' x 250 . " 0 0 1\r\nx\r\n", 'get ' . 'k' x 250 . "\r\n"],
    ['keys that are not ASCII', "set gr\xc3\xbc\xc3\x9fe 0 0 1\r\nx\r\n", "get gr\xc3\xbc\xc3\x9fe\r\n"],
    ['flush_all',             "set a 0 0 1\r\nx\r\n", "flush_all\r\n", "get a\r\n", "flush_all noreply\r\n", "flush_all 0\r\n"],
    ['verbosity',             "verbosity 1\r\n", "verbosity 0 noreply\r\n"],
);

my @nodes = map { mfcached() } 1 .. 3;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), patient()]);
my $alone = mfcached();

for my $c (@conversations) {
    my ($name, @requests) = @$c;
    subtest $name => sub {
        for my $server ($alone, $proxy) {
            my $conn = $server->connect;
            # The same beginning for both sides: nothing is stored.
            memcached_compare($conn, "flush_all\r\n", $server->name . ': flush');
            for my $bytes (@requests) {
                my $shown = substr($bytes, 0, 60) =~ s/\r\n/ | /gr =~ s/[^ -~]/?/gr;
                memcached_compare($conn, $bytes, $server->name . ': ' . $shown);
            }
            $conn->close;
        }
    };
}

done_testing;
