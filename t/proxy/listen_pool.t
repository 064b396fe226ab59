# Pools by listener: who connects to an address that is bound to a pool has all keys
# from there, whatever the table's routes say; also in the process that takes over,
# and with one key in two pools at the same time.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $dir = scratch_dir();
my ($main, $sess, $more) = map { MockBackend->start(name => $_) } qw(main sess more);
my $file = "$dir/table.json";

sub pool {
    my ($mock, %opt) = @_;
    return { patient(table => 1), flush_all => 'allow', %opt, mock_nodes([$mock]) };
}

sub publish {
    my ($epoch, %pools) = @_;
    return publish_table($file, { main => pool($main), more => pool($more), %pools }, epoch => $epoch,
                         default_pool => 'main', routes => { 's:' => 'more' }, force => JSON::PP::true());
}

# The n-th process; what it listens at beside TCP without a pool.
sub generation {
    my (%opt) = @_;
    return mfproxy(ready => qr/event=ready/,
                   args => ['--table', $file, '--threads', 1, '--http', '127.0.0.1:0', '--drain', '20s',
                            '--takeover', "$dir/takeover",
                            map { ('--listen', $_) } @{ $opt{listen} }]);
}

publish(1, sess => pool($sess));
my $proxy = generation(listen => ["unix:$dir/a=b=sess", "127.0.0.1:0=more", "unix:$dir/a=c="]);
my @addrs = map { $_->{addr} } grep { $_->{role} eq 'clients' } $proxy->listening;
is($addrs[1], "unix:$dir/a=b", 'a path may have an equals sign');
like($proxy->log_text, qr/event=listening addr=\S+ role=clients pool=sess$/m, 'the log names the pool');
my ($free, $bound, $other, $path) = map { Memfleet::Conn->new($_) } @addrs;
my $http = $proxy->addr(role => 'http');

sub epoch_is {
    my ($epoch) = @_;
    return wait_until(sub { $free->stats->{table_clear_epoch} == $epoch }, deadline(15), "epoch $epoch");
}

is($free->get('k'), 'main:k', 'without a pool the routes decide');
is($free->get('s:k'), 'more:s:k', 'by prefix');
is($path->get('k'), 'main:k', 'an address that ends in = has no pool');
is($bound->get('k'), 'sess:k', 'a listener with a pool has it for every key');
is($bound->get('s:k'), 'sess:s:k', 'whatever the routes say');
is($other->get('k'), 'more:k', 'each its own');
is_deeply($bound->get_many(qw(a s:b c)), { a => 'sess:a', 's:b' => 'sess:s:b', c => 'sess:c' },
          'all keys of a multiget');
$_->seen for $main, $sess, $more;
is($bound->ask("set k 0 0 1\r\nx\r\n"), "STORED\r\n", 'writes too');
is($bound->ask("ms k 1\r\nx\r\nmd k q\r\nmg k v\r\n"), "HD\r\nVA 6\r\nsess:k\r\n", 'and meta commands');
is(join(' ', map { scalar $_->seen } $main, $more), '0 0', 'nobody else has seen any of it');

# One key at the same time in two pools is two keys, also where reads are coalesced.
$_->mode('hold get') for $main, $sess;
my $bound_too = Memfleet::Conn->new($addrs[1]);
$sess->seen;
$_->send("get twice\r\n") for $free, $bound, $bound_too;
wait_until(sub { $other->stats->{coalesced_total} == 1 }, deadline(10), 'two share');
wait_until(sub { grep { /twice/ } $main->seen }, deadline(10), 'the other asks its own pool');
$_->mode('answer') for $main, $sess;
is($_->[0]->read_values->{twice}, "$_->[1]:twice", "from $_->[1]")
    for [$free, 'main'], [$bound, 'sess'], [$bound_too, 'sess'];

# When the request that two share fails, it is sent once more to the same pool.
$sess->mode('hold get');
$_->send("get again\r\n") for $bound, $bound_too;
wait_until(sub { $other->stats->{coalesced_total} == 2 }, deadline(10), 'two share again');
$sess->mode('close 0');
$sess->mode('answer');
my @again = map { $_->read_values->{again} // '' } $bound, $bound_too;
ok(!(grep { $_ !~ /^(?:sess:again)?$/ } @again) && (grep { $_ } @again), "one of them at least has it: @again");

# ---- flush_all ----------------------------------------------------------------------------------
$_->seen for $main, $sess, $more;
is($bound->ask("flush_all\r\n"), "OK\r\n", 'flush_all by a bound listener');
is(join(' ', map { scalar grep { /^flush_all/ } $_->seen } $main, $sess, $more), '0 1 0',
   'is its pool\'s alone');
is($free->ask("flush_all\r\n"), "OK\r\n", 'by another');
is(join(' ', map { scalar grep { /^flush_all/ } $_->seen } $main, $sess, $more), '1 0 1',
   'it goes where the routes lead');

# ---- what is told ---------------------------------------------------------------------------------
my $stats = $free->stats('listeners');
is($stats->{"$addrs[1]:pool"}, 'sess', 'stats listeners: the pool');
is($stats->{"$addrs[0]:pool"} // '', '', 'none');
is($stats->{"$addrs[1]:curr_connections"}, 2, 'its clients');
like((http_get($http, '/'))[1], qr/<td>\Q$addrs[1]\E<td>pool sess<td>2$/m, 'the status page');
like((http_get($http, '/metrics'))[1], qr/^mfproxy_listener_routed\{listener="\Q$addrs[1]\E",pool="sess"\} 1$/m,
     'and the metrics');

# ---- a pool that the table does not have --------------------------------------------------------------
publish(2);
epoch_is(2);
$proxy->wait_log(qr/event=listener_without_route addr="\Q$addrs[1]\E" pool=sess epoch=2/);
is($bound->ask("get k\r\n"), "END\r\n", 'a read misses');
is($bound->ask("get a b\r\n"), "END\r\n", 'several');
is($bound->ask("set k 0 0 1\r\nx\r\n"), "SERVER_ERROR no route\r\n", 'a write is an error');
is($bound->ask("delete k noreply\r\n"), '', 'noreply is noreply');
is($bound->ask("flush_all\r\n"), "SERVER_ERROR no route\r\n", 'flush_all too');
is($free->get('k'), 'main:k', 'others go on');
is_deeply([http_get($http, '/readyz')], [200, "ready\nlistener $addrs[1]: the table has no pool sess\n"],
          'the proxy is ready, and says what is not');
like((http_get($http, '/'))[1], qr/<tr class=trouble><td>\Q$addrs[1]\E<td>pool sess \(no route\)/m, 'so does its page');
is($free->stats('listeners')->{"$addrs[1]:routed"}, 0, 'and stats');
publish(3, sess => pool($sess));
epoch_is(3);
is($bound->get('k'), 'sess:k', 'a table that has it brings the route back');

# ---- takeover ------------------------------------------------------------------------------------------
my $next = generation(listen => ["127.0.0.1:0=more", "unix:$dir/a=c=sess"]);
is($proxy->wait_end, 0, 'another process takes over');
is($free->stats->{pid}, $next->pid, 'with the clients');
is($free->get('k'), 'main:k', 'who had no pool has none');
is($bound->get('k'), 'sess:k', 'a client of a listener that is gone keeps its pool');
is($path->get('k'), 'sess:k', 'one of a listener that is bound otherwise now follows it');
is(Memfleet::Conn->new($addrs[0])->get('s:k'), 'more:s:k', 'as do new ones');
is($free->stats('listeners')->{"$addrs[1]:listens"}, 0, 'what is left of the old one is told');
$proxy = $next;
$next = generation(listen => []);
is($proxy->wait_end, 0, 'and another');
is($bound->get('k'), 'sess:k', 'which is told so again');
is($bound->stats->{pid}, $next->pid, 'by the process before');
$next->stop;

# ---- nothing but a pool that is not there ------------------------------------------------------------
publish(4);
my $lost = mfproxy(listen => '127.0.0.1:0=sess', listens => 2,
                   args => ['--table', $file, '--http', '127.0.0.1:0']);
is_deeply([http_get($lost->addr(role => 'http'), '/readyz')],
          [503, "no route\nlistener @{[ $lost->addr ]}: the table has no pool sess\n"],
          'a proxy none of whose listeners has a route is not ready');
my $path_of = program_path('mfproxy');
my $out = qx{'$path_of' --servers @{[ $main->addr ]} --listen '127.0.0.1:0=a b' 2>&1};
like($out, qr/option --listen: a pool's name/, 'a name that no pool may have is refused at once');
done_testing;
