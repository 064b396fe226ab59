# What a node has missed is known to the process that takes over, before it serves a
# client that was told so, and is delivered by it: docs/rolling-restart.md.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $dir = scratch_dir();
my $mock = MockBackend->start(name => 'm');
my @usual = ('--servers', $mock->addr, '--threads', 2, '--request-timeout', '300ms');

sub generation {
    my (@args) = @_;
    return mfproxy(ready => qr/event=ready/, listen => '127.0.0.1:0',
                   args => ['--takeover', "$dir/takeover", @args]);
}

sub journal_of {
    my ($c) = @_;
    return ($c->ask("stats backends\r\n") =~ /:journal (\d+)\r$/m)[0];
}

sub take_down {
    my ($proxy, $c) = @_;
    $mock->mode('refuse');
    wait_until(sub { $c->get('probe'); $proxy->log_text =~ /event=backend_down/ }, deadline(10), 'the node is DOWN');
    $mock->seen; # and forgets them
    return;
}

my @afterwards; # what the node has seen behind that read
# What the node has had when it answers again, up to the first read of `key`.
sub back_until_read {
    my ($c, $key) = @_;
    $mock->mode('answer');
    wait_until(sub { ($c->get($key) // '') eq "m:$key" }, deadline(20), "the node is asked for $key");
    my @seen = grep { !/^(?:version|mn|stats|get probe)/ } $mock->seen;
    my ($at) = grep { $seen[$_] eq "get $key" } 0 .. $#seen;
    @afterwards = @seen[$at + 1 .. $#seen];
    return @seen[0 .. $at - 1];
}

# ---- a node that is DOWN for longer than the old process lives ------------------------------
my $one = generation(@usual, '--drain', '500ms');
my $c = $one->connect;
is($c->get('k'), 'm:k', 'it serves');
take_down($one, $c);
is($c->ask("delete k\r\nmd YSBi b\r\n"), "NOT_FOUND\r\nNF\r\n", 'deletes of a DOWN node are remembered');
my $two = generation(@usual, '--drain', '500ms');
is($c->stats->{pid}, $two->pid, 'a client is handed over');
is(journal_of($c), 2, 'to who knows what the node has missed');
is($c->stats->{journal_inherited_total}, 2, 'and counts it');
is($one->wait_end, 0, 'the old process ends');
like($one->log_text, qr/event=drained .*deletes_left=0 deletes_handed_over=2/, 'and says where its deletes are');
my $three = generation(@usual, '--drain', '500ms');
is($two->wait_end, 0, 'the second ends, too');
is(journal_of($c), 2, 'and has left to the third what it was left');
my @before = back_until_read($c, 'k');
is((scalar grep { $_ eq 'delete k' } @before), 1, 'which delivers it before it reads the key there');
wait_until(sub { journal_of($c) == 0 }, deadline(20), 'nothing is left');
ok((grep { $_ eq 'md YSBi b' } @before, @afterwards, $mock->seen), 'the other key, of another thread maybe, is delivered, too');

# ---- a flush ---------------------------------------------------------------------------------
take_down($three, $c);
$c->ask("flush_all\r\n");
my $four = generation(@usual, '--drain', '500ms');
is($three->wait_end, 0, 'a process that remembers a flush ends');
cmp_ok(journal_of($c), '>', 0, 'the next one remembers it');
@before = back_until_read($c, 'any');
ok((grep { $_ eq 'flush_all' } @before), 'and delivers it before it reads');

# ---- what is put while the old process drains ------------------------------------------------
$mock->mode('hold delete');
my $late = $four->connect;
$late->send("delete late\r\n");
wait_until(sub { grep { $_ eq 'delete late' } $mock->seen }, deadline(10), 'a delete is on its way');
my $five = generation(@usual, '--drain', '20s');
is($late->read_line, "NOT_FOUND\r\n", 'and not answered in time, by the old process');
is($late->stats->{pid}, $five->pid, 'its client comes to the new one');
is($late->get('late'), undef, 'which does not read what was to be deleted');
cmp_ok(journal_of($late), '>=', 1, 'since it knows');
$mock->mode('answer');
wait_until(sub { ($late->get('late') // '') eq 'm:late' }, deadline(20), 'until it is delivered');
is($four->wait_end, 0, 'then the old process has nothing to do any more');

# ---- with folders ----------------------------------------------------------------------------
take_down($five, $late);
my $six = generation(@usual, '--drain', '500ms', '--journal-dir', "$dir/a");
is($five->wait_end, 0, 'the next keeps journals in a folder');
is($late->ask("delete filed\r\n"), "NOT_FOUND\r\n", 'and remembers a delete');
is(scalar(() = glob "$dir/a/*.journal"), 1, 'in a file');
my $seven = generation(@usual, '--journal-dir', "$dir/b", '--drain', '500ms');
is($six->wait_end, 0, 'the one after it has another folder');
is(scalar(() = glob "$dir/a/*.journal"), 0, 'the first is empty: its deletes are another\'s now');
is(scalar(() = glob "$dir/b/*.journal"), 1, 'in whose folder they are');
$seven->kill_hard;
my $eight = generation(@usual, '--journal-dir', "$dir/b", '--drain', '1s');
$c = $eight->connect;
@before = back_until_read($c, 'filed');
ok((grep { $_ eq 'delete filed' } @before), 'where it survives a kill');

# ---- another table ----------------------------------------------------------------------------
take_down($eight, $c);
is($c->ask("delete elsewhere\r\n"), "NOT_FOUND\r\n", 'a node of the old table misses something');
my $other = MockBackend->start(name => 'o');
my $nine = generation('--servers', $other->addr, '--drain', '5s');
$nine->wait_log(qr/event=journal_not_inherited node=\S+ reason="not in the table"/);
is($c->get('x'), 'o:x', 'a new process without that node serves');
is($eight->wait_end, 0, 'and the old one ends');

# ---- a new process that dies --------------------------------------------------------------------
my $ten = generation('--servers', $mock->addr, '--request-timeout', '300ms', '--drain', '10s');
is($nine->wait_end, 0, 'once more');
$c = $ten->connect;
$mock->mode('answer');
wait_until(sub { $c->get('y') }, deadline(20), 'the node is UP');
take_down($ten, $c);
is($c->ask("delete alone\r\n"), "NOT_FOUND\r\n", 'a delete is remembered');
my $eleven = generation(@usual);
$ten->wait_log(qr/event=taken_over/);
$eleven->kill_hard;
$ten->wait_log(qr/event=successor_gone/);
$mock->mode('answer');
is($ten->wait_end, 0, 'whose successor has died delivers itself');
ok((grep { $_ eq 'delete alone' } $mock->seen), 'as the node saw');
like($ten->log_text, qr/event=drained .*deletes_left=0 deletes_handed_over=0/, 'and says so');
done_testing;
