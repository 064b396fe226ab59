# scripts/quickstart brings a whole fleet up and takes it down again, however it
# is ended, and leaves neither a process nor a file.
use strict;
use warnings;
use Memfleet;

my $tmp = scratch_dir();
my $mark = "MEMFLEET_QUICKSTART_TEST=$$-" . time;

sub left_behind {
    my @found;
    for my $file (glob('/proc/[0-9]*/environ')) {
        open(my $f, '<', $file) or next;
        local $/;
        my $environ = <$f> // '';
        push @found, $1 if $environ =~ /\Q$mark\E/ && $file =~ m{/(\d+)/};
    }
    return (@found, glob("$tmp/*"));
}

sub quickstart {
    my ($ready, @args) = @_;
    my ($name, $value) = split(/=/, $mark);
    return start_program({
        name => 'quickstart', path => srcdir() . '/scripts/quickstart', ready => $ready,
        env => { TMPDIR => $tmp, $name => $value },
        args => ['--programs', builddir(), @args] });
}

sub talk {
    my ($text) = @_;
    my ($addr) = $text =~ /^mfproxy\s+(\S+)$/m or return 'no address';
    my $c = Memfleet::Conn->new($addr);
    return $c->set('a', 'b') . ' ' . ($c->get('a') // 'nothing');
}

my @ways = (['--no-etcd'], ['--no-etcd', '--nodes', 1]);
push @ways, [] if defined program_path('etcd');

for my $way (@ways) {
    my $name = "quickstart @$way";
    my $check = quickstart(qr/^works$/m, '--check', @$way);
    is($check->wait_end, 0, "$name --check ends well");
    is(join(' ', left_behind()), '', 'and leaves nothing');

    for my $signal (@$way ? ('INT') : ('INT', 'TERM')) {
        my $run = quickstart(qr/^It works/m, @$way);
        is(talk($run->log_text), 'STORED b', "$name: it works");
        my $nodes = () = $run->log_text =~ /^node\d+ /mg;
        is($nodes, (grep { $_ eq '1' } @$way) ? 1 : 3, "with $nodes nodes");
        $run->signal($signal);
        is($run->wait_end, 0, "SIG$signal ends it");
        is(join(' ', left_behind()), '', 'and leaves nothing');
    }
}

# A program that dies by itself is named, and ends the others.
my $run = quickstart(qr/^It works/m, '--no-etcd');
my ($node) = map { m{/proc/(\d+)/} ? $1 : () }
    grep { (readlink($_) // '') =~ m{/mfcached$} && left_by_us($_) } glob('/proc/[0-9]*/exe');

sub left_by_us {
    my ($exe) = @_;
    return slurp($exe =~ s/exe$/environ/r) =~ /\Q$mark\E/;
}

kill('KILL', $node);
is($run->wait_end >> 8, 1, 'a node dies: quickstart ends with an error');
like($run->log_text, qr/^node\d ended; the end of its log:/m, 'and says which one');
is(join(' ', left_behind()), '', 'and leaves nothing');
$run->stop(allow => qr/exit status 1/);

SKIP: {
    skip('needs etcd-server, which is not installed', 1) if !defined program_path('etcd');
    pass('with etcd too');
}
done_testing;
