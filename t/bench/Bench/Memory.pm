# Bench::Memory - what fits, and what is hit.
package Bench::Memory;
use strict;
use warnings;

use IO::Socket::INET ();

use Bench::Report qw(median report note);
use Bench::Server;

my $KEY_BYTES = 24;
my %goal = (10 => 1.8, 100 => 1.30, 1000 => 1.12);

# Of a thousand of the keys 0 .. count-1, how many are there?
sub _found_of_1000 {
    my ($server, $count) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => $server->addr, Proto => 'tcp') or die "connect: $!";
    my $found = 0;
    for my $i (0 .. 999) {
        my $key = sprintf('k%0*d', $KEY_BYTES - 1, int($count * ($i + 0.5) / 1000));
        syswrite($s, "mg $key s\r\n");
        $found++ if (<$s> // '') =~ /^HD/;
    }
    return $found;
}

# Stores more than fits.
sub _fill {
    my ($p, $kind, $value_bytes) = @_;
    my $server = Bench::Server->start($kind, memory_mb => $p->{fit_mb});
    my $count = int($p->{fit_mb} * 2**20 / ($value_bytes + $KEY_BYTES + 8) * 1.3);
    $server->store(keys => $count, value_bytes => $value_bytes, key_bytes => $KEY_BYTES);
    my $stats = $server->stats;
    my %filled = (items => $stats->{curr_items}, rss_mb => $server->rss_mb);
    my $sampled = _found_of_1000($server, $count) / 1000 * $count;
    note("$kind counts $filled{items} items of $value_bytes B, but a sample says " . int $sampled)
        if abs($sampled - $filled{items}) > 0.1 * $count;
    note("$kind evicted nothing of $value_bytes B: all $count fit") if !$stats->{evictions};
    $server->stop;
    return \%filled;
}

sub fit {
    my ($p) = @_;
    my $beside = Bench::Server::available('memcached');
    for my $value_bytes (sort { $a <=> $b } keys %goal) {
        my $ours = _fill($p, 'mfcached', $value_bytes);
        my $theirs = $beside ? _fill($p, 'memcached', $value_bytes) : {};
        report('memory', "items of $value_bytes B in $p->{fit_mb} MB", unit => 'x memcached',
               figure => $beside ? $ours->{items} / $theirs->{items} : undef,
               at_least => $goal{$value_bytes},
               beside => { mfcached => $ours->{items}, $beside ? (memcached => $theirs->{items}) : () });
        report('memory', "RSS then", unit => 'x memcached',
               figure => $beside ? $ours->{rss_mb} / $theirs->{rss_mb} : undef, at_most => 1,
               beside => { 'mfcached MB' => $ours->{rss_mb},
                           $beside ? ('memcached MB' => $theirs->{rss_mb}) : () });
    }
    return;
}

# get, and set on a miss, of the trace of t/data: the share of misses.
sub hits {
    my ($p) = @_;
    my $xz = Bench::Server::tool('xz');
    return note('the trace needs xz: package xz-utils') if !$xz;
    my @kinds = grep { Bench::Server::available($_) } qw(mfcached memcached);
    for my $mb (@{ $p->{trace_mb} }) {
        my %misses;
        for my $kind (@kinds) {
            my $server = Bench::Server->start($kind, memory_mb => $mb);
            my $replay = Bench::Server::program('mfreplay');
            my $sums = `$xz -dc t/data/cache2k_web12.trace.xz | '$replay' -b --value-min 4k --value-max 64k @{[ $server->addr ]} 2>/dev/null`;
            my ($ratio) = $sums =~ /hit_ratio=(\S+)/ or die "mfreplay against $kind failed\n";
            $misses{$kind} = 1 - $ratio;
            $server->stop;
        }
        report('hits', "misses of web12 in $mb MB", unit => 'x memcached', at_most => 0.80,
               figure => $misses{memcached} ? $misses{mfcached} / $misses{memcached} : undef,
               beside => \%misses);
    }
    return;
}

1;
