# Memfleet::Chaos - one run of mfchaos, which starts its own proxies and nodes.
#
#     use Memfleet;
#     use Memfleet::Chaos;
#     my $sums = chaos('a gutter', seconds => 3, args => ['--gutter', 1]);
#
# Passes if nothing was wrong. The seed is in the log: `--seed N` makes the same
# faults again, though requests do not meet them alike.
package Memfleet::Chaos;
use strict;
use warnings;

use Exporter qw(import);

use Memfleet;

our @EXPORT = qw(chaos);

sub chaos {
    my ($name, %opt) = @_;
    my @command = (program_path('mfchaos'), '--bin-dir', builddir(), '--duration', "$opt{seconds}s",
                   @{ $opt{args} // [] });
    my ($status, $text) = run_to_end(@command);
    $text =~ s/[^\n\x20-\x7e]/?/g;
    diag("$name: $text");
    is($status, 0, $name);
    return { $text =~ /([\w-]+)=(\d+)/g };
}

1;
