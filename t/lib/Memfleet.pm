# Memfleet - starts the programs under test and takes them down again.
#
#     use Memfleet;
#     my $node = mfcached(args => ['-m', 32]);
#     my $c = $node->connect;
#     is($c->ask("get a\r\n"), "END\r\n", 'a miss');
#     done_testing;
#
# Every program runs in a process group of its own and binds port 0; its
# "event=listening addr=..." log lines say where it listens. When the test ends,
# in whatever way, nothing is left: END stops the programs with SIGTERM and
# checks how they ended, and if the test was killed a small guard process, which
# sees our end of its pipe close, kills the groups and removes the directories.
#
# A program that exits with a status of its own, has to be killed, or lets a
# sanitizer print something makes the test fail, though every assertion held.
#
# Perl core modules only. Test::More is exported too.
package Memfleet;
use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Path qw(remove_tree);
use File::Temp ();
use HTTP::Tiny ();
use JSON::PP ();
use IO::Socket::INET ();
use Test::More ();
use Time::HiRes ();

use Memfleet::Conn;
use Memfleet::Deadline qw(deadline wait_until sanitized watch_test);
use Memfleet::Program;

our @EXPORT = (
    qw(builddir srcdir program_path scratch_dir free_port),
    qw(start_program run_to_end mfcached mfproxy mfcontrol mfctl memcached_program),
    qw(has_option deadline wait_until sanitized http_get memcached_compare slurp spew skip_without),
    qw(table_json publish_table mock_nodes trace_file mfreplay replay_sum python_with patient),
    @Test::More::EXPORT,
);

BEGIN {
    Test::More->import;
    # Make sets these; `prove -It/lib` from a build directory shall do as well.
    $ENV{ASAN_OPTIONS}  //= 'detect_leaks=1';
    $ENV{TSAN_OPTIONS}  //= 'halt_on_error=1 exitcode=66';
    $ENV{UBSAN_OPTIONS} //= 'print_stacktrace=1';
    $SIG{PIPE} = 'IGNORE';
    watch_test();
}

# Where the programs are, and where the tree's own files are.
sub builddir { return $ENV{top_builddir} // abs_path('.') }
sub srcdir   { return $ENV{top_srcdir}   // abs_path(__FILE__ =~ s{/?t/lib/Memfleet\.pm$}{}r || '.') }

sub program_path {
    my ($name) = @_;
    return $name if $name =~ m{/};
    my $ours = builddir() . "/$name";
    return $ours if -x $ours;
    for my $dir (split(/:/, $ENV{PATH} // ''), '/usr/sbin', '/usr/local/sbin') {
        return "$dir/$name" if -x "$dir/$name";
    }
    return undef;
}

# A directory that is gone when the test is.
sub scratch_dir {
    my $dir = File::Temp::tempdir('memfleet-XXXXXX', TMPDIR => 1, CLEANUP => 0);
    Memfleet::Program::guard_dir($dir);
    return $dir;
}

# A TCP port that nobody listens on, for programs that cannot bind port 0. Below
# the range that the kernel gives to outgoing connections, so that no client of
# a test beside us takes it before the program does.
my %given;

sub free_port {
    for (1 .. 200) {
        my $port = 10_240 + int(rand(22_000));
        next if $given{$port};
        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port,
                                      Proto => 'tcp', Listen => 1) or next;
        close $s;
        $given{$port} = 1;
        return $port;
    }
    die "no free port between 10240 and 32240";
}

# start_program(NAME, ARG...) or start_program({name => ..., args => [...],
# listens => N, ready => qr/.../, env => {...}, ends => qr/.../}). Returns a
# Memfleet::Program when the program has written N lines with event=listening
# (default 1) or, if given, a line that matches `ready`.
sub start_program {
    my %opt = ref $_[0] eq 'HASH' ? %{ $_[0] } : (name => shift, args => [@_]);
    $opt{path} //= program_path($opt{path_name} // $opt{name})
        // die "$opt{name}: no such program in " . builddir() . " or PATH\n";
    return Memfleet::Program->start(%opt);
}

# True if `NAME --help` knows the option ("-u", "--user"). Asked once each.
my %help;

sub has_option {
    my ($name, $option) = @_;
    my $path = program_path($name) // return 0;
    $help{$path} //= `'$path' --help 2>&1`;
    return $help{$path} =~ /(?:^|[\s,])\Q$option\E(?![\w-])/m;
}

sub _as_root {
    my ($name) = @_;
    return $> == 0 && has_option($name, '-u') ? ('-u', 'root') : ();
}

sub _ours {
    my ($name, $defaults, %opt) = @_;
    my @given = @{ delete $opt{args} // [] };
    return start_program({ name => $name, path_name => $name, %opt,
                           args => [_as_root($name), @$defaults, @given] });
}

# The four programs. `args` are added behind the defaults; `listen` replaces the
# listening address; everything else goes to start_program.
sub mfcached {
    my (%opt) = @_;
    my $listen = delete $opt{listen} // '127.0.0.1:0';
    return _ours('mfcached', ['-l', $listen, '-U', 0, '-t', 2, '-m', 64], %opt);
}

sub mfproxy {
    my (%opt) = @_;
    my $listen = delete $opt{listen} // '127.0.0.1:0';
    return _ours('mfproxy', ['--listen', $listen, '--threads', 2], %opt);
}

sub mfcontrol {
    my (%opt) = @_;
    my $listen = delete $opt{listen} // '127.0.0.1:0';
    return _ours('mfcontrol', ['--listen', $listen], %opt);
}

# Runs a command to its end: (exit status, or the signal that ended it; stdout and
# stderr together).
sub run_to_end {
    my (@command) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open(STDERR, '>&', \*STDOUT);
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8 || $? & 127, $text);
}

sub mfctl {
    my (@args) = @_;
    return run_to_end(program_path('mfctl') // die("mfctl is not built\n"), @args);
}

# Debian's memcached, the program whose replies ours must equal; undef if it is
# not installed, which skip_without() turns into a skip that names it.
sub memcached_program {
    my (%opt) = @_;
    my $path = -x '/usr/bin/memcached' ? '/usr/bin/memcached' : program_path('memcached');
    return undef if !defined $path;
    my $ports = scratch_dir() . '/ports';
    my @root = $> == 0 ? ('-u', 'root') : ();
    my $program = Memfleet::Program->start(
        name => 'memcached', path => $path, env => { MEMCACHED_PORT_FILENAME => $ports },
        listens => 0, args => [@root, '-l', '127.0.0.1', '-p', '-1', '-U', 0, '-t', 2,
                               @{ $opt{args} // [] }]);
    my $port;
    wait_until(sub { -e $ports && (($port) = slurp($ports) =~ /^TCP INET: (\d+)/m) },
               deadline(10), 'memcached listens');
    $program->set_addr("127.0.0.1:$port");
    return $program;
}

# Plans to skip the whole test file unless every program named is there.
sub skip_without {
    for my $name (@_) {
        next if defined program_path($name);
        Test::More::plan(skip_all => "needs $name, which is not installed");
    }
    return;
}

# A python3 that has the module, the system's own before any other; or undef.
sub python_with {
    my ($module) = @_;
    for my $python ('/usr/bin/python3', program_path('python3') // ()) {
        return $python if -x $python && system("'$python' -c 'import $module' 2>/dev/null") == 0;
    }
    return undef;
}

# Sends the same bytes to our connection and to Debian's memcached and compares
# the replies byte for byte. Passes as skipped without memcached.
my $memcached;

sub memcached_compare {
    my ($conn, $bytes, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $memcached //= memcached_program();
  SKIP: {
        Test::More::skip('needs memcached, which is not installed', 1) if !defined $memcached;
        my $theirs = $memcached->connect->ask($bytes);
        return Test::More::is($conn->ask($bytes), $theirs, $name // 'as memcached answers');
    }
    return;
}

# (status, body) of a GET; status 599 if nobody answers.
sub http_get {
    my ($addr, $path) = @_;
    my $r = HTTP::Tiny->new(timeout => deadline(10), proxy => undef, http_proxy => undef)
        ->get("http://$addr$path");
    return ($r->{status}, $r->{content});
}

# Timeouts for tests that are not about them: on a busy machine a node may not
# run for longer than the 250 ms that a pool allows. As options of mfproxy (for
# --servers) and mfctl pool create, or as members of a pool in a table.
sub patient {
    my (%opt) = @_;
    return $opt{table} ? (connect_timeout_ms => 5000, request_timeout_ms => 10_000)
        : ('--connect-timeout', '5s', '--request-timeout', '10s');
}

# A routing table with one pool "main" as JSON text: epoch, nodes (programs or
# addresses; the node's id is its address unless `ids` names it), and further
# members of the table and of the pool.
sub table_json {
    my (%opt) = @_;
    my @addrs = map { ref $_ ? $_->addr : $_ } @{ $opt{nodes} };
    my @ids = @{ $opt{ids} // \@addrs };
    my @nodes = map { { id => $ids[$_], addr => $addrs[$_] } } 0 .. $#addrs;
    return _table_text({ main => { %{ $opt{pool} // {} }, nodes => \@nodes } },
                       epoch => $opt{epoch} // 1, %{ $opt{table} // {} });
}

# The same for any pools, written to a file that a proxy may be watching: pools by
# their names, and further members of the table (epoch 1 if none is given).
sub publish_table {
    my ($file, $pools, %table) = @_;
    return spew($file, _table_text($pools, %table));
}

sub _table_text {
    my ($pools, %table) = @_;
    return JSON::PP->new->canonical->encode({ memfleet_table => 1, epoch => 1, %table, pools => $pools });
}

# What a pool of these mocks has in a table: nodes => [...], by the mocks' names, each
# with the further members that a hash behind the name of the node says.
sub mock_nodes {
    my ($mocks, %more) = @_;
    return nodes => [map { { id => $_->name, addr => $_->addr, %{ $more{ $_->name } // {} } } } @$mocks];
}

# The trace of t/data, unpacked; skips the test without xz.
sub trace_file {
    skip_without('xz');
    my $trace = scratch_dir() . '/web12';
    system("xz -dc '@{[ srcdir() ]}/t/data/cache2k_web12.trace.xz' >'$trace'") == 0
        or die "xz cannot unpack the trace\n";
    return $trace;
}

# The trace as a load, again and again until stop() or wait_end(); returns when
# requests are being answered.
sub mfreplay {
    my ($addr, @args) = @_;
    return start_program({ name => 'mfreplay', ready => qr/event=progress/,
                           args => ['-b', '-f', trace_file(), '--repeat', @args, $addr] });
}

# What it counted, once it has ended: (requests => ..., errors => ..., ...).
sub replay_sum {
    my ($replay) = @_;
    my ($line) = $replay->log_text =~ /^(requests=.*)$/m or return;
    return $line =~ /(\w+)=(\S+)/g;
}

sub slurp {
    my ($path) = @_;
    open(my $f, '<:raw', $path) or die "$path: $!\n";
    local $/;
    return scalar(<$f>) // '';
}

# Writes a file in one step: a program that watches it never sees half of it.
sub spew {
    my ($path, $bytes) = @_;
    open(my $f, '>:raw', "$path.tmp") or die "$path.tmp: $!\n";
    print {$f} $bytes;
    close $f or die "$path.tmp: $!\n";
    rename("$path.tmp", $path) or die "$path: $!\n";
    return;
}

1;
