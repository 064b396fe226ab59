# Memfleet::Soak - one run of mfsoak against an mfcached of its own.
#
#     use Memfleet;
#     use Memfleet::Soak;
#     soak('full memory', seconds => 3, node => ['-m', 32], soak => ['--flush-every', '1s']);
#
# Passes if nothing was wrong. The seed is in the log: `--seed N` makes the same
# choices again, though not in the same order among threads.
package Memfleet::Soak;
use strict;
use warnings;

use Exporter qw(import);

use Memfleet;

our @EXPORT = qw(soak);

# `node`: arguments of mfcached, -m always among them. `soak`: of mfsoak.
sub soak {
    my ($name, %opt) = @_;
    my %limit = @{ $opt{node} };
    my $node = mfcached(args => $opt{node});
    # A sanitizer's shadow is no memory of the cache's, and on a busy machine the
    # node may not run for longer than the default slack.
    my @judge = ('--slack', 1000 * deadline(sanitized() ? 1 : 0.5) . 'ms', sanitized() ? '--no-rss' : ());
    my @command = (program_path('mfsoak'), '--duration', "$opt{seconds}s", '--pid', $node->pid,
                   '--memory-limit', $limit{'-m'}, @judge, @{ $opt{soak} }, $node->addr);
    my ($status, $text) = run_to_end(@command);
    $text =~ s/[^\n\x20-\x7e]/?/g;
    diag("$name: $text");
    is($status, 0, $name);
    $node->stop;
    return { $text =~ /(\w+)=(\d+)/g };
}

1;
