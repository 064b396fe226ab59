# Everything at once, for some seconds: t/long/soak.t does it for ten minutes.
# mfsoak knows what every answer must be; see t/soak/mfsoak.c.
use strict;
use warnings;
use Memfleet;
use Memfleet::Soak;

# More values than fit, of sizes that change, flushes, bad clients.
my $full = soak('full memory, flushes, bad clients', seconds => 3, node => ['-m', 24],
                soak => ['--flush-every', '1s', '--filler-keys', 50_000]);
SKIP: {
    skip('a sanitizer makes it too slow to fill memory in time', 1) if sanitized();
    cmp_ok($full->{evictions}, '>', 0, 'the memory was full');
}
cmp_ok($full->{flushes}, '>', 0, 'it was flushed');
cmp_ok($full->{troubles}, '>', 0, 'clients behaved badly');

# Everything fits: whatever misses was lost.
my $roomy = soak('nothing is lost where everything fits', seconds => 2, node => ['-m', 1024],
                 soak => ['--roomy', '--filler-keys', 500, '--value-max', 20_000]);
is($roomy->{evictions}, 0, 'no eviction');
cmp_ok($roomy->{hits}, '>', 100, 'many hits');

done_testing;
