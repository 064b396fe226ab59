# A key that the reads themselves show to be hot has copies that this proxy alone
# reads: docs/hot-keys.md.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my %mock = map { $_ => MockBackend->start(name => $_) } qw(a b c);
my $file = scratch_dir() . '/table.json';
my $epoch = 0;
sub publish {
    my (%pool) = @_;
    return publish_table($file, { main => { patient(table => 1), replicas => 3, promote_percent => 50,
                                            replica_ttl_local_ms => 1000, %pool, mock_nodes([@mock{qw(a b c)}]) } },
                         epoch => ++$epoch);
}
publish();
my $proxy = mfproxy(args => ['--table', $file, '--threads', 2, '--http', '127.0.0.1:0'], listens => 2);
my @c = map { $proxy->connect } 1 .. 2; # one on each thread
my $stats = $proxy->connect;
sub stat_of { return $stats->stats->{ $_[0] } }
sub by { my ($client) = @_; return substr($client->get('hot'), 0, 1) }
sub seen { my ($who, $re) = @_; return join(', ', grep { /$re/ } $mock{$who}->seen) }
sub forget { $_->seen for values %mock; return }

# A second of reads after another, by both threads, until it is so.
sub read_on {
    my ($so, $what) = @_;
    return wait_until(sub { $_->ask("get hot\r\n" x 300) for @c; return $so->() }, deadline(60), $what);
}
sub spread {
    my ($client) = @_;
    my %who;
    $who{ by($client) }++ for 1 .. 30;
    return join('', sort keys %who);
}

my $owner = by($c[0]);
my @replicas = grep { $_ ne $owner } qw(a b c);
is(spread($_), $owner, 'at first the owner is read') for @c;
forget();
read_on(sub { stat_of('promoted_keys') == 1 }, 'when it is most of what is asked of its node, it is promoted');
is(stat_of('promotions_total'), 1, 'and counted, once');
my $hotkeys = $stats->stats('hotkeys');
is("$hotkeys->{'promoted:1:key'} $hotkeys->{'promoted:1:pool'}", 'hot main', 'stats hotkeys');
my ($http) = $proxy->log_text =~ /event=listening addr=(\S+) role=http/;
my (undef, $page) = http_get($http, '/metrics');
like($page, qr/^mfproxy_promoted_keys 1$/m, 'the metric');
unlike($page, qr/"hot"/, 'without the key');
my $watcher = $proxy->connect;
is($watcher->ask_line("watch hotkeys\r\n"), "OK\r\n", 'who watches hot keys');
my $log = '';
read_on(sub { ($log .= $watcher->unread_now) =~ /key=hot count=\d+ error=\d+ promoted=yes$/m },
        'is told so, too');
$watcher->close;
read_on(sub { spread($c[0]) eq 'abc' }, 'then any of three nodes is read');
read_on(sub { spread($c[1]) eq 'abc' }, 'by the other thread too');
like(seen($_, qr/^(ms|mg hot\S* t)/), qr/^ms hot\@here 5 E1 F0 T2(, ms hot\@here 5 E1 F0 T2)*$/,
     "$_ has the owner's value and CAS value, for a moment") for @replicas;
like(seen($owner, qr/^mg/), qr/^mg hot v f c t/, 'as the owner told it');

# ---- reads -----------------------------------------------------------------------------
sub is_any {
    my ($bytes, $re) = @_;
    my %who;
    read_on(sub { my $r = $c[0]->ask($bytes);
                  BAIL_OUT("'$bytes': '$r'") if $r !~ $re;
                  $who{ ($r =~ /\r\n([abc]):hot/)[0] }++;
                  return keys %who == 3 }, "any: $bytes" =~ s/\r\n//r);
    return;
}
is_any("gets hot\r\n", qr/^VALUE hot 0 5 1\r\n[abc]:hot\r\nEND\r\n$/);
is_any("mg hot v O1 k\r\n", qr/^VA 5 O1 khot\r\n[abc]:hot\r\n$/);
is_any("get hot cold\r\n", qr/^VALUE hot 0 5\r\n[abc]:hot\r\nVALUE cold 0 6\r\n[abc]:cold\r\nEND\r\n$/);
my $all = join(' ', map { ("c$_", 'hot') } 1 .. 9);
for (1 .. 30) {
    my $told = $c[0]->ask("get $all\r\n") =~ s/\r\n[abc]:\w+//gr;
    next if $told eq join('', map { "VALUE $_ 0 @{[ 2 + length ]}\r\n" } split(/ /, $all)) . "END\r\n";
    fail("a multiget with hot keys among others: $told");
    last;
}
for my $line ('gat 0 hot', 'mg hot v t', 'mg hot v T30') {
    my %who;
    $who{ ($c[0]->ask("$line\r\n") =~ /\r\n([abc]):hot/)[0] }++ for 1 .. 20;
    is(join('', keys %who), $owner, "$line: the owner");
}

# Another proxy has stored another value there, or the node has lost it.
my $misses = stat_of('replica_misses_total');
$mock{$_}->busy('mg', 'VA 3 f0 c2\\r\\nold') for @replicas;
read_on(sub { my %who; $who{ by($_) }++ for @c; return keys %who == 1 && $who{$owner} }, 'only what has the CAS value is told');
is(spread($c[0]), $owner, 'else it is asked of the owner');
cmp_ok(stat_of('replica_misses_total'), '>', $misses, 'and counted');
$mock{$_}->busy('mg', 'EN') for @replicas;
is(spread($c[0]), $owner, 'a miss too');
$mock{$_}->busy('') for @replicas;

# ---- writes -----------------------------------------------------------------------------
for my $write ("set hot 0 0 1\r\nx\r\n", "delete hot\r\n", "incr hot 1\r\n", "touch hot 9\r\n",
               "ms hot 1\r\nx\r\n", "md hot\r\n", "gat 9 hot\r\n") {
    my ($line) = $write =~ /^([^\r]*)/;
    read_on(sub { spread($c[0]) eq 'abc' }, "before '$line'");
    forget();
    $c[1]->ask($write);
    is(by($c[0]), $owner, 'a read behind it, by the other thread, is the owner\'s');
    is(join('', map { seen($_, qr/^(?:delete|md)/) } @replicas), '', 'and nothing is deleted elsewhere');
}
read_on(sub { spread($c[0]) eq 'abc' }, 'before a write of one\'s own');
my $told = $c[0]->ask("set hot 0 0 1\r\nx\r\n" . "get hot\r\n" x 20);
is($told, "STORED\r\n" . "VALUE hot 0 5\r\n$owner:hot\r\nEND\r\n" x 20, 'who reads behind it reads the owner');

# ---- time, and the end -------------------------------------------------------------------
forget();
my $fills = 0;
read_on(sub { $fills += () = seen($owner, qr/^mg/) =~ /mg hot v f c t/g; return $fills > 8 },
        'copies are made anew, as each is read for a second at most');
wait_until(sub { stat_of('promoted_keys') == 0 }, deadline(60), 'when nobody asks, it is demoted');
is(stat_of('demotions_total'), 1, 'and counted');
forget();
is(spread($_), $owner, 'and read at the owner') for @c;
is(join('', map { seen($_, qr/hot/) } @replicas), '', 'only');
ok(!exists $stats->stats('hotkeys')->{'promoted:1:key'}, 'and not shown');

read_on(sub { stat_of('promoted_keys') == 1 }, 'promoted again');
publish();
wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), 'another table');
is(stat_of('promoted_keys'), 0, 'by which nothing is known');
publish(promote_percent => 0);
wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), 'off');
my $started = Memfleet::Deadline::now();
read_on(sub { Memfleet::Deadline::now() > $started + 4 }, 'reads go on');
is(stat_of('promoted_keys'), 0, 'and nothing is promoted');
is(spread($c[0]), $owner, 'nor read elsewhere');
done_testing;
