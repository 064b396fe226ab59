# What scripts/bench measures with measures what it says: every request of a kind
# is answered as the floor answers it, a miss is no speed, and each group that
# can be counted quickly gives its rows.
use strict;
use warnings;
use JSON::PP ();
use Memfleet;

my @few = ('--keys', 100, '--connections', 3);

# (exit status, what the last line says)
sub mfload {
    my ($addr, @args) = @_;
    open(my $out, '-|', program_path('mfload') . " @few @args $addr 2>&1") or die "mfload: $!";
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, { $text =~ /(\w+)=(\S+)/g }, $text);
}

my $node = mfcached();
my ($status, $sums) = mfload($node->addr, qw(--work get --operations 10));
is($status, 1, 'a miss ends the run');
($status) = mfload($node->addr, qw(--work set --in-turn --operations 100 --depth 7));
is($status, 0, 'keys are stored');
is($node->connect->stats->{curr_items}, 100, 'each once');

# Node and floor give replies of the same length, else the run would hang or end.
for my $work ('get', 'get --depth 32', 'mg --depth 32', 'mget --keys-each 10', 'set',
              'set --depth 32', 'get --zipf 1.2') {
    my ($kind) = $work =~ /^(\w+)/;
    my $floor = start_program({ name => 'mffloor', ready => qr/listening addr=/,
                                args => ['--work', $kind, '--keys-each', 10] });
    my ($floor_addr) = $floor->log_text =~ /addr=(\S+)/;
    for my $addr ($node->addr, $floor_addr) {
        ($status, $sums) = mfload($addr, '--work', $work, '--operations', 200);
        is($status, 0, "$work: answered");
        is($sums->{operations}, $kind eq 'mget' ? 2000 : 200, "$work: keys");
    }
    $floor->kill_hard;
}
($status, $sums) = mfload($node->addr, '--work get --time 50ms --warm-up 10ms --pid', $node->pid);
cmp_ok($sums->{cpu_ns}, '>', 0, 'CPU time of the server');
cmp_ok($sums->{max_us}, '>=', $sums->{p50_us}, 'percentiles');

# The report, from the cheapest group that has goals.
SKIP: {
    skip('needs strace, which is not installed', 2) if !defined program_path('strace');
    skip('strace and sanitizers exclude each other', 2)
        if sanitized();
    my $json = scratch_dir() . '/report.json';
    my $src = srcdir();
    my $text = `cd '$src' && '$^X' -It/bench t/bench/node.pl --programs '@{[ builddir() ]}' --quick --reps 1 --only calls --json $json 2>&1`;
    my $rows = JSON::PP::decode_json(slurp($json))->{rows};
    is(join(' ', map { $_->{what} =~ tr/ ,//dr } @$rows),
       'readsget32 sendsget32 readsmg32 sendsmg32 readsset32 sendsset32', 'rows') or diag($text);
    # On a busy machine a batch now and then arrives in two pieces.
    like($text, qr/^calls +sends, get32 +(?:1|1\.0\d+|0\.9\d+) +a batch +<= 1.1 +reached/m,
         'one send a batch') or diag($text);
}

# A proxy before nodes, beside another if there is one.
SKIP: {
    skip('mfload needs answers in time, which sanitizers do not give', 3) if sanitized();
    my $json = scratch_dir() . '/proxy.json';
    my $src = srcdir();
    my $text = `cd '$src' && '$^X' -It/bench t/bench/proxy.pl --programs '@{[ builddir() ]}' --quick --reps 1 --only hot --json $json 2>&1`;
    my ($row, @more) = @{ JSON::PP::decode_json(slurp($json))->{rows} };
    is(scalar @more, 0, 'one row') or diag($text);
    is("$row->{group}, $row->{goal}", 'hot key, <= 0.1', 'of a proxy');
    cmp_ok($row->{figure}, '<', 0.5, 'most of the requests for one key are no news to its node') or diag($text);
}

done_testing;
