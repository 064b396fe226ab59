# A proxy tells nodes by which table it goes, and what clients see of a node that
# refuses it for that.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my %mock = map { $_ => MockBackend->start(name => $_) } qw(a b old);
my $file = scratch_dir() . '/table.json';
my $id = 'e3b0c44298fc1c14'; # of ''
my ($epoch, %pool) = (1);
sub publish {
    my (%table) = @_;
    return publish_table($file, { main => { patient(table => 1), %pool,
        mock_nodes([@mock{qw(a b old)}], old => { kind => 'memcached' }) } }, epoch => $epoch, %table);
}
publish();
my $proxy = mfproxy(args => ['--table', $file, '--threads', 1]);
my $c = $proxy->connect;
# Which node has which keys.
my %key;
for my $k (map { "k$_" } 1 .. 40) {
    my ($node) = $c->ask("get $k\r\n") =~ /^VALUE \S+ \S+ \S+\r\n(\w+):/;
    push @{ $key{$node} }, $k;
}
my ($a, $b) = ($key{a}[0], $key{b}[0]);

# ---- announcing ----------------------------------------------------------------------------
is(join('|', $mock{$_}->announced), "epoch 1 0 $id $id", "$_ was told, once") for qw(a b);
is_deeply([$mock{old}->announced], [], 'a memcached was not');
$epoch = 7;
publish(min_epoch => 5);
wait_until(sub { $c->stats->{table_clear_epoch} == 7 }, deadline(10), 'another table');
my @told;
wait_until(sub { push @told, $mock{a}->announced; @told }, deadline(10), 'it is told');
is_deeply(\@told, ["epoch 7 5 $id $id"], 'once for the table');
is_deeply([$mock{b}->announced], ["epoch 7 5 $id $id"], 'to each');
$c->ask("get @{ $key{a} }[0..2] @{ $key{b} }[0..2]\r\nset $a 0 0 1\r\nx\r\n");
is_deeply([map { $_->announced } values %mock], [], 'and not with requests');
is($c->stats->{epochs_announced_total}, 4, 'it is counted');
$mock{a}->mode('close 0');
$c->ask("get $a\r\n");
$mock{a}->mode('answer');
wait_until(sub { $c->ask("get $a\r\n") =~ /a:$a/ }, deadline(10), 'another connection');
is(($mock{a}->announced)[-1], "epoch 7 5 $id $id", 'that begins with it');
is($c->ask("epoch 9 9 $id $id\r\n"), "ERROR\r\n", 'clients have nothing to announce');

# ---- a node that does not know it --------------------------------------------------------------
$mock{b}->busy('epoch', 'ERROR');
$mock{b}->mode('close 0');
$c->ask("get $b\r\n");
$mock{b}->mode('answer');
wait_until(sub { $c->ask("get $b\r\n") =~ /b:$b/ }, deadline(10), 'is served all the same');
is($c->ask("get $b\r\nset $b 0 0 1\r\nx\r\n"), "VALUE $b 0 " . length("b:$b") . "\r\nb:$b\r\nEND\r\nSTORED\r\n", 'and in step');
$mock{b}->busy('');

# ---- refused -----------------------------------------------------------------------------------
my %before = %{ $c->stats };
my $stale = 'SERVER_ERROR stale epoch';
sub refused {
    my ($request, $reply) = @_;
    my ($verb) = $request =~ /^(\w+)/;
    $mock{a}->busy($verb, "$stale 7");
    return is($c->ask($request . "mn\r\n"), $reply . "MN\r\n", 'refused: ' . $request =~ s/\r\n.*//sr);
}
my $b_value = "VALUE $b 0 " . length("b:$b") . "\r\nb:$b\r\n";
refused("get $a\r\n", "END\r\n");
refused("gets $a\r\n", "END\r\n");
refused("get $a $b\r\n", "${b_value}END\r\n");
refused("get $a $key{a}[1] $key{a}[2]\r\n", "END\r\n");
refused("gat 10 $a\r\n", "END\r\n");
refused("mg $a v k Oo\r\n", "EN k$a Oo\r\n");
refused("mg $a v q\r\n", '');
refused("$_ $a 0 0 1\r\nx\r\n", "$stale\r\n") for qw(set add replace append prepend);
refused("cas $a 0 0 1 1\r\nx\r\n", "$stale\r\n");
refused("$_ $a 1\r\n", "$stale\r\n") for qw(incr decr);
refused("touch $a 1\r\n", "NOT_FOUND\r\n");
refused("delete $a\r\n", "$stale\r\n");
refused("md $a\r\n", "$stale\r\n");
refused("md $a q Oo\r\n", "NS Oo\r\n");
refused("ms $a 1\r\nx\r\n", "$stale\r\n");
refused("ma $a\r\n", "$stale\r\n");
refused("set $a 0 0 1 noreply\r\nx\r\n", '');
my $now = $c->stats;
is($now->{failed_stale_total} - ($before{failed_stale_total} // 0), 22, 'each is counted');
is($now->{$_}, $before{$_}, "$_: no node is blamed, nothing is remembered")
    for qw(backend_went_down_total failed_timeout_total failed_down_total journal_puts_total backend_garbage_total);
ok($proxy->wait_log(qr/event=table_stale node="a" epoch=7/), 'the log says it');
is($c->ask("get $b\r\n"), "${b_value}END\r\n", 'other nodes go on');
$mock{a}->busy('set', 'SERVER_ERROR out of memory storing object');
is($c->ask("set $a 0 0 1\r\nx\r\n"), "SERVER_ERROR out of memory storing object\r\n", 'other errors are told as ever');

# A new table ends it.
$mock{a}->busy('get', "$stale 7");
is($c->ask("get $a\r\n"), "END\r\n", 'refused');
$epoch = 8;
publish(min_epoch => 8);
wait_until(sub { $c->stats->{table_clear_epoch} == 8 }, deadline(10), 'it has a newer table');
@told = ();
wait_until(sub { push @told, $mock{a}->announced; @told }, deadline(10), 'it is told');
is_deeply(\@told, ["epoch 8 8 $id $id"], 'of that');

# ---- what was begun by the table before is no reason to announce the next -----------------------
$mock{a}->busy('');
$mock{b}->announced;
$mock{a}->mode('hang');
$c->send("get $a\r\n");
wait_until(sub { grep { $_ eq "get $a" } $mock{a}->seen }, deadline(10), 'something is on its way');
$epoch = 9;
publish();
my $other = $proxy->connect;
wait_until(sub { $other->stats->{table_epoch} == 9 }, deadline(10), 'the next table');
$other->ask("get $b\r\n") for 1 .. 3; # the worker has had turns by it
is_deeply([$mock{b}->announced], [], 'it is in use, and not announced');
$mock{a}->mode('answer');
is($c->read_line . $c->read_line . $c->read_line, "VALUE $a 0 " . length("a:$a") . "\r\na:$a\r\nEND\r\n", 'that is answered');
wait_until(sub { push @told, $mock{b}->announced; $told[-1] eq "epoch 9 0 $id $id" }, deadline(10), 'and it is announced');

# ---- errors where the pool wants them ----------------------------------------------------------
$pool{on_read_error} = 'error';
$epoch = 10;
publish();
wait_until(sub { $c->stats->{table_clear_epoch} == 10 }, deadline(10), 'another policy');
refused("get $a\r\n", "$stale\r\n");
refused("get $a $b\r\n", "$stale\r\n");
refused("mg $a v\r\n", "$stale\r\n");

done_testing;
