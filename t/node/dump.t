# lru_crawler metadump and mgdump: every item once, in slices between other
# connections' work, at the pace of the reader; and the command's other words.
use strict;
use warnings;
use Memfleet;

my $node = mfcached(args => [qw(-t 1 --debug-clock)]);
my $c = $node->connect;

is($c->ask("lru_crawler metadump all\r\n"), "OK\r\nEND\r\n", 'nothing is there');
is($c->ask("lru_crawler mgdump hash\r\n"), "OK\r\nEN\r\n", 'in either form');

# --- the lines -------------------------------------------------------------------

$c->ask("set plain 0 0 5\r\nhello\r\nset later 0 1000 1\r\nx\r\nset gone 0 5 1\r\nx\r\n"
        . "set %/#~ 0 0 1\r\nx\r\nms AAEg/w== 1 b\r\nx\r\nget plain\r\n");
my ($size) = $c->ask("me plain\r\n") =~ /size=(\d+)/;
$c->ask("debugtime 10\r\n");
my $dump = $c->ask("lru_crawler metadump all\r\n");
my %line = $dump =~ /^key=(\S+) (.*)\n/mg;
is(join(' ', sort keys %line), '%00%01%20%FF %25%2F%23~ later plain', 'live keys, URI encoded');
my $now = time;
like($line{plain}, qr/^exp=-1 la=\d+ cas=\d+ fetch=yes cls=1 size=$size$/, 'an item that was read');
like($line{later}, qr/^exp=\d+ la=\d+ cas=\d+ fetch=no cls=1 size=\d+$/, 'one that expires');
my ($exp, $la) = $line{later} =~ /exp=(\d+) la=(\d+)/;
cmp_ok(abs($exp - $now - 1000), '<', 20, 'when it expires');
cmp_ok(abs($exp - $la - 1000), '<=', 1, 'when it was accessed, to a second');
is(join('', sort split /^/, $c->ask("lru_crawler mgdump 1\r\n")),
   "EN\r\nOK\r\nmg %/#~\r\nmg AAEg/w== b\r\nmg later\r\nmg plain\r\n", 'mgdump');
is($c->ask("lru_crawler metadump 2,3\r\n"), "OK\r\nEND\r\n", 'classes without items');
like($c->ask("lru_crawler metadump 2,1\r\n"), qr/^key=plain/m, 'ours among others');

# --- many items, and others at work -----------------------------------------------

my $n = 30_000;
my $pad = 'p' x 200;
$c->ask(join '', map { "set $pad$_ 0 0 1 noreply\r\nx\r\n" } 1 .. $n);
$c->ask("flush_all 1000000\r\n");
my $slow = $node->connect;
$slow->ask('');
$slow->send("lru_crawler metadump hash\r\n");
wait_until(sub { join(' ', values %{ $c->stats('conns') }) =~ /conn_mwrite/ }, deadline(10),
           'the dump waits for its reader');
my $listed = sub {
    my ($status, $count) = $c->ask("stats\r\n") =~ /^(STAT) dumped_items (\d+)/m;
    return $count;
};
cmp_ok($listed->(), '<', $n, 'a client that does not read stops its own dump');
is($c->ask("set $pad 0 0 1\r\ny\r\nget $pad\r\n"), "STORED\r\nVALUE $pad 0 1\r\ny\r\nEND\r\n",
   'others are served meanwhile');
my %seen;
my $reply = $slow->ask('');
$seen{$_}++ for $reply =~ /^key=p+(\d+) /mg;
is(scalar(keys %seen), $n, 'every item is listed');
is(scalar(grep { $_ > 1 } values %seen), 0, 'none twice');
like($reply, qr/\AOK\r\n.*\nEND\r\n\z/s, 'from OK to END');
cmp_ok($listed->(), '>=', $n, 'and counted');

# A client that goes away in the middle leaves nothing.
my $leaver = $node->connect;
$leaver->ask('');
$leaver->send("lru_crawler metadump all\r\n");
$leaver->read_exact(100);
$leaver->reset;
wait_until(sub { $c->stats->{curr_connections} == 2 }, deadline(10), 'a client that leaves is gone');

# Two at once, in one worker.
my @pair = map { $node->connect } 1 .. 2;
$_->send("lru_crawler mgdump all\r\n") for @pair;
for my $each (@pair) {
    my $count = () = $each->ask('') =~ /^mg pp/mg;
    is($count, $n + 1, 'a dump beside another');
}

# --- refusals and settings ----------------------------------------------------------

is($c->ask("mg foo v\r\nlru_crawler metadump all\r\n"),
   "EN\r\nERROR cannot pipeline other commands before metadump\r\n", 'behind another reply');
my %answers = (
    'metadump 0' => 'BADCLASS invalid class id', 'metadump 64' => 'BADCLASS invalid class id',
    'metadump 1,,2' => 'BADCLASS invalid class id', 'mgdump x' => 'BADCLASS invalid class id',
    'metadump' => 'ERROR', 'metadump 1 2' => 'ERROR', 'dance' => 'ERROR', 'dance 1' => 'ERROR',
    'crawl 1' => 'OK', 'crawl all' => 'OK', 'crawl x' => 'BADCLASS invalid class id',
    'sleep 1000001' => 'CLIENT_ERROR sleep must be one second or less',
    'sleep x' => 'CLIENT_ERROR bad command line format',
    'tocrawl -1' => 'CLIENT_ERROR bad command line format',
    'sleep 70' => 'OK', 'tocrawl 5000' => 'OK');
is($c->ask("lru_crawler $_\r\n"), "$answers{$_}\r\n", $_) for sort keys %answers;
my $settings = sub { my $s = $c->stats('settings'); join ' ', map { $s->{"lru_crawler$_"} } '', '_sleep', '_tocrawl' };
is($settings->(), 'yes 70 5000', 'kept for stats settings');
is($c->ask("lru_crawler disable\r\n"), "OK\r\n", 'disable');
is($settings->(), 'no 70 5000', 'is told');
is($c->ask("lru_crawler $_\r\n"), "CLIENT_ERROR lru crawler disabled\r\n", "then no $_")
    for 'metadump all', 'mgdump all', 'crawl all';
is($c->ask("lru_crawler enable\r\nlru_crawler enable\r\n"), "OK\r\n" x 2, 'enable');
like($c->ask("lru_crawler metadump all\r\n"), qr/^key=plain /m, 'serves it again');

$c = mfcached(args => ['-X'])->connect;
is($c->ask("lru_crawler ${_}dump all\r\n"), "ERROR ${_}dump not allowed\r\n", "-X: no ${_}dump")
    for 'meta', 'mg';
$c = mfcached(args => ['-o', 'no_lru_crawler'])->connect;
is($c->stats('settings')->{lru_crawler}, 'no', '-o no_lru_crawler');

done_testing;
