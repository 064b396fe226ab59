# Memfleet::Etcd - a real etcd of one or three members, on loopback, with short
# elections.
#
#     my $etcd = Memfleet::Etcd->start(members => 3);
#     my @urls = $etcd->urls;
#     $etcd->kill(1);          # SIGKILL to member 1
#     $etcd->revive(1);
#
# With `tls => {ca => FILE, cert => FILE, key => FILE}` clients must speak TLS
# and show a certificate of that CA; call() does not work then.
package Memfleet::Etcd;
use strict;
use warnings;

use HTTP::Tiny ();
use JSON::PP ();

use Memfleet;

my @running;

sub start {
    my ($class, %opt) = @_;
    my $self = bless { dir => scratch_dir(), members => [], tls => $opt{tls} }, $class;
    my $scheme = $opt{tls} ? 'https' : 'http';
    for my $i (0 .. ($opt{members} // 1) - 1) {
        push @{ $self->{members} }, {
            name => "m$i", dir => "$self->{dir}/m$i",
            client => "$scheme://127.0.0.1:" . free_port(),
            peer => 'http://127.0.0.1:' . free_port() };
    }
    push @running, $self;
    $self->revive(0 .. $#{ $self->{members} });
    return $self;
}

sub _cluster { return join(',', map { "$_->{name}=$_->{peer}" } @{ $_[0]{members} }) }
sub urls     { return map { $_->{client} } @{ $_[0]{members} } }

sub _args {
    my ($self, $m) = @_;
    my $tls = $self->{tls};
    my @tls = !$tls ? () : ('--client-cert-auth', '--trusted-ca-file', $tls->{ca},
                            '--cert-file', $tls->{cert}, '--key-file', $tls->{key});
    return (@tls, '--name', $m->{name}, '--data-dir', $m->{dir},
            '--listen-client-urls', $m->{client}, '--advertise-client-urls', $m->{client},
            '--listen-peer-urls', $m->{peer}, '--initial-advertise-peer-urls', $m->{peer},
            '--initial-cluster', $self->_cluster, '--initial-cluster-token', 'memfleet-test',
            '--heartbeat-interval', 100, '--election-timeout', 600, '--logger', 'zap');
}

# Starts members, new ones or those that were killed, and waits until they serve.
sub revive {
    my ($self, @which) = @_;
    for my $m (@{ $self->{members} }[@which]) {
        $m->{program} = start_program({ name => 'etcd', listens => 0, args => [$self->_args($m)] });
    }
    $self->{members}[$_]{program}->wait_log(qr/serving (?:insecure )?client/, deadline(30)) for @which;
    return $self;
}

# SIGKILL. etcd's SIGTERM ends in a signal to itself, so this is how all end.
sub kill {
    my ($self, @which) = @_;
    for my $m (@{ $self->{members} }[@which]) {
        $m->{program}->kill_hard if defined $m->{program};
        $m->{program} = undef;
    }
    return $self;
}

sub signal { return $_[0]{members}[ $_[1] ]{program}->signal($_[2]) }

# ---- asked directly -----------------------------------------------------------

sub call {
    my ($self, $path, $body, $member) = @_;
    my $r = HTTP::Tiny->new(timeout => deadline(10), proxy => undef, http_proxy => undef)
        ->post($self->{members}[$member // 0]{client} . $path,
               { content => JSON::PP->new->encode($body) });
    die "$path: $r->{status} $r->{content}" if !$r->{success};
    return JSON::PP->new->decode($r->{content});
}

# The member that leads, by index; undef while none does.
sub leader {
    my ($self) = @_;
    for my $i (grep { defined $self->{members}[$_]{program} } 0 .. $#{ $self->{members} }) {
        my $s = eval { $self->call('/v3/maintenance/status', {}, $i) } // next;
        return $i if ($s->{leader} // '0') eq $s->{header}{member_id};
    }
    return undef;
}

# Keeps what the store holds now in `file`.
sub snapshot {
    my ($self, $file) = @_;
    return $self->_etcdctl('--endpoints', $self->{members}[0]{client}, 'snapshot', 'save', $file);
}

# Kills the (only) member and starts it with what `file` kept.
sub restore {
    my ($self, $file) = @_;
    my $m = $self->{members}[0];
    $self->kill(0);
    $m->{dir} .= '-restored';
    $self->_etcdctl('snapshot', 'restore', $file, '--data-dir', $m->{dir}, '--name', $m->{name},
                    '--initial-cluster', $self->_cluster,
                    '--initial-cluster-token', 'memfleet-test',
                    '--initial-advertise-peer-urls', $m->{peer});
    return $self->revive(0);
}

sub _etcdctl {
    my ($self, @args) = @_;
    local $ENV{ETCDCTL_API} = 3;
    my $path = program_path('etcdctl');
    my $log = "$self->{dir}/etcdctl.log";
    system("'$path' @{[ map { qq('$_') } @args ]} >'$log' 2>&1") == 0
        or die "etcdctl @args: " . slurp($log);
    return $self;
}

END {
    my $status = $?;
    for my $etcd (@running) {
        $etcd->kill(0 .. $#{ $etcd->{members} });
    }
    $? = $status;
}

1;
