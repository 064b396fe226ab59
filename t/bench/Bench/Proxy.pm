# Bench::Proxy - what a proxy costs: beside nutcracker before the same nodes, with two
# threads, for a key that all ask for, and in instructions.
package Bench::Proxy;
use strict;
use warnings;

use Bench::Counts;
use Bench::Report qw(median ratios report note);
use Bench::Server;

my $NODES = 3;
my %work = (
    'get, 1 connection'   => ['get', '--connections', 1],
    'get'                 => ['get'],
    'get, 64 connections' => ['get', '--connections', 64],
    'get32'               => ['get', '--depth', 32],
    'mget10'              => ['mget', '--keys-each', 10],
    'mget100'             => ['mget', '--keys-each', 100],
    'set'                 => ['set'],
    'set32'               => ['set', '--depth', 32],
    'mg32'                => ['mg', '--depth', 32],
);
my @works = ('get, 1 connection', 'get', 'get, 64 connections',
             qw(get32 mget10 mget100 set set32 mg32));

# Times nutcracker's CPU time.
my %goal = ('get' => 0.70, 'get, 64 connections' => 0.87, get32 => 0.62, mget10 => 0.62,
            mget100 => 0.50, set => 0.80, set32 => 0.65);
my %speaks_no_meta = (nutcracker => 1);

# Every node has every key, so that it does not matter which one a proxy asks. They share
# a CPU with the load; the proxy has the other for itself.
sub _nodes {
    my ($p) = @_;
    my $kind = Bench::Server::available('memcached') ? 'memcached' : 'mfcached';
    my @nodes = map { Bench::Server->start($kind, memory_mb => 512, cpu => 1) } 1 .. $NODES;
    $_->store(keys => $p->{keys}) for @nodes;
    return @nodes;
}

sub _load {
    my ($p, $server, $work, $rep, @more) = @_;
    my ($kind, @args) = @{ $work{$work} };
    return $server->load('--work', $kind, @args, '--keys', $p->{keys}, '--seed', $rep + 1,
                         '--time', "$p->{time_ms}ms", '--warm-up', "$p->{warm_ms}ms", @more);
}

sub _beside {
    my ($proxies, $of) = @_;
    return { map { my $kind = $_; map { +"$kind $_" => median(@{ $of->{$kind}{$_} }) } keys %{ $of->{$kind} } }
             grep { $of->{$_} } keys %$proxies };
}

sub cpu {
    my ($p) = @_;
    my @nodes = _nodes($p);
    my @kinds = grep { Bench::Server::available($_) } qw(mfproxy nutcracker);
    my %proxies = map { $_ => Bench::Server->start($_, nodes => \@nodes) } @kinds;
    for my $work (@works) {
        my %of;
        for my $rep (0 .. $p->{reps} - 1) {
            for my $kind (grep { !$speaks_no_meta{$_} || $work !~ /^mg\d/ } @kinds) {
                my %sums = _load($p, $proxies{$kind}, $work, $rep);
                push @{ $of{$kind}{ns} }, $sums{cpu_ns};
                push @{ $of{$kind}{p50_us} }, $sums{p50_us};
            }
            push @kinds, shift @kinds;
        }
        report('cpu', $work, unit => 'x nutcracker', at_most => $goal{$work}, raw => \%of,
               figure => ratios($of{mfproxy}{ns}, ($of{nutcracker} // {})->{ns}),
               beside => _beside(\%proxies, \%of));
    }
    $_->stop for values %proxies, @nodes;
    return;
}

# Two threads against one on the same work: what they cost each other.
sub threads {
    my ($p) = @_;
    my @nodes = _nodes($p);
    my %proxies = map { $_ => Bench::Server->start('mfproxy', nodes => \@nodes, threads => $_, spread => 1) } 1, 2;
    for my $work (qw(get32 mget100 set32)) {
        my %ns;
        for my $rep (0 .. $p->{reps} - 1) {
            for my $threads ($rep % 2 ? (1, 2) : (2, 1)) {
                my %sums = _load($p, $proxies{$threads}, $work, $rep);
                push @{ $ns{$threads} }, $sums{cpu_ns};
            }
        }
        report('threads', $work, unit => 'x one thread', at_most => 1.1, raw => \%ns,
               figure => ratios($ns{2}, $ns{1}), beside => { map { +"$_ ns" => median(@{ $ns{$_} }) } keys %ns });
    }
    $_->stop for values %proxies, @nodes;
    return;
}

# All ask for one key: how much of that its node notices.
sub hot {
    my ($p) = @_;
    my @nodes = _nodes($p);
    my $proxy = Bench::Server->start('mfproxy', nodes => \@nodes);
    my $asked = sub { my $n = 0; $n += $_->stats->{cmd_get} for @nodes; return $n };
    my $before = $asked->();
    my %sums = $proxy->load('--work', 'get', '--connections', 64, '--keys', 1, '--warm-up', '0ms',
                            '--time', 5 * $p->{time_ms} . 'ms');
    report('hot key', 'get, 64 connections', unit => 'requests at nodes', at_most => 0.10,
           figure => ($asked->() - $before) / $sums{requests});
    $_->stop for $proxy, @nodes;
    return;
}

# The load writes sets, too, so each work has nodes of its own.
sub instructions {
    my ($p) = @_;
    my @goals = (['get', 1200, 1], ['get32', 900, 1], ['mget100', 500, 100], ['set32', 900, 1], ['mg32', undef, 1]);
    for my $row (@goals) {
        my ($work, $at_most, $keys) = @$row;
        my @nodes = _nodes({ %$p, keys => 20_000 });
        Bench::Counts::report_instructions(
            $work, $at_most, $keys, ['--work', @{ $work{$work} }],
            sub { return Bench::Server->start('mfproxy', nodes => \@nodes, @_) });
        $_->stop for @nodes;
    }
    return;
}

1;
