# hotkeys, stats hotkeys and the metric: which keys are read most through the
# proxy, over all threads, whichever command reads them.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $mock = MockBackend->start(name => 'a');
my $proxy = mfproxy(args => ['--servers', $mock->addr, '--http', '127.0.0.1:0', patient()],
                    listens => 2);
my @c = map { $proxy->connect } 1 .. 2; # one on each thread
for my $c (@c) {
    for my $round (1 .. 50) {
        $c->ask("set written 0 0 1\r\nx\r\n" x 40
                . join('', map { "get hot%key\r\nmg hot%key v\r\nget hot%key warm cold$round-$_\r\n" } 1 .. 40));
    }
}
my $reply = $c[0]->ask("hotkeys 3\r\n");
my @keys = map { /^HOTKEY (\S+) (\d+) \d+\r\n\z/ ? [$1, $2] : () } split /^/, $reply;
is(scalar @keys, 3, 'as many as asked for');
like($reply, qr/\r\nEND\r\n\z/, 'and an end');
is("$keys[0][0] $keys[1][0]", 'hot%25key warm', 'by reads, not by writes');
cmp_ok(abs($keys[0][1] / 12_000 - 1), '<', 0.4, 'about as often as they were asked for');
is(scalar(() = $c[1]->ask("hotkeys\r\n") =~ /^HOTKEY/mg), 10, 'ten if nothing is said');
my $stats = $c[1]->stats('hotkeys');
is($stats->{'requests:1:key'}, 'hot%25key', 'stats hotkeys');
like("$stats->{'requests:1:count'} $stats->{'requests:10:error'}", qr/^\d+ \d+$/, 'with counts');
ok(!exists $stats->{'bytes:1:key'}, 'of which a proxy does not know the bytes');
for my $bad ('x', 'bytes', 'requests 0', 'requests 1001', 'requests 1 2') {
    is($c[0]->ask("hotkeys $bad\r\n"), "CLIENT_ERROR bad command line format\r\n", "hotkeys $bad");
}

my ($http) = $proxy->log_text =~ /event=listening addr=(\S+) role=http/;
my ($status, $page) = http_get($http, '/metrics');
my ($share) = $page =~ /^mfproxy_hot_key_share\{rank="1"\} (\S+)$/m;
cmp_ok(abs($share - 0.6), '<', 0.25, 'the share of the hottest');
unlike($page, qr/hot%|hot_key_share\{[^}]*key=/, 'without its name');
done_testing;
