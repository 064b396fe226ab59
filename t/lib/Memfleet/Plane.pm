# Memfleet::Plane - a control plane alone: etcd and mfcontrols, with followers
# that say what the test tells them (Memfleet::Follower).
#
#     my $plane = Memfleet::Plane->new(pool => ['--min-nodes', 2]);
#     my $control = $plane->control;
#     my $node = $plane->node($control, 'a', '10.0.0.1:11211');
#     my $table = $plane->proxy($control, 'p')->wait_frame('TABLE');
#
# Skips the test if etcd is not installed.
package Memfleet::Plane;
use strict;
use warnings;

use Carp qw(croak);
use JSON::PP ();
use MIME::Base64 qw(encode_base64 decode_base64);

use Memfleet;
use Memfleet::Etcd;
use Memfleet::Follower;

my $CLUSTER = 'test';

# `pool`: arguments of mfctl pool create main, or undef for no pool.
sub new {
    my ($class, %opt) = @_;
    skip_without('etcd', 'etcdctl');
    my $self = bless { etcd => Memfleet::Etcd->start(members => $opt{members} // 1) }, $class;
    $self->ctl_ok('init');
    $self->ctl_ok('pool', 'create', 'main', @{ $opt{pool} }) if defined $opt{pool};
    return $self;
}

sub etcd { return $_[0]{etcd} }

# ---- programs -------------------------------------------------------------------

sub ctl {
    my ($self, @args) = @_;
    return mfctl('--etcd', join(',', $self->etcd->urls), '--cluster', $CLUSTER, @args);
}

sub ctl_ok {
    my ($self, @args) = @_;
    my ($status, $text) = $self->ctl(@args);
    croak "mfctl @args: exit status $status: $text" if $status != 0;
    return $text;
}

# The published table, decoded; undef if there is none.
sub table {
    my ($self) = @_;
    my ($status, $text) = $self->ctl('--json', 'table', 'show');
    return $status == 0 ? JSON::PP::decode_json($text) : undef;
}

sub control {
    my ($self, @args) = @_;
    my $n = ++$self->{controls};
    my @etcd = grep({ $_ eq '--etcd' } @args) ? () : ('--etcd', join(',', $self->etcd->urls));
    return mfcontrol(name => "control$n", listens => 2,
                     args => [@etcd, '--cluster', $CLUSTER,
                              '--id', "control$n", '--http', '127.0.0.1:0', '--lease-ttl', '4s',
                              '--state-dir', scratch_dir() . '/state', @args])->listen_again;
}

sub page {
    my ($self, $control, $path) = @_;
    return scalar(http_get($control->addr(role => 'http'), $path));
}

sub metric {
    my ($self, $control, $name) = @_;
    my $text = $self->page($control, '/metrics');
    my ($value) = $text =~ /^mfcontrol_$name(?:\{[^}]*\})? (\d+)$/m
        or croak "no metric mfcontrol_$name";
    return $value;
}

# The one of them that leads.
sub leader {
    my ($self, @controls) = @_;
    my $leader;
    wait_until(sub { ($leader) = grep { $self->metric($_, 'leader') } @controls },
               deadline(15), 'one of them leads');
    return $leader;
}

# ---- followers ---------------------------------------------------------------------

sub node {
    my ($self, $control, $id, $addr, %more) = @_;
    return Memfleet::Follower->new($control->addr, role => 'node', id => $id, pool => 'main',
                                   addr => $addr, %more);
}

sub proxy {
    my ($self, $control, $id, %more) = @_;
    return Memfleet::Follower->new($control->addr, role => 'proxy', id => $id, %more);
}

# ---- etcd's keys of the cluster ------------------------------------------------------

sub _key { return encode_base64("/memfleet/v1/$CLUSTER/$_[0]", '') }

sub put {
    my ($self, $key, $value) = @_;
    return $self->etcd->call('/v3/kv/put', { key => _key($key), value => encode_base64($value, '') });
}

# The value of a key, or undef.
sub get {
    my ($self, $key) = @_;
    my $kvs = $self->etcd->call('/v3/kv/range', { key => _key($key) })->{kvs} // [];
    return @$kvs ? decode_base64($kvs->[0]{value}) : undef;
}

sub nodes_of {
    my ($table) = @_;
    return map { $_->{id} } @{ $table->{pools}{main}{nodes} };
}

1;
