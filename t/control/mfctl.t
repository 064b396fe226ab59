#!/usr/bin/perl
# mfctl where no etcd is needed, and what it says when one is.
use strict;
use warnings;
use JSON::PP ();
use IO::Uncompress::Gunzip qw(gunzip);
use JSON::PP qw(decode_json);
use Memfleet;

my $dir = scratch_dir();

# ---- help ------------------------------------------------------------------------

my ($status, $help) = mfctl('--help');
is($status, 0, '--help');
my @commands = $help =~ /^  ([a-z]+(?: [a-z]+)?)\b[^\n]*\n      \S/mg;
cmp_ok(scalar @commands, '>', 14, 'it lists the commands');
for my $command (@commands) {
    my ($code, $text) = mfctl('help', split(/ /, $command));
    is($code, 0, "mfctl help $command");
    like($text, qr/\Amfctl $command\b/, '... tells of it');
    next if $command eq 'help';
    ($code, $text) = mfctl(split(/ /, $command), '--help');
    like("$code $text", qr/\A0 Usage: mfctl $command\b/, "mfctl $command --help needs no etcd");
}

# ---- wrong command lines ------------------------------------------------------------

sub complains {
    my ($want_status, $pattern, @args) = @_;
    my ($code, $text) = mfctl(@args);
    is($code, $want_status, "mfctl @args: exit status $want_status");
    like($text, $pattern, '... and says why');
    is(scalar(() = $text =~ /\n/g), 1, '... in one line');
    return;
}

delete @ENV{qw(MEMFLEET_ETCD MEMFLEET_CLUSTER)};
complains(64, qr/^mfctl: expected a command/);
complains(64, qr/^mfctl: there is no command 'frobnicate'/, 'frobnicate');
complains(64, qr/^mfctl: there is no command 'route' alone, only route set, route remove, route list$/, 'route');
complains(64, qr/^mfctl: there is no command 'rout' \(see/, 'rout');
complains(64, qr/^mfctl pool create: expected --etcd URL or MEMFLEET_ETCD/, 'pool', 'create', 'x');
complains(64, qr/expected --cluster NAME/, '--etcd', 'http://127.0.0.1:1', 'status');
complains(64, qr/expected --cluster NAME/, '--etcd', 'http://127.0.0.1:1', '--cluster', 'a/b', 'status');
complains(64, qr/expected 1 argument, got 0/, 'table', 'verify');
complains(64, qr/expected 1 argument, got 2/, 'table', 'verify', 'a', 'b');
complains(64, qr/no-such-option/, 'ring', 'explain', 'k', '--no-such-option');
complains(64, qr/expected 1 argument, got 0/, 'pool', 'show');
complains(64, qr/^mfctl ring explain: expected a key$/, 'ring', 'explain', '', '--servers', 'a:1');
complains(64, qr/^mfctl ring explain: option --json: this command answers in text only$/, 'ring', 'explain', 'k', '--servers', 'a:1', '--json');
my $nobody = 'http://127.0.0.1:' . free_port();
complains(69, qr/\(unavailable\)$/, '--etcd', $nobody, '--cluster', 'c', 'status');
{
    local @ENV{qw(MEMFLEET_ETCD MEMFLEET_CLUSTER)} = ($nobody, 'c');
    complains(69, qr/^mfctl nodes: etcd at \Q$nobody\E/, 'nodes');
}

# ---- tables in files -----------------------------------------------------------------

my $table = table_json(epoch => 7, nodes => ['10.0.0.1:11211', '10.0.0.2:7000'],
                       table => { cluster => 'c', incarnation => 'i', reason => 'a test' });
spew("$dir/good", $table);
my ($code, $text) = mfctl('table', 'verify', "$dir/good");
is($code, 0, 'a good table');
like($text, qr/^epoch\s+7\n.*^reason\s+a test\npool main \(default\): 2 nodes, ring libmemcached/ms,
     '... is shown');
is(decode_json((mfctl('table', 'verify', "$dir/good", '--json'))[1])->{epoch}, 7, '... in JSON, too');
like((mfctl('table', 'verify', '--help'))[1], qr/^Usage: mfctl table verify FILE$/m, 'its usage names the file');
spew("$dir/state", "memfleet-state 1 table 1 00000000\n$table");
is((mfctl('table', 'verify', "$dir/state"))[0], 0, 'a last-known-good is read too');
spew("$dir/bad", $table =~ s/7000/70000/r);
complains(1, qr{/bad: pools\.main\.nodes\[1\]\.addr: expected HOST:PORT}, 'table', 'verify', "$dir/bad");
complains(1, qr{/absent: No such file}, 'table', 'verify', "$dir/absent");

# ---- the fence -------------------------------------------------------------------------

($code, $text) = mfctl('fence', '--table', "$dir/good", '--by', 'me', '--reason', 'silent');
is($code, 0, 'fence --table prints the next table');
my $next = JSON::PP->new->decode($text);
is(join(' ', map { $next->{$_} } qw(epoch min_epoch by reason)), '8 7 me silent', '... which refuses who is older than the one before');
is(scalar @{ $next->{pools}{main}{nodes} }, 2, '... and has all else');
spew("$dir/fenced", $text);
is((mfctl('table', 'verify', "$dir/fenced"))[0], 0, '... and is one');
complains(1, qr/min_epoch is 7 and cannot go back to 6/, 'fence', '--table', "$dir/fenced", '--min-epoch', 6);
complains(1, qr/--min-epoch of at most 8, the table's epoch/, 'fence', '--table', "$dir/fenced", '--min-epoch', 9);
is(JSON::PP->new->decode((mfctl('fence', '--table', "$dir/fenced", '--min-epoch', 7))[1])->{min_epoch}, 7, 'it may stay');
complains(1, qr/UTF-8/, 'fence', '--table', "$dir/good", '--by', "\xff");
complains(1, qr{/absent: No such file}, 'fence', '--table', "$dir/absent");
complains(64, qr/expected --etcd URL/, 'fence');

# ---- rings ----------------------------------------------------------------------------

($code, $text) = mfctl('ring', 'explain', 'user:1', '--table', "$dir/good");
is($code, 0, 'ring explain with a table from a file');
like($text, qr/^node\s+10\.0\.0\.\d:\d+ /m, '... names the node');
($code, my $same) = mfctl('ring', 'explain', '--servers', '10.0.0.1:11211,10.0.0.2:7000', 'user:1');
is(($same =~ /^node\s+(\S+)/m)[0], ($text =~ /^node\s+(\S+)/m)[0],
   '--servers give the same ring, and options may stand first');
complains(1, qr/there is no pool 'other'/, 'ring', 'explain', 'k', '--table', "$dir/good",
          '--pool', 'other');
complains(1, qr/square/, 'ring', 'explain', 'k', '--servers', 'a:1', '--ring', 'square');

gunzip(srcdir() . '/t/data/ring_vectors.csv.gz' => "$dir/vectors") or die 'gunzip';
($code, $text) = mfctl('ring', 'verify', "$dir/vectors");
is($code, 0, 'ring verify: the recorded clients agree with our rings');
like($text, qr/^sum: (\d{4,}) agree, 0 differ/m, '... thousands of keys');
my ($line) = slurp("$dir/vectors") =~ /^(pylibmc-ketama_weighted,.*)$/m;
my (undef, $servers, $key, $server) = split(/,/, $line);
spew("$dir/wrong", "key,server\n$key,192.0.2.1:1\n");
($code, $text) = mfctl('ring', 'verify', "$dir/wrong", '--servers', join(',', split(/ /, $servers)));
is($code, 1, 'a client that puts a key elsewhere is noticed');
like($text, qr/192\.0\.2\.1/, '... and where');

done_testing;
