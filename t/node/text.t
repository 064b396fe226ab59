# The text protocol, command by command.
use strict;
use warnings;
use Memfleet;

my $node = mfcached();
my $c = $node->connect;

# asks(NAME, SENT, REPLY, ...): one conversation; each pair on the connection.
sub asks {
    my ($name, @pairs) = @_;
    while (my ($sent, $wanted) = splice(@pairs, 0, 2)) {
        is($c->ask($sent), $wanted, "$name: " . $sent =~ s/\r\n/ /gr);
    }
    return;
}

asks('set and get',
     "get a\r\n" => "END\r\n",
     "set a 7 0 3\r\nabc\r\n" => "STORED\r\n",
     "get a\r\n" => "VALUE a 7 3\r\nabc\r\nEND\r\n",
     "get a b a\r\n" => "VALUE a 7 3\r\nabc\r\nVALUE a 7 3\r\nabc\r\nEND\r\n",
     "bget a b\r\n" => "VALUE a 7 3\r\nabc\r\nEND\r\n",
     "bget\r\n" => "CLIENT_ERROR bad command line format\r\n",
     "set a 0 0 0\r\n\r\n" => "STORED\r\n",
     "get a\r\n" => "VALUE a 0 0\r\n\r\nEND\r\n",
     "set a 18446744073709551615 0 1\r\nx\r\n" => "STORED\r\n",
     "get a\r\n" => "VALUE a 18446744073709551615 1\r\nx\r\nEND\r\n");

asks('add, replace',
     "replace b 0 0 1\r\nx\r\n" => "NOT_STORED\r\n",
     "add b 0 0 1\r\ny\r\n" => "STORED\r\n",
     "add b 0 0 1\r\nz\r\n" => "NOT_STORED\r\n",
     "replace b 3 0 1\r\nr\r\n" => "STORED\r\n",
     "get b\r\n" => "VALUE b 3 1\r\nr\r\nEND\r\n");

asks('append, prepend',
     "append c 0 0 1\r\nx\r\n" => "NOT_STORED\r\n",
     "prepend c 0 0 1\r\nx\r\n" => "NOT_STORED\r\n",
     "set c 5 0 2\r\nbc\r\n" => "STORED\r\n",
     "append c 9 0 2\r\nde\r\n" => "STORED\r\n",
     "prepend c 9 0 1\r\na\r\n" => "STORED\r\n",
     "get c\r\n" => "VALUE c 5 5\r\nabcde\r\nEND\r\n");

my ($cas) = $c->ask("gets b\r\n") =~ /^VALUE b 3 1 (\d+)\r\nr\r\nEND\r\n\z/;
ok($cas, 'gets tells the CAS value');
asks('cas',
     "cas none 0 0 1 $cas\r\nx\r\n" => "NOT_FOUND\r\n",
     "cas b 0 0 1 " . ($cas + 1) . "\r\nx\r\n" => "EXISTS\r\n",
     "cas b 0 0 1 $cas\r\nn\r\n" => "STORED\r\n",
     "cas b 0 0 1 $cas\r\no\r\n" => "EXISTS\r\n",
     "get b\r\n" => "VALUE b 0 1\r\nn\r\nEND\r\n");

asks('incr, decr',
     "incr n 1\r\n" => "NOT_FOUND\r\n",
     "decr n 1\r\n" => "NOT_FOUND\r\n",
     "set n 4 0 1\r\n9\r\n" => "STORED\r\n",
     "incr n 1\r\n" => "10\r\n",
     "decr n 1\r\n" => "9\r\n",
     "get n\r\n" => "VALUE n 4 2\r\n9 \r\nEND\r\n",
     "decr n 100\r\n" => "0\r\n",
     "incr n 18446744073709551615\r\n" => "18446744073709551615\r\n",
     "incr n 2\r\n" => "1\r\n",
     "set n 0 0 1\r\nx\r\n" => "STORED\r\n",
     "incr n 1\r\n" => "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
     "set n 0 0 2\r\n5\0\r\n" => "STORED\r\n",
     "incr n 4\r\n" => "9\r\n",
     "get n\r\n" => "VALUE n 0 2\r\n9 \r\nEND\r\n",
     "set n 0 0 2\r\n+5\r\n" => "STORED\r\n",
     "decr n 1\r\n" => "4\r\n",
     "set n 0 0 2\r\n\0005\r\n" => "STORED\r\n",
     "incr n 1\r\n" => "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");

asks('delete, touch',
     "delete d\r\n" => "NOT_FOUND\r\n",
     "touch d 10\r\n" => "NOT_FOUND\r\n",
     "set d 0 0 1\r\nx\r\n" => "STORED\r\n",
     "touch d 10\r\n" => "TOUCHED\r\n",
     "delete d 0\r\n" => "DELETED\r\n",
     "get d\r\n" => "END\r\n");

asks('gat, gats',
     "gat 100 g\r\n" => "END\r\n",
     "set g 2 0 1\r\nx\r\n" => "STORED\r\n",
     "gat 100 g h g\r\n" => "VALUE g 2 1\r\nx\r\nVALUE g 2 1\r\nx\r\nEND\r\n");
like($c->ask("gats 100 g\r\n"), qr/^VALUE g 2 1 \d+\r\nx\r\nEND\r\n\z/, 'gats');
like($c->ask("mg g t\r\n"), qr/^HD t(?:100|99)\r\n\z/, 'gat sets the expiry');

asks('noreply answers nothing',
     "set q 0 0 1 noreply\r\nx\r\nadd q 0 0 1 noreply\r\ny\r\nappend q 0 0 1 noreply\r\nz\r\n" => '',
     "get q\r\n" => "VALUE q 0 2\r\nxz\r\nEND\r\n",
     "touch q 5 noreply\r\nincr q 1 noreply\r\ndecr none 1 noreply\r\ntouch none 1 noreply\r\n" => '',
     "delete q noreply\r\ndelete q noreply\r\n" => '',
     "verbosity 0 noreply\r\nflush_all noreply\r\n" => '',
     "get a b c\r\n" => "END\r\n");

asks('flush_all',
     "set f 0 0 1\r\nx\r\n" => "STORED\r\n",
     "flush_all\r\nset f2 0 0 1\r\ny\r\nget f f2\r\n"
         => "OK\r\nSTORED\r\nVALUE f2 0 1\r\ny\r\nEND\r\n",
     "flush_all 0\r\nget f2\r\n" => "OK\r\nEND\r\n");

asks('keys',
     'set ' . 'k' x 250 . " 0 0 1\r\nx\r\n" => "STORED\r\n",
     'get ' . 'k' x 250 . "\r\n" => 'VALUE ' . 'k' x 250 . " 0 1\r\nx\r\nEND\r\n",
     "set \xc3\xa9 0 0 1\r\nx\r\n" => "STORED\r\n",
     "get \xc3\xa9\r\n" => "VALUE \xc3\xa9 0 1\r\nx\r\nEND\r\n");

my $filler = "get big\r\n" x 116508;
my $refused = $filler . 'a' x (1048576 - length $filler);
asks('a refused value is swallowed, the key forgotten',
     "set big 0 0 1\r\nx\r\n" => "STORED\r\n",
     "set big 0 0 1048576\r\n$refused\r\n" => "SERVER_ERROR object too large for cache\r\n",
     "get big\r\n" => "END\r\n",
     "set big 0 0 1048576 noreply\r\n$refused\r\n" => '');

like($c->ask("version\r\n"), qr/^VERSION 1\.6\.\d+-memfleet-\S+\r\n\z/, 'version');
asks('administration',
     "verbosity 1\r\n" => "OK\r\n",
     "verbosity 0\r\n" => "OK\r\n",
     "shutdown\r\n" => "SERVER_ERROR: shutdown not enabled\r\n",
     "debugtime 5\r\n" => "ERROR\r\n",
     "slabs automove 0\r\n" => "OK\r\n",
     "lru_crawler enable\r\n" => "OK\r\n",
     "watch nonsense\r\n" => "ERROR\r\n",
     "cache_memlimit 7\r\n" => "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n",
     "cache_memlimit 64\r\n" => "OK\r\n",
     "nonsense\r\n" => "ERROR\r\n");

# Every word is a number, so the key's second word is taken for the flags, and
# the length stands behind the arguments.
for my $line ("set k 5 0 0 30", "add k 5 0 0 30", "cas k 5 0 0 30 1") {
    my $smuggler = $node->connect;
    $smuggler->send("$line\r\n\r\nset smuggled 0 0 1\r\nx\r\n    \r\n");
    is($smuggler->read_to_close, "CLIENT_ERROR bad command line format\r\n", "closed: $line");
}
is($node->connect->get('smuggled'), undef, 'and the value was never read as commands');

$c->send("set e 0 0 1\r\nx\r\nquit\r\nget e\r\n");
is($c->read_to_close, "STORED\r\n", 'quit closes, what was before it is answered');

done_testing;
