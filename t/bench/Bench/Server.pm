# Bench::Server - one server that is measured: started, loaded, asked, ended.
#
#     my $s = Bench::Server->start('mfcached', memory_mb => 64, threads => 1);
#     $s->store(keys => 100_000);
#     my %sums = $s->load('--work', 'get', '--time', '300ms');
#     $s->stop;
#
# On a machine with several CPUs a server runs on the first and its load on the
# second, unless told otherwise: what the kernel does for a connection is then
# divided in the same way in every run.
package Bench::Server;
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp ();
use IO::Socket::INET ();
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

our %setup = (programs => '.', realtime => 0);
my $cpus = () = do { open(my $f, '<', '/proc/cpuinfo') or die; join('', <$f>) } =~ /^processor/mg;
my %running;

sub tool {
    my ($name) = @_;
    for my $dir (split(/:/, $ENV{PATH} // ''), '/usr/sbin', '/usr/local/sbin') {
        return "$dir/$name" if -x "$dir/$name";
    }
    return undef;
}

sub program { return abs_path("$setup{programs}/$_[0]") }

sub available {
    my ($kind) = @_;
    return $kind =~ /^(?:memcached|nutcracker)$/ ? tool($kind) : -x program($kind);
}

sub _free_port {
    my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', Listen => 1) or die "listen: $!";
    return $s->sockport;
}

sub _class { return $setup{realtime} && tool('chrt') ? ('chrt', '-f', '10') : () }

sub _on_cpu {
    my ($cpu) = @_;
    return $cpus > 1 && defined $cpu && tool('taskset') ? ('taskset', '-c', $cpu) : ();
}

# The arguments of a node.
sub _node {
    my ($self, %opt) = @_;
    return ('-l', '127.0.0.1', '-p', $self->{port}, '-U', 0, '-t', $opt{threads} // 1,
            '-m', $opt{memory_mb} // 64);
}

# Of a proxy: both place keys as twemproxy's users mostly do. What it logs or keeps
# goes into a folder of its own.
sub _mfproxy {
    my ($self, %opt) = @_;
    return ('--listen', $self->addr, '--threads', $opt{threads} // 1, '--log-level', 'error',
            '--request-timeout', '60s', '--ring', 'twemproxy', '--hash', 'fnv1a_64',
            '--servers', join(',', map { $_->addr } @{ $opt{nodes} }));
}

sub _nutcracker {
    my ($self, %opt) = @_;
    my $dir = $self->{dir} = File::Temp::tempdir('bench-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    open(my $conf, '>', "$dir/conf") or die "$dir/conf: $!\n";
    print {$conf} "pool:\n  listen: @{[ $self->addr ]}\n  hash: fnv1a_64\n  distribution: ketama\n",
        "  preconnect: true\n  servers:\n", map { '   - ' . $_->addr . ":1\n" } @{ $opt{nodes} };
    close $conf or die "$dir/conf: $!\n";
    return ('-c', "$dir/conf", '-s', _free_port(), '-a', '127.0.0.1', '-p', "$dir/pid", '-o', "$dir/log",
            '-v', 0);
}

my %command_line = (mfcached => \&_node, memcached => \&_node, mfproxy => \&_mfproxy,
                    nutcracker => \&_nutcracker);

# kind: mfcached, memcached or mffloor, with memory_mb; mfproxy or nutcracker, with nodes.
# threads; cpu: which one to run on; args: more arguments; wrap: a command in front, such
# as strace; spread: on any CPU.
sub start {
    my ($class, $kind, %opt) = @_;
    my $self = bless { kind => $kind, spread => $opt{spread}, began => time }, $class;
    my $cpu = $opt{spread} ? undef : $opt{cpu} // 0;
    my @front = (_class(), _on_cpu($cpu), @{ $opt{wrap} // [] });
    return $self->_start_floor(@front, program('mffloor'), '-t', $opt{threads} // 1,
                               @{ $opt{args} // [] }) if $kind eq 'mffloor';
    $self->{port} = $opt{port} // _free_port();
    my @root = $> == 0 && $kind ne 'nutcracker' ? ('-u', 'root') : ();
    $self->_fork(@front, $kind =~ /^mf/ ? program($kind) : tool($kind), @root,
                 $command_line{$kind}->($self, %opt), @{ $opt{args} // [] });
    $self->_first_reply($opt{patience} // 20);
    return $self;
}

sub _fork {
    my ($self, @command) = @_;
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        open(STDIN, '<', '/dev/null');
        open(STDOUT, '>', '/dev/null') if !$self->{out};
        open(STDOUT, '>&', $self->{out}) if $self->{out};
        open(STDERR, '>', '/dev/null');
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    $running{$pid} = 1;
    return;
}

sub _start_floor {
    my ($self, @command) = @_;
    pipe(my $in, $self->{out}) or die "pipe: $!";
    $self->_fork(@command);
    close delete $self->{out};
    (my $line = <$in> // '') =~ /addr=127\.0\.0\.1:(\d+)/ or die "mffloor does not start\n";
    $self->{port} = $1;
    return $self;
}

# Until "version" is answered, or by what knows none the connection is closed; {start_ms} is how long that took.
sub _first_reply {
    my ($self, $patience) = @_;
    while (1) {
        my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{port}", Proto => 'tcp');
        if (defined $s) {
            syswrite($s, "version\r\n");
            sysread($s, my $reply, 100);
            $self->{start_ms} = (time - $self->{began}) * 1000;
            return;
        }
        die "$self->{kind} ended at once\n" if waitpid($self->{pid}, WNOHANG) == $self->{pid};
        die "$self->{kind} does not answer\n" if time - $self->{began} > $patience;
        sleep 0.0005;
    }
}

sub addr { return "127.0.0.1:$_[0]{port}" }
sub pid  { return $_[0]{pid} }

# One run of mfload: what its last line says.
sub load {
    my ($self, @args) = @_;
    my @cpu = $cpus > 1 && !$self->{spread} ? ('--cpu', 1) : ();
    open(my $out, '-|', _class(), program('mfload'), '--pid', $self->{pid}, @cpu, @args, $self->addr)
        or die "mfload: $!";
    my $text = do { local $/; <$out> } // '';
    close $out or die "mfload @args against $self->{kind} failed\n";
    return $text =~ /(\w+)=(\S+)/g;
}

# Stores the keys 0 .. keys-1, once each.
sub store {
    my ($self, %opt) = @_;
    return $self->load('--work', 'set', '--in-turn', '--operations', $opt{keys}, '--keys', $opt{keys},
                       '--value-bytes', $opt{value_bytes} // 100, '--key-bytes', $opt{key_bytes} // 16,
                       '--connections', 4, '--depth', $opt{depth} // 64);
}

# What a text command answers, up to a line that is END or OK.
sub ask {
    my ($self, $command) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => $self->addr, Proto => 'tcp') or die "connect: $!";
    syswrite($s, "$command\r\n");
    my $text = '';
    while ($text !~ /^(?:END|OK|RESET|ERROR)\r\n\z/m) {
        sysread($s, $text, 1 << 16, length $text) or die "$self->{kind} closed\n";
    }
    return $text;
}

sub stats { return { $_[0]->ask('stats') =~ /^STAT (\S+) (.*?)\r$/mg } }

sub rss_mb {
    my ($self) = @_;
    open(my $f, '<', "/proc/$self->{pid}/status") or die "$self->{kind} is gone\n";
    my ($kb) = join('', <$f>) =~ /^VmRSS:\s+(\d+)/m;
    return $kb / 1024;
}

# Ends it; returns how many milliseconds that took.
sub stop {
    my ($self, $signal) = @_;
    my $began = time;
    kill($signal // 'KILL', $self->{pid});
    waitpid($self->{pid}, 0);
    delete $running{ $self->{pid} };
    return (time - $began) * 1000;
}

END {
    my $status = $?;
    kill('KILL', keys %running) if %running;
    $? = $status;
}

$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);

1;
