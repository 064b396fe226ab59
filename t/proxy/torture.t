# Nodes that change their minds all the time, under routing tables that change
# too: every client gets exactly one reply to each command that wants one, in
# order, and none that was meant for another key or another client.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $rounds = $ENV{TORTURE_ROUNDS} // 60;
my $batch = 25;
my $seed = $ENV{TORTURE_SEED} // 20261122;
srand($seed);
diag("seed $seed");

my @mocks = map { MockBackend->start(name => $_) } qw(a b c);
my $file = scratch_dir() . '/table.json';
my $epoch = 0;

# A table with some of the nodes, one at least.
sub publish {
    my @nodes = grep { rand() < 0.7 } @mocks;
    @nodes = @mocks if !@nodes || $epoch == 0;
    spew($file, table_json(epoch => ++$epoch, nodes => [map { $_->addr } @nodes],
                           ids => [map { $_->name } @nodes],
                           table => { force => JSON::PP::true() },
                           pool => { request_timeout_ms => 40, connect_timeout_ms => 40 }));
    return;
}
publish();
my $proxy = mfproxy(args => ['--table', $file, '--threads', 2]);
my @clients = map { $proxy->connect } 1 .. 8;
my $value = qr/VALUE (\S+) 0 \d+(?: 1)?\r\n[abc]:\1\r\n/;
my $failed = qr/SERVER_ERROR (?:backend (?:down|timeout)|overloaded)\r\n/;
my $opaque = 0;

# A command and what its reply may be.
sub command {
    my $key = 'k' . int(rand(60));
    my $o = 'O' . ++$opaque;
    my $kind = int(rand(13));
    return ("get $key\r\n", qr/(?:VALUE $key 0 \d+\r\n[abc]:$key\r\n)?END\r\n/) if $kind == 0;
    return ("gets $key\r\n", qr/(?:VALUE $key 0 \d+ 1\r\n[abc]:$key\r\n)?END\r\n/) if $kind == 1;
    return ("set $key 0 0 3\r\nxyz\r\n", qr/STORED\r\n|$failed/) if $kind == 2;
    return ("set $key 0 0 3 noreply\r\nxyz\r\n", qr//) if $kind == 3;
    return ("mg $key v $o k\r\n", qr/VA \d+ $o k$key\r\n[abc]:$key\r\n|EN $o k$key\r\n/) if $kind == 4;
    return ("mg miss$key v q $o\r\n", qr//) if $kind == 5;
    return ("ms $key 2 q $o\r\nhi\r\n", qr/(?:NS $o\r\n)?/) if $kind == 6;
    return ("md $key\r\n", qr/HD\r\n|NF\r\n/) if $kind == 7;
    return ("incr $key 1\r\n", qr/7\r\n|$failed/) if $kind == 8;
    return ("delete $key noreply\r\n", qr//) if $kind == 9;
    return ("touch $key 1\r\n", qr/TOUCHED\r\n|NOT_FOUND\r\n/) if $kind == 10;
    return ("version_\r\n", qr/ERROR\r\n/) if $kind == 11;
    # Some of the keys, in their order, once each time they were asked.
    my @keys = map { 'k' . int(rand(60)) } 1 .. 2 + rand(8);
    my $some = join('', map { "(?:VALUE $_ 0 \\d+\\r\\n[abc]:$_\\r\\n)?" } @keys);
    return ("get @keys\r\n", qr/${some}END\r\n/);
}

my @modes = ('answer', 'answer', 'hang', 'late 20', 'late 60', 'split', 'reset 0', 'reset 7', 'close 0',
             'close 30', 'refuse', 'line SERVER_ERROR busy', 'bytes VALUE\r\n');
my ($wrong, $asked) = (0, 0);
for my $round (1 .. $rounds) {
    my $mode = $modes[rand @modes];
    $mocks[rand @mocks]->mode(split / /, $mode, 2);
    publish() if $round % 5 == 0;
    my @expected;
    for my $c (@clients) {
        my ($bytes, $reply) = ('', '');
        for (1 .. $batch) {
            my ($b, $r) = command();
            $bytes .= $b;
            # A node may answer any command with its error line.
            $reply .= $b =~ /noreply/ ? "(?:$r)" : "(?:$r|SERVER_ERROR busy\\r\\n)";
            $asked++;
        }
        $c->send($bytes);
        push @expected, qr/\A$reply\z/;
    }
    for my $i (0 .. $#clients) {
        my $got = $clients[$i]->ask('');
        next if $got =~ $expected[$i];
        $wrong++;
        diag("round $round, mode $mode, client $i: got\n$got");
    }
    last if $wrong > 3;
}
is($wrong, 0, "$asked commands in $rounds rounds, each with its own reply");

$_->mode('answer') for @mocks;
for my $i (1 .. 60) {
    wait_until(sub { $clients[0]->get("k$i") }, deadline(10), "k$i is served again");
}
pass('everything is served again when the nodes are well');
wait_until(sub { $clients[0]->stats->{table_clear_epoch} == $epoch }, deadline(10),
           'nothing of an older table is on its way');
my $stats = $clients[0]->stats;
is($stats->{client_held_bytes} < 4096 ? 1 : 0, 1, 'no reply is held back');
for my $name (qw(backend_late_replies_total backend_garbage_total backend_went_down_total failed_timeout_total)) {
    cmp_ok($stats->{$name}, '>', 0, "$name counted: the test did what it says");
}
done_testing;
