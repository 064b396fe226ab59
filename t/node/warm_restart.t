# -e FILE: what a node had when it ended is there when it starts again, for one
# start; what is damaged, of another kind or somebody else's is refused.
use strict;
use warnings;
use Memfleet;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time);

my $dir = scratch_dir();
my $files = 0;

sub new_file { return "$dir/memory" . ++$files }

sub node_on {
    my ($file, @args) = @_;
    return mfcached(args => ['-e', $file, @args]);
}

# Ends it by a signal and starts it again; returns a new connection.
sub again {
    my ($node, %opt) = @_;
    $node->signal($opt{signal} // 'USR1');
    is($node->wait_end, 0, 'ends with status 0');
    $node->restart(exists $opt{args} ? (args => $opt{args}) : ());
    return $node->connect;
}

sub warm {
    my ($node, $items) = @_;
    like($node->log_text, qr/event=started_warm .*items=$items\b/, "warm, with $items items");
    return;
}

sub cold {
    my ($node, $why) = @_;
    like($node->log_text, qr/event=started_cold .*image="$why"/, "empty, and says why: $why");
    is($node->connect->stats->{curr_items}, 0, 'it has no items');
    return;
}

# What a program that cannot start says.
sub refused {
    my ($file, $line, @args) = @_;
    my @command = (program_path('mfcached'), ($> == 0 ? ('-u', 'root') : ()),
                   '-l', '127.0.0.1:0', '-e', $file, @args);
    my $out = "$dir/refused";
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        open(STDERR, '>', $out);
        exec(@command) or POSIX::_exit(127);
    }
    waitpid($pid, 0);
    is($? >> 8, 69, 'does not start');
    like(slurp($out), $line, 'and says why');
    return;
}

sub flip_byte {
    my ($path, $at) = @_;
    open(my $f, '+<:raw', $path) or die "$path: $!";
    seek($f, $at, 0);
    read($f, my $byte, 1);
    seek($f, $at, 0);
    print {$f} chr(ord($byte) ^ 0x04);
    close $f;
    return;
}

# Everything of every kind, by each signal.
for my $signal (qw(USR1 TERM INT)) {
    my $file = new_file();
    my $node = node_on($file, '-I', '2m');
    my $c = $node->connect;
    is($c->stats('settings')->{memory_file}, $file, 'stats settings names the file');
    my %values = map { ("size$_" => 'x' x $_) } map { 2**$_ } 0 .. 20;
    $c->set($_, $values{$_}) for sort keys %values;
    $c->send(join('', map { "set many$_ 0 0 4 noreply\r\n" . sprintf('%04d', $_) . "\r\n" } 1 .. 5000));
    $c->ask('');
    $c->ask("set flags 123456 0 1\r\nf\r\n");
    $c->set('gone', 'x');
    $c->delete('gone');
    $c->set('number', 41);
    $c->set('stale', 's');
    $c->ask("md stale I T100\r\n");
    my ($cas) = $c->ask("gets flags\r\n") =~ /^VALUE flags 123456 1 (\d+)/;

    # Others are in the middle of something, and one watches.
    my @busy = map { $node->connect } 1 .. 3;
    $busy[0]->send("set half 0 0 100000\r\nxxx");
    $busy[1]->send("get size1048576\r\n" x 20);
    is($busy[2]->ask_line("watch fetchers mutations\n"), "OK\r\n", 'a watcher');

    $c = again($node, signal => $signal);
    warm($node, 21 + 5000 + 3);
    ok(!-e "$file.meta", 'the image is gone: it is good for one start');
    is($c->get($_), $values{$_}, $_) for sort keys %values;
    my $found = $c->get_many(map { "many$_" } 1 .. 5000);
    is(scalar(grep { $found->{"many$_"} eq sprintf('%04d', $_) } 1 .. 5000), 5000, 'many small ones');
    is($c->get('gone'), undef, 'what was deleted is');
    is($c->get('half'), undef, 'what never came whole is not');
    is($c->ask("gets flags\r\n"), "VALUE flags 123456 1 $cas\r\nf\r\nEND\r\n", 'flags and CAS value');
    is($c->ask("incr number 1\r\n"), "42\r\n", 'a number counts on');
    like($c->ask("mg stale v\r\n"), qr/^VA 1 .*X/, 'what was stale still is');
    $c->set('new', 1);
    my ($later) = $c->ask("gets new\r\n") =~ /^VALUE new 0 1 (\d+)/;
    ok($later > $cas, 'CAS values go on');
    is($c->stats->{curr_items}, 21 + 5000 + 4, 'curr_items');
    is($c->stats->{evictions}, 0, 'nothing was evicted');
}

# Time goes on while nobody is there.
{
    my $node = node_on(new_file());
    my $c = $node->connect;
    $c->set('short', 's', 1);
    $c->set('long', 'l', 1000);
    $c->ask("set date 0 @{[int(time) + 2000]} 1\r\nd\r\n");
    my $stored = time;
    $node->signal('USR1');
    $node->wait_end;
    wait_until(sub { time > $stored + 1.1 }, deadline(5), 'the short one has expired');
    $node->restart;
    $c = $node->connect;
    is($c->get('short'), undef, 'what expired meanwhile is not there');
    my ($left) = $c->ask("mg long t\r\n") =~ /^HD t(\d+)/;
    ok($left <= 999 && $left > 900, "the long one has $left s left");
    ($left) = $c->ask("mg date t\r\n") =~ /^HD t(\d+)/;
    ok($left <= 1999 && $left > 1900, "what has a date has $left s left");
}

# A node that is killed comes back empty, whatever the file holds.
{
    my $file = new_file();
    my $node = node_on($file);
    $node->connect->set('a', 1);
    again($node);
    $node->kill_hard;
    $node->restart;
    cold($node, 'there is none');
    is($node->connect->set('a', 2), 'STORED', 'and works');
    is(again($node)->get('a'), 2, 'and is warm the next time');
}

# What is not as it was written is refused as a whole.
{
    my $file = new_file();
    my $node = node_on($file);
    my $filled = sub {
        my $c = $node->connect;
        $c->set("key$_", 'v' x 1000) for 1 .. 200;
        $node->signal('USR1');
        $node->wait_end;
    };
    $filled->();
    flip_byte("$file.meta", 200);
    $node->restart;
    cold($node, 'it is damaged');

    $filled->();
    spew("$file.meta", '');
    $node->restart;
    cold($node, 'it is damaged');

    $filled->();
    flip_byte($file, 100_000);
    $node->restart;
    cold($node, 'it is damaged');

    $filled->();
    truncate($file, 80_000);
    $node->restart;
    cold($node, 'it is damaged');

    $filled->();
    my @args = @{ $node->{args} };
    $node->restart(args => [@args, '-m', 4]);
    cold($node, 'the memory limit was another \(-m\)');

    $filled->();
    $node->restart(args => [@args, '-m', 4, '-C']);
    cold($node, 'CAS values were kept and are not now, or the reverse \(-C\)');
}

# The limit may change as long as the segments have the same size, and the
# threads always.
{
    my $node = node_on(new_file());
    my $c = $node->connect;
    $c->set("key$_", 'v' x 1000) for 1 .. 200;
    again($node, args => [@{ $node->{args} }, '-m', 100, '-t', 5]);
    warm($node, 200);
    is($node->connect->stats->{limit_maxbytes}, 100 << 20, 'the new limit');
}

# A file that cannot be used ends the node, and is not touched.
{
    my $file = new_file();
    my $node = node_on($file);
    refused($file, qr/\Amfcached: option -e: cannot use the memory file .*: another process uses it\n\z/);
    spew("$dir/letter", "Dear all,\n");
    refused("$dir/letter", qr/is no memory file of mfcached, and is left as it is\n\z/);
    is(slurp("$dir/letter"), "Dear all,\n", 'it is');
    refused("$dir/no/where", qr/No such file or directory\n\z/);
    refused($dir, qr/Is a directory\n\z/);
}

# A start that fails for another reason costs nothing.
{
    my $file = new_file();
    my $node = node_on($file);
    $node->connect->set('a', 1);
    $node->signal('USR1');
    $node->wait_end;
    refused($file, qr/cannot listen/, '-l', '1.2.3.4:1');
    $node->restart;
    is($node->connect->get('a'), 1, 'the items have survived it');
}

# Memory that is given back is given back in the file too.
{
    my $file = new_file();
    my $node = node_on($file);
    my $c = $node->connect;
    my $used = sub { return (stat $file)[12] * 512 };
    $c->send("set k$_ 0 0 1000 noreply\r\n" . ('v' x 1000) . "\r\n") for 1 .. 10_000;
    $c->ask('');
    cmp_ok($used->(), '>', 9 << 20, 'the file has grown');
    $c->ask("flush_all\r\n");
    wait_until(sub { $used->() < 4 << 20 }, deadline(20), 'and shrinks');
    cmp_ok($used->(), '<', 4 << 20, 'and has shrunk');
}

# A file that cannot grow any more costs items and perhaps writes, not the node.
{
    my $limited = "$dir/limited";
    spew($limited, "#!/bin/bash\nulimit -f 16384\nexec '" . program_path('mfcached') . "' \"\$@\"\n");
    chmod(0755, $limited);
    my $node = mfcached(path => $limited, args => ['-e', new_file()]);
    my $c = $node->connect;
    $c->ask(join('', map { "set k$_ 0 0 1000 noreply\r\n" . ('v' x 1000) . "\r\n" } $_ * 1000 .. $_ * 1000 + 999))
        for 0 .. 39;
    like($node->log_text, qr/event=memory_file_full/, 'the log says that the file is full');
    my $stats = $c->stats;
    cmp_ok($stats->{curr_items}, '>', 4_000, 'it is in use');
    cmp_ok($stats->{curr_items}, '<', 17_000, 'and no further');
    cmp_ok($stats->{evictions}, '>', 10_000, 'what is old made room');
    is($c->set('last', 'x'), 'STORED', 'the node works');
    is(again($node)->get('last'), 'x', 'and comes back');
}

# The boot id is that of the memory: a control plane that a node registers with
# can tell whether it still has what it had.
{
    my $plane = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "listen: $!";
    my $boot_id = sub {
        my $stream = $plane->accept;
        my $hello = '';
        sysread($stream, $hello, 65536, length $hello) or last while $hello !~ /"boot_id": ?"(\w+)"/;
        return $hello =~ /"boot_id": ?"(\w+)"/ ? $1 : undef;
    };
    my $node = node_on(new_file(), '--control', '127.0.0.1:' . $plane->sockport, '--node-name', 'n1',
                       '--pool', 'main');
    my $first = $boot_id->();
    like($first, qr/^[0-9a-f]{32}$/, 'a boot id');
    again($node);
    is($boot_id->(), $first, 'the same with the same memory');
    $node->kill_hard;
    $node->restart;
    isnt($boot_id->(), $first, 'another with new memory');
}

# Without -e SIGUSR1 ends it like any other.
{
    my $node = mfcached();
    $node->signal('USR1');
    is($node->wait_end, 0, 'SIGUSR1 without a file');
}

# ---- who was refused is refused --------------------------------------------------------
{
    my $of = join(' ', ('e3b0c44298fc1c14') x 2); # names of nothing
    my $node = node_on(my $file = new_file());
    my $c = $node->connect;
    $c->set('k', 'v');
    is($c->ask("epoch 43 42 $of\r\n"), "OK\r\n", 'a proxy has a minimum');
    $c = again($node);
    warm($node, 1);
    is($c->stats->{min_epoch}, 42, 'it comes back with the items');
    my $refusal = "SERVER_ERROR stale epoch 41\r\n";
    is($c->ask("epoch 41 0 $of\r\nget k\r\n"), $refusal x 2, 'and holds before anybody has told it again');
    is($node->connect->ask("epoch 42 0 $of\r\nget k\r\n"), "OK\r\nVALUE k 0 1\r\nv\r\nEND\r\n", 'for who is behind');
    $node->connect->ask("epoch 44 44 $of\r\nmn\r\n");
    $c = again($node);
    is($c->stats->{min_epoch}, 44, 'it may rise meanwhile');
    $node->signal('KILL');
    $node->wait_end;
    $node->restart;
    is($node->connect->ask("epoch 41 0 $of\r\nget k\r\n"), "OK\r\nEND\r\n", 'who has no items has forgotten it');
}

done_testing;
