# mfctl top on a terminal: draws, takes keys, follows the window's size, and gives
# the terminal back on every way out.
use strict;
use warnings;
use Memfleet;
use POSIX ();

plan(skip_all => 'needs libio-pty-perl, which is not installed') if !eval { require IO::Pty; 1 };

my $node = mfcached();
my $second = mfcached();
$node->connect->ask("set hot 0 0 1\r\nx\r\n" . "get hot\r\n" x 2000);

# mfctl top on a terminal of its own.
sub terminal {
    my ($term, @args) = @_;
    my $pty = IO::Pty->new;
    my $slave = $pty->slave;
    $slave->set_winsize(24, 120, 0, 0);
    my $before = settings($slave);
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        $pty->make_slave_controlling_terminal;
        close $pty;
        open(STDIN, '<&', $slave);
        open(STDOUT, '>&', $slave);
        open(STDERR, '>&', $slave);
        local $ENV{TERM} = $term;
        exec(program_path('mfctl'), 'top', @args) or POSIX::_exit(127);
    }
    $pty->blocking(0);
    return { pty => $pty, slave => $slave, pid => $pid, before => $before, text => '' };
}

sub settings {
    my ($fd) = @_;
    my $t = POSIX::Termios->new;
    $t->getattr(fileno $fd);
    return join(' ', $t->getiflag, $t->getoflag, $t->getcflag, $t->getlflag);
}

# What it draws from now on, until it is this. As only what differs is drawn, all of
# it is asked for now and then.
sub shows {
    my ($t, $re, $name) = @_;
    my $n = 0;
    return wait_until(sub {
        press($t, "\x0c") if ++$n % 10 == 0;
        while (sysread($t->{pty}, my $more, 65536)) { $t->{text} .= $more }
        return $t->{text} =~ s/\A.*?$re//s;
    }, deadline(15), $name);
}
sub press { my ($t, $keys) = @_; syswrite($t->{pty}, $keys); return }

sub ends {
    my ($t, $status, $how) = @_;
    wait_until(sub { waitpid($t->{pid}, POSIX::WNOHANG()) == $t->{pid} }, deadline(10), "$how: it ends");
    is($?, $status, "$how: its status");
    while (sysread($t->{pty}, my $more, 65536)) { $t->{text} .= $more }
    like($t->{text}, qr/\e\[\?1049l/, "$how: the screen of before is back");
    like($t->{text} =~ s/\A.*\e\[\?25l//sr, qr/\e\[\?25h/, "$how: so is the cursor");
    is(settings($t->{slave}), $t->{before}, "$how: and the settings");
    return;
}

# ---- one server -------------------------------------------------------------------------
my $t = terminal('xterm', $node->addr, '-d', '200ms');
shows($t, qr/\e\[\?1049h/, 'it takes the screen');
shows($t, qr/requests\/s.*HOTTEST KEYS.*hot/s, 'all of one server');
isnt(settings($t->{slave}), $t->{before}, 'keys are taken as they come');
press($t, 'q');
ends($t, 0, 'q');

# ---- several ------------------------------------------------------------------------------
$t = terminal('xterm', $node->addr, $second->addr, '-d', '200ms');
shows($t, qr/2 servers, 0 gone.*REQ\/S/s, 'a table of several');
press($t, "\eOB\r");
shows($t, qr/\Q@{[ $second->addr ]}\E  node/, 'down, enter: all of the second');
press($t, "\e");
shows($t, qr/2 servers/, 'escape: the table');
press($t, 's');
shows($t, qr/\(name, every/, 's: another order');
press($t, 'd');
shows($t, qr/every 0\.5 s/, 'd: another interval');
$second->stop;
shows($t, qr/gone: \w/, 'a server that goes away');
$t->{slave}->set_winsize(6, 40, 0, 0);
kill('WINCH', $t->{pid});
shows($t, qr/2 servers, 1 gone/, 'a smaller window');
press($t, "\eOA\eOA\eOB\e[5~\e[6~x");
$t->{slave}->set_winsize(1, 1, 0, 0);
kill('WINCH', $t->{pid});
$t->{slave}->set_winsize(50, 200, 0, 0);
kill('WINCH', $t->{pid});
shows($t, qr/2 servers, 1 gone/, 'the smallest, and a larger one');
press($t, "\x03");
ends($t, 0, 'Ctrl-C');

# ---- other ways out ------------------------------------------------------------------------
$t = terminal('xterm', $node->addr);
shows($t, qr/requests\/s/, 'it draws');
kill('TERM', $t->{pid});
ends($t, 0, 'SIGTERM');

$t = terminal('no-such-terminal', $node->addr);
shows($t, qr/mfctl top: this terminal is not known \(TERM\): -n COUNT prints lines/, 'a terminal that is not known');
wait_until(sub { waitpid($t->{pid}, POSIX::WNOHANG()) == $t->{pid} }, deadline(10), 'it ends');
is($? >> 8, 1, 'with a status of its own');
is(settings($t->{slave}), $t->{before}, 'and has changed nothing');

$t = terminal('xterm', $node->addr, '-n', 1, '-d', '200ms');
shows($t, qr/\d\d:\d\d:\d\d  .*^requests\/s/ms, '-n prints lines also there');
wait_until(sub { waitpid($t->{pid}, POSIX::WNOHANG()) == $t->{pid} }, deadline(10), 'and ends');
done_testing;
