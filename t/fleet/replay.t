# mfreplay judges other programs, so it is judged first: by Debian's memcached,
# which answers well, and with values that somebody else has put there.
use strict;
use warnings;
use Memfleet;

skip_without('memcached');
my $node = memcached_program();
my $dir = scratch_dir();

sub replay {
    my (@args) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open(STDERR, '>', "$dir/stderr");
        exec(program_path('mfreplay'), @args, $node->addr) or POSIX::_exit(127);
    }
    my $line = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, { $line =~ /(\w+)=(\S+)/g });
}

# Keys 1, 2, 1, 3, 1, 2: three misses, three hits, in whatever way it is asked.
spew("$dir/trace", pack('V*', 1, 2, 1, 3, 1, 2));
my @many = ('-c', 1, '-d', 10);
for my $how ([], ['-c', 1, '-d', 1], \@many) {
    $node->connect->ask("flush_all\r\n");
    my ($status, $sum) = replay('-f', "$dir/trace", @$how);
    is("$status $sum->{requests} $sum->{hits} $sum->{sets}", '0 6 3 3', "misses once a key: @$how");
}

my ($status, $sum) = replay('-f', "$dir/trace", '-k', 1, '-n', 2);
is("$status $sum->{requests} $sum->{hits}", '0 2 2', 'a part of the trace');

spew("$dir/trace.be", pack('N*', 1, 2, 1));
($status, $sum) = replay('-f', "$dir/trace.be", '-b');
is("$status $sum->{requests} $sum->{hits}", '0 3 3', 'high byte first');

# The value of key 2 in the place of key 1: as long as it may be, but wrong.
my $c = $node->connect;
my $other = $c->get('t:00000002');
is($c->ask_line("set t:00000001 1 0 " . length($other) . "\r\n$other\r\n"), "STORED\r\n");
($status, $sum) = replay('-f', "$dir/trace");
is("$status $sum->{wrong}", '1 3', "another key's value is wrong each time");
like(slurp("$dir/stderr"), qr/event=wrong_value key=t:00000001/, 'and is named');

my $right = $c->get('t:00000003');
substr($right, -1) = chr(ord(substr($right, -1)) ^ 1);
$c->ask_line("set t:00000003 3 0 " . length($right) . "\r\n$right\r\n");
($status, $sum) = replay('-f', "$dir/trace", '-k', 3, '-n', 1);
is("$status $sum->{wrong}", '1 1', 'one bit makes a wrong value');

# Values that the server refuses are errors, and the run goes on.
$c->ask("flush_all\r\n");
my $small = memcached_program(args => ['-I', '512k']);
$node = $small;
($status, $sum) = replay('-f', "$dir/trace", '--value-min', '512k', '--value-max', '512k');
is("$status $sum->{requests} $sum->{errors} $sum->{sets}", '1 6 6 0', 'error lines are counted');

done_testing;
