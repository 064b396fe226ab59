# The status page: what somebody sees who was told that something is wrong here.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my @mocks = map { MockBackend->start(name => $_) } qw(a b);
my ($a, $b) = map { $_->addr } @mocks;
my $proxy = mfproxy(args => ['--servers', join(',', $a, $b), '--threads', 1, '--id', 'edge <7>',
                             '--request-timeout', '10s', '--http', '127.0.0.1:0'],
                    listens => 2);
my $http = $proxy->addr(role => 'http');
my $c = $proxy->connect;

sub page { return (http_get($http, '/'))[1] }

# The cells of the row that begins with these.
sub row {
    my ($page, @first) = @_;
    my $start = join('', map { "<td>\Q$_\E" } @first);
    my ($mark, $rest) = $page =~ /^<tr( class=trouble)?>$start(.*)$/m or return;
    return ($mark // '', map { s/&lt;/</gr } grep { $_ ne '' } split /<td>/, $rest);
}

my $page = page();
like($page, qr{<title>mfproxy</title>}, 'a page');
like($page, qr{<h1>edge &lt;7&gt;</h1>}, 'of this proxy');
is((row($page, 'state'))[1], 'serves', 'which serves');
like((row($page, 'clients'))[1], qr/^1 of at most \d+$/, 'clients');
like((row($page, 'routing table'))[1], qr/^epoch 1 \([0-9a-f]{12}\) $/, 'by a table');
is((row($page, 'its source'))[1], 'fixed, confirmed 0 s ago', 'from the command line');
is((row($page, $proxy->addr))[1], 'by routes', 'a listener');
unlike($page, qr/What failed|Hottest/, 'nothing has failed, nothing was read');

# ---- nodes ---------------------------------------------------------------------------
is(join(' ', (row($page, 'default', $a, $a, ''))[4, 5]), '- -', 'a node without an answer has no times');
my %keys;
for my $i (1 .. 50) {
    my ($owner) = $c->get("k$i") =~ /^(\w+):/;
    push @{ $keys{$owner} }, "k$i";
}
my ($mark, $state, $health, $requests, $p50, $p99, @zeros) = row(page(), 'default', $a, $a, '');
is("$mark|$state|$health|$requests", '|active|up|' . @{ $keys{a} }, 'a node that is well');
cmp_ok($p50, '>', 0, 'its answers take some time');
cmp_ok($p99, '>=', $p50, 'some more');
is("@zeros", '0 0 0 0 0', 'and nothing is wrong with it');

$mocks[0]->mode('refuse');
wait_until(sub { $c->ask("get $keys{a}[0]\r\n"); $proxy->log_text =~ /event=backend_down/ }, deadline(15),
           'it refuses');
$c->ask("delete $keys{a}[0]\r\n");
$page = page();
($mark, $state, $health, @zeros) = row($page, 'default', $a, $a, '');
is("$mark|$state|$health", ' class=trouble|active|DOWN at 1 of 1 threads', 'it is marked');
is($zeros[6], 1, 'a delete waits for it');
is((row($page, 'default', $b, $b, ''))[0], '', 'the other is not');
like($page, qr{<h2>What failed</h2>}, 'what clients were told');
cmp_ok(($page =~ /^<tr><td>(\d+)<td>failed_down_total<td>/m)[0], '>', 0, 'is counted');

# ---- hot keys --------------------------------------------------------------------------
$c->ask("get $keys{b}[0]\r\n" x 1000);
cmp_ok((row(page(), $keys{b}[0]))[1], '>', 50, 'the hottest key, with its share');

# ---- without a table ------------------------------------------------------------------------
my $waiting = mfproxy(args => ['--control', '127.0.0.1:' . free_port(), '--http', '127.0.0.1:0'],
                      listens => 2);
like((http_get($waiting->addr(role => 'http'), '/'))[1], qr/<td>state<td>waits for a routing table\n/,
     'a proxy that has none says so');
done_testing;
