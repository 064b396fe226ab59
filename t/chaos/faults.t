# Nodes, proxies and wires fail, and no client reads what was not promised, for
# some seconds; t/long/chaos.t does it for minutes. What mfchaos judges is in
# t/chaos/chaosmodel.h.
use strict;
use warnings;
use Memfleet;
use Memfleet::Chaos;

sub happened {
    my ($sums) = @_;
    cmp_ok($sums->{faults}, '>', 5, 'much failed');
    cmp_ok($sums->{hits}, '>', 100, 'and yet values were read');
    cmp_ok($sums->{unknown}, '>', 0, 'and writes were lost');
    return;
}

happened(chaos('everything fails', seconds => 3));
happened(chaos('a gutter, and clients that fill misses', seconds => 3,
               args => ['--gutter', 1, '--miss-lease', '50ms', '--warm']));
my $near = chaos('a near cache, and writes by one proxy', seconds => 4,
                 args => ['--near-cache', '300ms', '--alone', '--second-reads', '--keys', 2, '--clients', 16,
                          '--value-max', 500, '--faults', 'slow,split,cut,table']);
cmp_ok($near->{near}, '>', 100, 'values are told from it');
my $copies = chaos('keys that are promoted, and writes by one proxy', seconds => 8,
                   args => ['--promote', 20, '--alone', '--second-reads', '--keys', 3, '--clients', 12,
                            '--value-max', 500, '--faults', 'slow,split']);
cmp_ok($copies->{copies}, '>', 10, 'copies are read');
my @small = ('--nodes', 4, '--clients', 4, '--request-timeout', '50ms');
my $moves = chaos('keys that move', seconds => 8, args => [@small, '--near-cache', '100ms', '--faults', 'move']);
cmp_ok($moves->{tables}, '>', 1, 'by steps');
cmp_ok($moves->{fills}, '>', 5, 'and warm');
$moves = chaos('keys that move while much fails', seconds => 6,
               args => [@small, '--hot', 4, '--gutter', 1, '--faults', 'move,freeze,cut,stall,mute,deaf,slow']);
cmp_ok($moves->{move}, '>', 0, 'once at least');
chaos('packets are lost, one way or both', seconds => 5,
      args => ['--network', @small, '--faults', 'stall,mute,deaf,refuse,cut,move']);

done_testing;
