# Bench::Times - start, stop, warm restart, and the longest stall.
package Bench::Times;
use strict;
use warnings;

use File::Temp ();
use Time::HiRes qw(sleep);

use Bench::Report qw(median report note);
use Bench::Server;

# memcached refuses a memory file in the second in which it was saved.
my $MEMCACHED_WAITS_S = 2.2;

sub _start_and_stop {
    my ($p, $kinds) = @_;
    my (%start, %stop);
    for my $rep (1 .. $p->{reps}) {
        for my $kind (@$kinds) {
            my $server = Bench::Server->start($kind);
            push @{ $start{$kind} }, $server->{start_ms};
            push @{ $stop{$kind} }, $server->stop('TERM');
        }
    }
    report('times', 'start to first reply', unit => 'ms', figure => median(@{ $start{mfcached} }),
           at_most => 5, raw => \%start, beside => { map { $_ => median(@{ $start{$_} }) } @$kinds });
    report('times', 'SIGTERM to the end', unit => 'ms', figure => median(@{ $stop{mfcached} }),
           at_most => 50, raw => \%stop, beside => { map { $_ => median(@{ $stop{$_} }) } @$kinds });
    return;
}

# One save and load: (milliseconds to save, to load).
sub _restart {
    my ($p, $kind, $dir) = @_;
    my %opt = (memory_mb => 512, args => ['-e', "$dir/$kind"]);
    my $server = Bench::Server->start($kind, %opt);
    $server->store(keys => $p->{warm_items});
    sleep 1;
    my $items = $server->stats->{curr_items};
    my $save_ms = $server->stop('USR1');
    sleep $MEMCACHED_WAITS_S if $kind eq 'memcached';
    $server = Bench::Server->start($kind, %opt);
    my $kept = $server->stats->{curr_items};
    note("$kind came back with $kept of $items items") if $kept != $items;
    my $load_ms = $server->{start_ms};
    $server->stop;
    unlink glob "$dir/$kind*";
    return ($save_ms, $load_ms);
}

sub _warm_restart {
    my ($p, $kinds) = @_;
    my $dir = File::Temp::tempdir('bench-XXXXXX', DIR => -w '/dev/shm' ? '/dev/shm' : '/tmp', CLEANUP => 1);
    my (%save, %load);
    for my $rep (1 .. $p->{slow_reps}) {
        for my $kind (@$kinds) {
            my ($save_ms, $load_ms) = _restart($p, $kind, $dir);
            push @{ $save{$kind} }, $save_ms;
            push @{ $load{$kind} }, $load_ms;
        }
    }
    report('times', "saving $p->{warm_items} items", unit => 'ms', figure => median(@{ $save{mfcached} }),
           raw => \%save, beside => { map { $_ => median(@{ $save{$_} }) } @$kinds });
    report('times', "warm start with them", unit => 'ms', figure => median(@{ $load{mfcached} }),
           at_most => 60, raw => \%load, beside => { map { $_ => median(@{ $load{$_} }) } @$kinds });
    return;
}

sub times {
    my ($p) = @_;
    my @kinds = grep { Bench::Server::available($_) } qw(mfcached memcached);
    _start_and_stop($p, \@kinds);
    _warm_restart($p, \@kinds);
    return;
}

# The longest that a batch waits while the table grows from nothing. Noise only
# adds, so the best repetition is the nearest to the truth.
sub stalls {
    my ($p) = @_;
    my @kinds = grep { Bench::Server::available($_) } qw(mfcached memcached);
    my (%stall, @turn);
    for my $rep (1 .. $p->{slow_reps}) {
        for my $kind (@kinds) {
            my $server = Bench::Server->start($kind, memory_mb => 1024);
            my %sums = $server->store(keys => $p->{stall_items}, depth => 16);
            push @{ $stall{$kind} }, $sums{max_us} / 1000;
            push @turn, $server->stats->{longest_turn_us} / 1000 if $kind eq 'mfcached';
            $server->stop;
        }
    }
    my %best = map { $_ => (sort { $a <=> $b } @{ $stall{$_} })[0] } @kinds;
    report('stalls', "longest wait, $p->{stall_items} items", unit => 'ms', figure => $best{mfcached},
           at_most => 5, raw => \%stall, beside => \%best);
    report('stalls', 'longest turn of its loop, CPU', unit => 'ms', at_most => 1, raw => \@turn,
           figure => (sort { $a <=> $b } @turn)[0]);
    return;
}

1;
