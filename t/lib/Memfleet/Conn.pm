# Memfleet::Conn - one client connection that speaks bytes.
#
# Nothing here waits "a little while" for more: a reply ends where its length
# says, or where the answer to a following `mn` begins, which every server gives
# after all that was asked before. Each wait has a deadline and dies, naming
# what came instead.
package Memfleet::Conn;
use strict;
use warnings;

use Carp qw(croak);
use Errno qw(EAGAIN EINTR EINPROGRESS ECONNRESET EPIPE);
use IO::Socket::INET ();
use IO::Socket::UNIX ();
use Socket qw(SOCK_STREAM SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);

use Memfleet::Deadline qw(deadline now);

my $SECONDS = 15;
my $READ_BYTES = 1 << 18;

# "HOST:PORT", "unix:/path" or "/path".
sub new {
    my ($class, $addr) = @_;
    my $socket = $addr =~ m{^(?:unix:)?(/.*)$}
        ? IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $1)
        : IO::Socket::INET->new(PeerAddr => $addr, Proto => 'tcp', Timeout => deadline($SECONDS));
    croak "cannot connect to $addr: " . ($@ || $!) if !defined $socket;
    setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1) if $addr !~ m{/};
    $socket->blocking(0);
    return bless { addr => $addr, socket => $socket, in => '', eof => 0 }, $class;
}

sub socket { return $_[0]{socket} }

# ---- bytes ----------------------------------------------------------------

# Sends everything, and reads meanwhile what the server answers, so that a long
# pipeline cannot leave both sides waiting for the other.
sub send {
    my ($self, $bytes) = @_;
    my $end = now() + deadline($SECONDS);
    my $sent = 0;
    while ($sent < length($bytes)) {
        my ($readable, $writable) = $self->_select(1, $end, 'the server takes our bytes');
        $self->_fill if $readable && !$self->{eof};
        next if !$writable;
        my $n = syswrite($self->{socket}, $bytes, length($bytes) - $sent, $sent);
        if (defined $n) {
            $sent += $n;
        } elsif ($! == EPIPE || $! == ECONNRESET) {
            return $sent; # closed by the server; reading shows it
        } elsif ($! != EAGAIN && $! != EINTR) {
            croak "send to $self->{addr}: $!";
        }
    }
    return $sent;
}

sub _select {
    my ($self, $writing, $end, $what) = @_;
    my $bit = '';
    vec($bit, fileno($self->{socket}), 1) = 1;
    my $left = $end - now();
    croak "waited in vain until $what; unread: " . _show($self->{in}) if $left <= 0;
    my ($r, $w) = ($self->{eof} ? '' : $bit, $writing ? $bit : '');
    my $n = select($r, $w, undef, $left);
    return ($n > 0 && vec($r, fileno($self->{socket}), 1),
            $n > 0 && vec($w, fileno($self->{socket}), 1));
}

# Reads what is there. False at the end of the stream.
sub _fill {
    my ($self) = @_;
    my $n = sysread($self->{socket}, $self->{in}, $READ_BYTES, length $self->{in});
    return 1 if $n;
    return 1 if !defined $n && ($! == EAGAIN || $! == EINTR);
    $self->{eof} = 1;
    return 0;
}

# Reads until `$done->()` is true or the stream ends; says which.
sub _fill_until {
    my ($self, $done, $what) = @_;
    my $end = now() + deadline($SECONDS);
    while (!$done->()) {
        return 0 if $self->{eof};
        my ($readable) = $self->_select(0, $end, $what);
        $self->_fill if $readable;
    }
    return 1;
}

# Exactly `count` bytes.
sub read_exact {
    my ($self, $count) = @_;
    $self->_fill_until(sub { length $self->{in} >= $count }, "$count bytes came")
        or croak "the server closed; wanted $count bytes, got " . _show($self->{in});
    return substr($self->{in}, 0, $count, '');
}

# One line with its end; undef if the server closed without one.
sub read_line {
    my ($self) = @_;
    my $at = -1;
    $self->_fill_until(sub { ($at = index($self->{in}, "\n")) >= 0 }, 'a line came')
        or return undef;
    return substr($self->{in}, 0, $at + 1, '');
}

# Reads until all that came ends in `end`, and returns it without that; what came if
# the server closed instead.
sub read_to {
    my ($self, $end) = @_;
    my $bytes = length $end;
    my $whole = $self->_fill_until(sub { length $self->{in} >= $bytes && substr($self->{in}, -$bytes) eq $end },
                                   "$end came");
    my $read = $self->{in};
    $self->{in} = '';
    return $whole ? substr($read, 0, -$bytes) : $read;
}

# What arrived and was not read yet, without waiting. For assertions that
# nothing is there, after a barrier.
sub unread {
    my ($self) = @_;
    return $self->{in};
}

# What has arrived by now, and takes it. For what comes by itself, in a
# wait_until().
sub unread_now {
    my ($self) = @_;
    $self->_fill if !$self->{eof};
    my $text = $self->{in};
    $self->{in} = '';
    return $text;
}

# Our side says that it will send no more.
sub half_close {
    my ($self) = @_;
    shutdown($self->{socket}, 1);
    return;
}

sub close {
    my ($self) = @_;
    CORE::close($self->{socket});
    return;
}

# Closes with a reset instead of a goodbye.
sub reset {
    my ($self) = @_;
    setsockopt($self->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
    CORE::close($self->{socket});
    return;
}

# Reads until the server closes and returns what came before; dies if it does
# not close.
sub read_to_close {
    my ($self) = @_;
    $self->_fill_until(sub { 0 }, 'the server closed');
    my $bytes = $self->{in};
    $self->{in} = '';
    return $bytes;
}

# ---- conversations ----------------------------------------------------------

# Sends the bytes and an `mn`, and returns everything that came before the
# answer "MN". If the server closes instead, returns what came; closed() tells.
# Neither may the request hold an `mn` of its own, nor a value of the reply the
# line MN: such need read_exact instead.
sub ask {
    my ($self, $bytes) = @_;
    $self->send($bytes . "mn\r\n");
    my $barrier = qr/(?:\A|\n)MN\r\n\z/;
    if (!$self->_fill_until(sub { $self->{in} =~ $barrier }, 'the answer to mn came')) {
        my $rest = $self->{in};
        $self->{in} = '';
        return $rest;
    }
    my $reply = substr($self->{in}, 0, -4);
    $self->{in} = '';
    return $reply;
}

sub closed { return $_[0]{eof} }

# One line asked, one line answered: for requests whose reply is one line.
sub ask_line {
    my ($self, $bytes) = @_;
    $self->send($bytes);
    return $self->read_line;
}

# One reply to get, gets, gat or gats: a hash of key => value; with `cas` true
# key => [value, flags, cas]. Dies on anything that is not such a reply.
sub read_values {
    my ($self, $whole) = @_;
    my %found;
    while (1) {
        my $line = $self->read_line // croak "$self->{addr} closed inside a get reply";
        return \%found if $line eq "END\r\n";
        my ($key, $flags, $bytes, $cas) = $line =~ /^VALUE (\S+) (\d+) (\d+)(?: (\d+))?\r\n\z/
            or croak 'not a reply to get: ' . _show($line);
        my $value = $self->read_exact($bytes);
        $self->read_exact(2) eq "\r\n" or croak "no line end behind the value of $key";
        $found{$key} = $whole ? [$value, $flags, $cas] : $value;
    }
}

sub get_many {
    my ($self, @keys) = @_;
    $self->send("get @keys\r\n");
    return $self->read_values;
}

# The value, or undef for a miss.
sub get {
    my ($self, $key) = @_;
    return $self->get_many($key)->{$key};
}

# The reply line without its end: "STORED", "SERVER_ERROR backend down".
sub set {
    my ($self, $key, $value, $exptime) = @_;
    my $line = $self->ask_line(sprintf("set %s 0 %d %d\r\n%s\r\n", $key, $exptime // 0,
                                       length $value, $value));
    return defined $line ? $line =~ s/\r\n\z//r : 'closed';
}

sub delete {
    my ($self, $key) = @_;
    my $line = $self->ask_line("delete $key\r\n");
    return defined $line ? $line =~ s/\r\n\z//r : 'closed';
}

# `stats` or `stats NAME` as a hash.
sub stats {
    my ($self, $name) = @_;
    $self->send(defined $name ? "stats $name\r\n" : "stats\r\n");
    my %stats;
    while (1) {
        my $line = $self->read_line // croak "$self->{addr} closed inside stats";
        return \%stats if $line =~ /^(?:END|RESET)\r\n\z/;
        $line =~ /^STAT (\S+) (.*)\r\n\z/ or croak 'not a reply to stats: ' . _show($line);
        $stats{$1} = $2;
    }
}

sub _show {
    my ($bytes) = @_;
    my $cut = length $bytes > 300 ? substr($bytes, 0, 300) . '...' : $bytes;
    return '"' . $cut =~ s/([^\x20-\x7e])/sprintf('\\x%02x', ord $1)/ger . '"';
}

1;
