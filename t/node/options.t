# The command line: memcached's options, those that are refused, and where the
# node listens.
use strict;
use warnings;
use Memfleet;
use POSIX ();

my $program = program_path('mfcached');
my @root = $> == 0 ? qw(-u root) : ();

# (exit status, output) of a run that is expected to end by itself.
sub ended {
    my (@args) = @_;
    my $file = scratch_dir() . '/out';
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        open(STDIN, '<', '/dev/null');
        open(STDOUT, '>', $file);
        open(STDERR, '>&', \*STDOUT);
        exec($program, @args) or POSIX::_exit(127);
    }
    waitpid($pid, 0);
    return ($? >> 8, slurp($file));
}

sub refused {
    my ($args, $line) = @_;
    my ($status, $out) = ended(@$args, '-l', '127.0.0.1:0');
    is($status, 64, "@$args: a usage error");
    like($out, $line, 'in one line that says why');
    return;
}

refused([qw(-U 11211)], qr/\Amfcached: option -U: UDP is not served.*\n\z/);
refused([qw(-B binary)], qr/\Amfcached: option -B: .*binary protocol is not\n\z/);
refused([qw(-S)], qr/\Amfcached: option -S: SASL.* not served by this build\n\z/);
refused([qw(-Z)], qr/\Amfcached: option -Z: TLS is not served by this build\n\z/);
refused([qw(-Y file)], qr/\Amfcached: option -Y: .*not served by this build\n\z/);
refused([qw(-o nonsense)], qr/\Amfcached: option -o: no such name 'nonsense'.*\n\z/);
refused([qw(-o idle_timeout=x)], qr/\Amfcached: option -o idle_timeout: 'x' is not a whole number\n\z/);
refused([qw(-o ext_path=/tmp/x)], qr/\Amfcached: option -o: no such name 'ext_path'.*\n\z/);
refused([qw(-I 100)], qr/item max size cannot be less than 1024 bytes/);
refused([qw(-I 2g)], qr/item max size cannot be more than 1024 megabytes/);
refused([qw(-m 8 -I 5m)], qr/item max size cannot be more than half of the memory limit/);
refused([qw(-t 0)], qr/option -t: the number of threads must be/);
refused([qw(-c 0)], qr/option -c: the number of connections must be/);
refused([qw(-a 888)], qr/option -a: expected an octal/);
refused([qw(--control 127.0.0.1:1)], qr/option --control: needs --node-name/);
refused([qw(--node-name a)], qr/have no meaning without --control/);
refused([qw(--control 127.0.0.1:1 --node-name a --pool p --weight 0)], qr/option --weight/);
refused([qw(--control 127.0.0.1:1 --pool p --node-name), 'a b'], qr/option --node-name: expected 1 to 128 letters/);
refused([qw(--control 127.0.0.1:1 --node-name a --pool), ''], qr/option --pool: expected 1 to 128 letters/);
refused([qw(-p nonsense)], qr/option -p: expected a port, 0 to 65535, or -1/);
refused([qw(-p 65536)], qr/option -p: expected a port/);
refused([qw(-m 16777217)], qr/option -m: the memory limit cannot be more than 16777216 megabytes/);
refused([qw(surplus)], qr/unexpected argument 'surplus'/);

{
    my ($status, $out) = ended('-V');
    like("$status $out", qr/\A0 mfcached \d+\.\d+\.\d+\n\z/, '-V');
    ($status, $out) = ended('-l', 'no.such.host.invalid', @root);
    is($status, 69, 'what cannot be had is another error: an address that cannot be resolved');
    like($out, qr/mfcached: cannot listen on no\.such\.host\.invalid: /, 'is named');
}

# A long command line of a memcached starts, and says with -v what has no effect.
{
    my $node = mfcached(args => [
        qw(-v -f 1.08 -n 64 -L -C -R 20 -b 512 -B ascii -W -X),
        '-o', 'modern,no_modern,slab_reassign,slab_automove=1,hashpower=20,lru_crawler,lru_maintainer',
        '-o', 'no_lru_crawler,slab_chunk_max=524288,hash_algorithm=murmur3,track_sizes,idle_timeout=0']);
    my $c = $node->connect;
    my $settings = $c->stats('settings');
    is($settings->{cas_enabled}, 'no', '-C');
    is($settings->{reqs_per_event}, 20, '-R');
    is($settings->{tcp_backlog}, 512, '-b');
    is($settings->{verbosity}, 1, '-v');
    is($settings->{binding_protocol}, 'ascii', '-B');
    is($c->ask("stats cachedump 1 1\r\n"), "CLIENT_ERROR stats cachedump not allowed\r\n", '-X');
    like($node->log_text, qr/event=option_ignored option=slab_chunk_max\n/, 'ignored names are in the log');
    like($c->ask("set a 0 0 1\r\nx\r\ngets a\r\n"), qr/^STORED\r\nVALUE a 0 1 0\r\n/, 'no CAS values');
    is($c->ask("cas a 0 0 1 0\r\ny\r\n"), "EXISTS\r\n", 'none matches');
}

{
    my $node = mfcached(args => [qw(-F -A -vvv)]);
    my $c = $node->connect;
    is($c->ask("flush_all\r\n"), "CLIENT_ERROR flush_all not allowed\r\n", '-F');
    is($c->stats('settings')->{verbosity}, 3, '-vvv');
    $c->send("shutdown now\r\nshutdown\r\n");
    is($c->read_line, "CLIENT_ERROR invalid shutdown mode\r\n", '-A: shutdown takes no other word');
    is($c->read_to_close, '', 'shutdown closes');
    is($node->wait_end, 0, 'and ends the node');
}

# Several addresses, a list, a unix socket, the file with the ports.
{
    my $ports = scratch_dir() . '/ports';
    my $node = mfcached(listen => '127.0.0.1:0,127.0.0.2', listens => 3,
                        args => ['-l', '127.0.0.3', '-p', 0],
                        env => { MEMCACHED_PORT_FILENAME => $ports });
    my @addrs = map { $_->{addr} } $node->listening;
    is(join(' ', map { s/:\d+$//r } @addrs), '127.0.0.1 127.0.0.2 127.0.0.3', '-l three times');
    is(Memfleet::Conn->new($_)->ask("get a\r\n"), "END\r\n", "$_ is served") for @addrs;
    is(slurp($ports), join('', map { /:(\d+)$/; "TCP INET: $1\n" } @addrs),
       'the ports are in the file that the environment names');
}
{
    my $path = scratch_dir() . '/socket';
    my $node = start_program({ name => 'mfcached', args => [@root, '-s', $path, '-a', '0600'] });
    is($node->addr, "unix:$path", '-s');
    is(sprintf('%o', (stat $path)[2] & 0777), '600', '-a');
    is($node->connect->ask("get a\r\n"), "END\r\n", 'the unix socket is served');
    $node->stop;
    ok(!-e $path, 'its file is gone with the node');
}

# Without -l every address is served.
{
    my $ports = scratch_dir() . '/all-ports';
    my $node = start_program({ name => 'mfcached', args => [@root, '-p', 0],
                               env => { MEMCACHED_PORT_FILENAME => $ports } });
    my ($port) = $node->addr =~ /^(?:\[::\]|0\.0\.0\.0):(\d+)$/;
    ok($port, 'every address: ' . $node->addr);
    is(Memfleet::Conn->new("127.0.0.$_:$port")->ask("get a\r\n"), "END\r\n", "127.0.0.$_") for 1, 2;
    like(slurp($ports), qr/\ATCP INET: $port\n(?:TCP INET6: $port\n)?\z/, 'the port of both families');
}

# -d goes to the background and -P says who it is.
{
    my $dir = scratch_dir();
    my ($status, $out) = ended(@root, '-d', '-P', "$dir/pid", '-s', "$dir/socket");
    is("$status$out", '0', '-d: the command returns, and says nothing');
    ok(-s "$dir/pid" && -S "$dir/socket", 'when the node is up');
    my ($pid) = slurp("$dir/pid") =~ /^(\d+)\n\z/;
    is(Memfleet::Conn->new("$dir/socket")->stats->{pid}, $pid, '-P: the pid file tells the truth');
    kill 'TERM', $pid;
    wait_until(sub { !-e "$dir/pid" }, deadline(10), 'the pid file is removed');
    wait_until(sub { !kill(0, $pid) }, deadline(10), 'the node is gone');

    # One that cannot start says so, and has the status that it has in the foreground.
    for my $case ([['-s', "$dir/none/socket"], qr{none/socket}],
                  [['-s', "$dir/socket", '-P', '/nowhere/pid'], qr{cannot write the pid file /nowhere/pid}]) {
        my ($args, $says) = @$case;
        my ($fails) = ended(@root, @$args);
        ($status, $out) = ended(@root, '-d', @$args);
        isnt($status, 0, "-d: @$args fails");
        is($status, $fails, 'as it does without');
        like($out, $says, 'and says why');
    }
}

done_testing;
