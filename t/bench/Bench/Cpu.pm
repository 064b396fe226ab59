# Bench::Cpu - CPU time per operation, beside others and with more threads.
package Bench::Cpu;
use strict;
use warnings;

use Bench::Report qw(median ratios report note);
use Bench::Server;

my %work = (
    get     => ['get'],
    get32   => ['get', '--depth', 32],
    mg32    => ['mg', '--depth', 32],
    mget100 => ['mget', '--keys-each', 100],
    set     => ['set'],
    set32   => ['set', '--depth', 32],
);
my @works = qw(get get32 mg32 mget100 set set32);

# Times the floor's CPU time.
my %goal = (
    100  => { get => 1.08, set => 1.08, get32 => 2.0, mg32 => 2.0, set32 => 2.0, mget100 => 2.2 },
    1024 => { get32 => 2.6, mget100 => 3.5, set32 => 3.4 },
);

sub _arguments {
    my ($p, $work, $value_bytes, $rep) = @_;
    my ($kind, @more) = @{ $work{$work} };
    return ('--work', $kind, @more, '--value-bytes', $value_bytes, '--keys', $p->{keys}{$value_bytes},
            '--time', "$p->{time_ms}ms", '--warm-up', "$p->{warm_ms}ms", '--seed', $rep + 1);
}

sub _servers {
    my ($p, $value_bytes) = @_;
    my %servers;
    for my $kind (grep { Bench::Server::available($_) } qw(mfcached memcached)) {
        my $s = Bench::Server->start($kind, memory_mb => 1024);
        $s->store(keys => $p->{keys}{$value_bytes}, value_bytes => $value_bytes);
        $servers{$kind} = { map { $_ => $s } @works };
    }
    for my $work (@works) {
        my ($kind) = @{ $work{$work} };
        $servers{floor}{$work} = Bench::Server->start(
            'mffloor', args => ['--work', $kind, '--value-bytes', $value_bytes]);
    }
    return %servers;
}

sub _report {
    my ($value_bytes, $ns) = @_;
    for my $work (@works) {
        my %of = map { $_ => $ns->{$_}{$work} } keys %$ns;
        report('cpu', "$work, $value_bytes B", unit => 'x floor', raw => \%of,
               figure => ratios($of{mfcached}, $of{floor}), at_most => $goal{$value_bytes}{$work},
               beside => { (map { +"$_ ns" => median(@{ $of{$_} }) } keys %of),
                           $of{memcached} ? ('x memcached' => ratios($of{mfcached}, $of{memcached})) : () });
    }
    return;
}

# In every repetition all servers have their turn on each work, in an order that
# rotates: what else the machine does hits all of them alike.
sub cpu {
    my ($p) = @_;
    for my $value_bytes (sort { $a <=> $b } keys %{ $p->{keys} }) {
        my %servers = _servers($p, $value_bytes);
        my @kinds = sort keys %servers;
        my %ns;
        for my $rep (0 .. $p->{reps} - 1) {
            for my $work (@works) {
                for my $kind (@kinds) {
                    my %sums = $servers{$kind}{$work}->load(_arguments($p, $work, $value_bytes, $rep));
                    push @{ $ns{$kind}{$work} }, $sums{cpu_ns};
                }
                push @kinds, shift @kinds;
            }
        }
        my %ended;
        $_->stop for grep { !$ended{$_}++ } map { values %$_ } values %servers;
        _report($value_bytes, \%ns);
    }
    return;
}

# Two threads against one on the same work: what they cost each other.
sub threads {
    my ($p) = @_;
    my %servers;
    for my $threads (1, 2) {
        $servers{$threads} = Bench::Server->start('mfcached', memory_mb => 1024, threads => $threads,
                                                  spread => 1);
        $servers{$threads}->store(keys => $p->{keys}{100});
    }
    for my $zipf (0, 1.2) {
        for my $work (qw(get32 set32)) {
            my %ns;
            for my $rep (0 .. $p->{reps} - 1) {
                for my $threads ($rep % 2 ? (1, 2) : (2, 1)) {
                    my %sums = $servers{$threads}->load(_arguments($p, $work, 100, $rep), '--zipf', $zipf);
                    push @{ $ns{$threads} }, $sums{cpu_ns};
                }
            }
            report('threads', "$work, " . ($zipf ? "zipf $zipf" : 'uniform'), unit => 'x one thread',
                   figure => ratios($ns{2}, $ns{1}), at_most => 1.05, raw => \%ns,
                   beside => { map { +"$_ ns" => median(@{ $ns{$_} }) } keys %ns });
        }
    }
    $_->stop for values %servers;
    return;
}

1;
