# Every command through the proxy over three nodes, beside the same command to
# one memcached: the same bytes come back.
use strict;
use warnings;
use Memfleet;

skip_without('memcached');
my @nodes = map { memcached_program() } 1 .. 3;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), patient()]);
my $alone = memcached_program();
my ($c, $d) = ($proxy->connect, $alone->connect);

sub same {
    my ($bytes, $name) = @_;
    ($name = substr($bytes, 0, 60)) =~ s/\r\n/ | /g if !defined $name;
    return is($c->ask($bytes), $d->ask($bytes), $name);
}

# CAS values differ from node to node; this shows them as a letter.
sub same_but_cas {
    my ($bytes, $name) = @_;
    my @replies = map { $_->ask($bytes) =~ s/^(VALUE \S+ \d+ \d+) \d+/$1 CAS/mgr
                        =~ s/\bc\d+/cCAS/gr } $c, $d;
    return is($replies[0], $replies[1], $name);
}

my @keys = map { "key:$_" } 1 .. 40;
my $sets = join('', map { "set $_ $1 0 " . length("value of $_") . "\r\nvalue of $_\r\n" if /(\d+)/ } @keys);
same($sets, 'forty sets in one write');
same("get @keys\r\n", 'forty keys in one get');
same("get @{[ reverse @keys ]}\r\n", 'in the order of asking');
same("get key:1 nope key:1 key:2 nope key:1 key:40\r\n", 'doubled and missing keys');
same('get ' . join(' ', map { "nope$_" } 1 .. 20) . "\r\n", 'misses only');
same_but_cas("gets @keys nope\r\n", 'gets');
same("gat 100 key:1\r\n");
same("gat 100 @keys\r\n", 'gat of many keys');
same_but_cas("gats 100 @keys\r\n", 'gats');
same(join('', map { "get $_\r\n" } @keys), 'forty gets in one write');

same("add key:1 0 0 1\r\nx\r\nadd new 3 0 1\r\nx\r\nreplace new 4 0 2\r\nyz\r\nreplace nope 0 0 1\r\nx\r\n");
same("append new 0 0 1\r\n!\r\nprepend new 0 0 1\r\n?\r\nget new\r\nappend nope 0 0 1\r\nx\r\n");
same("cas nope 0 0 1 5\r\nx\r\ncas new 0 0 1 999999999\r\nx\r\n");
for my $conn ($c, $d) {
    my ($cas) = $conn->ask("gets new\r\n") =~ /(\d+)\r\n\?/;
    is($conn->ask("cas new 7 0 2 $cas\r\nok\r\nget new\r\n"),
       "STORED\r\nVALUE new 7 2\r\nok\r\nEND\r\n", 'cas with the right value');
}
same("set n 0 0 2\r\n10\r\nincr n 5\r\ndecr n 20\r\nincr n 18446744073709551615\r\nincr n 1\r\n");
same("incr nope 1\r\nincr new 1\r\nincr n x\r\ndecr n -1\r\n");
same("touch key:1 100\r\ntouch nope 1\r\ntouch key:2 -1\r\nget key:2\r\n");
same("delete key:3\r\ndelete key:3\r\ndelete key:4 0\r\nget key:3 key:4\r\n");
same("verbosity 1\r\n");

# noreply, and that nothing of it comes later
same("set q 0 0 1 noreply\r\n1\r\nincr q 1 noreply\r\nget q\r\n");
same("add q 0 0 1 noreply\r\n9\r\nreplace q 0 0 1 noreply\r\n5\r\nappend q 0 0 1 noreply\r\n6\r\nget q\r\n");
same("touch q 0 noreply\r\ndecr q 1 noreply\r\ndelete q noreply\r\nget q\r\n");
same("incr key:1 1 noreply\r\nincr nope 1 noreply\r\ndelete nope noreply\r\ncas q 0 0 1 1 noreply\r\nx\r\n");
same("verbosity 0 noreply\r\nversion_\r\n");

# meta
same("ms m 2 F5 T0\r\nhi\r\nmg m v f s k Oabc t\r\nmg m\r\nmg nope v\r\nmg nope k Oxy\r\n");
same("mg m v q\r\nmg nope v q\r\nmg m q\r\n");
same("ms m 2 q\r\nyo\r\nms m 2 MA q\r\n!!\r\nmg m v\r\nms nope 1 MA q k\r\nx\r\nms nope 1 MR Oq\r\nx\r\n");
same("ms m 1 I\r\nx\r\nms m 1 C99999999 k O1 q\r\nx\r\nms m 1 ME q k\r\nx\r\n");
same("ms bTE= 1 b\r\nx\r\nmg bTE= b v k\r\nmg m1 v\r\n");
same("set mc 0 0 1\r\n5\r\nma mc\r\nma mc v D10\r\nma mc MD v\r\nma mc q v\r\nma nope\r\nma nope q k\r\nma nope N0 J13 v\r\nma m\r\n");
same("md m q\r\nmd m q\r\nmd m k Oz\r\nmd mc I T30\r\nmg mc v\r\nmg mc v\r\n");
same("mg viv N30 v t\r\nmg viv N30 v\r\nms viv 2 T0\r\nok\r\nmg viv v\r\n");
same("me nobody\r\n");
like($c->ask("me viv\r\n"), qr/^ME viv .*size=\d+/, 'me');
same_but_cas("mg viv c v\r\n", 'mg c');

# values: empty, with line ends, large
same("set e 0 0 0\r\n\r\nget e\r\nmg e v\r\n");
same("set e 0 0 8\r\n\r\nEND\r\n\0\r\nget e\r\n");
my $large = join('', map { chr(ord('a') + $_ % 26) } 0 .. 999_999);
same("set large 1 0 1000000\r\n$large\r\nget large\r\nget e large key:1\r\nmg large v\r\n", 'a megabyte');
same("append large 0 0 200000\r\n" . substr($large, 0, 200_000) . "\r\nget large\r\n", 'too large for the node');
is($c->ask("set x 0 0 3\r\nabcdef\r\nversion\r\n") =~ s/VERSION.*\r\n//r,
   "CLIENT_ERROR bad data chunk\r\nCLIENT_ERROR bad command line format\r\n", 'a value that is too long');

# long lines of keys
my @many = map { "some-rather-long-key-name:$_" } 1 .. 1800;
cmp_ok(length("get @many\r\n"), '>', 50_000, 'a line of 50 KB');
same("set $many[7] 0 0 1\r\nx\r\nset $many[1799] 0 0 1\r\ny\r\nget @many\r\n", 'is split and merged');
same('gat 10 ' . join(' ', @many[0 .. 60]) . "\r\n", 'a gat of 1,700 bytes');

same("flush_all\r\nget @keys\r\nmg m v\r\n", 'flush_all reaches every node');
same("flush_all 0 noreply\r\nflush_all noreply\r\nget e\r\n");
same("flush_all 1000\r\nflush_all -1\r\nflush_all x\r\n");

# local, as memcached answers
same("stats reset\r\nstats foobar\r\nstats cachedump abc 5\r\nstats detail\r\nstats detail x\r\n");
same("lru x\r\nslabs reassign\r\nslabs reassign a b\r\nlru_crawler\r\n");
is($c->ask("shutdown\r\n"), "SERVER_ERROR: shutdown not enabled\r\n", 'shutdown');
like($c->ask("version\r\n"), qr/^VERSION 1\.6\.\d+\S*\r\n$/, 'version begins as clients expect');

# Every word is a number, so the key's second word is taken for the flags, and
# the length stands behind the arguments.
for my $line ("set k 5 0 0 30", "add k 5 0 0 30", "cas k 5 0 0 30 1") {
    my $smuggler = $proxy->connect;
    $smuggler->send("$line\r\n\r\nset smuggled 0 0 1\r\nx\r\n    \r\n");
    is($smuggler->read_to_close, "CLIENT_ERROR bad command line format\r\n", "closed: $line");
}
is($proxy->connect->get('smuggled'), undef, 'and the value was never read as commands');

# the end
$_->send("get e\r\nquit\r\nget e\r\n") for $c, $d;
is($c->read_to_close, $d->read_to_close, 'quit: all before it is answered, then closed');
my ($half, $half2) = ($proxy->connect, $alone->connect);
for my $conn ($half, $half2) {
    $conn->send("set z 0 0 1\r\nx\r\nget z\r\nget z");
    $conn->half_close;
}
is($half->read_to_close, "STORED\r\nVALUE z 0 1\r\nx\r\nEND\r\n",
   'a client that sends no more is still answered');
done_testing;
