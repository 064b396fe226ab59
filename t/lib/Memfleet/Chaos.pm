# Memfleet::Chaos - one run of mfchaos, which starts its own proxies and nodes.
#
#     use Memfleet;
#     use Memfleet::Chaos;
#     my $sums = chaos('a gutter', seconds => 3, args => ['--gutter', 1]);
#
# Passes if nothing was wrong; is skipped, and returns nothing, where the system does not
# let it (--network). The seed is in the log: `--seed N` makes the same
# faults again, though requests do not meet them alike.
package Memfleet::Chaos;
use strict;
use warnings;

use Exporter qw(import);

use Memfleet;

our @EXPORT = qw(chaos);

use constant SKIPPED => 77;

sub chaos {
    my ($name, %opt) = @_;
    my @command = (program_path('mfchaos'), '--bin-dir', builddir(), '--duration', "$opt{seconds}s",
                   @{ $opt{args} // [] });
    my ($status, $text) = run_to_end(@command);
    $text =~ s/[^\n\x20-\x7e]/?/g;
    diag("$name: $text");
    SKIP: {
        if ($status == SKIPPED) {
            my ($why) = $text =~ /^mfchaos: (.*)/m;
            skip($name . ': ' . ($why // 'not here'), 1);
        }
        is($status, 0, $name);
    }
    return if $status == SKIPPED;
    return { $text =~ /([\w-]+)=(\d+)/g };
}

1;
