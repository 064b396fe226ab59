# Bench::Counts - what can be counted instead of timed: instructions and system
# calls. The same on a busy machine as on a quiet one.
package Bench::Counts;
use strict;
use warnings;

use File::Temp ();
use Time::HiRes qw(sleep);

use Bench::Report qw(report note);
use Bench::Server;

my $KEYS = 20_000;
my @works = (
    # what, instructions at most, keys of a request, mfload's arguments
    ['get',     800,  1,   ['--work', 'get']],
    ['get32',   450,  1,   ['--work', 'get', '--depth', 32]],
    ['mg32',    undef, 1,  ['--work', 'mg', '--depth', 32]],
    ['mget100', 300,  100, ['--work', 'mget', '--keys-each', 100]],
    ['set',     1200, 1,   ['--work', 'set']],
    ['set32',   800,  1,   ['--work', 'set', '--depth', 32]],
);

# All instructions of a server's life with so many requests.
sub _instructions {
    my ($dir, $start, $requests, @args) = @_;
    my $out = "$dir/callgrind";
    my @wrap = (Bench::Server::tool('valgrind'), '--tool=callgrind', "--callgrind-out-file=$out");
    my $server = $start->(wrap => \@wrap, patience => 120);
    my %sums = $server->load(@args, '--keys', $KEYS, '--connections', 4, '--operations', $requests);
    $server->stop('INT');
    open(my $f, '<', $out) or die "callgrind wrote nothing\n";
    my ($sum) = join('', <$f>) =~ /^(?:summary|totals): (\d+)/m;
    return ($sum, $sums{operations});
}

# A row: of two runs that differ in their length only, the difference. `keys` of a request;
# `start` starts the server, which finds the keys 0 to 19999, with what it is given.
sub report_instructions {
    my ($what, $at_most, $keys, $args, $start) = @_;
    if (!Bench::Server::tool('valgrind')) {
        note("instructions of $what need valgrind");
        return;
    }
    my $dir = File::Temp::tempdir('bench-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my ($few, $few_operations) = _instructions($dir, $start, 4000 / $keys, @$args);
    my ($many, $many_operations) = _instructions($dir, $start, 24_000 / $keys, @$args);
    report('instructions', $what, unit => 'a key', at_most => $at_most,
           figure => ($many - $few) / ($many_operations - $few_operations));
    return;
}

sub instructions {
    my ($p) = @_;
    for my $work (@works) {
        my ($what, $goal, $keys, $args) = @$work;
        report_instructions($what, $goal, $keys, $args, sub {
            my $server = Bench::Server->start('mfcached', @_);
            $server->store(keys => $KEYS);
            return $server;
        });
    }
    return;
}

# The lines that strace wrote about a server with so many batches of 32 on one
# connection. -D: the process that is started is the server itself, so that it
# can be ended; strace stands aside and is done when it says so.
sub _traced {
    my ($log, $batches, @args) = @_;
    my @wrap = (Bench::Server::tool('strace'), '-D', '-f', '-q', '-o', $log, '-e',
                'trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg');
    my $server = Bench::Server->start('mfcached', wrap => \@wrap, patience => 60);
    $server->store(keys => 1000);
    $server->load(@args, '--keys', 1000, '--connections', 1, '--depth', 32,
                  '--operations', 32 * $batches);
    $server->stop('TERM');
    for my $try (1 .. 1000) {
        open(my $f, '<', $log) or die "strace wrote nothing\n";
        my @lines = <$f>;
        return @lines if grep { /^@{[ $server->pid ]}\s+\+\+\+ / } @lines;
        sleep 0.01;
    }
    die "strace does not end\n";
}

# Calls a batch, of two runs that differ in their length only the difference.
sub calls {
    my ($p) = @_;
    return note('system calls need strace') if !Bench::Server::tool('strace');
    my $dir = File::Temp::tempdir('bench-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my %names = (reads => qr/\b(?:read|readv|recvfrom|recvmsg)\(/,
                 sends => qr/\b(?:write|writev|sendto|sendmsg)\(/);
    for my $work (['get32', '--work', 'get'], ['mg32', '--work', 'mg'], ['set32', '--work', 'set']) {
        my ($what, @args) = @$work;
        my @few = _traced("$dir/$what.few", 100, @args);
        my @many = _traced("$dir/$what.many", 300, @args);
        for my $name (sort keys %names) {
            my $more = (grep { /$names{$name}/ } @many) - (grep { /$names{$name}/ } @few);
            report('calls', "$name, $what", unit => 'a batch', at_most => 1.1, figure => $more / 200);
        }
    }
    return;
}

1;
