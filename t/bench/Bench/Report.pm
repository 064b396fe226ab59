# Bench::Report - what was measured, beside what is wanted.
package Bench::Report;
use strict;
use warnings;

use Exporter qw(import);
use JSON::PP ();

our @EXPORT_OK = qw(median ratios report note print_report write_json all_reached);

my (@rows, @notes);

sub median {
    my @v = sort { $a <=> $b } @_;
    return undef if !@v;
    return @v % 2 ? $v[$#v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}

# The median of the ratios of what was measured in the same repetition: slow
# drift of the machine is in both and falls out.
sub ratios {
    my ($these, $those) = @_;
    return undef if !$these || !$those || !@$those;
    return median(map { $these->[$_] / $those->[$_] } 0 .. $#$these);
}

# A row. `figure` is compared with `at_most` or `at_least`, where there is such a
# goal; `beside` are other figures to look at, `raw` all single measurements.
sub report {
    my ($group, $what, %row) = @_;
    my $goal = defined $row{at_most} ? "<= $row{at_most}" : defined $row{at_least} ? ">= $row{at_least}" : '';
    my $reached = !defined $row{figure} || $goal eq '' ? undef
        : defined $row{at_most} ? $row{figure} <= $row{at_most} : $row{figure} >= $row{at_least};
    push @rows, { group => $group, what => $what, goal => $goal,
                  reached => defined $reached ? ($reached ? JSON::PP::true : JSON::PP::false) : undef,
                  map { $_ => $row{$_} } grep { exists $row{$_} } qw(figure unit beside raw) };
    return;
}

# A sentence below the table: what could not be measured, and why.
sub note { push @notes, @_; return }

sub _number {
    my ($n) = @_;
    return '-' if !defined $n;
    return $n >= 1000 || $n == int $n ? sprintf('%.0f', $n) : $n >= 10 ? sprintf('%.1f', $n) : sprintf('%.3f', $n);
}

sub print_report {
    my ($out) = @_;
    my $format = "%-13s %-34s %10s %-20s %-9s %-7s %s\n";
    printf {$out} $format, 'group', 'what', 'figure', '', 'goal', '', 'beside';
    for my $r (@rows) {
        my $beside = $r->{beside} // {};
        printf {$out} $format, $r->{group}, $r->{what}, _number($r->{figure}), $r->{unit} // '', $r->{goal},
            !defined $r->{reached} ? '' : $r->{reached} ? 'reached' : 'MISSED',
            join(' ', map { "$_=" . _number($beside->{$_}) } sort keys %$beside);
    }
    print {$out} map { "note: $_\n" } @notes;
    my $missed = grep { defined $_->{reached} && !$_->{reached} } @rows;
    my $reached = grep { $_->{reached} } @rows;
    printf {$out} "%d goals reached, %d missed\n", $reached, $missed;
    return;
}

sub write_json {
    my ($file, %about) = @_;
    open(my $out, '>', $file) or die "$file: $!\n";
    print {$out} JSON::PP->new->canonical->pretty->encode({ %about, rows => \@rows, notes => \@notes });
    close $out or die "$file: $!\n";
    return;
}

sub all_reached { return !grep { defined $_->{reached} && !$_->{reached} } @rows }

1;
