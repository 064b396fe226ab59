# Bench::Main - the command line of a benchmark: its groups of figures in turn, then the
# table.
#
#     bench([cpu => \&measure], [memory => \&measure], sub { my ($quick, $reps) = @_; ... });
#
# The last gives what its groups are called with, beside `reps`.
package Bench::Main;
use strict;
use warnings;

use Exporter qw(import);
use Getopt::Long qw(GetOptions);

use Bench::Report qw(note print_report write_json all_reached);
use Bench::Server;

our @EXPORT_OK = qw(bench);

sub _options {
    my (@groups) = @_;
    my %opt = (reps => 9, programs => 'build');
    GetOptions(\%opt, 'reps=i', 'quick', 'only=s', 'json=s', 'realtime', 'programs=s') or exit 64;
    die "bench: --reps is at least 1\n" if $opt{reps} < 1;
    my %only = map { $_ => 1 } split(/,/, $opt{only} // '');
    for my $name (keys %only) {
        die "bench: no group $name, only " . join(' ', map { $_->[0] } @groups) . "\n"
            if !grep { $_->[0] eq $name } @groups;
    }
    $opt{only} = \%only;
    $opt{reps} = 3 if $opt{quick} && $opt{reps} > 3;
    return %opt;
}

sub bench {
    my $plan = pop @_;
    my @groups = @_;
    my %opt = _options(@groups);
    %Bench::Server::setup = (programs => $opt{programs}, realtime => $opt{realtime});
    my %plan = (reps => $opt{reps}, $plan->($opt{quick}, $opt{reps}));
    open(my $load, '<', '/proc/loadavg') or die "no /proc\n";
    my ($busy) = split(/ /, <$load>);
    note("other work was on the machine (load $busy): believe counts, not times") if $busy > 0.5;
    note('--quick: too short to be believed') if $opt{quick};
    for my $group (@groups) {
        my ($name, $measure) = @$group;
        next if %{ $opt{only} } && !$opt{only}{$name};
        print STDERR "measuring $name\n";
        $measure->(\%plan);
    }
    print_report(\*STDOUT);
    write_json($opt{json}, reps => $opt{reps}, quick => $opt{quick} ? 1 : 0, load => $busy + 0)
        if defined $opt{json};
    exit(all_reached() ? 0 : 1);
}

1;
