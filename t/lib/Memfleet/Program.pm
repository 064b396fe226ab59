# Memfleet::Program - one running program: its process group, its log, its end.
package Memfleet::Program;
use strict;
use warnings;

use Carp qw(croak);
use File::Path qw(remove_tree);
use File::Temp ();
use POSIX qw(WNOHANG);
use Test::More ();

use Memfleet::Conn;
use Memfleet::Deadline qw(deadline wait_until);

my $owner = $$;     # a forked load generator must not stop our programs
my @programs;
my @dirs;
my $guard;          # the pipe to the guard process
my $problems = 0;

my $SANITIZER = qr/ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error: |ASSERT(?:ION)? failed/;

# All that this test starts has this in its environment, and hands it on.
my $mark = "$$-" . time;
$ENV{MEMFLEET_TEST} = $mark;

# ---- the guard ----------------------------------------------------------

# Reads "+PID", "-PID" and "d DIR" lines. When the pipe ends, because the test
# ended, what is still noted is killed and removed.
sub _guard_main {
    my ($in) = @_;
    local $SIG{INT} = 'IGNORE';
    local $SIG{TERM} = 'IGNORE';
    setpgrp(0, 0);
    open(STDIN, '<', '/dev/null');
    open(STDOUT, '>', '/dev/null');
    open(STDERR, '>', '/dev/null');
    my (%groups, %paths);
    while (my $line = <$in>) {
        $groups{$1} = 1 if $line =~ /^\+(\d+)/;
        delete $groups{$1} if $line =~ /^-(\d+)/;
        $paths{$1} = 1 if $line =~ /^d (.+)/;
    }
    kill('KILL', map { -$_ } keys %groups) if %groups;
    remove_tree(keys %paths) if %paths;
    POSIX::_exit(0);
}

sub _tell_guard {
    my ($line) = @_;
    if (!defined $guard) {
        pipe(my $in, $guard) or die "pipe: $!";
        my $pid = fork() // die "fork: $!";
        if ($pid == 0) {
            close $guard;
            _guard_main($in);
        }
        close $in;
    }
    syswrite($guard, "$line\n");
    return;
}

sub guard_dir {
    my ($dir) = @_;
    push @dirs, $dir;
    _tell_guard("d $dir");
    return;
}

# ---- start ----------------------------------------------------------------

sub start {
    my ($class, %opt) = @_;
    my $self = bless {
        name => $opt{name}, path => $opt{path}, args => $opt{args} // [], env => $opt{env} // {},
        want => $opt{listens} // 1, ready => $opt{ready}, ends => $opt{ends}, running => 0,
    }, $class;
    $self->{dir} = File::Temp::tempdir('memfleet-XXXXXX', TMPDIR => 1, CLEANUP => 0);
    guard_dir($self->{dir});
    $self->{log} = "$self->{dir}/$opt{name}.log";
    $self->_launch;
    push @programs, $self;
    $self->_wait_ready;
    return $self;
}

# Starts it once more with the same arguments, or with others. Programs that
# were given port 0 get another port; see listen_again().
sub restart {
    my ($self, %opt) = @_;
    $self->stop if $self->{running};
    $self->{args} = $opt{args} if defined $opt{args};
    $self->{log_start} = -s $self->{log};
    $self->_launch;
    $self->_wait_ready;
    return $self;
}

# Replaces every argument that ends in port 0 by the address that was bound, so
# that a restart comes back where its clients look for it.
sub listen_again {
    my ($self) = @_;
    my @addrs = map { $_->{addr} } $self->listening;
    my @args = map { /^[\w.\[\]:]*:0$/ && @addrs ? shift @addrs : $_ } @{ $self->{args} };
    $self->{args} = \@args;
    return $self;
}

sub _launch {
    my ($self) = @_;
    $self->{log_start} //= 0;
    _tell_guard('');
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        setpgrp(0, 0);
        _tell_guard("+$$"); # by the child, so that there is no moment without it
        @ENV{ keys %{ $self->{env} } } = values %{ $self->{env} };
        open(STDIN, '<', '/dev/null');
        open(STDOUT, '>>', $self->{log}) or POSIX::_exit(126);
        open(STDERR, '>&', \*STDOUT);
        # Whoever runs us in the background has it ignored, and a shell cannot
        # trap what is ignored when it starts.
        local $SIG{INT} = 'DEFAULT';
        local $SIG{QUIT} = 'DEFAULT';
        exec { $self->{path} } $self->{path}, @{ $self->{args} } or POSIX::_exit(127);
    }
    @$self{qw(pid running status)} = ($pid, 1, undef);
    delete $self->{addr};
    return;
}

sub _wait_ready {
    my ($self) = @_;
    return if $self->{want} == 0 && !defined $self->{ready};
    my $seen = sub {
        return $self->log_text =~ $self->{ready} if defined $self->{ready};
        return $self->listening >= $self->{want};
    };
    wait_until(sub { $seen->() || !$self->is_running }, deadline(15), "$self->{name} listens");
    return if $seen->();
    croak "$self->{name} @{ $self->{args} }: ended at once with "
        . _status_text($self->{status}) . ":\n" . $self->log_text;
}

# ---- what it says -----------------------------------------------------------

# The values of an option on its command line.
sub args_after {
    my ($self, $option) = @_;
    my @args = @{ $self->{args} };
    return map { $args[$_ + 1] } grep { $args[$_] eq $option } 0 .. $#args - 1;
}

sub pid  { return $_[0]{pid} }
sub name { return $_[0]{name} }
sub dir  { return $_[0]{dir} }

# What it wrote since its last start.
sub log_text {
    my ($self) = @_;
    open(my $f, '<:raw', $self->{log}) or return '';
    seek($f, $self->{log_start} // 0, 0);
    local $/;
    return scalar(<$f>) // '';
}

# The fields of each "event=listening" line, in order: ({addr => ..., ...}, ...).
sub listening {
    my ($self) = @_;
    return map { _logfmt($_) } grep { /\bevent=listening\b/ && /\n\z/ }
        split(/(?<=\n)/, $self->log_text);
}

sub _logfmt {
    my ($line) = @_;
    my %fields;
    while ($line =~ /(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g) {
        $fields{$1} = $2 // $3;
    }
    return \%fields;
}

# Where clients connect: the first address. `addr(role => 'admin')` picks the
# first listening line whose fields are these.
sub addr {
    my ($self, %want) = @_;
    return $self->{addr} if defined $self->{addr} && !%want;
    for my $line ($self->listening) {
        return $line->{addr} if !grep { ($line->{$_} // '') ne $want{$_} } keys %want;
    }
    return undef;
}

sub set_addr {
    my ($self, $addr) = @_;
    $self->{addr} = $addr;
    return;
}

sub port { return $_[0]->addr =~ /:(\d+)$/ ? $1 : undef }

sub connect {
    my ($self) = @_;
    return Memfleet::Conn->new($self->addr // croak "$self->{name} has no address");
}

# Waits for a log line of this start.
sub wait_log {
    my ($self, $pattern, $seconds) = @_;
    wait_until(sub { $self->log_text =~ $pattern || !$self->is_running },
               $seconds // deadline(15), "$self->{name} logs $pattern");
    $self->log_text =~ $pattern or croak "$self->{name} ended before it logged $pattern";
    return 1;
}

# ---- its end ----------------------------------------------------------------

sub is_running {
    my ($self) = @_;
    return 0 if !$self->{running};
    return 1 if waitpid($self->{pid}, WNOHANG) == 0;
    $self->_gone($?);
    return 0;
}

sub _gone {
    my ($self, $status) = @_;
    @$self{qw(running status)} = (0, $status);
    kill('KILL', -$self->{pid}); # what it started and left
    _tell_guard("-$self->{pid}");
    return;
}

sub signal {
    my ($self, $signal) = @_;
    kill($signal, $self->{pid});
    return;
}

# SIGSTOP, and waits until every thread has stopped; what is sent to it from
# then on is there in one piece when it goes on. signal('CONT') ends it.
sub freeze {
    my ($self) = @_;
    $self->signal('STOP');
    my $all_stopped = sub {
        for my $stat (glob("/proc/$self->{pid}/task/*/stat")) {
            open(my $f, '<', $stat) or next; # the thread has ended
            return 0 if (readline($f) // '') !~ /\) [Tt] /;
        }
        return 1;
    };
    wait_until($all_stopped, deadline(10), "$self->{name} stops");
    return;
}

# Waits for its end and returns the wait status, as $? has it.
sub wait_end {
    my ($self, $seconds) = @_;
    wait_until(sub { !$self->is_running }, $seconds // deadline(15), "$self->{name} ends");
    return $self->{status};
}

# SIGTERM, and after a deadline SIGKILL. Anything but exit status 0 is a problem
# that fails the test; `allow => qr/.../` here, or `ends` at its start, names
# statuses that are not, as text ("exit status 3", "signal 15").
sub stop {
    my ($self, %opt) = @_;
    return if !$self->{running} && defined $self->{checked} && $self->{checked} == $self->{pid};
    if ($self->is_running) {
        kill('CONT', $self->{pid});
        kill('TERM', $self->{pid});
        eval { $self->wait_end(deadline(10)); 1 } or $self->_kill_late;
    }
    $self->_check_end($opt{allow} // $self->{ends});
    return;
}

sub _kill_late {
    my ($self) = @_;
    $self->_problem('did not end after SIGTERM');
    kill('KILL', -$self->{pid});
    waitpid($self->{pid}, 0);
    $self->_gone(0);
    return;
}

# SIGKILL to its whole group, as a power cut would. That is no problem.
sub kill_hard {
    my ($self) = @_;
    return if !$self->{running};
    kill('KILL', -$self->{pid});
    waitpid($self->{pid}, 0);
    $self->_gone(0);
    $self->_check_end(undef);
    return;
}

sub _status_text {
    my ($status) = @_;
    return 'no status' if !defined $status;
    return $status & 127 ? 'signal ' . ($status & 127) : 'exit status ' . ($status >> 8);
}

sub _check_end {
    my ($self, $allow) = @_;
    $self->{checked} = $self->{pid};
    my $text = _status_text($self->{status});
    my $allowed = defined $allow && $text =~ $allow;
    $self->_problem("ended with $text") if $self->{status} != 0 && !$allowed;
    $self->_problem('printed what only a bug prints') if $self->log_text =~ $SANITIZER;
    return;
}

sub _problem {
    my ($self, $what) = @_;
    $problems++;
    Test::More::diag("$self->{name} (pid $self->{pid}) $what; its log:");
    Test::More::diag($self->_log_tail(200));
    return;
}

sub _log_tail {
    my ($self, $lines) = @_;
    my @all = split(/\n/, $self->log_text);
    splice(@all, 0, @all - $lines) if @all > $lines;
    return join("\n", map { '  ' . substr($_, 0, 400) } @all);
}

# Last started, first stopped: proxies before nodes, all before etcd.
sub _stop_all {
    for my $program (reverse @programs) {
        $program->stop;
    }
    return;
}

# Processes with our mark, whoever started them and wherever they went.
sub _left_behind {
    my @left;
    for my $proc (glob('/proc/[0-9]*')) {
        open(my $f, '<', "$proc/environ") or next;
        local $/;
        next if (<$f> // '') !~ /(?:\A|\0)MEMFLEET_TEST=\Q$mark\E\0/;
        push @left, $proc =~ s{/proc/}{}r;
    }
    return @left;
}

sub _check_nothing_left {
    my @left = _left_behind() or return;
    for my $pid (@left) {
        my $what = eval { readlink("/proc/$pid/exe") } // '?';
        Test::More::diag("left behind: process $pid, $what");
        kill('KILL', $pid);
    }
    $problems++;
    return;
}

END {
    if ($$ == $owner && defined $guard) {
        my $status = $?;
        my $passing = $status == 0 && Test::More->builder->is_passing;
        if (!$passing) {
            for my $program (@programs) {
                Test::More::diag("log of $program->{name} (pid $program->{pid}), its end:");
                Test::More::diag($program->_log_tail(30));
            }
        }
        _stop_all();
        _check_nothing_left();
        remove_tree(@dirs);
        close $guard;
        wait_until(sub { waitpid(-1, WNOHANG) == -1 }, deadline(10), 'every child is gone');
        $? = $status != 0 ? $status : $problems > 0 ? 70 : 0;
    }
}

1;
