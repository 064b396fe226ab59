# The main job on real input: requests for web pages through the proxy to three
# nodes, get and set on a miss. The nodes have room for everything, so the hit
# ratio is that of the trace: only a lost, doubled or misrouted request moves it.
use strict;
use warnings;
use Memfleet;

my $requests = 60_000;
my $trace = trace_file();

my @nodes = map { mfcached() } 1 .. 3;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), patient()]);

# What a cache that forgets nothing hits among the requests FROM .. TO-1.
sub ideal {
    my ($from, $to) = @_;
    my @ids = (unpack('N*', slurp($trace)))[0 .. $to - 1];
    my %seen = map { $_ => 1 } @ids[0 .. $from - 1];
    return scalar grep { $seen{$_}++ } @ids[$from .. $to - 1];
}

sub replay {
    my (@args) = @_;
    my @command = (program_path('mfreplay'), '-b', '-f', $trace, @args, $proxy->addr);
    open(my $out, '-|', @command) or die "mfreplay: $!";
    my $line = do { local $/; <$out> } // '';
    close $out;
    diag($line);
    return ($? >> 8, { $line =~ /(\w+)=(\S+)/g });
}

my ($status, $sum) = replay('-n', $requests, '-c', 8, '-d', 32);
is($status, 0, 'no error, no wrong value, no lost connection');
is($sum->{requests}, $requests, 'every get was answered');
is($sum->{hits}, ideal(0, $requests), 'each page missed once and hit ever after');
is($sum->{sets}, $sum->{requests} - $sum->{hits}, 'and was stored once');

# Every node has its share: a ring with a hole would pass all of the above.
my @items = map { $_->connect->stats->{curr_items} } @nodes;
is($items[0] + $items[1] + $items[2], $sum->{sets}, 'each page is on one node');
cmp_ok($_, '>', $sum->{sets} / 3 * 0.7, "of a node's items: $_") for @items;

# The next requests by a client library that people use.
SKIP: {
    my $python = python_with('pymemcache');
    skip('needs python3-pymemcache, which is not installed', 1) if !defined $python;
    my ($from, $count) = ($requests, 3_000);
    my $got = `'$python' '@{[ srcdir() ]}/t/tools/client_replay.py' @{[ $proxy->addr ]} '$trace' $from $count`;
    is($got, sprintf("requests=%d hits=%d wrong=0\n", $count, ideal($from, $from + $count)),
       'pymemcache finds the same pages, and in them what mfreplay put there');
}

done_testing;
