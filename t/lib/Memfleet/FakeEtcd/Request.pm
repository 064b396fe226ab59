# Memfleet::FakeEtcd::Request - one request to the fake gateway, and the ways to
# answer it.
package Memfleet::FakeEtcd::Request;
use strict;
use warnings;

use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Socket qw(SOL_SOCKET SO_LINGER);

my $JSON = JSON::PP->new->canonical;

sub new {
    my ($class, %fields) = @_;
    return bless {%fields}, $class;
}

sub method  { return $_[0]{method} }
sub path    { return $_[0]{path} }
sub version { return $_[0]{version} }
sub header  { return $_[0]{headers}{ lc $_[1] } }
sub body    { return $_[0]{body} }
sub gone    { return $_[0]{conn}{gone} }
sub conn_id { return $_[0]{conn}{id} }
sub json    { return $JSON->decode($_[0]{body}) }

# The key asked for, without the prefix.
sub key {
    my ($self) = @_;
    my $json = $self->json;
    my $key = decode_base64(($json->{create_request} // $json)->{key});
    return $key =~ s/\A\Q$self->{prefix}\E//r;
}

# ---- whole answers -----------------------------------------------------------

sub answer {
    my ($self, $status, $type, $text) = @_;
    return $self->raw("HTTP/1.1 $status Whatever\r\nContent-Type: $type\r\nContent-Length: "
        . length($text) . "\r\n\r\n$text");
}

sub ok { return $_[0]->answer(200, 'application/json', $JSON->encode($_[1])) }

# As gateway v1 of etcd 3.4 and 3.5 puts it.
sub error {
    my ($self, $status, $code, $message) = @_;
    return $self->answer($status, 'application/json',
        $JSON->encode({ error => $message, message => $message, code => $code }));
}

# ---- streams ------------------------------------------------------------------

# Bytes as they are.
sub raw {
    my ($self, $bytes) = @_;
    syswrite($self->{conn}{socket}, $bytes);
    return $self;
}

# Each argument one chunk: a hash as JSON with its newline, text as it is.
sub send {
    my ($self, @messages) = @_;
    if (!$self->{streaming}++) {
        $self->raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            . "Grpc-Metadata-Content-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
    for my $message (@messages) {
        my $text = ref $message ? $JSON->encode($message) . "\n" : $message;
        $self->raw(sprintf("%x\r\n%s\r\n", length $text, $text));
    }
    return $self;
}

# The same text in chunks of one byte.
sub send_split {
    my ($self, $message) = @_;
    my $text = ref $message ? $JSON->encode($message) . "\n" : $message;
    return $self->send(split(//, $text));
}

# An answer of a watch with these events.
sub events {
    my ($self, $header, @events) = @_;
    return $self->send({ result => { header => $header, events => \@events } });
}

# The clean end of a stream; the connection stays.
sub finish { return $_[0]->raw("0\r\n\r\n") }

# The connection ends without the stream's end.
sub drop {
    my ($self) = @_;
    $self->{conn}{gone} = 1;
    $self->{fake}{conns} = [grep { $_ != $self->{conn} } @{ $self->{fake}{conns} }];
    close $self->{conn}{socket};
    return;
}

# The same with a reset.
sub reset {
    my ($self) = @_;
    setsockopt($self->{conn}{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
    return $self->drop;
}

sub wait_closed { return $_[0]{fake}->wait_closed($_[0]{conn}) }

1;
