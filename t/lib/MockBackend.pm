# MockBackend - a memcached that misbehaves on demand.
#
#     my $mock = MockBackend->start(name => 'a');
#     $mock->mode('hang');              # reads, answers nothing
#     $mock->mode('answer');            # answers now what it owes, and from now on
#     is_deeply([$mock->seen], ['get k']);
#
# It runs in a process of its own and knows no items: every key that does not
# begin with "miss" is a hit whose value is "NAME:KEY" (so a test sees who
# answered), every write succeeds, incr and decr answer 7. An mg with N is told
# that it has made the item (W), with v it is a hit like any other.
#
# A copy of a hot key has the key's value, and seen() tells its name as KEY@copy, or
# KEY@here (proxy/copy_name.h).
#
# By which table a proxy goes (`epoch`) it answers OK, at once where nothing is owed,
# and does not count as seen; announced() has these lines.
#
# Its `stats` tell its uptime, a long one unless uptime(SECONDS) has set another.
#
# busy(VERB) makes it answer SERVER_ERROR busy to these commands, or LINE with
# busy(VERB, LINE), whatever the mode; busy('') ends that.
#
# Modes, for all connections, of whatever is answered from now on:
#     answer          at once, in order
#     hang            not at all, until another mode, in which what is owed is answered first
#     hold VERB       answers in order, but for what begins with VERB and what stands behind it
#     late MS         MS milliseconds after each request
#     split           one byte at a time, each in a packet of its own
#     line TEXT       with the line TEXT, whatever was asked
#     bytes TEXT      with exactly these bytes
#     reset N         N bytes of the next reply, then a reset
#     close N         N bytes of the next reply, then an orderly end
#     refuse          closes every connection and the listening socket
# mode() returns when the mode is in force.
package MockBackend;
use strict;
use warnings;

use IO::Handle ();
use IO::Select ();
use IO::Socket::INET ();
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use Memfleet::Deadline qw(deadline);

my @running;

sub start {
    my ($class, %opt) = @_;
    my $self = bless { name => $opt{name} // 'mock' }, $class;
    socketpair(my $ours, my $theirs, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0)
        or die "socketpair: $!";
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        # A new image, so that the child holds nothing of the test's: a fork
        # alone would keep its pipes and sockets open.
        open(STDIN, '<&', $theirs) && open(STDOUT, '>&', $theirs) or POSIX::_exit(126);
        exec($^X, (map { "-I$_" } @INC), '-MMockBackend', '-e', 'MockBackend::Server::main(@ARGV)',
             $self->{name}, $opt{port} // 0) or POSIX::_exit(127);
    }
    close $theirs;
    $ours->autoflush(1);
    @$self{qw(pid control)} = ($pid, $ours);
    push @running, $self;
    $self->{port} = 0 + $self->_tell('port');
    return $self;
}

sub _listen {
    my ($port) = @_;
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp',
                                 Listen => 128, ReuseAddr => 1)
        // die "cannot listen on port $port: $@\n";
}

sub addr { return "127.0.0.1:$_[0]{port}" }
sub name { return $_[0]{name} }

# One command to the child, its answer back.
sub _tell {
    my ($self, $command) = @_;
    print { $self->{control} } "$command\n";
    my $ready = IO::Select->new($self->{control})->can_read(deadline(10));
    die "the mock $self->{name} does not answer '$command'\n" if !$ready;
    return scalar readline($self->{control});
}

sub mode {
    my ($self, @words) = @_;
    $self->_tell("mode @words");
    return;
}

# The command lines it has read since the last call, values left out.
sub seen {
    my ($self) = @_;
    my $lines = $self->_tell('seen');
    chomp $lines;
    return split(/\t/, $lines);
}

# The same for what proxies announced.
sub announced {
    my ($self) = @_;
    my $lines = $self->_tell('announced');
    chomp $lines;
    return split(/\t/, $lines);
}

sub busy {
    my ($self, $verb, $line) = @_;
    $self->_tell("busy $verb " . ($line // 'SERVER_ERROR busy'));
    return;
}

sub uptime {
    my ($self, $seconds) = @_;
    $self->_tell("uptime $seconds");
    return;
}

# Connections it has accepted in its life.
sub connections {
    my ($self) = @_;
    return 0 + $self->_tell('connections');
}

sub stop {
    my ($self) = @_;
    return if !defined $self->{pid};
    print { $self->{control} } "quit\n"; # others may hold our end open
    close $self->{control};
    waitpid(delete $self->{pid}, 0);
    return;
}

END {
    my $status = $?;
    $_->stop for @running;
    $? = $status;
}

package MockBackend::Server;
use strict;
use warnings;

use Errno qw(EAGAIN EINTR);
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

# What makes a key the name of a copy.
my $COPY = qr/\xff(copy|here)\.[0-9a-f]{8}/;

sub main {
    my ($name, $port) = @_;
    my $listener = MockBackend::_listen($port);
    my $self = bless { name => $name, port => $listener->sockport, listener => $listener,
                       control => \*STDIN, mode => 'answer', arg => '', conns => {}, seen => [], announced => [],
                       accepted => 0, uptime => 1_000_000, busy => '' }, __PACKAGE__;
    $self->run;
    return;
}

sub run {
    my ($self) = @_;
    while (1) {
        my @handles = ($self->{control}, $self->{listener} // (),
                       map { $_->{socket} } values %{ $self->{conns} });
        my $select = IO::Select->new(@handles);
        for my $h ($select->can_read($self->_wait)) {
            if ($h == $self->{control}) {
                return if !$self->_obey;
                last; # it may have read what the others had
            }
            $self->_accept if defined $self->{listener} && $h == $self->{listener};
            my $conn = $self->{conns}{ fileno($h) // -1 };
            $self->_read($conn) if defined $conn && $conn->{socket} == $h;
        }
        $self->_answer_due;
    }
}

# Seconds until a late answer is due; undef when none is.
sub _wait {
    my ($self) = @_;
    my $least;
    for my $conn (values %{ $self->{conns} }) {
        next if !$self->_may_answer($conn);
        my $left = $conn->{owed}[0]{due} - time;
        $left = 0 if $left < 0;
        $least = $left if !defined $least || $left < $least;
    }
    return $least;
}

sub _obey {
    my ($self) = @_;
    my $line = readline($self->{control}) // return 0;
    chomp $line;
    return 0 if $line eq 'quit';
    my ($verb, $mode, $arg) = split(/ /, $line, 3);
    my $answer = 'ok';
    if ($verb eq 'mode') {
        $self->_set_mode($mode, $arg // '');
    } elsif ($verb eq 'seen') {
        $self->_read_all;
        $answer = join("\t", @{ $self->{seen} });
        $self->{seen} = [];
    } elsif ($verb eq 'announced') {
        $self->_read_all;
        $answer = join("\t", splice(@{ $self->{announced} }));
    } elsif ($verb eq 'connections') {
        $answer = $self->{accepted};
    } elsif ($verb eq 'busy') {
        @$self{qw(busy busy_line)} = ($mode, $arg);
    } elsif ($verb eq 'uptime') {
        $self->{uptime} = $mode;
    } elsif ($verb eq 'port') {
        $answer = $self->{port};
    }
    syswrite(STDOUT, "$answer\n");
    return 1;
}

sub _set_mode {
    my ($self, $mode, $arg) = @_;
    @$self{qw(mode arg)} = ($mode, $arg);
    if ($mode eq 'refuse') {
        CORE::close(delete $self->{listener}) if defined $self->{listener};
        $self->_drop($_) for values %{ $self->{conns} };
    } elsif (!defined $self->{listener}) {
        $self->{listener} = MockBackend::_listen($self->{port});
    }
    return;
}

sub _accept {
    my ($self) = @_;
    my $socket = $self->{listener}->accept or return;
    setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
    $self->{accepted}++;
    $self->{conns}{ fileno($socket) } = { socket => $socket, in => '', owed => [] };
    return;
}

sub _drop {
    my ($self, $conn, $with_reset) = @_;
    delete $self->{conns}{ fileno($conn->{socket}) };
    setsockopt($conn->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $with_reset;
    CORE::close($conn->{socket});
    return;
}

# Whatever has been sent to us by now.
sub _read_all {
    my ($self) = @_;
    while (my @ready = IO::Select->new(map { $_->{socket} } values %{ $self->{conns} })->can_read(0)) {
        $self->_read($self->{conns}{ fileno($_) }) for @ready;
    }
    return;
}

sub _read {
    my ($self, $conn) = @_;
    my $n = sysread($conn->{socket}, $conn->{in}, 1 << 16, length $conn->{in});
    return $self->_drop($conn) if !$n;
    while ($conn->{in} =~ /\A([^\r\n]*)\r\n/) {
        my $line = $1;
        my ($verb, @words) = split(/ /, $line);
        my $value_bytes = $verb =~ /^(?:set|add|replace|append|prepend|cas)$/ ? $words[3] + 2
                        : $verb eq 'ms'                                       ? $words[1] + 2
                        :                                                       0;
        return if length($conn->{in}) < length($line) + 2 + $value_bytes;
        substr($conn->{in}, 0, length($line) + 2 + $value_bytes, '');
        my $announces = $verb eq 'epoch';
        push @{ $announces ? $self->{announced} : $self->{seen} }, $line =~ s/$COPY/\@$1/r;
        if ($announces && !@{ $conn->{owed} }) {
            syswrite($conn->{socket}, $self->_reply($verb));
            next;
        }
        my $delay = $self->{mode} eq 'late' ? $self->{arg} / 1000 : 0;
        push @{ $conn->{owed} }, { due => time + $delay, words => [$verb, @words] };
    }
    return;
}

sub _reply {
    my ($self, $verb, @words) = @_;
    return $self->{busy_line} =~ s/\\r/\r/gr =~ s/\\n/\n/gr . "\r\n" if $verb eq $self->{busy};
    return "OK\r\n" if $verb eq 'epoch';
    return "$self->{arg}\r\n" if $self->{mode} eq 'line';
    return $self->{arg} =~ s/\\r/\r/gr =~ s/\\n/\n/gr if $self->{mode} eq 'bytes';
    return $self->_values($verb, @words) if $verb =~ /^(?:get|gets|gat|gats)$/;
    return "STORED\r\n" if $verb =~ /^(?:set|add|replace|append|prepend|cas)$/;
    return "DELETED\r\n" if $verb eq 'delete';
    return "TOUCHED\r\n" if $verb eq 'touch';
    return "7\r\n" if $verb =~ /^(?:incr|decr)$/;
    return $self->_meta_get(@words) if $verb eq 'mg';
    return "VA 1\r\n7\r\n" if $verb eq 'ma' && grep { $_ eq 'v' } @words;
    return "HD\r\n" if $verb =~ /^m[sda]$/;
    return "ME $words[0] mock=1\r\n" if $verb eq 'me';
    return "VERSION mock\r\n" if $verb eq 'version';
    return "OK\r\n" if $verb eq 'flush_all';
    return "STAT pid $$\r\nSTAT uptime $self->{uptime}\r\nEND\r\n" if $verb eq 'stats';
    return "ERROR\r\n";
}

sub _values {
    my ($self, $verb, @words) = @_;
    shift @words if $verb =~ /^gat/;
    my $reply = '';
    for my $key (grep { !/^miss/ } @words) {
        my $value = "$self->{name}:$key";
        my $cas = $verb =~ /s$/ ? ' 1' : '';
        $reply .= sprintf("VALUE %s 0 %d%s\r\n%s\r\n", $key, length $value, $cas, $value);
    }
    return $reply . "END\r\n";
}

sub _meta_get {
    my ($self, $key, @flags) = @_;
    return "EN\r\n" if $key =~ /^miss/;
    my %word = (k => "k$key" . (grep({ $_ eq 'b' } @flags) ? ' b' : ''), t => 't-1', f => 'f0', c => 'c1');
    my $echo = join('', map { /^O/ ? " $_" : defined $word{$_} ? " $word{$_}" : () } @flags);
    my $won = grep({ /^N/ } @flags) ? ' W' : '';
    return "HD$echo$won\r\n" if !grep { $_ eq 'v' } @flags;
    my $value = "$self->{name}:$key" =~ s/$COPY//r;
    return sprintf("VA %d%s\r\n%s\r\n", length $value, $echo, $value);
}

# Is the first of what this connection is owed not held back?
sub _may_answer {
    my ($self, $conn) = @_;
    return 0 if !@{ $conn->{owed} } || $self->{mode} eq 'hang';
    return $self->{mode} ne 'hold' || $conn->{owed}[0]{words}[0] ne $self->{arg};
}

# What is due goes out together, as a server would send it.
sub _answer_due {
    my ($self) = @_;
    for my $conn (values %{ $self->{conns} }) {
        my $bytes = '';
        while ($self->_may_answer($conn) && $conn->{owed}[0]{due} <= time) {
            $bytes .= $self->_reply(@{ (shift @{ $conn->{owed} })->{words} });
        }
        $self->_write($conn, $bytes) if $bytes ne '';
    }
    return;
}

sub _write {
    my ($self, $conn, $bytes) = @_;
    my $mode = $self->{mode};
    if ($mode eq 'reset' || $mode eq 'close') {
        syswrite($conn->{socket}, substr($bytes, 0, $self->{arg})) if $self->{arg} > 0;
        $self->_drop($conn, $mode eq 'reset');
        $self->{mode} = 'answer';
        return;
    }
    my $step = $mode eq 'split' ? 1 : length $bytes;
    for (my $at = 0; $at < length $bytes; $at += $step) {
        return $self->_drop($conn) if !defined syswrite($conn->{socket}, substr($bytes, $at, $step));
    }
    return;
}

1;
