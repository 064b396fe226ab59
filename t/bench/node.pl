# What scripts/bench node runs: each group of figures in turn, then the table.
use strict;
use warnings;

use Getopt::Long qw(GetOptions);

use Bench::Counts;
use Bench::Cpu;
use Bench::Memory;
use Bench::Report qw(note print_report write_json all_reached);
use Bench::Server;
use Bench::Times;

my @groups = (
    [cpu          => \&Bench::Cpu::cpu],
    [threads      => \&Bench::Cpu::threads],
    [memory       => \&Bench::Memory::fit],
    [stalls       => \&Bench::Times::stalls],
    [times        => \&Bench::Times::times],
    [hits         => \&Bench::Memory::hits],
    [instructions => \&Bench::Counts::instructions],
    [calls        => \&Bench::Counts::calls],
);

my %opt = (reps => 9, programs => 'build');
GetOptions(\%opt, 'reps=i', 'quick', 'only=s', 'json=s', 'realtime', 'programs=s') or exit 64;
die "bench: --reps is at least 1\n" if $opt{reps} < 1;
my %only = map { $_ => 1 } split(/,/, $opt{only} // '');
for my $name (keys %only) {
    die "bench: no group $name\n" if !grep { $_->[0] eq $name } @groups;
}
%Bench::Server::setup = (programs => $opt{programs}, realtime => $opt{realtime});

my $quick = $opt{quick};
my %plan = (
    reps => $quick ? ($opt{reps} < 3 ? $opt{reps} : 3) : $opt{reps},
    slow_reps => $quick ? 1 : ($opt{reps} + 2) / 3,
    time_ms => $quick ? 100 : 400,
    warm_ms => $quick ? 30 : 200,
    keys => $quick ? { 100 => 50_000, 1024 => 20_000 } : { 100 => 1_000_000, 1024 => 200_000 },
    fit_mb => $quick ? 32 : 256,
    stall_items => $quick ? 200_000 : 2_000_000,
    warm_items => $quick ? 50_000 : 1_000_000,
    trace_mb => $quick ? [24] : [24, 32],
);

note('memcached is not installed: nothing stands beside mfcached') if !Bench::Server::available('memcached');
open(my $load, '<', '/proc/loadavg') or die "no /proc\n";
my ($busy) = split(/ /, <$load>);
note("other work was on the machine (load $busy): believe counts, not times") if $busy > 0.5;
note('--quick: too short to be believed') if $quick;
for my $group (@groups) {
    my ($name, $measure) = @$group;
    next if %only && !$only{$name};
    print STDERR "measuring $name\n";
    $measure->(\%plan);
}
print_report(\*STDOUT);
write_json($opt{json}, reps => $plan{reps}, quick => $quick ? 1 : 0, load => $busy + 0) if defined $opt{json};
exit(all_reached() ? 0 : 1);
