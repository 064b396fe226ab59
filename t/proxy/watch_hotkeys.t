# watch hotkeys at the proxy: the keys read most in each five seconds, over all
# threads; other streams are a node's, and a watcher ends with its process.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $mock = MockBackend->start(name => 'a');
my $dir = scratch_dir();
my @args = ('--servers', $mock->addr, '--takeover', "$dir/takeover", '--half-command-timeout', '1s', patient());
my $proxy = mfproxy(ready => qr/event=ready/, args => \@args);
my @c = map { $proxy->connect } 1 .. 2; # one on each thread

sub watcher {
    my $w = $proxy->connect;
    is($w->ask_line("watch hotkeys\r\n"), "OK\r\n", 'watch hotkeys');
    return $w;
}

# ---- refusals -------------------------------------------------------------------------
my $only = "CLIENT_ERROR a proxy can tell watchers of hotkeys only\r\n";
is($c[0]->ask("watch$_\r\n"), $only, "watch$_") for '', ' fetchers', ' hotkeys evictions', ' rawcmds';
is($c[0]->ask("watch $_\r\n"), "ERROR\r\n", "watch $_") for 'nonsense', 'hotkeys x', join(' ', ('hotkeys') x 13);
is($c[0]->ask("version\r\nwatch hotkeys\r\n") =~ s/^VERSION.*\r\n//r,
   "ERROR cannot pipeline other commands before watch\r\n", 'behind another reply');
is($c[0]->get('k'), 'a:k', 'the connection goes on');

# ---- what is told ------------------------------------------------------------------------
$_->ask("get earlier\r\n" x 5000) for @c;
my @w = map { watcher() } 1 .. 2;
is($c[0]->stats->{log_watchers}, 2, 'are counted');
$w[0]->send("get sent\r\nquit\r\nset x 0 0 1000000\r\nx"); # means nothing

# All that is told until the keys of the request are, whoever watches.
sub told {
    my ($request, $wanted) = @_;
    my @told = ('') x @w;
    wait_until(sub {
        $_->ask($request) for @c;
        $told[$_] .= $w[$_]->unread_now for 0 .. $#w;
        return !grep { !/$wanted/m } @told;
    }, deadline(30), 'an interval ends');
    return @told;
}
my @told = told(join('', "get la%ter\r\n" x 1500, "mg second\r\n" x 500, "set written 0 0 1\r\nx\r\n" x 100),
                qr/rank=2 .*\n/);
my $first = $told[0];
is($told[1], $first, 'all watchers are told the same');
is($first =~ s/^ts=\d+\.\d{6} (.*) count=\d+ error=\d+/$1/mgr,
   "gid=1 type=hotkey order=requests rank=1 key=la%25ter promoted=no\n"
   . "gid=2 type=hotkey order=requests rank=2 key=second promoted=no\n", 'the keys read most');
@told = told("get last\r\n" x 2000, qr/rank=1 key=last /);
@told = told("get last\r\n" x 2000, qr/rank=1 key=last /); # the one before may have begun earlier
unlike($told[0], qr/key=(?:la%25ter|second|earlier|sent) /, 'only of the last interval');
my $stats = $c[0]->stats;
cmp_ok($stats->{log_watcher_sent}, '>=', 6, 'lines are counted');
is($stats->{log_watcher_skipped}, 0, 'and none was skipped');
is($stats->{get_hits}, $stats->{cmd_get}, 'what a watcher sends is not executed');
$w[1]->close;
wait_until(sub { $c[0]->stats->{log_watchers} == 1 }, deadline(10), 'one leaves');

# ---- too many ------------------------------------------------------------------------------
my @more = map { watcher() } 1 .. 19;
is($c[1]->ask("watch hotkeys\r\n"), "WATCHER_TOO_MANY log watcher limit reached\r\n", 'twenty');
$_->close for @more;
wait_until(sub { $c[0]->stats->{log_watchers} == 1 }, deadline(10), 'they leave');
@w = watcher();

# ---- the end ---------------------------------------------------------------------------------
my $next = mfproxy(ready => qr/event=ready/, args => \@args);
like($w[0]->read_to_close, qr/\A(?:ts=.*\n)*\z/, 'another process takes over: the watch ends');
is($proxy->wait_end, 0, 'and holds nobody up');
is($c[0]->get('k'), 'a:k', 'while other clients are handed over');
$proxy = $next;
@w = watcher();
$proxy->signal('TERM');
like($w[0]->read_to_close, qr/\A(?:ts=.*\n)*\z/, 'SIGTERM: the watch ends');
is($proxy->wait_end, 0, 'and the proxy');
done_testing;
