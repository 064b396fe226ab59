# --journal-dir: what a node missed is remembered over a restart of the proxy:
# docs/failure-modes.md, "Deletes that cannot be delivered".
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $mock = MockBackend->start(name => 'a');
my $dir  = scratch_dir() . '/journals';
my @args = ('--servers', $mock->addr, '--request-timeout', '300ms', '--journal-dir', $dir);

# The node looks DOWN to the proxy: it closes and listens no more.
sub take_down {
    my ($proxy, $c) = @_;
    $mock->mode('refuse');
    wait_until(sub { $c->get('probe'); $proxy->log_text =~ /event=backend_down/ }, deadline(10), 'the node is DOWN');
    $mock->seen;
    return;
}

sub files { return map { s{.*/}{}r } glob("$dir/*.journal*") }

# ---- killed while something is to be delivered -----------------------------------------
my $proxy = mfproxy(args => [@args, '--threads', 2]);
my $c = $proxy->connect;
is($c->get('k'), 'a:k', 'it serves');
is_deeply([files()], [], 'and has no file while nothing is missed');
take_down($proxy, $c);
is($c->ask("delete k\r\nmd YSBi b\r\nset l 0 0 1\r\nx\r\n"),
   "NOT_FOUND\r\nNF\r\nSERVER_ERROR backend down\r\n", 'three keys are to be deleted there');
is(scalar files(), 1, 'it has a file');
$proxy->kill_hard;

# One worker now, and the node answers everything but deletes.
$mock->busy('delete');
$mock->mode('answer');
$proxy = mfproxy(args => [@args, '--threads', 1]);
like($proxy->log_text, qr/event=journal_restored .*entries=3 flush=0/, 'the next proxy knows them');
$c = $proxy->connect;
like($c->ask("stats backends\r\n"), qr/:journal 3\r$/m, 'as its statistics say');
is($c->stats->{journal_restored_total}, 3, 'and count');
is($c->ask("get k l other\r\n"), "VALUE other 0 7\r\na:other\r\nEND\r\n", 'they are not read there; others are');
my @seen = $mock->seen;
ok(!(grep { /^get k|^delete|^md/ } @seen), 'not one is asked for, nor delivered so soon');
$mock->busy('');
my @delivered = grep { /^stats/ } @seen;
my ($file) = glob("$dir/*.journal");
my $bytes = -s $file;
wait_until(sub { push @delivered, grep { /^delete|^md|^stats/ } $mock->seen; ($c->get('k') // '') eq 'a:k' },
           deadline(20), 'until they were delivered');
wait_until(sub { push @delivered, grep { /^delete|^md|^stats/ } $mock->seen; $c->ask("stats backends\r\n") =~ /:journal 0\r$/m },
           deadline(20), 'all of them');
is($delivered[0], 'stats', 'the node has answered before');
is(join(' ', sort grep { !/stats/ } @delivered), 'delete k delete l md YSBi b', 'each once');

# What was delivered is not delivered again, though the proxy is killed: once the
# file says so, within a second.
wait_until(sub { -s $file > $bytes + 3 * 8 }, deadline(20), 'the file is told');
$proxy->kill_hard;
$proxy->restart;
$c = $proxy->connect;
is($c->get('k'), 'a:k', 'all is read at once');
ok(!(grep { /^delete/ } $mock->seen), 'and nothing is deleted');

# ---- stopped in peace --------------------------------------------------------------------
take_down($proxy, $c);
is($c->ask("delete k\r\n"), "NOT_FOUND\r\n", 'a delete');
$proxy->stop;
is(scalar files(), 1, 'is there after a stop');
$proxy->restart;
like($proxy->log_text, qr/event=journal_restored .*entries=1 /, 'and after a start');
$mock->mode('answer');
$c = $proxy->connect;
wait_until(sub { ($c->get('k') // '') eq 'a:k' }, deadline(20), 'it is delivered');
$proxy->stop;
is_deeply([files()], [], 'and the file is gone with the need for it');

# ---- a flush -----------------------------------------------------------------------------
$proxy = mfproxy(args => [@args, '--threads', 1, '--journal-entries', 2]);
$c = $proxy->connect;
is($c->get('k'), 'a:k', 'it serves');
take_down($proxy, $c);
is($c->ask("delete k1\r\ndelete k2\r\ndelete k3\r\n"), "NOT_FOUND\r\n" x 3, 'more than is remembered');
$proxy->kill_hard;
$mock->busy('flush_all');
$mock->mode('answer');
$proxy->restart;
like($proxy->log_text, qr/event=journal_restored .*entries=1 /, 'the flush is remembered');
$c = $proxy->connect;
is($c->get('any'), undef, 'no key is read before it');
$mock->busy('');
wait_until(sub { ($c->get('any') // '') eq 'a:any' }, deadline(20), 'until it has been');
ok((grep { $_ eq 'flush_all' } $mock->seen), 'as the node can tell');
$proxy->stop;

# ---- files that are not as they were -----------------------------------------------------------
sub with_a_file {
    my ($change) = @_;
    $proxy = mfproxy(args => [@args, '--threads', 1]);
    $c = $proxy->connect;
    $c->get('k');
    take_down($proxy, $c);
    is($c->ask("delete k1\r\ndelete k2\r\n"), "NOT_FOUND\r\n" x 2, 'two deletes');
    $proxy->kill_hard;
    my ($file) = glob("$dir/*.journal");
    my $bytes = slurp($file);
    spew($file, $change->($bytes));
    $mock->mode('answer');
    $proxy->restart;
    $c = $proxy->connect;
    wait_until(sub { ($c->get('k1') // '') eq 'a:k1' }, deadline(20), 'its key is read in the end');
    return grep { /^delete|^flush/ } $mock->seen;
}
is_deeply([with_a_file(sub { substr($_[0], 0, -1) })], ['delete k1'], 'what was cut off is not there, the rest is');
like($proxy->log_text, qr/event=journal_cut /, 'as the log says');
$proxy->stop;
is_deeply([with_a_file(sub { my $b = $_[0]; substr($b, -11, 1) ^= "\x01"; $b })], ['flush_all'],
          'what was damaged is a flush');
like($proxy->log_text, qr/event=journal_damaged .*then=flush_all/, 'as the log says');
is($c->stats->{journal_damaged_total}, 1, 'and counts');
is(scalar(grep { /\.damaged$/ } files()), 1, 'and the file was set aside');
unlink(glob("$dir/*.damaged"));

# ---- two proxies ----------------------------------------------------------------------------------
my $as_root = $> == 0 ? '-u root' : '';
my $said = qx("@{[program_path('mfproxy')]}" $as_root @args --listen 127.0.0.1:0 2>&1);
isnt($?, 0, 'a second proxy does not start');
like($said, qr/^mfproxy: option --journal-dir: cannot keep journals in \Q$dir\E: another mfproxy uses it$/m,
     'and says why');
is($c->get('k'), 'a:k', 'the first goes on');
$proxy->stop;

# ---- a disk that takes nothing more -------------------------------------------------------------------
# The limit of a file's size is met as a full disk would be. The log is a file, too.
SKIP: {
skip('prlimit is not here', 6) if !-x '/usr/bin/prlimit';
$proxy = mfproxy(args => [@args, '--threads', 1]);
$c = $proxy->connect;
is($c->get('k'), 'a:k', 'it serves');
take_down($proxy, $c);
system('/usr/bin/prlimit', '--pid', $proxy->pid, '--fsize=10');
is($c->ask("delete k\r\n"), "NOT_FOUND\r\n", 'a delete is taken');
cmp_ok($c->stats->{journal_disk_errors_total}, '>', 0, 'that it is not kept is counted');
is(scalar(grep { /\.lossy$/ } files()), 1, 'and the directory knows it');
$proxy->kill_hard;
$mock->mode('answer');
$mock->seen;
$proxy->restart;
$c = $proxy->connect;
wait_until(sub { ($c->get('k') // '') eq 'a:k' }, deadline(20), 'the next proxy serves');
ok((grep { /^flush_all/ } $mock->seen), 'after a flush');
$proxy->stop;
is_deeply([files()], [], 'and then all is as it should be');
}
done_testing;
