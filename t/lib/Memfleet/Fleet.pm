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
use Memfleet::Etcd;

my $CLUSTER = 'test';

sub new {
    my ($class, %opt) = @_;
    skip_without('etcd');
    my $self = bless { nodes => [], controls => [] }, $class;
    $self->{etcd} = Memfleet::Etcd->start(members => $opt{etcd} // 1);
    $self->ctl_ok('init');
    my $nodes = $opt{nodes} // 3;
    $self->ctl_ok('pool', 'create', 'main', '--min-nodes', $nodes, @{ $opt{pool} // [patient()] });
    $self->add_control for 1 .. $opt{controls} // 1;
    $self->add_node for 1 .. $nodes;
    $self->{proxy} = mfproxy(args => $self->_proxy_args)->listen_again;
    wait_until(sub { $self->proxy->connect->set('fleet', 'up') eq 'STORED' }, deadline(20),
               'a set through the proxy succeeds');
    return $self;
}

sub proxy    { return $_[0]{proxy} }
sub nodes    { return @{ $_[0]{nodes} } }
sub controls { return @{ $_[0]{controls} } }
sub etcd     { return $_[0]{etcd} }

sub etcd_urls { return join(',', $_[0]{etcd}->urls) }

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
    my @args = ('--etcd', $self->etcd_urls, '--cluster', $CLUSTER, '--state-dir', scratch_dir(),
                '--lease-ttl', '3s'); # how long the next leader waits
    my $control = mfcontrol(name => "control$n", args => \@args)->listen_again;
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

# The epoch that is published.
sub epoch {
    my ($self) = @_;
    return JSON::PP->new->decode($self->ctl_ok('--json', 'table', 'show'))->{epoch};
}

# Power cut for all that steers: every mfcontrol and every member of etcd.
sub kill_control_plane {
    my ($self) = @_;
    $_->kill_hard for $self->controls;
    $self->{etcd}->kill($self->_members);
    return;
}

sub restart_control_plane {
    my ($self) = @_;
    $self->{etcd}->revive($self->_members);
    $_->restart for $self->controls;
    return;
}

sub _members {
    my ($self) = @_;
    my @urls = $self->{etcd}->urls;
    return 0 .. $#urls;
}

1;
