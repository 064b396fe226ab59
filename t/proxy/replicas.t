# Hot keys have copies at further nodes: docs/hot-keys.md, row by row.
use strict;
use warnings;
use List::Util qw(uniq);
use Memfleet;
use MockBackend;

my %mock = map { $_ => MockBackend->start(name => $_) } qw(a b c);
my $file = scratch_dir() . '/table.json';

my $epoch = 0;
sub publish {
    my (%pool) = @_;
    return publish_table($file, { main => { request_timeout_ms => 10_000, replicas => 3, replica_ttl_ms => 60_000,
                                            hot => { keys => ['hot', 'miss'], prefixes => ['h:'] }, %pool,
                                            mock_nodes([@mock{qw(a b c)}]) } },
                         epoch => ++$epoch);
}
publish();
my $proxy = mfproxy(args => ['--table', $file, '--threads', 1], listens => 1);
my $c = $proxy->connect;
my $other = $proxy->connect;
sub stat_of { return $other->stats->{ $_[0] } }
# Another table, and with it nothing known of copies: on a busy machine a replica
# may have been too slow to confirm.
sub again {
    my (%pool) = @_;
    publish(%pool);
    return wait_until(sub { my $s = $other->stats;
                            return $s->{table_clear_epoch} == $epoch },
                      deadline(15), "epoch $epoch");
}
sub owner_of { return substr($c->get($_[0]), 0, 1) }
sub seen { my ($who, $re) = @_; return join(', ', grep { /$re/ } $mock{$who}->seen) }
sub forget { $_->seen for values %mock; return }

# All copies of the key are filled; returns its owner and the two others.
sub warm {
    my ($key) = @_;
    my $owner = owner_of($key);
    wait_until(sub { $c->get($key); my %who; $who{ substr($c->get($key), 0, 1) }++ for 1 .. 20;
                     return keys %who == 3 }, deadline(15), "$key has its copies");
    forget();
    return ($owner, grep { $_ ne $owner } qw(a b c));
}
sub who_answers {
    my ($bytes, $n) = @_;
    my %who;
    for (1 .. $n // 60) {
        my ($name) = $c->ask($bytes) =~ /\r\n([abc]):/;
        $who{ $name // 'none' }++;
    }
    return join('', sort keys %who);
}

# ---- filling -------------------------------------------------------------------------
my $owner = owner_of('hot');
wait_until(sub { stat_of('replica_fills_total') == 2 }, deadline(15), 'two copies are made');
my @replicas = grep { $_ ne $owner } qw(a b c);
is(seen($owner, qr/^(mg|get)/), 'get hot, mg hot v f c t, mg hot v f c t',
   'the first read is the owner\'s, and so is what is copied');
like(join(', ', grep { !/^version/ } $mock{$_}->seen),
     qr/^mg hot\@copy t N3 E(\d+), ms hot\@copy 5 C\1 E1 F0 T60$/,
     "$_ is claimed, and filled if the claim stands, with the owner's CAS value") for @replicas;

# ---- reads ---------------------------------------------------------------------------
forget();
is(who_answers("get hot\r\n"), 'abc', 'get goes to any');
# Another proxy may have filled it anew since: any copy that stands there is good.
is(join(' ', uniq(map { $_->seen } @mock{@replicas})), 'mg hot@copy f v', 'a copy is not asked for its CAS value');
is(who_answers("gets hot\r\n"), 'abc', 'gets too');
is(who_answers("mg hot v f s k O1 c q\r\n"), 'abc', 'and mg that changes nothing');
is(who_answers("mg aG90 v b\r\n"), 'abc', 'with a key in base64');
is(who_answers("get hot cold\r\n"), 'abc', 'and in a multiget');
# Whatever else stands on the lines to the nodes, and wherever.
my @colds = map { "c$_" } 1 .. 9;
my $all = join(' ', (map { ($_, 'hot') } @colds), 'hot');
for (1 .. 20) {
    my $told = $c->ask("get $all\r\n") =~ s/\r\n[abc]:\w+//gr;
    next if $told eq join('', map { "VALUE $_ 0 @{[ 2 + length ]}\r\n" } split(/ /, $all)) . "END\r\n";
    fail("a multiget with hot keys among others: $told");
    last;
}
like($c->ask("gets hot\r\n"), qr/^VALUE hot 0 5 1\r\n[abc]:hot\r\nEND\r\n$/, 'told as asked');
like($c->ask("get hot hot\r\n"), qr/^(VALUE hot 0 5\r\n[abc]:hot\r\n){2}END\r\n$/, 'twice if asked twice');
like($c->ask("mg hot s k Oxy\r\n"), qr/^HD khot Oxy\r\n$/, 'words in the order asked');
is(who_answers("$_\r\n", 20), $owner, "$_: the owner only")
    for 'gat 0 hot', 'gats 0 hot', 'mg hot v t', 'mg hot v T30', 'mg hot v N30', 'mg hot v h', 'mg hot v l';
my %mes;
$mes{ $c->ask("me hot\r\n") }++ for 1 .. 10;
forget();
$c->ask("me hot\r\n");
is(seen($owner, qr/^me/), 'me hot', 'me: the owner only');
forget();
$c->get('cold') for 1 .. 10;
$c->set('cold', 'v');
is(join(', ', map { seen($_, qr/^(mg|ms|delete|md)/) } qw(a b c)), ', , ', 'a key that is not listed: nothing of all this');
my ($where) = warm('h:1');
is(who_answers("get h:1\r\n"), 'abc', 'a prefix');
is(who_answers("get hotter\r\n", 20), owner_of('hotter'), 'a listed key is no prefix');

# A flight goes to one of them, and all who wait are told.
warm('hot');
$_->mode('hang') for values %mock;
my $hedges = $other->stats->{hedges_total};
my @many = map { $proxy->connect } 1 .. 8;
for (@many) { $_->send("get hot\r\n"); $other->ask('') }
my $asked = 0; # what has been seen is not seen again
sub asked { return $asked += grep { /hot/ } map { $_->seen } values %mock }
wait_until(sub { asked() > 0 }, deadline(10), 'a request has arrived');
$other->ask('');
my $n = asked();
cmp_ok($n, '<=', 1 + $other->stats->{hedges_total} - $hedges, 'eight who ask together are one request');
$_->mode('answer') for values %mock;
like($_->ask(''), qr/^VALUE hot 0 5\r\n[abc]:hot\r\nEND\r\n$/, 'each is told') for @many;

# ---- a copy that is not there -----------------------------------------------------------
for my $line ('EN', 'HD s0 Z', 'VA 0 f0 Z\\r\\n', 'SERVER_ERROR busy') {
    warm('hot');
    my $before = stat_of('replica_misses_total');
    $mock{$_}->busy('mg', $line) for @replicas;
    is(who_answers("get hot\r\n", 30), $owner, "$line: the owner is asked");
    is(who_answers("mg hot v\r\n", 10), $owner, 'for mg too');
    is(who_answers("get hot cold\r\n", 10), $owner, 'and in a multiget');
    cmp_ok(stat_of('replica_misses_total'), '>', $before, 'and it is counted');
    $mock{$_}->busy('') for @replicas;
}

# ---- writes ------------------------------------------------------------------------------
for my $write ("set hot 0 0 1\r\nx", "ms hot 1\r\nx", "add hot 0 0 1\r\nx", "cas hot 0 0 1 1\r\nx",
               "append hot 0 0 1\r\nx", "incr hot 1", "touch hot 9", "ma hot", "delete hot", "md hot") {
    my ($verb) = $write =~ /^(\w+)/;
    warm('hot');
    $mock{$owner}->mode('hold', $verb);
    $c->send("$write\r\n");
    wait_until(sub { seen($owner, qr/^$verb/) ne '' }, deadline(15), "$verb is at the owner");
    is(join('', map { seen($_, qr/^(?:$verb|delete)/) } @replicas), '', 'and nowhere else');
    $mock{$owner}->mode('answer');
    like($c->ask(''), qr/^(STORED|HD|7|TOUCHED|DELETED)\r\n$/, 'its answer is told');
    is(scalar(grep { seen($_, qr/^delete/) =~ /^delete hot\@copy$/ } @replicas), 2, 'when deletes are at the replicas');
    again();
}
forget();
$c->send("set hot 0 0 1 noreply\r\nx\r\n");
$c->ask('');
wait_until(sub { seen($replicas[0], qr/^delete hot\@copy/) ne '' }, deadline(15), 'noreply deletes too');
warm('hot');
$mock{$owner}->busy('add', 'NOT_STORED');
is($c->ask("add hot 0 0 1\r\nx\r\n"), "NOT_STORED\r\n", 'the answer is the owner\'s');
$mock{$owner}->busy('');

# A replica that does not confirm.
again();
warm('hot');
my ($slow, $quick) = @replicas;
my %before = %{ $other->stats };
sub more { my ($name) = @_; return stat_of($name) - $before{$name} }
$mock{$slow}->mode('hang');
is($c->ask("set hot 0 0 1\r\nx\r\n"), "STORED\r\n", 'a set does not wait for a replica that hangs');
is(more('replica_unconfirmed_total'), 1, 'that is counted');
is(more('journal_puts_total'), 1, 'and remembered');
$mock{$slow}->mode('answer');
wait_until(sub { more('journal_replays_total') == 1 }, deadline(15), 'its delete is delivered');
my %who;
wait_until(sub { $who{ substr($c->get('hot'), 0, 1) }++; return ($who{$quick} // 0) > 20 }, deadline(15),
           'the other is read again');
ok(!$who{$slow}, 'it is not, for as long as a copy may live');

again(request_timeout_ms => 200);
warm('hot');
$mock{$slow}->mode('hang');
is($c->ask("delete hot\r\n"), "NOT_FOUND\r\n", 'a delete has the worst answer: journaled, as elsewhere');
$mock{$slow}->mode('answer');
is(more('journal_puts_total'), 2, 'and that is remembered');
wait_until(sub { more('journal_replays_total') == 2 }, deadline(15), 'and delivered');

# What the owner has in its journal may have been copied by others.
again(request_timeout_ms => 200);
warm('hot');
$mock{$owner}->mode('hang');
is($c->ask("delete hot\r\n"), "NOT_FOUND\r\n", 'the owner does not answer a delete');
is(who_answers("get hot\r\n", 1), 'none', 'then no copy is read');
forget();
$mock{$owner}->mode('answer');
wait_until(sub { more('journal_replays_total') >= 5 }, deadline(15), 'it is delivered, then to the replicas');

# ---- a client's own unanswered write ---------------------------------------------------------
again();
warm('hot');
$mock{$owner}->mode('hold', 'set');
$c->send("set hot 0 0 1\r\nx\r\n" . "get hot\r\n" x 10);
wait_until(sub { seen($owner, qr/^get hot/) =~ /^get hot(, get hot){9}$/ }, deadline(15),
           'reads behind a write of one\'s own go to the owner');
$mock{$owner}->mode('answer');
is($c->ask(''), "STORED\r\n" . "VALUE hot 0 5\r\n$owner:hot\r\nEND\r\n" x 10, 'and are answered in order');

# ---- without coalescing, and off -----------------------------------------------------------
again(coalesce => JSON::PP::false());
warm('hot');
is(who_answers("get hot\r\n"), 'abc', 'without coalescing too');
again(replicas => 2);
wait_until(sub { length(who_answers("get hot\r\n")) == 2 }, deadline(15), 'two of three');
again(replicas => 1);
forget();
is(who_answers("get hot\r\n"), $owner, 'with one replica there are no copies');
$c->set('hot', 'x');
is(join('', map { seen($_, qr/^(?:delete|mg|ms)/) } qw(a b c)), '', 'and nothing is deleted');
done_testing;
