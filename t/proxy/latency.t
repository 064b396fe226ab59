# How long each node's answers take, as `stats backends` and /metrics tell it.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my @mocks = map { MockBackend->start(name => $_) } qw(a b);
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @mocks), '--threads', 2,
                             '--request-timeout', '400ms', '--http', '127.0.0.1:0'],
                    listens => 2);
my @clients = map { $proxy->connect } 1 .. 4;
my ($addr_a, $addr_b) = map { $_->addr } @mocks;

my %keys;
for my $i (1 .. 100) {
    my ($owner) = $clients[$i % @clients]->get("k$i") =~ /^(\w+):/;
    push @{ $keys{$owner} }, "k$i";
}
my $ka = $keys{a}[0];

sub latency {
    my ($addr) = @_;
    my $stats = $clients[0]->stats('backends');
    return { map { $_ => $stats->{"$addr:$_"} } qw(count mean_us p50_us p90_us p99_us p999_us requests) };
}

my ($la, $lb) = (latency($addr_a), latency($addr_b));
is("$la->{count} $lb->{count}", scalar(@{ $keys{a} }) . ' ' . scalar(@{ $keys{b} }),
   'every answer counts once, at its node, whichever worker had it');
cmp_ok($la->{p50_us}, '<=', $la->{p999_us}, 'quantiles rise');
cmp_ok($la->{mean_us}, '>', 0, 'an answer takes some time');

# ---- a slow answer -----------------------------------------------------------------
$mocks[0]->mode('late 150');
is($clients[0]->get($ka), "a:$ka", 'an answer that takes 150 ms');
my $slow = latency($addr_a);
is($slow->{count}, $la->{count} + 1, 'is one more');
cmp_ok($slow->{p999_us}, '>=', 200_000, 'and the slowest');
cmp_ok($slow->{mean_us} * $slow->{count}, '>=', $la->{mean_us} * $la->{count} + 150_000 - $slow->{count},
       'its time is in the sum');
is_deeply(latency($addr_b), $lb, 'of that node alone');

# ---- one that comes when nobody waits any more ----------------------------------------
$mocks[0]->mode('late 600');
is($clients[1]->ask("get $ka\r\n"), "END\r\n", 'an answer that comes too late is a miss');
wait_until(sub { latency($addr_a)->{count} == $slow->{count} + 1 }, deadline(10),
           'and counts when it comes');
cmp_ok(latency($addr_a)->{p999_us}, '>=', 1_000_000, 'with the time it took');

# ---- one that never comes ---------------------------------------------------------------
$mocks[0]->mode('hang');
is($clients[2]->ask("get $ka\r\n"), "END\r\n", 'what is never answered');
is(latency($addr_a)->{count}, $slow->{count} + 1, 'has no time');

# ---- for Prometheus -----------------------------------------------------------------------
my (undef, $metrics) = http_get($proxy->addr(role => 'http'), '/metrics');
my $labels = qq(node="$addr_a",addr="$addr_a");
like($metrics, qr/^# TYPE mfproxy_node_latency_seconds histogram$/m, 'a histogram');
my @below = $metrics =~ /^mfproxy_node_latency_seconds_bucket\{\Q$labels\E,le="[^"]+"\} (\d+)$/mg;
is(scalar @below, 22, 'with its buckets');
is_deeply(\@below, [sort { $a <=> $b } @below], 'which grow');
my ($count) = $metrics =~ /^mfproxy_node_latency_seconds_count\{\Q$labels\E\} (\d+)$/m;
is($count, $below[-1], 'to the count');
cmp_ok(($metrics =~ /^mfproxy_node_latency_seconds_sum\{\Q$labels\E\} ([0-9.]+)$/m)[0], '>=', 0.75,
       'and a sum in seconds');
done_testing;
