# A route may take its prefix off: nodes know the keys without it, clients with it.
# What a client is told is what a node would have told that knows the whole key; so
# every conversation here is held with such a node, too.
use strict;
use warnings;
use Memfleet;
use MockBackend;
use MIME::Base64 qw(encode_base64);

my $dir  = scratch_dir();
my $file = "$dir/table.json";
my ($behind, $whole) = map { mfcached() } 1 .. 2;

sub publish {
    my ($epoch, $routes, %pools) = @_;
    return publish_table($file, { map { ($_ => { patient(table => 1), %{ $pools{$_} } }) } keys %pools },
                         epoch => $epoch, default_pool => 'main', force => JSON::PP::true(), routes => $routes);
}

sub nodes {
    my (@addrs) = @_;
    return nodes => [map { { id => $_, addr => $_ } } @addrs];
}
sub stripped { return { pool => $_[0], strip_prefix => JSON::PP::true() } }

sub b64 { return encode_base64($_[0], '') }

publish(1, { 'u:' => stripped('users'), 'v:' => stripped('users'), 'u:keep:' => 'users' },
        main => { nodes($behind->addr) }, users => { nodes($behind->addr) });
my $proxy = mfproxy(args => ['--table', $file, '--threads', 1], listens => 1);
my ($c, $node, $same) = ($proxy->connect, $behind->connect, $whole->connect);

# ---- what is stored where ---------------------------------------------------------------------
is($c->set('u:1', 'one'), 'STORED', 'a set');
is($node->get('1'), 'one', 'the node knows the key without its prefix');
is($node->get('u:1'), undef, 'and not with it');
is($c->get('u:1'), 'one', 'the client with it');
is($c->get('v:1'), 'one', 'two prefixes may lead to one key');
is($c->set('u:keep:1', 'kept'), 'STORED', 'a longer prefix that is kept');
is($node->get('u:keep:1'), 'kept', 'is kept');
is($c->set('other', 'x'), 'STORED', 'a key without a route');
is($node->get('other'), 'x', 'is as it was');
$node->ask("flush_all\r\n");

# ---- as if the node knew the whole key --------------------------------------------------------
my ($key, $bin) = (b64('u:k'), b64("u:b\x01\xff"));
my @talk = (
    "get u:k\r\n", "set u:k 5 0 3\r\nabc\r\n", "get u:k\r\n", "gets u:k\r\n", "gat 100 u:k\r\n",
    "gats 100 u:k\r\n", "touch u:k 0\r\n", "touch u:none 0\r\n", "add u:k 0 0 1\r\nx\r\n",
    "append u:k 0 0 1\r\nd\r\n", "prepend u:k 0 0 1\r\n_\r\n", "replace u:k 0 0 1\r\n7\r\n",
    "incr u:k 5\r\n", "decr u:k 1\r\n", "cas u:k 0 0 1 999999\r\nx\r\n", "set u:q 0 0 1 noreply\r\ny\r\n",
    "get u:q\r\n", "delete u:q\r\n", "delete u:q\r\n", "delete u:k noreply\r\n", "get u:k\r\n",
    "set u:a 0 0 1\r\na\r\nset v:b 1 0 2\r\nbb\r\nset plain 2 0 3\r\nccc\r\n",
    "get u:a v:b plain u:no u:a\r\n", "gets u:a plain\r\n", "gat 0 u:a v:b plain\r\n",
    "ms u:m 2 F3 c\r\nmm\r\n", "mg u:m v f s k Oabc t\r\n", "mg u:m k\r\n", "mg u:m\r\n",
    "mg u:none k Oxyz v\r\n", "mg u:none k q\r\nmn\r\n", "mg u:m s k q v\r\nmn\r\n",
    "ms u:m 1 k Ok1 q\r\nx\r\nmn\r\n", "ms u:m 1 ME k Oo\r\nx\r\n", "ms u:m 1 C77 k O1\r\ny\r\n",
    "ms u:num 1 k\r\n5\r\n", "ma u:num k v D3\r\n", "ma u:num MD\r\n", "ma u:none k O9\r\n",
    "md u:num k Odel\r\n", "md u:num k Odel\r\n", "md u:none k q\r\nmn\r\n",
    "ms $key 3 b k Ob\r\nbin\r\n", "mg $key b k v f\r\n", "mg u:k k v\r\n", "get u:k\r\n",
    "ms $bin 2 b k\r\nxx\r\n", "mg $bin b k v Oq\r\n", "mg $bin b v\r\n", "md $bin b k\r\n", "mg $bin b k\r\n",
    "mg u:fresh N30 k v\r\n", "mg u:fresh N30 k v\r\n", "mg u:m T30 k t\r\n",
    "ms u:opt 3 k T0 b\r\nabc\r\n", "mg u:m E k\r\n", "me u:none\r\n",
);
for my $ask (@talk) {
    my ($ours, $theirs) = map { $_->ask($ask) =~ s/(?<=c)\d+|(?<=VALUE \S{1,9} \d \d )\d+/N/gr } $c, $same;
    is($ours, $theirs, $ask =~ s/\r\n/ | /gr);
}
like($c->ask("me u:m\r\n"), qr/^ME u:m exp=-?\d+ .*\r\n\z/, 'me names the key as the client does');
my $me = $c->ask("ms $bin 1 b\r\nx\r\nme $bin b\r\n");
my $theirs = $same->ask("ms $bin 1 b\r\nx\r\nme $bin b\r\n");
is($me =~ s/ .*//sr . (split ' ', $me)[2], $theirs =~ s/ .*//sr . (split ' ', $theirs)[2], 'and in base64');

# ---- nothing left of the key --------------------------------------------------------------------
is($c->ask("get u:\r\n"), "CLIENT_ERROR bad command line format\r\n", 'a key that is all prefix');
is($c->ask("get u:a u: plain\r\n"), "CLIENT_ERROR bad command line format\r\n", 'among others');
is($c->ask("set u: 0 0 1\r\nx\r\n"), "CLIENT_ERROR bad command line format\r\n", 'a write');
is($c->ask("set u: 0 0 1 noreply\r\nx\r\n"), '', 'which is told nothing with noreply');
is($c->ask("mg @{[ b64('u:') ]} b v\r\n"), "CLIENT_ERROR bad command line format\r\n", 'in base64');
is($c->ask("get u:a\r\n"), "VALUE u:a 0 1\r\na\r\nEND\r\n", 'and the connection goes on');

# ---- reads that share -----------------------------------------------------------------------------
my ($m, $g) = map { MockBackend->start(name => $_) } qw(m g);
publish(2, { 'u:' => stripped('users'), 'v:' => stripped('users') },
        main => { nodes($g->addr) },
        users => { nodes($m->addr), gutter => 'aside' }, aside => { nodes($g->addr) });
wait_until(sub { $c->stats->{table_clear_epoch} == 2 }, deadline(15), 'the next table');
my @clients = map { $proxy->connect } 1 .. 5;
$m->mode('hold get');
my $before = $c->stats->{coalesced_total};
$clients[0]->send("get u:s\r\n");
wait_until(sub { grep { $_ eq 'get s' } $m->seen }, deadline(10), 'a request is on its way');
$clients[1]->send("get v:s\r\n");
$clients[2]->send("get plain v:s u:s\r\n");
wait_until(sub { $c->stats->{coalesced_total} == $before + 3 }, deadline(10), 'others share it, whatever their prefix');
$m->mode('answer');
is(join('', map { $clients[0]->read_line } 1 .. 3), "VALUE u:s 0 3\r\nm:s\r\nEND\r\n", 'each is told its own key');
is(join('', map { $clients[1]->read_line } 1 .. 3), "VALUE v:s 0 3\r\nm:s\r\nEND\r\n", 'the other prefix');
is(join('', map { $clients[2]->read_line } 1 .. 7),
   "VALUE plain 0 7\r\ng:plain\r\nVALUE v:s 0 3\r\nm:s\r\nVALUE u:s 0 3\r\nm:s\r\nEND\r\n", 'both in one get');
$m->mode('hold mg');
$before = $c->stats->{coalesced_total};
$clients[0]->send("mg u:s v k\r\n");
wait_until(sub { grep { /^mg s / } $m->seen }, deadline(10), 'an mg is on its way');
$clients[1]->send("mg v:s k v Oo\r\n");
$clients[3]->send("mg @{[ b64('v:s') ]} b k v\r\n");
wait_until(sub { $c->stats->{coalesced_total} == $before + 2 }, deadline(10), 'others share it');
$m->mode('line HD ks'); # what a node says of a key that was stored as text
is($clients[0]->read_line, "HD ku:s\r\n", 'the k flag');
is($clients[1]->read_line, "HD kv:s Oo\r\n", 'in the order of each');
is($clients[3]->read_line, "HD kv:s\r\n", 'as a node says it that stores the key as text');
$m->mode('answer');

# ---- when the node is gone ----------------------------------------------------------------------------
$m->mode('refuse');
wait_until(sub { $c->get('u:probe'); $proxy->log_text =~ /event=backend_down/ }, deadline(10), 'it is DOWN');
$g->seen;
is($c->ask("set u:g 0 0 1\r\nx\r\n"), "STORED\r\n", 'a set goes to the gutter');
like(join(' ', $g->seen), qr/^set g 0 10 1$/, 'by the key that nodes know');
is($c->get('u:g'), 'g:g', 'and is read there');
like($c->ask("delete u:gone\r\n"), qr{^(?:DELETED|NOT_FOUND)\r\n$}, 'a delete is done there, or remembered');
$m->seen;
$m->mode('answer');
my %seen;
wait_until(sub { $seen{$_} = 1 for $m->seen; $seen{'delete g'} && $seen{'delete gone'} }, deadline(20),
           'the node is back and has what it missed by its own keys');

# ---- hot keys: copies and the near cache ----------------------------------------------------------
publish(3, { 'u:' => stripped('users') }, main => { nodes($behind->addr) },
        users => { nodes($behind->addr, $whole->addr), replicas => 2, hot => { keys => ['h'] },
                   near_cache_bytes => 1_000_000, near_cache_ttl_ms => 1000 });
wait_until(sub { $c->stats->{table_clear_epoch} == 3 }, deadline(15), 'a pool with copies');
is($c->set('u:h', 'hot'), 'STORED', 'a hot key, by the name that nodes know');
my %answers;
wait_until(sub {
    $answers{$_}++ for $c->ask("get u:h\r\n"), $c->ask("mg u:h k v\r\n"), $c->ask("get none u:h\r\n");
    my $stats = $c->stats;
    $stats->{replica_reads_total} > 0 && $stats->{near_cache_hits_total} > 0;
}, deadline(20), 'copies are read, and what is kept here');
is_deeply([sort keys %answers], ["VA 3 ku:h\r\nhot\r\n", "VALUE u:h 0 3\r\nhot\r\nEND\r\n"],
          'all of them have the client\'s key');
is($c->ask("ms u:h 1 k\r\nx\r\n"), "HD ku:h\r\n", 'a write, whose answer waits for the copies, too');
is($c->get('u:h'), 'x', 'and is read');

# ---- what is told of it ----------------------------------------------------------------------------------
my ($code, $out) = mfctl('table', 'verify', $file);
like($out, qr/^keys with\s+u: -> pool users, without the prefix$/m, 'mfctl table verify');
($code, $out) = mfctl('ring', 'explain', '--table', $file, 'u:k');
is($code, 0, 'mfctl ring explain');
unlike($out, qr/u:k/, 'follows the key of the node');
($code, $out) = mfctl('ring', 'explain', '--table', $file, 'u:');
isnt($code, 0, 'of which something must be left');
done_testing;
