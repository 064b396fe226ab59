# Memfleet::Fleet - a whole fleet: etcd, mfcontrol, nodes and a proxy.
#
#     my $fleet = Memfleet::Fleet->new(etcd => 3, controls => 2, nodes => 3);
#     my $c = $fleet->proxy->connect;     # works: a set has been answered STORED
#     my $new = $fleet->add_node;
#     $fleet->wait_serving($new);         # it was given keys of the load
#
# Skips the test if etcd is not installed.
package Memfleet::Fleet;
use strict;
use warnings;

use Carp qw(croak);
use Memfleet;

my $CLUSTER = 'test';

sub new {
    my ($class, %opt) = @_;
    skip_without('etcd');
    my $self = bless { dir => scratch_dir(), nodes => [], controls => [], etcd => [] }, $class;
    $self->_start_etcd($opt{etcd} // 1);
    $self->ctl_ok('init');
    $self->ctl_ok('pool', 'create', 'main');
    $self->add_control for 1 .. $opt{controls} // 1;
    $self->add_node for 1 .. $opt{nodes} // 3;
    $self->{proxy} = mfproxy(args => $self->_proxy_args)->listen_again;
    wait_until(sub { $self->proxy->connect->set('fleet', 'up') eq 'STORED' }, deadline(20),
               'a set through the proxy succeeds');
    return $self;
}

sub proxy    { return $_[0]{proxy} }
sub nodes    { return @{ $_[0]{nodes} } }
sub controls { return @{ $_[0]{controls} } }
sub etcd     { return @{ $_[0]{etcd} } }

# ---- etcd -------------------------------------------------------------------

sub _start_etcd {
    my ($self, $count) = @_;
    my @members = map { { name => "etcd$_", client => free_port(), peer => free_port() } }
        1 .. $count;
    my $cluster = join(',', map { "$_->{name}=http://127.0.0.1:$_->{peer}" } @members);
    for my $m (@members) {
        my ($client, $peer) = map { "http://127.0.0.1:$m->{$_}" } qw(client peer);
        my $program = start_program({
            name => $m->{name}, path_name => 'etcd', listens => 0, ends => qr/^signal 15$/,
            args => ['--name', $m->{name}, '--data-dir', "$self->{dir}/$m->{name}",
                     '--logger', 'zap', '--log-level', 'warn',
                     '--listen-client-urls', $client, '--advertise-client-urls', $client,
                     '--listen-peer-urls', $peer, '--initial-advertise-peer-urls', $peer,
                     '--initial-cluster', $cluster] });
        $program->set_addr("127.0.0.1:$m->{client}");
        push @{ $self->{etcd} }, $program;
    }
    wait_until(sub { $self->etcd_leader }, deadline(20), 'etcd has a leader');
    return;
}

sub _etcd_post {
    my ($addr, $path, $body) = @_;
    my $r = HTTP::Tiny->new(timeout => deadline(3))
        ->post("http://$addr$path", { content => JSON::PP::encode_json($body) });
    return $r->{success} ? JSON::PP::decode_json($r->{content}) : undef;
}

# The member that leads, or undef while none is known to.
sub etcd_leader {
    my ($self) = @_;
    for my $member (grep { $_->is_running } $self->etcd) {
        my $status = _etcd_post($member->addr, '/v3/maintenance/status', {}) // next;
        return $member if ($status->{leader} // 0) ne '0'
            && $status->{leader} eq $status->{header}{member_id};
    }
    return undef;
}

sub etcd_urls {
    my ($self) = @_;
    return join(',', map { 'http://' . $_->addr } $self->etcd);
}

# ---- the programs -----------------------------------------------------------

sub ctl {
    my ($self, @args) = @_;
    return mfctl('--etcd', $self->etcd_urls, '--cluster', $CLUSTER, @args);
}

sub ctl_ok {
    my ($self, @args) = @_;
    my ($status, $text) = $self->ctl(@args);
    croak "mfctl @args: exit status $status: $text" if $status != 0;
    return $text;
}

sub add_control {
    my ($self) = @_;
    my $n = @{ $self->{controls} } + 1;
    my $control = mfcontrol(name => "control$n", args => ['--etcd', $self->etcd_urls, '--cluster', $CLUSTER,
                                     '--state-dir', scratch_dir()])->listen_again;
    push @{ $self->{controls} }, $control;
    return $control;
}

sub control_addrs {
    my ($self) = @_;
    return join(',', map { $_->addr } $self->controls);
}

sub add_node {
    my ($self) = @_;
    my $n = @{ $self->{nodes} } + 1;
    my $node = mfcached(name => "node$n", args => ['--control', $self->control_addrs, '--pool', 'main',
                                 '--node-name', "node$n"])->listen_again;
    push @{ $self->{nodes} }, $node;
    return $node;
}

sub _proxy_args {
    my ($self) = @_;
    return ['--control', $self->control_addrs, '--state-dir', scratch_dir()];
}

# ---- what the tests ask ------------------------------------------------------

sub items { return $_[1]->connect->stats->{curr_items} }

# A load is on and the node gets its share of the keys.
sub wait_serving {
    my ($self, $node) = @_;
    my $before = $self->items($node);
    return wait_until(sub { $self->items($node) > $before + 50 }, deadline(30),
                      $node->name . ' is given keys');
}

# Power cut for all that steers: every mfcontrol and every member of etcd.
sub kill_control_plane {
    my ($self) = @_;
    $_->kill_hard for $self->controls, $self->etcd;
    return;
}

sub restart_control_plane {
    my ($self) = @_;
    $_->restart for $self->etcd;
    wait_until(sub { $self->etcd_leader }, deadline(20), 'etcd has a leader again');
    $_->restart for $self->controls;
    return;
}

1;
