# Malformed, odd and hostile input to a node.
use strict;
use warnings;
use Memfleet;
use BadInputs;

bad_inputs(mfcached(args => [qw(-t 1)]));
done_testing;
