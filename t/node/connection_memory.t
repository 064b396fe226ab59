# -m bounds items and connections together: items make room for what connections
# hold, to a point; then connections are refused, and those that grow are closed.
use strict;
use warnings;
use Memfleet;
use Socket qw(SOL_SOCKET SO_RCVBUF);

my $BASE_KB = 8 * 1024;

sub rss_kb {
    my ($node) = @_;
    return slurp('/proc/' . $node->pid . '/status') =~ /^VmRSS:\s+(\d+) kB/m ? $1 : die;
}

sub rss_ok {
    my ($node, $limit_mb, $title) = @_;
  SKIP: {
        skip('a sanitizer has an allocator of its own', 1) if sanitized();
        my $kb = rss_kb($node);
        cmp_ok($kb, '<=', 1.08 * $limit_mb * 1024 + $BASE_KB, "$title: $kb kB");
    }
}

sub fill {
    my ($c, $count, $bytes) = @_;
    my $value = 'v' x $bytes;
    $c->ask(join('', map { "set k$_ 0 0 $bytes noreply\r\n$value\r\n" } 1 .. $count));
}

# By purpose it is all of it.
{
    my $node = mfcached(args => [qw(-m 16 --metrics 127.0.0.1:0)]);
    my $c = $node->connect;
    fill($c, 30_000, 1000);
    my @idle = map { $node->connect } 1 .. 100;
    $_->ask('') for @idle;
    my $stats = $c->stats;
    my $sum = 0;
    $sum += $stats->{"memory_$_"} for qw(items dead table connections buffers);
    is($sum, $stats->{memory_used}, 'the purposes are all that is used');
    cmp_ok($stats->{memory_used}, '<=', (16 << 20) * 65 / 64, 'within the limit'); # docs/store.md
    cmp_ok($stats->{memory_connections}, '>', 101 * 300, 'connections');
    cmp_ok($stats->{memory_connections}, '<', 101 * 1500, 'which are small');
    cmp_ok($stats->{memory_items}, '>', 0.9 * (16 << 20), 'most serves items');
    my ($http) = $node->log_text =~ /event=listening_http addr=(\S+)/;
    my (undef, $page) = http_get($http, '/metrics');
    is(scalar(() = $page =~ /^memfleet_memory_bytes\{purpose="\w+"\} \d+$/mg), 6, '/metrics');
}

# Clients that do not read: 300 times up to 256 KB of replies.
sub stuck {
    my ($node, $count) = @_;
    my @stuck;
    my $request = "get small small small small small small small small\r\n" x 1000;
    for (1 .. $count) {
        my $conn = eval { $node->connect } or last;
        my $socket = $conn->socket;
        setsockopt($socket, SOL_SOCKET, SO_RCVBUF, 4096);
        push @stuck, $conn;
        syswrite($socket, $request);
    }
    return @stuck;
}

# What a new connection is told unasked, if it is told something within 200 ms.
sub line_at_once {
    my ($node) = @_;
    my $conn = $node->connect;
    vec(my $readable = '', fileno $conn->socket, 1) = 1;
    return select($readable, undef, undef, 0.2) ? $conn->read_to_close : undef;
}

{
    my $node = mfcached(args => [qw(-m 32 -c 2000)]);
    my $c = $node->connect;
    fill($c, 20_000, 2000);
    $c->set('small', 's' x 2000);
    my @stuck = stuck($node, 300);
    my $line;
    wait_until(sub { push @stuck, stuck($node, 10); $line = line_at_once($node) },
               deadline(20), 'connections are refused');
    is($line, "SERVER_ERROR out of memory\r\n", 'a line says why');
    cmp_ok($c->stats->{rejected_for_memory}, '>', 0, 'counted');
    # Items make room in slices, so they may be some turns behind.
    wait_until(sub { $c->stats->{memory_used} <= 1.05 * (32 << 20) }, deadline(10), 'items have made room');
    my $stats = $c->stats;
    cmp_ok($stats->{memory_buffers}, '>=', 15 << 20, 'half of the memory is theirs');
    cmp_ok($stats->{memory_buffers}, '<=', 24 << 20, 'and not more than three quarters');
    cmp_ok($stats->{memory_used}, '<=', 1.05 * (32 << 20), 'the limit is kept by all together');
    rss_ok($node, 32, 'resident');
    is($c->get('small'), 's' x 2000, 'who is there is served');
    is($c->set('more', 'm' x 1000), 'STORED', 'in both directions');
    is($c->ask("get small\r\n" x 100), "VALUE small 0 2000\r\n@{['s' x 2000]}\r\nEND\r\n" x 100,
       'also much at once');
    wait_until(sub { !line_at_once($node) }, deadline(20), 'there is place again');
    cmp_ok($c->stats->{memory_kicks}, '>', 0, 'because who took nothing for a second had to go');
    $_->close for @stuck;
    wait_until(sub { $c->stats->{memory_buffers} < 1 << 20 }, deadline(20), 'they are gone');
    fill($c, 20_000, 2000);
    cmp_ok($c->stats->{memory_items}, '>', 0.85 * (32 << 20), 'items have their memory again');
    rss_ok($node, 32, 'resident afterwards');
    is($node->connect->get('small'), 's' x 2000, 'and there is place for connections');
}

# As in memcached, where the operator wants that.
{
    my $node = mfcached(args => [qw(-m 8 -c 2000 -o items_memory_only)]);
    my $c = $node->connect;
    fill($c, 5000, 2000);
    $c->set('small', 's' x 2000);
    my @stuck = stuck($node, 60);
    wait_until(sub { $c->stats->{memory_buffers} > 6 << 20 }, deadline(20), 'buffers are not bounded');
    my $stats = $c->stats;
    cmp_ok($stats->{memory_items}, '>', 0.9 * (8 << 20), 'items have all of -m');
    is($stats->{rejected_for_memory}, 0, 'nobody is refused');
    is($c->stats('settings')->{items_memory_only}, 'yes', 'stats settings');
}

done_testing;
