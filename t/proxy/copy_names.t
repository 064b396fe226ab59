# Copies of hot keys, and the empty items under which they are made, are never taken
# for what a node has as a key's owner, nor for copies of another owner's: a table
# may change who that is. docs/hot-keys.md.
use strict;
use warnings;
use Memfleet;
use MockBackend;
use MIME::Base64 qw(encode_base64);

my %mock = map { $_ => MockBackend->start(name => $_) } qw(a b);
my $node = mfcached();
my $file = scratch_dir() . '/table.json';
my $epoch = 0;

# A table of these nodes: mocks by their names, and the real one.
sub publish {
    my ($names, %pool) = @_;
    my @nodes = map { { id => $_, ring_name => "$_:1", addr => $_ eq 'real' ? $node->addr : $mock{$_}->addr } } @$names;
    return publish_table($file, { main => { patient(table => 1), replicas => 2, replica_ttl_ms => 60_000,
                                            hot => { prefixes => ['h'] }, %pool, nodes => \@nodes } },
                         epoch => ++$epoch, force => JSON::PP::true());
}
publish(['a', 'real']);
my $proxy = mfproxy(args => ['--table', $file, '--threads', 1], listens => 1);
my $c = $proxy->connect;
my $direct = $node->connect;
sub clear { return wait_until(sub { $c->stats->{table_clear_epoch} == $epoch }, deadline(15), "epoch $epoch") }

# Keys that both mocks own beside the real node, whichever of them the table has.
my @keys = grep { ($c->get($_) // '') =~ /^a:/ } map { "h$_" } 1 .. 60;
publish(['b', 'real']);
clear();
@keys = grep { ($c->get($_) // '') =~ /^b:/ } @keys;
cmp_ok(scalar(@keys), '>=', 3, 'keys of either mock');
is($direct->ask("flush_all\r\n"), "OK\r\n", 'nothing is left');
publish(['a', 'real']);
clear();

# ---- an empty item that a copy was to be ---------------------------------------------------
my $claimed = $keys[0];
$mock{a}->mode('hold', 'mg');
$c->ask("get $claimed\r\n");
wait_until(sub { grep { /^mg $claimed v/ } $mock{a}->seen }, deadline(15), 'the copy is claimed, and its owner is asked');
publish(['real']);
wait_until(sub { $c->stats->{table_epoch} == $epoch }, deadline(15), 'another table, while that is on its way');
is($c->ask("get $claimed\r\n"), "END\r\n", 'the node that was to have it owns the key now, and has nothing of it');
is($c->ask("gets $claimed cold\r\n"), "END\r\n", 'nor in a multiget');
is($c->ask("append $claimed 0 0 1\r\nx\r\n"), "NOT_STORED\r\n", 'nor is there anything to append to');
is($c->ask("add $claimed 0 0 1\r\nx\r\n"), "STORED\r\n", 'or in the way of an add');
$mock{a}->mode('answer');

# ---- a copy ----------------------------------------------------------------------------------
publish(['a', 'real']);
clear();
my $copied = $keys[1];
my $before = $c->stats->{replica_fills_total};
wait_until(sub { $c->get($copied); $c->stats->{replica_fills_total} > $before }, deadline(15), 'a copy is made');
publish(['real']);
clear();
is($c->ask("get $copied\r\n"), "END\r\n", 'no new owner has what it had as a copy');
is($c->ask("mg $copied v\r\n"), "EN\r\n", 'in meta neither');

# ---- of another owner's ------------------------------------------------------------------------
publish(['b', 'real']);
clear();
my %who;
$before = $c->stats->{replica_reads_total};
wait_until(sub { $who{ $c->get($copied) }++; $c->stats->{replica_reads_total} > $before + 5 }, deadline(15),
           'another owner, whose copies are at the same node');
is(join(' ', keys %who), "b:$copied", 'only what that has is read');

# ---- as clients know them ---------------------------------------------------------------------
# Each in its own words, wherever it was read; also a key that is no text.
my ($binary) = grep { my $k = encode_base64("h $_", ''); $c->ask("mg $k v b\r\n") =~ /^VA/ } 1 .. 60;
for my $case ([$copied, '', $copied], [encode_base64("h $binary", ''), ' b', encode_base64("h $binary", '')]) {
    my ($key, $b, $told) = @$case;
    $before = $c->stats->{replica_reads_total};
    %who = ();
    wait_until(sub { $who{ $c->ask("mg $key s k f O7$b\r\n") =~ s/ s\d+//r }++;
                     $c->stats->{replica_reads_total} > $before + 5 }, deadline(15), "mg $key k is told by copies");
    is(join(' ', keys %who), "HD k$told$b f0 O7\r\n", 'by its own name');
}

# ---- the names' length ------------------------------------------------------------------------
for my $key (map { 'h' x $_ } 236, 237, 250) {
    $before = $c->stats->{replica_fills_total};
    is($c->ask("set $key 0 0 1\r\nx\r\n"), "STORED\r\n", length($key) . ' bytes: a write');
    if (length $key == 236) {
        wait_until(sub { $c->get($key); $c->stats->{replica_fills_total} > $before }, deadline(15), 'a copy');
        next;
    }
    like($c->get($key), qr/^(x|b:$key)$/, 'read') for 1 .. 10;
    is($c->stats->{replica_fills_total}, $before, 'and without copies, whose name would be too long');
}
is($c->stats->{journal_puts_total}, 0, 'every delete of a copy was confirmed');
done_testing;
