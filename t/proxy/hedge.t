# A read of a hot key whose node is slow is asked at another, too: docs/hot-keys.md.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my %mock = map { $_ => MockBackend->start(name => $_) } qw(a b c);
my $file = scratch_dir() . '/table.json';
my $epoch = 0;
sub publish {
    my (%pool) = @_;
    return publish_table($file, { main => { request_timeout_ms => 10_000, replicas => 3, replica_ttl_ms => 60_000,
                                            hot => { keys => ['hot'] }, %pool, mock_nodes([@mock{qw(a b c)}]) } },
                         epoch => ++$epoch);
}
publish();
my $proxy = mfproxy(args => ['--table', $file, '--threads', 1], listens => 1);
my $c = $proxy->connect;
my $other = $proxy->connect;
sub stat_of { return $other->stats->{ $_[0] } }

# Another table, so that nothing is known of copies and nodes; then all copies are filled.
# Returns the owner, and the others.
sub again {
    publish(@_);
    wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), "epoch $epoch");
    my $owner = substr($c->get('hot'), 0, 1);
    my %who;
    wait_until(sub { $who{ substr($c->get('hot'), 0, 1) }++ for 1 .. 20; return keys %who == 3 }, deadline(15),
               'all have it');
    $_->seen for values %mock;
    return ($owner, grep { $_ ne $owner } qw(a b c));
}
# Reads until one more has been asked for twice; none takes as long as a node that hangs.
sub read_until_hedged {
    my ($bytes, $not, $name) = @_;
    my $wins = stat_of('hedge_wins_total');
    my $began = Memfleet::Deadline::now();
    my %who;
    wait_until(sub { $c->ask($bytes) =~ /\n([abc]):hot\r\n/ ? $who{$1}++ : $who{nobody}++;
                     return stat_of('hedge_wins_total') > $wins }, deadline(8), "$name: the other was first");
    is($who{$not}, undef, "$name: the slow one tells nothing");
    is($who{nobody}, undef, "$name: every read is answered");
    cmp_ok(Memfleet::Deadline::now() - $began, '<', 8, "$name: soon");
    return;
}
# What it owes comes, and is nobody's answer.
sub wake {
    my ($name) = @_;
    $mock{$name}->mode('answer');
    for (1 .. 60) {
        my $reply = $c->ask("get hot\r\nget cold$_\r\n");
        next if $reply =~ /^VALUE hot 0 5\r\n[abc]:hot\r\nEND\r\nVALUE cold$_ 0 \d+\r\n[abc]:cold$_\r\nEND\r\n$/;
        return is($reply, '', 'late replies are dropped');
    }
    return pass('late replies are dropped by their position');
}

my ($owner, @copies) = again();
for my $case ([$copies[0], "get hot\r\n", 'a copy is slow'], [$owner, "get hot\r\n", 'the owner is slow'],
              [$copies[1], "get cold hot\r\n", 'in a multiget'], [$owner, "gets hot\r\n", 'with a CAS value'],
              [$copies[0], "mg hot v\r\n", 'in meta, between copies']) {
    my ($who, $bytes, $name) = @$case;
    next if $bytes =~ /cold/ && $c->get('cold') =~ /^\Q$who\E/;
    again();
    $mock{$who}->mode('hang');
    read_until_hedged($bytes, $who, $name);
    wake($who);
}
is(stat_of('failed_timeout_total'), 0, 'nothing has timed out');

# ---- what is not --------------------------------------------------------------------------------
publish(hot => { keys => [] });
wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), "epoch $epoch");
my $hedges = stat_of('hedges_total');
$mock{$_}->mode('late', 100) for qw(a b c);
$c->get("k$_") for 1 .. 3;
is(stat_of('hedges_total'), $hedges, 'keys that are not hot');
$mock{$_}->mode('answer') for qw(a b c);
publish(replicas => 2);
wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), "epoch $epoch");
wait_until(sub { $c->get('hot'); stat_of('replica_reads_total') > 0 && $c->get('hot') !~ /^\Q$owner\E/ }, deadline(15),
           'there is a copy');
$hedges = stat_of('hedges_total');
$mock{$_}->mode('late', 100) for qw(a b c);
$c->ask("mg hot v\r\n") for 1 .. 8;
is(stat_of('hedges_total'), $hedges, 'an mg never gets what the owner gives to one: neither by it, nor from it');
$mock{$_}->mode('answer') for qw(a b c);

# ---- not too many ------------------------------------------------------------------------------
again(coalesce => JSON::PP::false());
$hedges = stat_of('hedges_total');
$mock{$_}->mode('hang') for qw(a b c);
my @crowd = map { $proxy->connect } 1 .. 40;
$_->send("get hot\r\n") for @crowd;
wait_until(sub { stat_of('hedges_total') >= $hedges + 3 }, deadline(10), 'some are hedged');
my $until = Memfleet::Deadline::now() + 0.5;
wait_until(sub { Memfleet::Deadline::now() > $until }, deadline(10), 'all have waited long');
cmp_ok(stat_of('hedges_total') - $hedges, '<=', 10, 'but within the retry budget');
$mock{$_}->mode('answer') for qw(a b c);
is($_->read_exact(27) =~ s/[abc]:/x:/r, "VALUE hot 0 5\r\nx:hot\r\nEND\r\n", 'told once') for @crowd[0, 20, 39];
is($_->ask("get cold\r\n") =~ /^VALUE cold/ ? 1 : 0, 1, 'and in order') for @crowd[0, 39];
done_testing;
