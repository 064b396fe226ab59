# stats items and stats slabs: items by size under memcached's class numbers and
# names, beside a memcached and as memcached's own tool reads them.
use strict;
use warnings;
use Memfleet;

my $node = mfcached(args => [qw(-t 2 -m 64 --debug-clock)]);
my $c = $node->connect;

# A key and a value on both sides of each limit between memcached's classes.
my @limits = qw(96 120 152 192 240 304 384 480 600 752 944 1184 1480 1856 2320 2904 3632 4544 5680
                7104 8880 11104 13880 17352 21696 27120 33904 42384 52984 66232 82792 103496 129376
                161720 202152 252696 315872 394840);
my $fill = '';
for my $limit (@limits) {
    for my $bytes ($limit - 59 - 5, $limit - 59 - 4) {
        $fill .= sprintf("set k%06d 0 0 %d noreply\r\n%s\r\n", $limit + ($bytes & 1), $bytes - 2,
                         'v' x ($bytes - 2));
    }
}

# --- beside memcached ----------------------------------------------------------------

SKIP: {
    my $memcached = memcached_program();
    skip('memcached is not installed', 3) if !defined $memcached;
    my (@number, @items, @slabs);
    for my $program ($node, $memcached) {
        my $conn = $program->connect;
        $conn->ask($fill);
        push @items, $conn->ask("stats items\r\n");
        push @slabs, $conn->ask("stats slabs\r\n");
        push @number, join '', $items[-1] =~ /^STAT (items:\d+:number \d+)\r\n/mg;
    }
    is($number[0], $number[1], 'the same items in the same classes');
    my @names = map { join ' ', /^STAT (\S+) \d+\r\n/mg } @items;
    is($names[0], $names[1], 'stats items has the same rows');
    @names = map { join ' ', grep { !/:mem_requested/ } /^STAT (\S+) \d+\r\n/mg } @slabs;
    is($names[0], $names[1], 'stats slabs too');
}
$c->ask("flush_all\r\n");

# --- what is counted --------------------------------------------------------------------

sub class {
    my ($class) = @_;
    my ($items, $slabs) = ($c->stats('items'), $c->stats('slabs'));
    my %rows = ((map { /^items:$class:(\w+)$/ ? ($1 => $items->{$_}) : () } keys %$items),
                (map { /^$class:(\w+)$/ ? ($1 => $slabs->{$_}) : () } keys %$slabs));
    return \%rows;
}

sub rows {
    my ($class, @names) = @_;
    my $rows = class($class);
    return join ' ', map { $rows->{$_} } @names;
}

is($c->ask("stats reset\r\n"), "RESET\r\n", 'stats reset');
wait_until(sub { $c->stats->{curr_items} == 0 }, deadline(30), 'what was flushed goes');
is(rows(1, qw(cmd_set evicted touch_hits)), '0 0 0', 'counters begin anew');
my $cas = $c->ask("ms n 1 c\r\n5\r\n") =~ /c(\d+)/ ? $1 : die;
$c->ask("incr n 1\r\nma n\r\ndecr n 2\r\ntouch n 100\r\ngat 100 n\r\nmg n T100\r\n"
        . "cas n 0 0 1 $cas\r\nx\r\nset gone 0 0 1\r\nx\r\ndelete gone\r\nmd n C1\r\n");
is(rows(1, qw(incr_hits decr_hits touch_hits cas_badval cas_hits delete_hits)), '2 1 3 1 0 1',
   'commands that found an item of this size');
is(rows(1, qw(used_chunks number free_chunks chunk_size)), '1 1 0 96', 'and what there is');
cmp_ok(class(1)->{mem_requested}, '<', 60, 'which takes little');
$c->ask("debugtime 50\r\n");
my $age = class(1)->{age};
ok($age >= 49 && $age < 100, "how long nobody asked for it: $age");
$c->ask("debugtime 60\r\nset z 0 0 1\r\nx\r\n");
wait_until(sub { rows(1, qw(number)) eq '1' }, deadline(30), 'it expires');

my $value = 'v' x 1000;
$c->ask("set big 0 0 1000\r\n$value\r\n" . "get big nothing\r\n" x 3000);
my $hits = class(12)->{get_hits};
cmp_ok(abs($hits - 3000), '<', 1500, "about 3000 hits: $hits");
$c->ask(join '', map { "set fill$_ 0 100000 1000 noreply\r\n$value\r\n" } 1 .. 80_000);
$c->ask(join '', map { "set plain$_ 0 0 1000\r\n$value\r\n" } 1 .. 2000);
my $full = class(12);
cmp_ok($full->{evicted}, '>', 10_000, 'evictions');
is($full->{get_hits}, $hits, 'a set is no hit');
cmp_ok($full->{evicted} - $full->{evicted_nonzero}, '<', 10, 'of what would have expired');
cmp_ok($full->{total_pages}, '>', 30, 'pages are megabytes');
is($c->stats('slabs')->{active_slabs}, scalar(@limits) + 1, 'classes that have been used');

# --- by class ------------------------------------------------------------------------------

$c->ask("flush_all\r\n");
wait_until(sub { $c->stats->{curr_items} == 0 }, deadline(30), 'what was flushed goes again');
$c->ask("set a 0 0 1\r\nx\r\nset b 0 0 1000\r\n$value\r\n");
like($c->ask("lru_crawler metadump 12\r\n"), qr/\AOK\r\nkey=b \S.* cls=12 size=\d+\nEND\r\n\z/,
     'metadump of a class');
like($c->ask("lru_crawler metadump 1,2\r\n"), qr/\AOK\r\nkey=a \S.* cls=1 size=\d+\nEND\r\n\z/,
     'of another');
is($c->ask("stats cachedump 12 0\r\n"), "ITEM b [1000 b; 0 s]\r\nEND\r\n", 'cachedump of a class');
like($c->ask("me b\r\n"), qr/ cls=12 /, 'me');

# --- memcached-tool ------------------------------------------------------------------------

SKIP: {
    my $tool = '/usr/share/memcached/scripts/memcached-tool';
    skip('memcached-tool is not installed', 6) if !-e $tool;
    my $run = sub { my $addr = $node->addr; return scalar `perl $tool $addr @_ 2>&1` };
    like($run->('display'), qr/^ 12 +1\.2K +\d+s +1 +1 +yes +\d+ +\d+ +0$/m, 'display');
    like($run->('stats'), qr/^ +curr_items +2\r?$/m, 'stats');
    like($run->('settings'), qr/^ +maxbytes +67108864\r?$/m, 'settings');
    $c->ask("stats sizes_enable\r\n");
    like($run->('sizes'), qr/^ +1024 +1\r?$/m, 'sizes');
    like($run->('keys'), qr/^key=a exp=-1 .*^key=b |^key=b exp=-1 .*^key=a /ms, 'keys');
    like($run->('dump'), qr/^add b 0 0 1000\r\n$value\r$/m, 'dump');
}
done_testing;
