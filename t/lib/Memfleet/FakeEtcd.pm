# Memfleet::FakeEtcd - an etcd gateway that does what the test says.
#
# Nothing happens by itself: the test takes the next request to a path and
# answers it, well or badly.
#
#     my $fake  = Memfleet::FakeEtcd->new;
#     my $probe = etcd_probe($fake->url);
#     $probe->command('get a');
#     my $rq = $fake->request('/v3/kv/range');
#     is($rq->key, 'a');
#     $rq->ok({ header => header(5), kvs => [kv('a', 'one', 5)] });
#     $probe->expect(qr/^get ok rev=5/);
#
# The probe's prefix is /mf/; keys here are relative to it.
package Memfleet::FakeEtcd;
use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use IO::Socket::INET ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Socket qw(IPPROTO_TCP TCP_NODELAY);

use Memfleet::Deadline qw(deadline now);
use Memfleet::EtcdProbe;
use Memfleet::FakeEtcd::Request;

our @EXPORT = qw(etcd_probe header kv deleted put_event delete_event b64 $CLUSTER);

our $CLUSTER = '324952591200643719';
my $PREFIX = '/mf/';
my $SECONDS = 15;

sub new {
    my ($class) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'tcp',
                                       Listen => 64, ReuseAddr => 1) or die "listen: $!";
    return bless { listen => $listen, port => $listen->sockport, conns => [], queue => [] }, $class;
}

sub url { return "http://127.0.0.1:$_[0]{port}" }

# Refuses connections from now on, and again accepts them on the same port.
sub close_port {
    my ($self) = @_;
    close $self->{listen};
    $self->{listen} = undef;
    close $_->{socket} for @{ $self->{conns} };
    $self->{conns} = [];
    return;
}

# ---- requests ---------------------------------------------------------------

# The next request to `path`; those to other paths wait for their turn. Dies
# when none comes in time.
sub request {
    my ($self, $path, $seconds) = @_;
    my $rq = $self->maybe_request($path, $seconds // deadline($SECONDS));
    croak "no request to $path came; waiting: " . join(' ', map { $_->path } @{ $self->{queue} })
        if !defined $rq;
    return $rq;
}

# The same, or undef when `seconds` are over.
sub maybe_request {
    my ($self, $path, $seconds) = @_;
    my $end = now() + $seconds;
    $self->_turn(0);
    while (1) {
        # Who has hung up is not waiting for an answer any more.
        @{ $self->{queue} } = grep { !$_->gone } @{ $self->{queue} };
        for my $i (0 .. $#{ $self->{queue} }) {
            return splice(@{ $self->{queue} }, $i, 1) if $self->{queue}[$i]->path eq $path;
        }
        return undef if now() > $end;
        $self->_turn($end - now());
    }
}

sub _turn {
    my ($self, $seconds) = @_;
    my $bits = '';
    vec($bits, fileno($_), 1) = 1
        for grep { defined } $self->{listen}, map { $_->{socket} } @{ $self->{conns} };
    return if select(my $ready = $bits, undef, undef, $seconds > 0 ? $seconds : 0) <= 0;
    if (defined $self->{listen} && vec($ready, fileno($self->{listen}), 1)) {
        my $socket = $self->{listen}->accept or return;
        setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
        push @{ $self->{conns} }, { socket => $socket, in => '', id => ++$self->{accepted} };
    }
    for my $conn (@{ $self->{conns} }) {
        $self->_read($conn) if vec($ready, fileno($conn->{socket}), 1);
    }
    @{ $self->{conns} } = grep { !$_->{gone} } @{ $self->{conns} };
    return;
}

sub _read {
    my ($self, $conn) = @_;
    my $n = sysread($conn->{socket}, $conn->{in}, 1 << 16, length $conn->{in});
    if (!$n) {
        $conn->{gone} = 1;
        close $conn->{socket};
        return;
    }
    while ($conn->{in} =~ /\A(\S+) (\S+) (\S+)\r\n(.*?)\r\n\r\n/s) {
        my ($method, $path, $version, $head, $head_bytes) = ($1, $2, $3, $4, $+[0]);
        my %headers = map { /^([^:]+):\s*(.*)$/ ? (lc $1, $2) : () } split(/\r\n/, $head);
        my $length = $headers{'content-length'} // 0;
        last if length $conn->{in} < $head_bytes + $length;
        my $body = substr($conn->{in}, $head_bytes, $length);
        substr($conn->{in}, 0, $head_bytes + $length, '');
        $self->{seen}{$path}++;
        push @{ $self->{queue} }, Memfleet::FakeEtcd::Request->new(
            fake => $self, conn => $conn, method => $method, path => $path, version => $version,
            headers => \%headers, body => $body, prefix => $PREFIX);
    }
    return;
}

# How many requests to a path have come, answered or not.
sub seen {
    my ($self, $path) = @_;
    $self->_turn(0) for 1 .. 3;
    return $self->{seen}{$path} // 0;
}

# Lets time pass for this gateway until the client has closed that connection.
sub wait_closed {
    my ($self, $conn) = @_;
    my $end = now() + deadline($SECONDS);
    while (!$conn->{gone}) {
        croak 'the client did not close the connection' if now() > $end;
        $self->_turn($end - now());
    }
    return 1;
}

# ---- whole steps of a watch ---------------------------------------------------

# Answers the next list of a prefix with these pairs.
sub list {
    my ($self, $revision, @kvs) = @_;
    my $rq = $self->request('/v3/kv/range');
    $rq->ok({ header => header($revision), (@kvs ? (kvs => \@kvs) : ()),
              count => scalar(@kvs) . '' });
    return $rq;
}

# Takes the next watch and confirms it; `revision` is the store's.
sub watch {
    my ($self, $revision) = @_;
    my $rq = $self->request('/v3/watch');
    $rq->send({ result => { header => header($revision), created => JSON::PP::true } });
    return $rq;
}

# ---- what etcd would say --------------------------------------------------------

sub b64 { return encode_base64($_[0], '') }

sub header {
    my ($revision, %over) = @_;
    return { cluster_id => $CLUSTER, member_id => '3319814642761637952',
             revision => "$revision", raft_term => '2', %over };
}

sub kv {
    my ($key, $value, $mod, %over) = @_;
    return { key => b64($PREFIX . $key), create_revision => "$mod", mod_revision => "$mod",
             version => '1', value => b64($value), %over };
}

sub deleted {
    my ($key, $mod) = @_;
    return { key => b64($PREFIX . $key), mod_revision => "$mod" };
}

sub put_event    { return { kv => kv(@_) } }
sub delete_event { return { type => 'DELETE', kv => deleted(@_) } }

1;
