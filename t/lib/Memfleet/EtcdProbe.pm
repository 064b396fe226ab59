# Memfleet::EtcdProbe - the etcd client of control/etcd as a program that a test
# talks to: t/etcd/etcd_probe.c lists its commands.
package Memfleet::EtcdProbe;
use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);

use Memfleet;
use Memfleet::Deadline qw(now);

our @EXPORT = qw(etcd_probe);

my $SECONDS = 20;

# etcd_probe(URL..., {args => [...], env => {...}}).
sub etcd_probe {
    my %opt = ref $_[-1] ? %{ pop @_ } : ();
    my $program = start_program({
        name => 'etcd_probe', path => builddir() . '/t/etcd/etcd_probe', env => $opt{env} // {},
        args => ['-e', join(',', @_), '-p', '/mf/', @{ $opt{args} // [] }] });
    return bless { program => $program, conn => $program->connect, echoes => 0 }, __PACKAGE__;
}

sub program { return $_[0]{program} }

sub command {
    my ($self, $line) = @_;
    $self->{conn}->send("$line\n");
    return $self;
}

sub line {
    my ($self) = @_;
    my $line = $self->{conn}->read_line // croak 'the probe closed';
    chomp $line;
    return $line;
}

# Reads until a line matches and returns that line; what was passed over is in
# skipped(). A pass of the test with `name`, if given.
sub expect {
    my ($self, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $self->{skipped} = [];
    my $line = eval { $self->_until($pattern) };
    if (!defined $line) {
        croak "no line matched $pattern; got: " . join(' | ', @{ $self->{skipped} }) . "; $@";
    }
    Test::More::pass($name) if defined $name;
    return $line;
}

sub _until {
    my ($self, $pattern) = @_;
    my $end = now() + deadline($SECONDS);
    while (1) {
        my $line = $self->line;
        return $line if $line =~ $pattern;
        push @{ $self->{skipped} }, $line;
        croak 'waited in vain' if now() > $end;
    }
}

# Lines that the last expect() passed over.
sub skipped { return @{ $_[0]{skipped} } }

# Everything said up to now, in order.
sub said {
    my ($self) = @_;
    my $mark = 'mark' . ++$self->{echoes};
    $self->command("echo $mark");
    $self->expect(qr/^echo \Q$mark\E$/);
    return $self->skipped;
}

# One command, its one answer.
sub ask {
    my ($self, $line) = @_;
    my ($name) = $line =~ /^(\w+)/;
    $self->command($line);
    return $self->expect(qr/^\Q$name\E /);
}

sub metric {
    my ($self, $name) = @_;
    return $self->ask('metrics') =~ /\b\Q$name\E=(\d+)/ ? $1 : undef;
}

# A probe ends with the variable that holds it.
sub DESTROY {
    my ($self) = @_;
    $self->{program}->stop if ${^GLOBAL_PHASE} ne 'DESTRUCT';
    return;
}

1;
