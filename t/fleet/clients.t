# What existing clients see through the proxy: libmemcached's own test of
# servers, and pymemcache's commands, with the same outcome as against memcached.
use strict;
use warnings;
use Memfleet;

my @nodes = map { mfcached() } 1 .. 3;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), patient()]);
my ($host, $port) = split(/:/, $proxy->addr);

SKIP: {
    my $memccapable = program_path('memccapable');
    skip('needs libmemcached-tools, which is not installed', 1) if !defined $memccapable;
    my $out = `'$memccapable' -h $host -p $port -a 2>&1`;
    my @passed = $out =~ /^(ascii .*?)\s+\[pass\]$/mg;
    is(scalar @passed, 27, 'memccapable: all of the text protocol') or diag($out);
}

SKIP: {
    my $python = python_with('pymemcache');
    skip('needs python3-pymemcache, which is not installed', 1) if !defined $python;
    my $script = srcdir() . '/t/tools/client_commands.py';
    my $through_proxy = `'$python' '$script' $host:$port 2>&1`;
    is($?, 0, 'pymemcache: every command') or diag($through_proxy);
    my $memcached = memcached_program();
    skip('needs memcached, which is not installed', 1) if !defined $memcached;
    is($through_proxy, `'$python' '$script' @{[ $memcached->addr ]} 2>&1`,
       'and each returns what it returns of memcached');
}

done_testing;
