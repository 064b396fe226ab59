# -m, -M, -I, cache_memlimit: what memory is used for, and what happens when
# there is none.
use strict;
use warnings;
use Memfleet;

sub fill {
    my ($c, $prefix, $count, $bytes) = @_;
    my $value = 'v' x $bytes;
    return $c->ask(join('', map { "set $prefix$_ 0 0 $bytes noreply\r\n$value\r\n" } 1 .. $count));
}

{
    my $node = mfcached(args => [qw(-m 8)]);
    my $c = $node->connect;
    is(fill($c, 'k', 20_000, 1000), '', 'more is stored than fits');
    my $stats = $c->stats;
    # What connections have just taken may be a 64th over it for a moment (docs/store.md).
    cmp_ok($stats->{memory_used}, '<=', $stats->{limit_maxbytes} * 65 / 64, 'the limit is kept');
    cmp_ok($stats->{memory_used}, '>=', $stats->{limit_maxbytes} * 0.98, 'and used');
    cmp_ok($stats->{evictions}, '>', 10_000, 'by evicting');
    is($stats->{evictions} + $stats->{curr_items}, 20_000, 'nothing is lost uncounted');
    is($c->get('k1'), undef, 'what is old is gone');
    is($c->get('k20000'), 'v' x 1000, 'what is new is there');

    is($c->ask(join('', map { "md none$_ x q\r\n" } 1 .. 20_000)) =~ s/NF\r\n//gr, '', 'deletes that find nothing');
    # Not the thousand and more that 20,000 items would need; buffers may need some.
    cmp_ok($c->stats->{evictions} - $stats->{evictions}, '<', 100, 'need no room');

    # What is read goes on living under a stream of new keys.
    $c->set('hot', 'x');
    for my $round (1 .. 20) {
        fill($c, "r$round-", 1000, 1000);
        is($c->get('hot'), 'x', "read again in round $round") or last;
    }

    is($c->ask("cache_memlimit 16\r\n"), "OK\r\n", 'a higher limit');
    fill($c, 'h', 20_000, 1000);
    cmp_ok($c->stats->{memory_used}, '>', 15 << 20, 'is used');
    is($c->ask("cache_memlimit 8\r\n"), "OK\r\n", 'a lower one');
    wait_until(sub { $c->stats->{memory_used} <= 8 << 20 }, deadline(20), 'is worked off');
    pass('is worked off');
}

{
    my $node = mfcached(args => [qw(-m 8 -M)]);
    my $c = $node->connect;
    my $buffers = $c->stats->{memory_buffers};
    my $filler = $node->connect;
    fill($filler, 'k', 10_000, 1000);
    $filler->close;
    # Its buffers are memory, too, and come back when a while has passed.
    wait_until(sub { $c->stats->{memory_buffers} <= $buffers }, deadline(10), 'the buffers are free');
    my $n = 0;
    $n++ while $c->set("rest$n", 'v' x 1000) eq 'STORED';
    is($c->stats->{evictions}, 0, '-M: nothing is evicted');
    is($c->set('more', 'v' x 1000), 'SERVER_ERROR out of memory storing object', 'an error instead');
    is($c->get('k1'), 'v' x 1000, 'what was there stays');
    fill($c, 'small', 2000, 1); # what the larger ones have left
    $c->ask(join('', map { "ma c$_ N0\r\n" } 10 .. 50)); # and what those have left
    is($c->ask("ma counter N0\r\nmd k1 x\r\nms k3 1 MA\r\nx\r\nmg viv N30\r\n"),
       "SERVER_ERROR out of memory\r\n" x 2
           . "SERVER_ERROR out of memory storing object\r\nEN\r\n", 'nor is anything made');
    is($c->delete('k1'), 'DELETED', 'room is made');
    is($c->set('more', 'v' x 1000), 'STORED', 'and taken');
    is($c->ask("set k2 0 0 2000\r\n" . 'w' x 2000 . "\r\nget k2\r\n"),
       "SERVER_ERROR out of memory storing object\r\nEND\r\n", 'a refused set leaves no old value');
}

{
    my $node = mfcached(args => [qw(-I 2k)]);
    my $c = $node->connect;
    is($c->set('a', 'x' x 1900), 'STORED', '-I 2k: 1900 bytes fit');
    is($c->set('b', 'x' x 2048), 'SERVER_ERROR object too large for cache', '2048 do not');
    is($c->ask("append a 0 0 500\r\n" . 'y' x 500 . "\r\n"), "NOT_STORED\r\n", 'nor after an append');
    is($c->get('a'), 'x' x 1900, 'which changes nothing');
    is($c->stats('settings')->{item_size_max}, 2048, 'settings');
    is($c->stats->{store_too_large}, 2, 'counted');
}

# Values that are promised and do not come count against the limit, and are
# refused when it is reached, but evict nothing that is there for long.
{
    my $node = mfcached(args => [qw(-m 8)]);
    my @hoarders = map { $node->connect } 1 .. 12;
    $_->send("set h 0 0 1000000\r\nx") for @hoarders;
    my $c = $node->connect;
    wait_until(sub { $c->stats->{store_no_memory} >= 4 }, deadline(10), 'the limit is reached');
    cmp_ok($c->stats->{memory_used}, '<=', (8 << 20) * 65 / 64, 'reserved memory is bounded');
    $_->close for @hoarders;
    wait_until(sub { $c->stats->{curr_connections} == 1 }, deadline(10), 'they are gone');
    is($c->set('a', 'x' x 500_000), 'STORED', 'and their memory is free');
}

done_testing;
