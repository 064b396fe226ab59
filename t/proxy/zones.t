# Reads that may go to several nodes go to the proxy's own zone, and where that does
# not decide, to the one of two with fewer requests on their way: docs/hot-keys.md.
use strict;
use warnings;
use Memfleet;
use MockBackend;
use IO::Select ();

my %mock = map { $_ => MockBackend->start(name => $_) } qw(a b c);
my $dir = scratch_dir();

# Nodes a, b and c stand in zones A, B and C.
publish_table("$dir/table.json", {
    main => { patient(table => 1), coalesce => JSON::PP::false(), replicas => 3, replica_ttl_ms => 60_000,
              hot => { keys => ['hot'] },
              mock_nodes([@mock{qw(a b c)}], map { $_ => { zone => uc $_ } } qw(a b c)) } });

sub proxy_in {
    my ($zone) = @_;
    return mfproxy(args => ['--table', "$dir/table.json", '--threads', 1, '--zone', $zone]);
}

# How many reads of the key each node has had since the last call.
sub reads { return map { my $name = $_; $name => scalar grep { /^(?:get|mg) hot(?:\@copy)?(?: v| f|$)/ && !/ t$/ } $mock{$name}->seen } keys %mock }

sub warmed {
    my ($proxy) = @_;
    my $c = $proxy->connect;
    wait_until(sub { knows($c) }, deadline(15), 'its copies are known');
    reads();
    return $c;
}

# Both copies are known when nothing is about to be made.
sub knows {
    my ($c) = @_;
    reads();
    $c->get('hot') for 1 .. 10;
    $c->ask('');
    return !grep { my $name = $_; grep { /^(?:mg hot\@copy t|ms hot|mg hot v f c t)/ } $mock{$name}->seen } keys %mock;
}

# ---- one's own zone ---------------------------------------------------------------------------
for my $zone (qw(A B C)) {
    my $proxy = proxy_in($zone);
    my $c = warmed($proxy);
    # But for reads that are hedged, where the machine is so busy that one takes long.
    my $hedges = $c->stats->{hedges_total};
    my @elsewhere = grep { $_ ne lc($zone) . ':hot' } map { $c->get('hot') } 1 .. 20;
    my %reads = reads();
    $hedges = $c->stats->{hedges_total} - $hedges;
    cmp_ok(scalar @elsewhere, '<=', $hedges, "zone $zone reads its own node ($hedges hedges)");
    my $others = 0;
    $others += $reads{$_} for grep { $_ ne lc $zone } keys %reads;
    cmp_ok($others, '<=', $hedges, 'and no other');
    cmp_ok($hedges, '<', 10, 'most are not hedged');
    my $own = $mock{ lc $zone };
    $own->mode('refuse');
    wait_until(sub { $c->get('hot'); $proxy->log_text =~ /event=backend_down/ }, deadline(15), 'that is DOWN');
    my %who = map { substr($c->get('hot') // 'x', 0, 1) => 1 } 1 .. 20;
    ok(!$who{ lc $zone } && !$who{x}, 'then the others serve: ' . join(' ', sort keys %who));
    $proxy->stop;
    $own->mode('answer');
}

# ---- the slow one of three --------------------------------------------------------------------
my $proxy = proxy_in('elsewhere');
my $c = warmed($proxy);
my %even;
$even{ substr($c->get('hot'), 0, 1) }++ for 1 .. 150;
cmp_ok($even{$_} // 0, '>=', 10, "$_ has its share of 150 reads, one after another: " . ($even{$_} // 0)) for qw(a b c);
my @clients = map { $proxy->connect } 1 .. 12;
reads();
$mock{b}->mode('late 50');
# Each asks again as soon as it is answered, so what is on its way tells who is slow.
my %client_of = map { fileno($_->socket) => $_ } @clients;
my $select = IO::Select->new(map { $_->socket } @clients);
my $asked = 0;
sub ask_again { my ($client) = @_; $asked++; $client->send("get hot\r\n"); return }
ask_again($_) for @clients;
while ($asked < 300) {
    for my $socket ($select->can_read(deadline(10))) {
        my $client = $client_of{ fileno $socket };
        $client->read_line for 1 .. 3;
        ask_again($client);
    }
}
my %reads = reads();
my $share = $asked / 3;
cmp_ok($reads{b}, '<', $share / 2, "a node that is slow has less than half of its share: $reads{b} of $share");
cmp_ok($reads{$_}, '>', $share, "$_ has more: $reads{$_}") for qw(a c);
done_testing;
