# libmemcached's own capability test: what it finds in memcached it must find in
# the proxy.
use strict;
use warnings;
use Memfleet;

skip_without('memccapable', 'memcached');
my @nodes = map { memcached_program() } 1 .. 3;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), patient()]);

my $out = `memccapable -a -h 127.0.0.1 -p @{[ $proxy->port ]} 2>&1`;
is($?, 0, 'memccapable ends well') or diag($out);
is(scalar(() = $out =~ /\[pass\]/g), 27, '27 of 27 pass') or diag($out);
done_testing;
