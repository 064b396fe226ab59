# Ten minutes of faults (CHAOS_SECONDS says otherwise), some thousands, in parts
# that differ in what the fleet has and in what fails. `make check-long` runs it.
# CHAOS_SEED is the first part's seed; each part has one of its own.
use strict;
use warnings;
use Memfleet;
use Memfleet::Chaos;

my $seconds = $ENV{CHAOS_SECONDS} // 600;
my $seed = $ENV{CHAOS_SEED} // 1 + int(rand(1_000_000));
alarm($seconds * 2 + deadline(300)); # longer than other tests may take

my @parts = (
    ['everything'],
    ['a gutter', '--gutter', 1],
    ['nodes that keep their items', '--warm'],
    ['misses that one client fills', '--miss-lease', '60ms'],
    ['all of these', '--warm', '--gutter', 1, '--miss-lease', '30ms', '--threads', 3],
    ['a near cache', '--near-cache', '1s', '--keys', 6],
    ['a near cache, and other proxies', '--near-cache', '300ms', '--alone', '--second-reads', '--keys', 6,
     '--warm'],
    ['promotion', '--promote', 20, '--keys', 4, '--faults', 'slow,split,cut,freeze'],
    ['promotion, and other proxies', '--promote', 20, '--alone', '--second-reads', '--keys', 4,
     '--faults', 'slow,split,cut,freeze'],
    ['few keys, many hands', '--keys', 8, '--clients', 16],
    ['wires only', '--faults', 'cut,stall,mute,deaf,slow,split,refuse'],
    ['nodes that stand still', '--faults', 'freeze', '--threads', 3],
    ['nodes and tables', '--faults', 'kill,end,freeze,table', '--warm', '--nodes', 5],
    ['keys that move', '--nodes', 5, '--request-timeout', '50ms', '--faults',
     'move,kill,end,freeze,cut,stall,mute,deaf,slow,split,refuse'],
    ['keys that move, hot ones, a near cache, a gutter', '--nodes', 5, '--hot', 6, '--near-cache', '100ms',
     '--gutter', 1, '--request-timeout', '50ms', '--warm'],
    ['keys that move, and other proxies', '--nodes', 4, '--alone', '--faults', 'move,cut,stall,mute,freeze'],
    ['networks', '--network', '--request-timeout', '50ms', '--faults', 'stall,mute,deaf,refuse,cut'],
    ['networks, and keys that move', '--network', '--nodes', 5, '--gutter', 1, '--hot', 4, '--warm'],
    ['a patient pool', '--request-timeout', '400ms'],
);
my $faults = 0;
for my $part (@parts) {
    my ($name, @args) = @$part;
    my $sums = chaos($name, seconds => $seconds / @parts, args => [@args, '--seed', $seed++]);
    next if !$sums;
    cmp_ok($sums->{hits}, '>', 100, "$name: values were read");
    $faults += $sums->{faults};
}
cmp_ok($faults, '>', $seconds * 3, 'thousands of faults');

done_testing;
