# Ten minutes of everything at once (SOAK_SECONDS says otherwise), in parts that
# differ in what they make hard. `make check-long` runs it. Each part must show
# that it did what it is for: a soak in which nothing was evicted proves nothing.
use strict;
use warnings;
use Memfleet;
use Memfleet::Soak;

my $seconds = $ENV{SOAK_SECONDS} // 600;
alarm($seconds * 2 + deadline(60)); # longer than other tests may take

# seconds, of a hundred; what must have happened
my @parts = (
    ['full memory', 30, ['-m', 64, '-t', 4], ['--flush-every', '20s'],
     sub { $_[0]{evictions} > 1000 && $_[0]{flushes} > 0 }],
    ['small values, many keys', 15, ['-m', 64, '-t', 2],
     ['--value-max', 1000, '--filler-keys', 2_000_000, '--keys', 10_000],
     sub { $_[0]{hits} > 1000 }],
    ['a limit that moves', 15, ['-m', 96, '-t', 2], ['--memory-low', 16, '--flush-every', '15s'],
     sub { $_[0]{evictions} > 1000 }],
    ['a server that stands still now and then', 10, ['-m', 32, '-t', 4],
     ['--pause-every', '2s', '--flush-every', '3s'], sub { $_[0]{pauses} > 0 }],
    ['few keys, many hands', 10, ['-m', 32, '-t', 4],
     ['--keys', 20, '--writers', 12, '--readers', 12, '--fillers', 1],
     sub { $_[0]{hits} > 1000 }],
    ['everything fits', 10, ['-m', 2048, '-t', 2],
     ['--roomy', '--filler-keys', 500, '--value-max', 100_000, '--phase', '500ms'],
     sub { $_[0]{evictions} == 0 }],
    ['the smallest memory', 5, ['-m', 8, '-t', 2], ['--flush-every', '10s'],
     sub { $_[0]{evictions} > 100 }],
    ['no CAS values', 5, ['-m', 32, '-C', '-t', 2], ['--no-cas'], sub { $_[0]{hits} > 1000 }],
);
for my $part (@parts) {
    my ($name, $share, $node, $soak, $happened) = @$part;
    my $sums = soak($name, seconds => $seconds * $share / 100, node => $node, soak => $soak);
    ok($happened->($sums), "$name: it was so");
}

done_testing;
