# A new process takes over from the one that runs, and no client notices: not who
# connects meanwhile, not who waits for an answer, not who stays connected. What
# fails before it is ready changes nothing.
use strict;
use warnings;
use Memfleet;
use MockBackend;
use POSIX ();

my $dir  = scratch_dir();
my $node = mfcached();

# The n-th process of a proxy. All have the same arguments, as in a deployment.
sub generation {
    my (%opt) = @_;
    return mfproxy(ready => qr/event=ready/, %opt, listen => $opt{listen} // '127.0.0.1:0',
                   args => ['--takeover', "$dir/takeover", patient(), @{ $opt{args} // [] }]);
}

# A start that must fail: its status and what it said.
sub failing {
    my (@args) = @_;
    my $path = program_path('mfproxy');
    my @root = has_option('mfproxy', '-u') ? ('-u', 'root') : ();
    my $out = qx{'$path' @root --servers @{[ $node->addr ]} @{[ map { "'$_'" } @args ]} 2>&1};
    return ($?, $out);
}

# A client under constant load in a process of its own: one connection that stays,
# over which each value that was set is read again, and a new connection each
# time. done() ends it and tells what it counted.
sub load {
    my (@addrs) = @_;
    pipe(my $from, my $to) or die "pipe: $!";
    my $pid = fork() // die "fork: $!";
    return { pid => $pid, from => $from } if $pid != 0;
    my ($stop, $n, @errors) = (0, 0);
    local $SIG{TERM} = sub { $stop = 1 };
    my @stay = map { Memfleet::Conn->new($_) } @addrs;
    while (!$stop) {
        $n++;
        for my $i (0 .. $#addrs) {
            eval {
                my $c = $stay[$i];
                $c->set("$$-$i", $n) eq 'STORED' or die "set\n";
                ($c->get("$$-$i") // '') eq $n or die "get\n";
                my $new = Memfleet::Conn->new($addrs[$i]);
                ($new->get("$$-$i") // '') eq $n or die "get by a new connection\n";
                $new->close;
                1;
            } or push @errors, $@;
        }
        last if @errors > 10;
    }
    syswrite($to, join('', "$n\n", @errors));
    POSIX::_exit(0);
}

sub done {
    my ($load) = @_;
    kill('TERM', $load->{pid});
    local $/;
    my ($n, $errors) = split /\n/, readline($load->{from}), 2;
    waitpid($load->{pid}, 0);
    return ($n, $errors);
}

# ---- ten takeovers under load ------------------------------------------------------------------
my @args = ('--servers', $node->addr, '--http', '127.0.0.1:0', '--listen', "unix:$dir/clients",
            '-P', "$dir/pid", '--drain', '10s');
my $first = generation(args => \@args, listens => 3);
is((stat("$dir/takeover"))[2] & 07777, 0600, 'the socket is for its own user');
my $addr = $first->addr;
my $http = $first->addr(role => 'http');
my @loads = map { load($addr, "unix:$dir/clients") } 1 .. 2;
my $stays = $first->connect;
is($stays->set('stays', 1), 'STORED', 'a client that stays');
my $old = $first;
for my $n (1 .. 10) {
    my $new = generation(args => \@args);
    is(join(' ', map { $_->{addr} } $new->listening), join(' ', $addr, "unix:$dir/clients", $http),
       "takeover $n: the same addresses");
    is($old->wait_end, 0, 'the old process ends well before its limit');
    like($old->log_text, qr/event=drained connections_cut=0 /, 'and has cut nobody');
    is(slurp("$dir/pid"), $new->pid . "\n", 'the pid file is the new one\'s');
    is($stays->get('stays'), 1, 'who stayed is served by it');
    is($stays->stats->{pid}, $new->pid, 'by the same connection');
    is((http_get($http, '/readyz'))[0], 200, 'HTTP is, too');
    like($new->log_text, qr/event=takeover_done pid=@{[ $old->pid ]} predecessor=draining/, 'each from the one before');
    $old = $new;
}
for my $load (@loads) {
    my ($n, $errors) = done($load);
    is($errors // '', '', 'no error, nobody refused');
    cmp_ok($n, '>', 10, "in $n rounds");
}
like((http_get($http, '/metrics'))[1], qr/^mfproxy_client_inherited_total [1-9]/m, 'clients were handed over');

# ---- who fails ---------------------------------------------------------------------------------------
my ($status, $out) = failing('--takeover', "$dir/takeover", '--listen', $addr, '--listen', $node->addr);
isnt($status, 0, 'a new process that cannot bind all of its addresses');
like($out, qr/cannot listen on \Q@{[ $node->addr ]}\E/, 'says so');
$old->wait_log(qr/event=takeover_failed .*it ended before it was ready.*effect="this process goes on"/);
ok(-S "$dir/clients", 'no file is removed');
($status, $out) = failing('--takeover', "$dir/takeover", '--listen', $addr, '-P', '/nowhere/pid');
isnt($status, 0, 'one that cannot write its pid file');
is($stays->get('stays'), 1, 'the old one goes on');
is(Memfleet::Conn->new("unix:$dir/clients")->get('stays'), 1, 'for new clients as well');
is(slurp("$dir/pid"), $old->pid . "\n", 'and keeps its pid file');
my $killed = start_program({ name => 'mfproxy', ready => qr/event=takeover_begun/,
                             args => [(has_option('mfproxy', '-u') ? ('-u', 'root') : ()),
                                      '--control', '127.0.0.1:1', '--listen', '127.0.0.1:0',
                                      '--state-dir', "$dir/state", '--takeover', "$dir/takeover"] });
$killed->wait_log(qr/event=ready/);
is($old->wait_end, 0, 'a new process whose control plane is away is ready, too');
is($killed->connect->get('stays'), 1, 'by the table of the old one');
ok(!-e "$dir/clients", 'what it was not told to listen at is closed');
is(eval { Memfleet::Conn->new($addr)->get('stays') }, 1, 'port 0 is the port that there was');
is($stays->get('stays'), 1, 'clients of a listener that is closed stay');
$killed->stop;
ok(!-e "$dir/takeover", 'the last one removes the socket');
like(slurp("$dir/state/table"), qr/@{[ $node->addr ]}/, 'the table was kept on disk');

# ---- what is on its way is answered -------------------------------------------------------------------
my $mock = MockBackend->start(name => 'm');
$mock->mode('hold get');
my $one = generation(args => ['--servers', $mock->addr, '--drain', '20s']);
my ($slow, $half) = ($one->connect, $one->connect);
$slow->send("get slow\r\n");
$half->send("set half 0 0 10\r\n01234");
wait_until(sub { grep { /slow/ } $mock->seen }, deadline(10), 'the request is on its way');
wait_until(sub { $one->connect->stats->{bytes_read} > 20 }, deadline(10), 'half a command, too');
my $two = generation(args => ['--servers', $mock->addr, '--drain', '20s']);
is($two->connect->stats->{pid}, $two->pid, 'the new one serves');
ok($one->is_running, 'the old one has still something to do');
$half->send("56789\r\n");
is($half->read_line, "STORED\r\n", 'the other half comes');
is($half->stats->{pid}, $two->pid, 'and its client is handed over then');
$mock->mode('answer');
is($slow->read_line, "VALUE slow 0 6\r\n", 'the answer comes by the old one');
$slow->read_line for 1 .. 2;
is($slow->stats->{pid}, $two->pid, 'the next by the new one');
is($one->wait_end, 0, 'then it ends');

# A client that always has something on its way is idle for nobody to see.
$mock->mode('late 500');
my $restless = $two->connect;
my $asked = 0;
my $ask = sub {
    $asked++;
    $restless->send("get r$asked\r\n");
    wait_until(sub { grep { $_ eq "get r$asked" } $mock->seen }, deadline(10), "get r$asked arrives");
};
$ask->();
my $next = generation(args => ['--servers', $mock->addr, '--drain', '20s']);
$ask->() while $two->is_running && $asked < 1000;
cmp_ok($asked, '<', 1000, 'it is handed over all the same');
is($two->wait_end, 0, 'so that the old process can end');
my @values = map { ($restless->read_line, $restless->read_line, $restless->read_line)[1] } 1 .. $asked;
is(join('', @values), join('', map { "m:r$_\r\n" } 1 .. $asked), 'and all its answers came in order');
$mock->mode('answer');
is($restless->stats->{pid}, $next->pid, 'by now from the new process');
$two = $next;

# ---- deletes that are still to be delivered ---------------------------------------------------------
$mock->mode('refuse');
wait_until(sub { $restless->get('probe'); $two->log_text =~ /event=backend_down/ }, deadline(10), 'the node is DOWN');
is($restless->ask("delete k\r\n"), "NOT_FOUND\r\n", 'a delete is remembered');
$next = generation(args => ['--servers', $mock->addr]);
is($restless->stats->{pid}, $next->pid, 'a client is handed over');
ok($two->is_running, 'its old process has a delete to deliver');
$mock->mode('answer');
is($two->wait_end, 0, 'and ends when it has');
like($two->log_text, qr/event=drained .*deletes_left=0/, 'as it says');
ok((grep { $_ eq 'delete k' } $mock->seen), 'as the node saw');
wait_until(sub { ($restless->get('x') // '') eq 'm:x' }, deadline(15), 'the new process finds the node UP');
$two = $next;

# ---- what is known of nodes ---------------------------------------------------------------------------
{
    my %mocks = map { $_ => MockBackend->start(name => $_) } qw(a b c g);
    my @with = ('--takeover', "$dir/health", '--threads', 2, '--servers', join(',', map { $mocks{$_}->addr } qw(a b c)),
                '--gutter', $mocks{g}->addr, '--gutter-ttl', '60s', '--drain', '20s', patient());
    my $start = sub { return mfproxy(ready => qr/event=ready/, listen => '127.0.0.1:0', args => [@with]) };
    my $before = $start->();
    my @clients = map { $before->connect } 1 .. 4; # of both threads
    my ($key) = grep { ($clients[0]->get($_) // '') =~ /^a:/ } map { "k$_" } 1 .. 100;
    $mocks{a}->mode('refuse');
    wait_until(sub { $_->get($key) for @clients; $clients[0]->stats->{backends_down} == 2 }, deadline(10), 'both threads have it DOWN');
    is($clients[0]->ask("set $key 0 0 1\r\nx\r\n"), "STORED\r\n", 'its gutter is used');
    my $after = $start->();
    is($before->wait_end, 0, 'another takes over');
    $after->wait_log(qr/event=backend_down .*after=inherited/);
    is($clients[0]->stats->{backends_down}, 2, 'it has been told by both');
    is($clients[0]->get($key), "g:$key", 'its first request goes to the gutter');
    unlike($after->log_text, qr/after=connect_failed/, 'and has found out nothing');
    $mocks{a}->mode('answer');
    wait_until(sub { $clients[0]->stats->{backends_down} == 0 }, deadline(20), 'it is probed, and UP again');
    $mocks{g}->seen;
    is($clients[0]->ask("delete $key\r\n"), "DELETED\r\n", 'what is deleted now');
    wait_until(sub { grep { $_ eq "delete $key" } $mocks{g}->seen }, deadline(10), 'is deleted in the gutter that was used before');
    my $last = $start->();
    is($after->wait_end, 0, 'the next one');
    is($clients[0]->stats->{backends_down}, 0, 'is told of none');
    is($clients[0]->get($key), "a:$key", 'all serve');
}

# ---- SIGTERM while another gets ready -----------------------------------------------------------------
my $term = start_program({ name => 'mfproxy', path_name => 'mfproxy', listens => 2,
                           args => [(has_option('mfproxy', '-u') ? ('-u', 'root') : ()),
                                    '--listen', "unix:$dir/two", '--listen', '127.0.0.1:0', '--drain', '20s',
                                    '--servers', $mock->addr, '--takeover', "$dir/other",
                                    '--journal-dir', "$dir/journals", patient()] });
($status, $out) = failing('--takeover', "$dir/other", '--journal-dir', "$dir/journals");
like($out, qr/option --journal-dir: /, 'a folder of journals is one process\'s');
$term->wait_log(qr/event=takeover_failed/);
$mock->seen; # and forgets them
my $busy = Memfleet::Conn->new("$dir/two");
$mock->mode('hold get');
$busy->send("get slow\r\n");
wait_until(sub { grep { $_ eq 'get slow' } $mock->seen }, deadline(10), 'a request is on its way');
my $asks = Memfleet::Conn->new("$dir/other");
$asks->send("MFHH\0\1\0\7mfproxy");
is($asks->read_exact(6), "MFHO\0\1", 'an offer');
$asks->read_exact(unpack('n', $asks->read_exact(2)));
$term->signal('TERM');
$term->wait_log(qr/event=draining/);
ok(-S "$dir/two" && -S "$dir/other", 'files of sockets that another may have are not removed');
$asks->send("MFHR\0\1\0\0");
is($asks->read_exact(8), "MFHD\0\1\0\0", 'who is ready is told so');
$mock->mode('answer');
is($asks->read_exact(6), "MFHC\0\1", 'and gets who is left');
is($asks->read_exact(unpack('n', $asks->read_exact(2))), "\nunix:$dir/two", 'and by which address he came');
is($busy->read_line, "VALUE slow 0 6\r\n", 'when he has been answered');
is($term->wait_end, 0, 'then the old process ends');

# ---- stale, wrong, mute ---------------------------------------------------------------------------------
$two->kill_hard;
ok(-S "$dir/takeover", 'a process that was killed leaves its socket');
my $three = generation(args => ['--servers', $mock->addr]);
is($three->connect->get('x'), 'm:x', 'which the next one replaces');
unlike($three->log_text, qr/takeover_begun/, 'without taking anything over');

my $wrong = IO::Socket::UNIX->new(Type => Socket::SOCK_STREAM(), Local => "$dir/wrong", Listen => 5);
my $answerer = fork() // die "fork: $!";
if ($answerer == 0) {
    for my $say ("ERROR\r\n", "MFHO\0\2\0\0", "MFHO\0\1\0\1\1", '') {
        my $c = $wrong->accept or last;
        syswrite($c, $say);
        sysread($c, my $hello, 100);
        close $c;
    }
    POSIX::_exit(0);
}
for my $expected (qr/whoever listens there is no mfproxy/, qr/it speaks version 2/,
                  qr/its offer makes no sense/, qr/it hung up/) {
    ($status, $out) = failing('--takeover', "$dir/wrong", '--listen', '127.0.0.1:0');
    isnt($status, 0, 'a wrong peer');
    like($out, $expected, 'is named');
}
waitpid($answerer, 0);

# ---- all at once ------------------------------------------------------------------------------------------
my $hasty = IO::Socket::UNIX->new(Type => Socket::SOCK_STREAM(), Local => "$dir/hasty", Listen => 5);
my $talker = fork() // die "fork: $!";
if ($talker == 0) {
    my $c = $hasty->accept or POSIX::_exit(1);
    sysread($c, my $hello, 100);
    unlink("$dir/hasty");
    syswrite($c, "MFHO\0\1\0\1\0");
    sysread($c, my $ready, 100);
    syswrite($c, "MFHD\0\1\0\0" . "MFHJ\0\1\0\0" x 300);
    sysread($c, my $end, 100);
    POSIX::_exit(0);
}
my $heir = mfproxy(args => ['--takeover', "$dir/hasty", '--servers', $mock->addr]);
wait_until(sub { (() = $heir->log_text =~ /event=journal_unreadable/g) == 300 }, deadline(10),
           'what comes with the last word before it, and much at a time, is all taken at once');
$heir->stop;
waitpid($talker, 0);

for my $case (["get x\r\n" => qr/it is no mfproxy/], ["MFHH\0\2\0\7mfproxy" => qr/speaks version 1/],
              ["MFHH\0\1\0\10mfcached" => qr/is an mfproxy/], ["MFHR\0\1\0\0" => qr/is an mfproxy/],
              ['MFH' => qr/ended before it was ready/]) {
    my ($bytes, $expected) = @$case;
    my $c = Memfleet::Conn->new("$dir/takeover");
    $c->send($bytes);
    $c->half_close;
    $c->read_to_close;
    $three->wait_log(qr/event=takeover_failed .*$expected/);
    pass('whoever asks for it in another way gets nothing: ' . $expected);
}
my $mute = Memfleet::Conn->new("$dir/takeover");
my $four = generation(args => ['--servers', $mock->addr]);
$three->wait_log(qr/did not say who it is/);
is($three->wait_end, 0, 'who says nothing keeps the next one waiting, but not for long');

SKIP: {
    skip('needs root, to become another user', 2) if $> != 0;
    chmod(0711, $dir);
    chmod(0666, "$dir/takeover");
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        $( = $) = 65534;
        $< = $> = 65534;
        my $c = eval { Memfleet::Conn->new("$dir/takeover") } or POSIX::_exit(2);
        $c->send("MFHH\0\1\0\7mfproxy");
        POSIX::_exit($c->read_to_close =~ /^MFHX.*user 0, not 65534/s ? 0 : 1);
    }
    waitpid($pid, 0);
    is($?, 0, 'another user is refused, even where he may connect');
    $four->wait_log(qr/event=takeover_failed .*user 0, not 65534/);
    is($four->connect->get('x'), 'm:x', 'and changes nothing');
}
($status, $out) = failing('--takeover', '127.0.0.1:1');
like($out, qr/option --takeover: expected the path/, 'the option wants a path');
done_testing;
