# New routing tables under a running proxy: what is on its way ends where it
# began, nodes that stay keep their connections, a bad table changes nothing.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my @mocks = map { MockBackend->start(name => $_) } qw(a b c);
my ($ma, $mb, $mc) = @mocks;
my $file = scratch_dir() . '/table.json';

sub publish {
    my ($epoch, $nodes, %opt) = @_;
    spew($file, table_json(epoch => $epoch, nodes => [map { $_->addr } @$nodes],
                           ids => [map { $_->name } @$nodes], %opt,
                           pool => { request_timeout_ms => 10_000, %{ $opt{pool} // {} } }));
    return;
}
my %force = (table => { force => JSON::PP::true() });

publish(1, [$ma, $mb]);
my $proxy = mfproxy(args => ['--table', $file, '--threads', 1, '--http', '127.0.0.1:0'], listens => 2);
my $c = $proxy->connect;

sub epoch_is {
    my ($epoch) = @_;
    return wait_until(sub { $c->stats->{table_epoch} == $epoch }, deadline(15), "epoch $epoch");
}

sub owners {
    my %owner = map { ($c->get("k$_") // '') =~ /^(\w+):/ ? ("k$_" => $1) : () } 1 .. 60;
    return \%owner;
}
my $before = owners();
is(join(' ', sort keys %{ { reverse %$before } }), 'a b', 'two nodes serve');
my ($ka) = sort grep { $before->{$_} eq 'a' } keys %$before;

# A node leaves while a request to it is on its way.
$ma->mode('hang');
my $waiting = $proxy->connect;
$waiting->send("get $ka\r\nset $ka 0 0 1\r\nx\r\n");
wait_until(sub { grep { /^set/ } $ma->seen }, deadline(10), 'the requests have arrived');
publish(2, [$mb, $mc], %force);
epoch_is(2);
my $after = owners();
is(join(' ', sort keys %{ { reverse %$after } }), 'b c', 'the new table serves');
is(scalar(grep { $before->{$_} eq 'b' && $after->{$_} ne 'b' } keys %$before) < 20, 1,
   'most of the staying node\'s keys stay');
is($mb->connections, 1, 'and its connection was kept');
is($waiting->unread, '', 'the request to the node that left still waits');
is($c->stats->{table_clear_epoch}, 1, 'so the proxy is not clear of the old table');
$ma->mode('answer');
is($waiting->read_line, "VALUE $ka 0 @{[ length qq{a:$ka} ]}\r\n", 'and is answered by it');
is($waiting->read_exact(length "a:$ka\r\nEND\r\nSTORED\r\n"), "a:$ka\r\nEND\r\nSTORED\r\n", 'whole');
wait_until(sub { $c->stats->{table_clear_epoch} == 2 }, deadline(10), 'now it is');
$ma->seen;
owners();
is_deeply([$ma->seen], [], 'then nothing is sent there any more');

# Tables that cannot be used.
my $rejected = $c->stats->{tables_rejected_total};
spew($file, '{"memfleet_table":1,"epoch":3,"pools":{}}');
wait_until(sub { $c->stats->{tables_rejected_total} > $rejected }, deadline(15), 'it is refused');
is($c->stats->{table_epoch}, 2, 'a table that cannot be used changes nothing');
is_deeply(owners(), $after, 'keys are where they were');
is((http_get($proxy->addr(role => 'http'), '/readyz'))[0], 200, 'and the proxy is ready');

# A name that DNS does not know costs the keys of that node and nothing else.
spew($file, table_json(epoch => 3, nodes => [$mb->addr, $mc->addr, 'nowhere.invalid:1'],
                       ids => [qw(b c x)]));
epoch_is(3);
my @lost = grep { !defined $c->get("k$_") } 1 .. 60;
ok(@lost > 0 && @lost < 40, 'the keys of a node without an address miss');
is($c->ask("set k$lost[0] 0 0 1\r\nx\r\n"), "SERVER_ERROR backend down\r\n", 'and cannot be written');
like($proxy->log_text, qr/event=backend_down node="?x"? after=connect_failed/, 'it is DOWN');
like($c->ask("stats backends\r\n"), qr/^STAT x:addr nowhere\.invalid:1\r$/m, 'and shown by its name');

# A node that the table calls down keeps its keys and is asked nothing.
publish(4, [$mb, $mc], %force);
epoch_is(4);
my ($kb) = sort grep { $after->{$_} eq 'b' } keys %$after;
my $down = JSON::PP::decode_json(slurp($file));
$down->{epoch} = 5;
$_->{state} = 'down' for grep { $_->{id} eq 'b' } @{ $down->{pools}{main}{nodes} };
spew($file, JSON::PP::encode_json($down));
epoch_is(5);
$mb->seen;
is($c->ask("get $kb\r\nset $kb 0 0 1\r\nx\r\nmg $kb v q\r\n"), "END\r\nSERVER_ERROR backend down\r\n",
   'reads of a node that the table calls down miss, writes err');
is_deeply([$mb->seen], [], 'and it hears nothing of it');
publish(6, [$mb, $mc]);
epoch_is(6);
wait_until(sub { ($c->get($kb) // '') eq "b:$kb" }, deadline(10),
           'called active again it serves, once it has had what it missed');
is(scalar(grep { $_ eq "delete $kb" } $mb->seen), 1, 'the delete of a value that could not be set');

# What a pool may choose.
publish(7, [$mb, $mc], pool => { on_read_error => 'error', on_write_error => 'not_stored',
                                 request_timeout_ms => 500, flush_all => 'allow' });
epoch_is(7);
$mb->mode('hang');
is($c->ask("get $kb\r\nset $kb 0 0 1\r\nx\r\nget $kb k1 k2 k3\r\n"),
   "SERVER_ERROR backend timeout\r\nNOT_STORED\r\nSERVER_ERROR backend timeout\r\n",
   'on_read_error and on_write_error');
$mb->mode('answer');
wait_until(sub { ($c->ask("get $kb\r\n")) =~ /^VALUE/ }, deadline(10), 'b serves');
is($c->ask("flush_all\r\n"), "OK\r\n", 'flush_all where the pool allows it');
publish(8, [$mb, $mc]);
epoch_is(8);
is($c->ask("flush_all\r\nflush_all 10 noreply\r\n"), "SERVER_ERROR flush_all disabled\r\n", 'and where not');

# Names are others' words.
publish(9, [$mb, $mc], ids => ['b', 'c "old" \\'], %force);
epoch_is(9);
like(scalar(http_get($proxy->addr(role => 'http'), '/metrics')),
     qr/^mfproxy_node_down_workers\{node="c \\"old\\" \\\\",addr="[^"]+"\} 0$/m, 'labels are escaped');

# Without any table yet.
my $lost = mfproxy(args => ['--control', '127.0.0.1:' . free_port(), '--http', '127.0.0.1:0'], listens => 2);
is($lost->connect->ask("get x\r\nget x y\r\nset x 0 0 1\r\nx\r\nmg x v\r\ntouch x 1\r\nincr x 1\r\n"
                       . "set x 0 0 1 noreply\r\nx\r\nflush_all\r\nversion_\r\n"),
   "END\r\nEND\r\nSERVER_ERROR no route\r\nEN\r\nNOT_FOUND\r\nSERVER_ERROR no route\r\n"
   . "SERVER_ERROR no route\r\nERROR\r\n", 'no table: reads miss, writes say no route');
is_deeply([http_get($lost->addr(role => 'http'), '/readyz')], [503, "no routing table\n"], 'not ready');
is((http_get($lost->addr(role => 'http'), '/healthz'))[0], 200, 'but alive');
done_testing;
