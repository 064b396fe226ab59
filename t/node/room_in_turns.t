# A large value for which there is no room yet: the room is made a piece in each turn
# of the worker, while its connection waits and others are served. So no turn is long.
use strict;
use warnings;
use Memfleet;

my $node = mfcached(args => [qw(-m 32 -t 1)]);
my $c = $node->connect;
my $small = 'v' x 1000;
$c->ask(join('', map { "set s$_ 0 0 1000 noreply\r\n$small\r\n" } 1 .. 40_000));
cmp_ok($c->stats->{evictions}, '>', 0, 'memory is full');

my $large = join('', map { chr(97 + $_ % 26) } 1 .. 900_000);
$c->ask("stats reset\r\n");
for my $i (1 .. 8) {
    is($c->set("l$i", $large), 'STORED', "large value $i is stored");
}
is($c->get('l8'), $large, 'and whole');
my $stats = $c->stats;
cmp_ok($stats->{evictions}, '>', 1000, 'room was made for it');
cmp_ok($stats->{conn_yields}, '>', 100, 'over many turns');

# What a turn takes depends on what the system takes for a page that is touched for the
# first time; that there are many turns does not.
diag("longest turn: $stats->{longest_turn_us} us");

# In a pipeline answers keep their order, and what comes behind waits too.
is($c->ask("get nothing\r\nset l9 0 0 900000\r\n$large\r\nget nothing\r\nappend l9 0 0 3\r\nxyz\r\n"
               . "prepend l9 0 0 2\r\nab\r\ntouch l9 0\r\n"),
   "END\r\nSTORED\r\nEND\r\nSTORED\r\nSTORED\r\nTOUCHED\r\n", 'a pipeline stays in order');
is($c->get('l9'), "ab${large}xyz", 'what is joined is whole');

# Joining copies the long value over several turns, and others see it whole meanwhile.
{
    my $d = $node->connect;
    is($c->set('j', $large), 'STORED', 'a long value');
    $c->ask("stats reset\r\n");
    $c->send("append j 0 0 1\r\nx\r\n" x 20);
    $d->send("append j 0 0 1\r\ny\r\n" x 20);
    is(length($node->connect->get('j')) >= 900_000, 1, 'whole');
    is($_->read_exact(8 * 20), "STORED\r\n" x 20, 'both append to it') for $c, $d;
    cmp_ok($c->stats->{conn_yields}, '>', 40 * 10, 'over many turns');
    my $joined = $c->get('j');
    is(substr($joined, 0, 900_000), $large, 'the old value is in it');
    is(join('', sort split //, substr($joined, 900_000)), 'x' x 20 . 'y' x 20, 'and all that came');
    $d->send("prepend j 0 0 3\r\nabc\r\n");
    $d->close;
    wait_until(sub { substr($c->get('j'), 0, 3) eq 'abc' }, deadline(10), 'who goes has it done');
}

# So do values that are whole in the input, and while the limit is far below what is used
# even small ones wait.
{
    my $piece = 'p' x 45_000;
    $c->ask("stats reset\r\n");
    is($c->ask(join('', map { "set p$_ 0 0 45000\r\n$piece\r\nms q$_ 45000 k\r\n$piece\r\n" } 1 .. 20)),
       join('', map { "STORED\r\nHD kq$_\r\n" } 1 .. 20), 'sets of several tens of KB');
    is($c->ask("cache_memlimit 16\r\n"), "OK\r\n", 'a lower limit');
    is($c->ask(join('', map { "set s$_ 0 0 1000\r\n$small\r\n" } 1 .. 1000)), "STORED\r\n" x 1000,
       'small ones are stored');
    cmp_ok($c->stats->{conn_yields}, '>', 20, 'over many turns');
    $c->send('get s1');
    is($c->ask("000\r\n"), "VALUE s1000 0 1000\r\n$small\r\nEND\r\n", 'and then the rest of a line is waited for');
    wait_until(sub { $c->stats->{memory_used} <= 16 << 20 }, deadline(10), 'the lower limit is kept');
    is($c->ask("cache_memlimit 32\r\n"), "OK\r\n", 'as before');
}

# A line that comes in pieces, a client that goes while it waits, and one that is slow.
for my $bytes (1, 10, 24, 30, 5000) {
    my $d = $node->connect;
    my $set = "ms piece 900000\r\n$large\r\n";
    $d->send(substr($set, 0, $bytes));
    $c->ask("mn\r\n");
    $d->send(substr($set, $bytes));
    is($d->read_exact(4), "HD\r\n", "cut behind $bytes bytes");
}
for my $i (1 .. 5) {
    my $d = $node->connect;
    $d->send("set gone$i 0 0 900000\r\n");
    $d->close;
}
is($c->set('last', $large), 'STORED', 'nobody waits for those who have gone');
is($c->get('last'), $large, 'and all is well');

done_testing;
