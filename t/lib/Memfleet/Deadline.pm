# Memfleet::Deadline - how long a test may wait, and the one place that polls.
package Memfleet::Deadline;
use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use Time::HiRes ();

our @EXPORT_OK = qw(deadline wait_until now sanitized watch_test);

my $slower;

sub now { return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

# Were the programs built with a sanitizer? Then they are slow, and their memory
# is the sanitizer's.
sub sanitized {
    my $config = ($ENV{top_builddir} // '.') . '/config.h';
    open(my $f, '<', $config) or return 0;
    return scalar grep { /^#define HAVE_SANITIZER 1/ } <$f>;
}

# Sanitizers make programs several times slower, and so do machines that run
# other jobs. A deadline that is never reached costs nothing.
sub _slower { return sanitized() || $ENV{CI} ? 5 : 2 }

# `seconds` of a quiet machine, as seconds of this one.
sub deadline {
    my ($seconds) = @_;
    $slower //= _slower();
    return $seconds * $slower;
}

# A whole test's own end: one that waits for an event which never comes shall
# say so and clean up, not hold up everybody who waits for it. Armed when a test
# loads Memfleet; a blocking read is interrupted by it.
use constant TEST_SECONDS => 60;

sub watch_test {
    my $pid = $$;
    $SIG{ALRM} = sub {
        return if $$ != $pid;
        die "the test has not ended after " . deadline(TEST_SECONDS) . " s\n";
    };
    alarm(deadline(TEST_SECONDS));
    return;
}

# Calls the condition until it is true and returns its value; dies with `what`
# when the seconds are over. Only for what sends no event: a log file, a process
# that ends. Whoever waits for bytes reads them from a Memfleet::Conn.
sub wait_until {
    my ($condition, $seconds, $what) = @_;
    my $end = now() + $seconds;
    while (1) {
        my $result = $condition->();
        return $result if $result;
        croak "waited $seconds s in vain for: $what" if now() > $end;
        select(undef, undef, undef, 0.01);
    }
}

1;
