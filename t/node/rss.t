# What the system gives the process: with values of any size, and when sizes
# change, resident memory never passes 1.08 times -m and 8 MB; and it falls when
# the items go.
use strict;
use warnings;
use Memfleet;

plan(skip_all => 'a sanitizer has an allocator of its own') if sanitized();

my $LIMIT_MB = 64;
my $BOUND_KB = 1.08 * $LIMIT_MB * 1024 + 8 * 1024;

my $node = mfcached(args => ['-m', $LIMIT_MB]);
my $c = $node->connect;
my $serial = 0;

# In kB: VmRSS now, or VmHWM, the most it ever was.
sub memory_kb { return slurp('/proc/' . $node->pid . '/status') =~ /^$_[0]:\s+(\d+) kB/m ? $1 : die }

# Sets so many megabytes in values of these sizes, one after the other, each
# with a key of its own.
sub fill {
    my ($megabytes, @sizes) = @_;
    my @tails = map { " 0 0 $_ noreply\r\n" . 'v' x $_ . "\r\n" } @sizes;
    my $left = $megabytes << 20;
    while ($left > 0) {
        my $batch = '';
        while (length($batch) < 1 << 20) {
            $batch .= join('', map { 'set k' . $serial++ . $_ } @tails);
        }
        $c->send($batch);
        $left -= length($batch);
    }
    $c->ask('');
}

for my $phase ([100], [20_000], [1000], [200_000], [100, 20_000, 1000, 40_000], [1_000_000], [3000],
               [33_000, 66_000], [100]) {
    fill($phase->[0] == 100 ? 70 : 100, @$phase);
    my $most = memory_kb('VmHWM');
    cmp_ok($most, '<=', $BOUND_KB, "values of @$phase bytes: at most $most kB");
    my $stats = $c->stats;
    cmp_ok($stats->{memory_used}, '<=', ($LIMIT_MB << 20) * 65 / 64, 'the accounts keep the limit'); # docs/store.md
    cmp_ok($stats->{memory_used}, '>=', 0.95 * ($LIMIT_MB << 20), 'and use it');
}

fill(100, 1_000_000);
cmp_ok($c->stats->{curr_items}, '>=', 60, 'megabytes: next to all memory holds values');
fill(100, 20_000);
cmp_ok($c->stats->{bytes}, '>=', 0.9 * ($LIMIT_MB << 20), '20 kB: likewise');

is($c->ask("flush_all\r\n"), "OK\r\n", "flush_all");
wait_until(sub { memory_kb('VmRSS') < 20 * 1024 }, deadline(20), 'memory is given back');
pass('after a flush the memory is given back');

done_testing;
