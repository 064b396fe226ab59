# Existing clients, unchanged, in front of the proxy: what each command comes to
# with all nodes up, and what is left of them when one of three is dead. Clients
# that are not installed are skipped by name; those that can only speak the binary
# protocol (Dalli before 3.1, memjs) are not here, since it is not served.
use strict;
use warnings;
use Memfleet;

# What every client that has the command must say; memcached itself is asked as
# well, where it is installed, and must be told of in the same words.
my %EXPECTED = (
    'set'                 => 'ok',
    'get'                 => 'alpha',
    'get of nothing'      => 'none',
    'multiget'            => 'a=alpha b=beta c=gamma',
    'add of what is there' => 'refused',
    'add'                 => 'ok',
    'replace'             => 'ok',
    'replace of nothing'  => 'refused',
    'append'              => 'ok',
    'prepend'             => 'ok',
    'joined'              => '[delta]',
    'incr'                => '15',
    'decr'                => '0',
    'incr of nothing'     => 'none',
    'cas'                 => 'ok',
    'cas again'           => 'refused',
    'touch'               => 'ok',
    'touch of nothing'    => 'refused',
    'gat'                 => 'alpha',
    'large'               => '700000',
    'bytes'               => 'same',
    'noreply'             => 'kept',
    'delete'              => 'ok',
    'delete again'        => 'refused',
    'gone'                => 'none',
);
my @ALL_HAVE = ('set', 'get', 'get of nothing', 'multiget', 'add', 'incr', 'delete', 'gone', 'large');

sub runs { return system("$_[0] >/dev/null 2>&1") == 0 }

my $dir = srcdir() . '/t/clients';
my $jar = '/usr/share/java/spymemcached.jar';
my $npm = join(' ', 'node', '-e', q{'require("memcached")'});

# name, what to install, is it there?, how it is called, what it knows to differ
my @clients = (
    (map { my ($name, $package, $module, $differs) = @$_;
           my $python = python_with($module);
           [ $name, $package, defined $python, sub { ($python, "$dir/matrix.py", $name) }, $differs // {} ] }
        ['pymemcache', 'python3-pymemcache', 'pymemcache'],
        ['pylibmc', 'python3-pylibmc', 'pylibmc'],
        # It takes NOT_FOUND for a success.
        ['python-memcached', 'python3-memcache', 'memcache', { 'delete again' => 'ok' }]),
    (map { my $module = $_->[0];
           [ $module, $_->[1], runs("perl -M$module -e 1"), sub { ($^X, "$dir/matrix.pl", $module) }, {} ] }
        ['Cache::Memcached', 'libcache-memcached-perl'],
        ['Cache::Memcached::Fast', 'libcache-memcached-fast-perl']),
    ['PHP memcached', 'php-cli and php-memcached', runs(q{php -r 'exit(class_exists("Memcached") ? 0 : 1);'}),
     sub { ('php', "$dir/matrix.php") }, {}],
    ['Go gomemcache', 'golang-go and golang-github-bradfitz-gomemcache-dev',
     runs('go version') && -d '/usr/share/gocode/src/github.com/bradfitz/gomemcache',
     \&go_program, {}],
    ['npm memcached', 'node and the npm package memcached', runs($npm),
     sub { ('node', "$dir/matrix.js") }, { quiet_errors => 1 }],
    ['spymemcached', 'a JDK and libspymemcached-java', -e $jar && runs('javac -version'),
     sub { ('java', '-cp', $jar, "$dir/Matrix.java") }, { quiet_errors => 1 }],
);

my $go;

sub go_program {
    return $go if defined $go;
    local $ENV{GOPATH} = '/usr/share/gocode';
    local $ENV{GO111MODULE} = 'off';
    my $scratch = scratch_dir();
    local $ENV{GOCACHE} = "$scratch/cache";
    system('go', 'build', '-o', "$scratch/matrix", "$dir/matrix.go") == 0 or die "go build failed\n";
    return $go = "$scratch/matrix";
}

# What the client said, by step.
sub ask_client {
    my ($client, $addr, $how) = @_;
    my ($host, $port) = split(/:/, $addr);
    my ($status, $text) = run_to_end($client->[3]->(), $host, $port, $how);
    is($status, 0, "$client->[0], $how: it runs to its end") or diag($text);
    return { $text =~ /^([^:\n]+): (.*)$/mg };
}

sub compare {
    my ($client, $said, $of_memcached) = @_;
    my %expected = (%EXPECTED, %{ $client->[4] });
    for my $step (sort keys %$said) {
        next if $said->{$step} eq 'not offered';
        is($said->{$step}, $expected{$step}, "$client->[0]: $step");
    }
    is_deeply($said, $of_memcached, "$client->[0]: as memcached") if defined $of_memcached;
    is_deeply([grep { !exists $said->{$_} } @ALL_HAVE], [], "$client->[0]: nothing is missing");
    return;
}

# A third of the keys, more or less, cannot be stored; nothing else may be noticed.
sub judge_the_rest {
    my ($client, $said) = @_;
    my $name = "$client->[0], a node is dead";
    cmp_ok($said->{stored}, '>', 0, "$name: most keys can be stored");
    cmp_ok($said->{stored}, '<', 60, "$name: some cannot");
    is($said->{hits}, $said->{stored}, "$name: what was stored is read");
    is($said->{multiget}, $said->{stored}, "$name: also at once");
    is($said->{'read errors'}, 0, "$name: no read fails");
    is($said->{'delete errors'}, 0, "$name: no delete fails");
    is($said->{afterwards}, 'ok', "$name: and it goes on");
    return;
}

my @there = grep { $_->[2] } @clients;
plan(skip_all => 'no client library is installed') if !@there;
alarm(deadline(60 + 20 * @there)); # a JVM, or go, takes its time

my @nodes = map { mfcached() } 1 .. 3;
my $table = scratch_dir() . '/table.json';
# After an error line npm's memcached shuts the server off for half a minute, and
# spymemcached connects anew, with seconds of delay: for those the pool says
# NOT_STORED.
spew($table, table_json(nodes => \@nodes,
                        pool => { patient(table => 1), on_write_error => 'not_stored', flush_all => 'allow' }));
my $plain = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), patient()]);
my $lenient = mfproxy(args => ['--table', $table]);
my $memcached = memcached_program();

sub proxy_of { return $_[0][4]{quiet_errors} ? $lenient : $plain }

for my $client (@clients) {
  SKIP: {
        skip("needs $client->[1], which is not installed", 1) if !$client->[2];
        is($plain->connect->ask("flush_all\r\n"), "OK\r\n", 'begin with nothing');
        my $of_memcached;
        if (defined $memcached) {
            $memcached->connect->ask("flush_all\r\n");
            $of_memcached = ask_client($client, $memcached->addr, 'up');
        }
        compare($client, ask_client($client, proxy_of($client)->addr, 'up'), $of_memcached);
    }
}

$nodes[1]->kill_hard;
for my $proxy ($plain, $lenient) { # it has noticed
    my $c = $proxy->connect;
    wait_until(sub { $c->ask("set probe-" . int(rand(1e9)) . " 0 0 1\r\nx\r\n") !~ /^STORED/ },
               deadline(20), 'a node is dead');
}
for my $client (@there) {
    judge_the_rest($client, ask_client($client, proxy_of($client)->addr, 'dead'));
}

done_testing;
