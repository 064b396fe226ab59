# hotkeys and stats hotkeys: the keys that are asked for most and that move the
# most bytes, over all workers, of the last minutes.
use strict;
use warnings;
use Memfleet;

my $node = mfcached(args => [qw(-t 2 --debug-clock)]);
my @c = map { $node->connect } 1 .. 2; # one on each worker

sub hot {
    my ($words) = @_;
    my $reply = $c[0]->ask("hotkeys$words\r\n");
    like($reply, qr/\A(?:HOTKEY \S+ \d+ \d+\r\n)*END\r\n\z/, "hotkeys$words");
    return map { /^HOTKEY (\S+) (\d+)/ ? [$1, $2] : () } split /^/, $reply;
}

my $big = 'b' x 10_000;
for my $c (@c) {
    $c->ask("set big 0 0 10000\r\n$big\r\n");
    $c->ask(join '', map { "get hot%key\r\nmg warm v\r\nget hot%key cold$_\r\n" } 1 .. 5000);
    $c->ask("get big\r\n" x 1000);
}
my @keys = hot('');
is(join(' ', map { $_->[0] } @keys[0, 1]), 'hot%25key warm', 'by requests');
cmp_ok($keys[0][1], '>', 13_000, 'about as often as they were asked for');
cmp_ok($keys[0][1], '<', 27_000, 'and not much more');
is(scalar @keys, 10, 'ten of them');
is(scalar(() = hot(' requests 3')), 3, 'or as many as asked for');
@keys = hot(' bytes 1');
is($keys[0][0], 'big', 'by bytes');
cmp_ok(abs($keys[0][1] / 20_000_000 - 1), '<', 0.9, 'about as many as there were');
my $stats = $c[1]->stats('hotkeys');
is("$stats->{'requests:1:key'} $stats->{'bytes:1:key'}", 'hot%25key big', 'stats hotkeys');
like("$stats->{'requests:10:count'} $stats->{'bytes:1:error'}", qr/^\d+ \d+$/, 'with counts');

for my $bad ('x', 'requests x', 'requests 0', 'bytes 1001', 'requests 1 2', '3 bytes') {
    is($c[0]->ask("hotkeys $bad\r\n"), "CLIENT_ERROR bad command line format\r\n", "hotkeys $bad");
}

$c[0]->ask("debugtime 6000\r\n");
is(scalar(() = hot(' requests 100')), 0, 'of the last minutes');
done_testing;
