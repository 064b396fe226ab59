# Memfleet::Hold - a TCP relay that can hold back what clients send, and deliver
# it later even if the client has given up: the network of a write that arrives
# after everything has changed.
#
#     my $relay = Memfleet::Hold->new('127.0.0.1:2379');
#     ... $relay->addr ...
#     $relay->hold;   $relay->release;
package Memfleet::Hold;
use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();

my @running;

sub new {
    my ($class, $target) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1:0', Listen => 64) or die "listen: $!";
    pipe(my $alive, my $parent) or die "pipe: $!";
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        close $parent;
        eval { _relay($listener, $target, $alive) };
        POSIX::_exit(0);
    }
    my $self = bless { pid => $pid, addr => '127.0.0.1:' . $listener->sockport, pipe => $parent },
        $class;
    push @running, $self;
    return $self;
}

sub addr { return $_[0]{addr} }

sub _tell {
    my ($self, $word) = @_;
    syswrite($self->{pipe}, $word);
    return;
}
sub hold    { return $_[0]->_tell('h') }
sub release { return $_[0]->_tell('r') }

# ---- the relay's process -----------------------------------------------------------

# Ends when the test, the other end of the pipe, does.
sub _relay {
    my ($listener, $target, $commands) = @_;
    my $select = IO::Select->new($listener, $commands);
    my (%pairs, $held);
    while (1) {
        for my $fh ($select->can_read) {
            if ($fh == $commands) {
                sysread($fh, my $word, 1) or return;
                $held = $word eq 'h';
                _deliver($_, $held) for values %pairs;
            } elsif ($fh == $listener) {
                my $client = $listener->accept // next;
                my $server = IO::Socket::INET->new(PeerAddr => $target) // next;
                my $pair = { client => $client, server => $server, waiting => '' };
                $pairs{$client} = $pairs{$server} = $pair;
                $select->add($client, $server);
            } else {
                _carry($fh, $pairs{$fh}, $select, \%pairs, $held);
            }
        }
    }
}

sub _carry {
    my ($from, $pair, $select, $pairs, $held) = @_;
    my $got = sysread($from, my $bytes, 65536);
    if ($from == $pair->{server}) {
        syswrite($pair->{client}, $bytes) if $got && !$pair->{left};
        return if $got && !$pair->{left};
        # An answer that nobody waits for any more, or the end.
    } elsif ($got) {
        $pair->{waiting} .= $bytes;
        _deliver($pair, $held);
        return;
    } elsif (length $pair->{waiting}) {
        $pair->{left} = 1; # what it sent is still on its way
        $select->remove($from);
        return;
    }
    $select->remove(@$pair{qw(client server)});
    delete @$pairs{ @$pair{qw(client server)} };
    close $_ for @$pair{qw(client server)};
    return;
}

sub _deliver {
    my ($pair, $held) = @_;
    return if $held;
    syswrite($pair->{server}, $pair->{waiting}) if length $pair->{waiting};
    $pair->{waiting} = '';
    return;
}

END {
    my $status = $?;
    for my $relay (@running) {
        close $relay->{pipe};
        kill('KILL', $relay->{pid});
        waitpid($relay->{pid}, 0);
    }
    $? = $status;
}

1;
