# Values of the hottest keys are kept in the proxy for a moment, and never longer
# than until somebody writes them through it: docs/hot-keys.md.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $mock = MockBackend->start(name => 'a');
my $file = scratch_dir() . '/table.json';
my $epoch = 0;
my ($proxy, @c);

sub publish {
    my (%pool) = @_;
    return publish_table($file, { main => { patient(table => 1), near_cache_bytes => 1 << 20, near_cache_ttl_ms => 1000,
                                            %pool, mock_nodes([$mock]) } },
                         epoch => ++$epoch);
}
sub stat_of { return $c[0]->stats->{ $_[0] } }
sub adopted {
    return wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), "table $epoch is in use");
}
sub seen { return join(', ', grep { $_ ne 'version' } $mock->seen) }
sub whole { return "VALUE $_[0] 0 @{[ 2 + length $_[0] ]}$_[1]\r\na:$_[0]\r\nEND\r\n" }

# About one read in 64 is looked at; of so many, certainly enough.
sub heat {
    my (@keys) = @_;
    for my $client (@c) {
        $client->ask(join('', map { "get $_\r\n" } @keys) x 100) for 1 .. 30;
    }
    return;
}

publish();
$proxy = mfproxy(args => ['--table', $file, '--threads', 2], listens => 1);
@c = map { $proxy->connect } 1 .. 2; # one on each thread
heat('hot', 'miss');

# What the node is asked when all these are answered in the time of one value; a
# busy machine may need several tries.
sub kept {
    my ($bytes, $reply, $what) = @_;
    my $told;
    return wait_until(sub {
        $_->ask($bytes) for @c;
        $mock->seen;
        $told = $c[0]->ask($bytes);
        my $asked = seen();
        BAIL_OUT("$what: '$told'") if $told ne $reply;
        return $asked eq '';
    }, deadline(15), "$what: told, and the node is not asked");
}
kept("get hot\r\n", whole('hot', ''), 'get');
kept("gets hot\r\n", whole('hot', ' 1'), 'gets, with the CAS value');
kept("get hot hot\r\n", 'VALUE hot 0 5' . "\r\na:hot\r\n" . whole('hot', ''), 'twice in a multiget');
kept("mg hot v\r\n", "VA 5\r\na:hot\r\n", 'mg');
kept("mg hot k v f c O123 q\r\n", "VA 5 khot f0 c1 O123\r\na:hot\r\n", 'mg with more flags, in their order');
kept("mg aG90 c Ox\r\n", "HD c1 Ox\r\n", 'with the key in base64');
cmp_ok(stat_of('near_cache_hits_total'), '>', 5, 'hits are counted');
cmp_ok(stat_of('near_cache_fills_total'), '>', 5, 'fills too');
my $bytes = stat_of('near_cache_bytes');
ok($bytes > 20 && $bytes < 2000, "and bytes ($bytes)");
is($c[0]->ask("get hot cold\r\n"), "VALUE hot 0 5\r\na:hot\r\n" . whole('cold', ''), 'a multiget in the client\'s order');
like(seen(), qr/^get (hot )?cold$/, 'other keys are the node\'s');

# ---- what is never told from here ----------------------------------------------------
sub asked { my ($bytes) = @_; $c[0]->ask($bytes); return seen() }
for my $line ('gat 0 hot', 'gats 0 hot', 'mg hot v t', 'mg hot v h', 'mg hot l', 'mg hot u', 'mg hot v T30',
              'mg hot v N30', 'mg hot v R30', 'me hot') {
    is(asked("$line\r\n"), $line, "$line is the node's") for 1 .. 2;
}
is(asked("get cold\r\n"), 'get cold', 'and so is what is not hot') for 1 .. 3;
is(asked("get miss\r\n"), 'get miss', 'and a miss') for 1 .. 3;
is(asked("mg miss v\r\n"), 'mg miss v', 'in meta too') for 1 .. 3;
for my $marks ('W', 'X', 'W X', 'Z X', 'Z') {
    $c[1]->ask("touch hot 0\r\n");
    $mock->busy('mg', "VA 5 $marks\\r\\na:hot");
    seen();
    for (1 .. 3) {
        is($c[0]->ask("mg hot v\r\n"), "VA 5 $marks\r\na:hot\r\n", "an item with $marks is told as it is");
        is(seen(), 'mg hot v', 'and not kept');
    }
    $mock->busy('');
}
$mock->busy('get', 'SERVER_ERROR busy');
$c[1]->ask("touch hot 0\r\n");
seen();
is(asked("get hot\r\n"), 'get hot', 'an error is not kept') for 1 .. 2;
$mock->busy('');

# ---- writes ----------------------------------------------------------------------------
my @writes = ("set hot 0 0 1\r\nx\r\n", "add hot 0 0 1\r\nx\r\n", "replace hot 0 0 1\r\nx\r\n",
              "append hot 0 0 1\r\nx\r\n", "prepend hot 0 0 1\r\nx\r\n", "cas hot 0 0 1 1\r\nx\r\n",
              "incr hot 1\r\n", "decr hot 1\r\n", "touch hot 9\r\n", "delete hot\r\n", "gat 9 hot\r\n",
              "gat 9 hot cold\r\n", "ms hot 1\r\nx\r\n", "ma hot\r\n", "md hot\r\n", "md hot I T9\r\n",
              "mg hot T9\r\n");
for my $write (@writes) {
    my ($line) = $write =~ /^([^\r]*)/;
    my ($verb) = $line =~ /^(\w+)/;
    kept("get hot\r\n", whole('hot', ''), "before '$line'");
    $mock->mode('hold', $verb);
    $c[1]->send($write);
    wait_until(sub { seen() =~ /^\Q$line\E/m }, deadline(15), 'it is at the node');
    $c[0]->ask("get hot\r\n");
    is(seen(), 'get hot', 'when it is sent, the other thread asks the node');
    $mock->mode('answer');
    $c[1]->ask('');
    is(asked("get hot\r\n"), 'get hot', 'and when it is answered, again');
}
cmp_ok(stat_of('near_cache_invalidations_total'), '>=', scalar @writes, 'that is counted');
kept("get hot\r\n", whole('hot', ''), 'before a noreply');
$c[1]->ask("set hot 0 0 1 noreply\r\nx\r\n");
wait_until(sub { seen() =~ /^set hot/ }, deadline(15), 'it is at the node');
is(asked("get hot\r\n"), 'get hot', 'a noreply counts as well');
kept("get hot\r\n", whole('hot', ''), 'before a write of one\'s own');
$c[0]->ask("set hot 0 0 1\r\nx\r\nget hot\r\n");
is(seen(), 'set hot 0 0 1, get hot', 'who reads behind his own write asks the node');

# ---- time ------------------------------------------------------------------------------------
kept("get hot\r\n", whole('hot', ''), 'before its time is over');
wait_until(sub { asked("get hot\r\n") eq 'get hot' }, deadline(15), 'when it is, the node is asked');

# ---- tables ---------------------------------------------------------------------------------
kept("get hot\r\n", whole('hot', ''), 'before a new table');
publish();
adopted();
is(asked("get hot\r\n"), 'get hot', 'by another table the node is asked');
heat('hot');
kept("get hot\r\n", whole('hot', ''), 'then it is kept by that');
publish(coalesce => JSON::PP::false());
adopted();
heat('hot');
kept("get hot\r\n", whole('hot', ''), 'without coalescing, too');
kept("get hot hot\r\n", 'VALUE hot 0 5' . "\r\na:hot\r\n" . whole('hot', ''), 'in a multiget');
publish(near_cache_bytes => 40);
adopted();
heat('hot');
seen();
is(asked("get hot\r\n"), 'get hot', 'a value that is too large is not kept') for 1 .. 3;
publish(near_cache_bytes => 0);
adopted();
heat('hot');
seen();
is(asked("get hot\r\n"), 'get hot', 'off, every read is the node\'s') for 1 .. 3;
is(stat_of('near_cache_bytes'), 0, 'and nothing is kept');
$proxy->stop;

# ---- without a table ----------------------------------------------------------------------------
$proxy = mfproxy(args => ['--servers', $mock->addr, '--threads', 2, patient(),
                          '--near-cache', '1m', '--near-cache-ttl', '1s'], listens => 1);
@c = map { $proxy->connect } 1 .. 2;
heat('hot');
kept("get hot\r\n", whole('hot', ''), '--near-cache');
done_testing;
