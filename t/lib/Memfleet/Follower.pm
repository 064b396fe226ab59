# Memfleet::Follower - speaks the push stream's frames, as a proxy or a node of
# ours would, but only what a test tells it to say.
#
#     my $node = Memfleet::Follower->new($control->addr, role => 'node', id => 'a',
#                                        pool => 'main', addr => '10.0.0.1:11211');
#     my $table = $node->wait_frame('TABLE');      # the decoded JSON
#     $node->ack($table);
package Memfleet::Follower;
use strict;
use warnings;

use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes ();

use Memfleet::Deadline qw(deadline);

my %TYPE = (TABLE => 1, DELTA => 2, HOT => 3, BEAT => 4, LEASE => 5,
            HELLO => 16, ACK => 17, NACK => 18, REPORT => 19, BYE => 20);
my %NAME = reverse %TYPE;

my $json = JSON::PP->new->utf8->canonical;

# Connects, and says HELLO unless told `silent`.
sub new {
    my ($class, $addr, %hello) = @_;
    my $silent = delete $hello{silent};
    my $socket = IO::Socket::INET->new(PeerAddr => $addr, Proto => 'tcp')
        or croak "cannot connect to $addr: $!";
    my $self = bless { socket => $socket, in => '', hello => { build => 'test', %hello } }, $class;
    if (($hello{role} // '') eq 'node') {
        $self->{hello}{boot_id} //= "boot-$hello{id}";
        $self->{hello}{generation} //= 1;
    }
    $self->send_frame('HELLO', $self->{hello}) unless $silent;
    return $self;
}

sub socket { return $_[0]{socket} }

sub send_frame {
    my ($self, $type, $body) = @_;
    $self->send_bytes($TYPE{$type}, $json->encode($body));
    return;
}

sub send_bytes {
    my ($self, $number, $bytes) = @_;
    my $frame = pack('NCC', length($bytes) + 2, $number, 0) . $bytes;
    local $SIG{PIPE} = 'IGNORE';
    syswrite($self->{socket}, $frame);
    return;
}

# The next frame as (name, decoded body), or () at the end of the stream. With
# {raw} set bodies stay text, since decoding a large table takes seconds here.
# Followers report while they wait, as real ones do, unless {mute} is set.
sub next_frame {
    my ($self, $seconds) = @_;
    my $until = Time::HiRes::time() + ($seconds // deadline(15));
    while (1) {
        if (length($self->{in}) >= 6) {
            my ($length, $number) = unpack('NC', $self->{in});
            if (length($self->{in}) >= 4 + $length) {
                my $body = substr($self->{in}, 6, $length - 2);
                substr($self->{in}, 0, 4 + $length) = '';
                $self->{last_body} = $body;
                return ($NAME{$number} // $number, $self->{raw} ? $body : $json->decode($body));
            }
        }
        my $left = $until - Time::HiRes::time();
        croak "no frame in time" if $left <= 0;
        $self->report if !$self->{mute};
        next if !IO::Select->new($self->{socket})->can_read($left < 1 ? $left : 1);
        my $got = sysread($self->{socket}, my $bytes, 65536);
        return () if !$got;
        $self->{in} .= $bytes;
    }
}

# Skips to the next frame of a type and returns its body; undef if the stream
# ends before.
sub wait_frame {
    my ($self, $type, $seconds) = @_;
    my $until = Time::HiRes::time() + ($seconds // deadline(15));
    while (1) {
        my ($name, $body) = $self->next_frame($until - Time::HiRes::time());
        return undef if !defined $name;
        return $body if $name eq $type;
    }
}

# Skips to a table for which the test says yes.
sub wait_table {
    my ($self, $test, $seconds) = @_;
    my $until = Time::HiRes::time() + ($seconds // deadline(15));
    while (1) {
        my $table = $self->wait_frame('TABLE', $until - Time::HiRes::time());
        croak 'the stream ended' if !defined $table;
        return $table if $test->($table);
    }
}

# Reads for so long and returns the names of the frames that came.
sub frames_within {
    my ($self, $seconds) = @_;
    my @names;
    while (my ($name) = eval { $self->next_frame($seconds) }) {
        push @names, $name;
        $seconds = 0.2;
    }
    return @names;
}

# True if the other side ends the stream in time.
sub ends {
    my ($self, $seconds) = @_;
    my $until = Time::HiRes::time() + ($seconds // deadline(15));
    while (Time::HiRes::time() < $until) {
        my ($name) = eval { $self->next_frame($until - Time::HiRes::time()) };
        return 1 if !defined $name && $@ eq '';
        return 0 if $@ ne '';
    }
    return 0;
}

sub report {
    my ($self, %more) = @_;
    $self->send_frame('REPORT', { epoch => $self->{epoch} // 0,
                                  (($self->{hello}{role} // '') eq 'node'
                                       ? (healthy => JSON::PP::true) : ()), %more });
    return;
}

sub ack {
    my ($self, $table) = @_;
    $self->{epoch} = $table->{epoch};
    $self->send_frame('ACK', { epoch => $table->{epoch}, incarnation => $table->{incarnation} });
    return;
}

sub nack {
    my ($self, $table, $code, $reason) = @_;
    $self->send_frame('NACK', { epoch => $table->{epoch}, code => $code, reason => $reason });
    return;
}

sub bye {
    my ($self, $for_good) = @_;
    $self->send_frame('BYE', { for_good => $for_good ? JSON::PP::true : JSON::PP::false });
    return;
}

sub close {
    my ($self) = @_;
    close $self->{socket};
    return;
}

1;
