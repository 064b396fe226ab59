# Pools by key prefix: each key goes to the pool that the table's routes name,
# also within one multiget, and a new table moves a prefix without a restart.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my ($main, $sess, $more) = map { MockBackend->start(name => $_) } qw(main sess more);
my $file = scratch_dir() . '/table.json';

sub pool {
    my ($mock, %opt) = @_;
    return { request_timeout_ms => 10_000, flush_all => 'allow', %opt, mock_nodes([$mock]) };
}

sub publish {
    my ($epoch, $routes, %pools) = @_;
    return publish_table($file, { main => pool($main), sess => pool($sess), more => pool($more), %pools },
                         epoch => $epoch, default_pool => 'main', routes => $routes);
}

publish(1, { 's:' => 'sess', 's:m:' => 'more' });
my $proxy = mfproxy(args => ['--table', $file, '--threads', 1], listens => 1);
my $c = $proxy->connect;

# The worker follows a moment after the table is adopted.
sub epoch_is {
    my ($epoch) = @_;
    return wait_until(sub { $c->stats->{table_clear_epoch} == $epoch }, deadline(15), "epoch $epoch");
}

is($c->get('k'), 'main:k', 'a key without a route goes to the default pool');
is($c->get('s:k'), 'sess:s:k', 'a prefix leads to its pool, and stays on the key');
is($c->get('s:m:k'), 'more:s:m:k', 'the longest prefix wins');
is($c->get('s'), 'main:s', 'a part of a prefix is none');
is($c->ask("set s:1 0 0 1\r\nx\r\n"), "STORED\r\n", 'writes go the same way');
is(join(' ', grep { /^set/ } $sess->seen), 'set s:1 0 0 1', 'to the same pool');
is($c->ask("mg s:m:2 v\r\n"), "VA 10\r\nmore:s:m:2\r\n", 'and meta commands');

my @keys = qw(a s:a s:m:a b s:b s:m:b);
my %values = %{ $c->get_many(@keys) };
is_deeply([map { $values{$_} } @keys],
          [qw(main:a sess:s:a more:s:m:a main:b sess:s:b more:s:m:b)],
          'the keys of one get go to three pools and come back as one answer');

# What is flushed is all that can be reached.
$_->seen for $main, $sess, $more;
is($c->ask("flush_all\r\n"), "OK\r\n", 'flush_all where every pool allows it');
is(join(' ', map { scalar grep { /^flush_all/ } $_->seen } $main, $sess, $more), '1 1 1',
   'goes to all of them');
publish(2, { 's:' => 'sess' }, more => pool($more, flush_all => 'deny'));
epoch_is(2);
is($c->ask("flush_all\r\n"), "OK\r\n", 'a pool that no key leads to has no say');
is(scalar(grep { /^flush_all/ } $more->seen), 0, 'and is left alone');
publish(3, { 's:' => 'sess' }, sess => pool($sess, flush_all => 'deny'));
epoch_is(3);
$_->seen for $main, $sess;
is($c->ask("flush_all\r\n"), "SERVER_ERROR flush_all disabled\r\n", 'one that keys lead to has');
is(scalar(grep { /^flush_all/ } $main->seen, $sess->seen), 0, 'and nobody is flushed');

# A prefix moves, and one pool is strict about errors.
publish(4, { 's:' => 'more' }, more => pool($more, on_read_error => 'error', request_timeout_ms => 200));
epoch_is(4);
is($c->get('s:k'), 'more:s:k', 'a new table moves a prefix');
$more->mode('hang');
is($c->ask("get s:a a\r\n"), "SERVER_ERROR backend timeout\r\n",
   'a get that asks a strict pool too takes no error for a miss, whatever its last key is');
is($c->ask("get a b\r\n"), "VALUE a 0 6\r\nmain:a\r\nVALUE b 0 6\r\nmain:b\r\nEND\r\n",
   'others are not concerned');

# A table whose routes lead nowhere changes nothing.
my $rejected = $c->stats->{tables_rejected_total};
publish(5, { 'x:' => 'nobody' });
wait_until(sub { $c->stats->{tables_rejected_total} > $rejected }, deadline(15), 'it is refused');
like($proxy->log_text, qr/routes\.x:: there is no such pool/, 'the log names the route');
my ($code, $out) = mfctl('table', 'verify', $file);
isnt($code, 0, 'and so does mfctl table verify');

publish(6, { 's:' => 'sess' });
($code, $out) = mfctl('ring', 'explain', '--table', $file, 's:k');
like($out, qr/^pool\s+sess /m, 'mfctl ring explain follows the routes');
($code, $out) = mfctl('table', 'verify', $file);
like($out, qr/^keys with\s+s: -> pool sess$/m, 'mfctl table verify shows them');
done_testing;
