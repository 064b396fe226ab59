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

# --- watch hotkeys ---------------------------------------------------------------------

# What was asked for before does not count; each interval begins anew. It ends when
# the clock is moved past its end.
$_->ask("get earlier\r\n" x 5000) for @c;
my @w = map { my $w = $node->connect; is($w->ask_line("watch hotkeys\n"), "OK\r\n", 'watch hotkeys'); $w } 1 .. 2;

# All that is told until the keys of the request are, whoever watches.
my $tell = sub {
    my ($request, $wanted) = @_;
    my @told = ('') x @w;
    wait_until(sub {
        $_->ask($request) for @c;
        $c[0]->ask("debugtime 6\r\n");
        for my $i (0 .. $#w) {
            my $text = $w[$i]->unread_now;
            $told[$i] .= $text;
        }
        return !grep { !/$wanted/m } @told;
    }, deadline(30), 'an interval ends');
    return @told;
};
my @told = $tell->("get later\r\nget big\r\n" x 2000, qr/order=bytes rank=1 key=big /);
for my $told (@told) {
    like($told, qr/^ts=\d+\.\d{6} gid=\d+ type=hotkey order=requests rank=[12] key=later count=\d+ error=\d+$/m,
         'by requests');
    unlike($told, qr/key=earlier/, 'only of the interval');
}
# The first interval may have begun before.
my $leads = qr/order=requests rank=1 key=last /;
@told = $tell->("get last\r\n" x 2000, qr/$leads.*$leads/s);
my ($final) = $told[0] =~ /.*($leads.*)\z/s;
unlike($final, qr/key=later/, 'and no other');
$_->close for @w;
wait_until(sub { $c[0]->stats->{log_watchers} == 0 }, deadline(10), 'nobody watches');
$c[0]->ask("debugtime 60\r\n");
is($c[0]->ask("get a\r\n"), "END\r\n", 'and all goes on');
done_testing;
