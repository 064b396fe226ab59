# Multigets without the general parser: a blank behind the last key keeps a line
# out of them, and what it is told must be the same, byte for byte.
use strict;
use warnings;
use Memfleet;

my $node = mfcached();
my $c = $node->connect;
srand(815);

my @keys = map { "key$_" } 1 .. 40;
for my $i (0 .. 29) {
    my $size = (0, 5, 99, 100, 255, 256, 2046, 2047, 2048, 9000)[$i % 10];
    $c->ask("set $keys[$i] " . ($i % 3 ? 0 : $i * 999) . " 0 $size\r\n" . chr(97 + $i % 26) x $size . "\r\n");
}

sub some { return map { $keys[rand @keys] } 1 .. $_[0] }

# Around the number of keys that a line has at most.
for my $count (1 .. 3, 15 .. 18, 31 .. 33, 100, 127 .. 130, 300) {
    my @some = some($count);
    my $wanted = $c->ask("get @some \r\n");
    ok($c->ask("get @some\r\n") eq $wanted, "$count keys");
}

# Between others, and however the bytes are cut.
{
    my @lines = map { "get " . join(' ', some(1 + int rand 60)) } 1 .. 40;
    my $wanted = $c->ask(join('', map { "$_ \r\nget $keys[3] \r\n" } @lines));
    my $bytes = join('', map { "$_\r\nget $keys[3]\r\n" } @lines);
    ok($c->ask($bytes) eq $wanted, 'many in one go');
    my $other = $node->connect;
    for my $size (7, 41, 500, 1460) {
        my ($pieces, $left) = ($node->connect, $bytes);
        while (length $left > $size) {
            $pieces->send(substr($left, 0, $size, ''));
            $other->ask('');
        }
        ok($pieces->ask($left) eq $wanted, "in pieces of $size");
    }
}

is($c->ask("get key2 a\tb key2\r\n"), "CLIENT_ERROR bad command line format\r\n",
   'a bad key, and nothing is told');
is($c->ask("get key2 " . 'k' x 251 . " key2\r\n"), "CLIENT_ERROR bad command line format\r\n",
   'a long one too');
is($c->ask("get key2 none\r\nget none key2\r\n"), "VALUE key2 0 5\r\nbbbbb\r\nEND\r\n" x 2, 'a hit, a miss');

# The same is counted.
{
    my $counted = sub {
        my %before = %{ $c->stats };
        $c->ask($_[0]);
        my %after = %{ $c->stats };
        return join ' ', map { $after{$_} - $before{$_} } qw(cmd_get get_hits get_misses);
    };
    my @some = some(100);
    is($counted->("get @some\r\n"), $counted->("get @some \r\n"), 'the same is counted');
}

# A client that reads nothing is held up within a line, and is told the rest later.
{
    my $lazy = $node->connect;
    $c->set('large', 'l' x 2000);
    my $count = 20;
    my $line = 'get ' . join(' ', ('large') x 128) . "\r\n";
    is(syswrite($lazy->socket, $line x $count), $count * length $line, 'all are asked');
    $c->ask('') for 1 .. 20;
    my ($value, $wrong) = ("VALUE large 0 2000\r\n" . 'l' x 2000 . "\r\n", 0);
    for (1 .. $count) {
        for (1 .. 128) {
            $wrong++ if $lazy->read_exact(length $value) ne $value;
        }
        $wrong++ if $lazy->read_line ne "END\r\n";
    }
    is($wrong, 0, 'and answered to who reads later');
}

done_testing();
