# Malformed, odd and hostile input through the proxy, over three nodes.
use strict;
use warnings;
use Memfleet;
use BadInputs;

my @nodes = map { mfcached(args => [qw(-t 1)]) } 1 .. 3;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), '--threads', 1,
                             patient()]);

# Keys of every node: a reply to all of them is behind whatever was asked of any.
my @keys = map { "barrier:$_" } 1 .. 60;
my %there;
my $c = $proxy->connect;
$c->set($_, 'x') for @keys;
for my $node (@nodes) {
    my $found = $node->connect->get_many(@keys);
    ok(%$found, 'the node owns some of the barrier keys');
    %there = (%there, %$found);
}
is(scalar keys %there, scalar @keys, 'and each is somewhere');

bad_inputs($proxy, barrier => "get @keys\r\n");
done_testing;
