# What operators and their scripts tune and ask: lru, slabs, stats settings,
# detail and sizes, memory limit, shutdown.
use strict;
use warnings;
use Memfleet;
use MIME::Base64 qw(encode_base64);

my $node = mfcached(args => [qw(-t 2 -m 64)]);
my $c = $node->connect;
my $other = $node->connect; # on the other worker

# --- settings --------------------------------------------------------------------------

my @names = qw(maxbytes maxconns tcpport udpport inter verbosity oldest evictions domain_socket umask
               shutdown_command growth_factor chunk_size num_threads num_threads_per_udp
               stat_key_prefix detail_enabled reqs_per_event cas_enabled tcp_backlog
               binding_protocol auth_enabled_sasl auth_enabled_ascii item_size_max maxconns_fast
               hashpower_init slab_reassign slab_automove slab_automove_ratio slab_automove_window
               slab_chunk_max lru_crawler lru_crawler_sleep lru_crawler_tocrawl tail_repair_time
               flush_enabled dump_enabled hash_algorithm lru_maintainer_thread lru_segmented
               hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor temp_lru temporary_ttl
               idle_timeout watcher_logbuf_size worker_logbuf_size read_buf_mem_limit track_sizes
               inline_ascii_response ssl_enabled num_napi_ids memory_file);
my $settings = $c->stats('settings');
is(join(' ', grep { !exists $settings->{$_} } @names), '', 'every name that memcached has');

SKIP: {
    my $memcached = memcached_program();
    skip('memcached is not installed', 1) if !defined $memcached;
    my ($ours, $theirs) = map { $_->connect->stats } $node, $memcached;
    is(join(' ', grep { !exists $ours->{$_} } sort keys %$theirs), '', 'and in stats');
}

sub setting { my ($name) = @_; return $c->stats('settings')->{$name} }

my @answers = (
    'lru tune 10 25 0.1 2.0' => 'OK', 'lru tune 50 40 0.1 2.0' => 'ERROR hot and warm pcts must not exceed 80',
    'lru tune 10 25 0 2.0' => 'ERROR hot/warm age factors must be greater than 0',
    'lru tune 10 25 x 2.0' => 'ERROR', 'lru tune 10' => 'ERROR',
    'lru mode flat' => 'OK', 'lru mode round' => 'ERROR', 'lru temp_ttl 300' => 'OK',
    'lru temp_ttl x' => 'ERROR', 'lru nonsense 1' => 'ERROR',
    'slabs automove 2' => 'OK', 'slabs automove 3' => 'ERROR',
    'slabs automove x' => 'CLIENT_ERROR bad command line format',
    'slabs automove ratio 0.9' => 'OK', 'slabs automove ratio' => 'ERROR', 'slabs nonsense 1' => 'ERROR',
    'slabs reassign 1 1' => 'SAME src and dst class are identical',
    'slabs reassign 64 1' => 'BADCLASS invalid src or dst class id',
    'slabs reassign 1 40' => 'BADCLASS invalid src or dst class id',
    'slabs reassign 1 39' => 'NOSPARE source class has no spare pages',
    'slabs reassign 1 2' => 'NOSPARE source class has no spare pages',
    'slabs reassign a b' => 'CLIENT_ERROR bad command line format',
    'refresh_certs' => 'Error TLS not enabled', 'verbosity 1' => 'OK', 'shutdown' => 'SERVER_ERROR: shutdown not enabled',
    'cache_memlimit 7' => 'MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m',
    'cache_memlimit 2000000000' => 'MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes',
    'stats detail' => 'CLIENT_ERROR usage: stats detail on|off|dump',
    'stats detail upside' => 'CLIENT_ERROR usage: stats detail on|off|dump');
while (my ($command, $answer) = splice @answers, 0, 2) {
    my $reply = $c->ask("$command\r\n") =~ s/\r\n\z//r;
    is($reply, $answer, $command);
}
$settings = $c->stats('settings');
is(join(' ', map { $settings->{$_} } qw(hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor
                                        lru_segmented temp_lru temporary_ttl slab_automove
                                        slab_automove_ratio verbosity)),
   '10 25 0.10 2.00 no yes 300 2 0.90 1', 'what was set is told');

# --- detail ------------------------------------------------------------------------------

my $dump = sub { join '', sort split /^/, $c->ask("stats detail dump\r\n") };
$c->ask("get foo:0\r\n");
is($dump->(), "END\r\n", 'nothing is counted unasked');
is($c->ask("stats detail on\r\n"), "OK\r\n", 'detail on');
is(setting('detail_enabled'), 'yes', 'told');
$c->ask("set foo:1 0 0 1\r\nx\r\nget foo:1 foo:2 bar:1 plain\r\ndelete foo:9\r\nmg foo:1 v\r\nms :x 1\r\nx\r\n");
$other->ask("get foo:1\r\nmd bar:1\r\n");
is($dump->(), "END\r\nPREFIX  get 0 hit 0 set 1 del 0\r\nPREFIX bar get 1 hit 0 set 0 del 1\r\n"
   . "PREFIX foo get 4 hit 3 set 1 del 1\r\n", 'by prefix, over all workers');
$c->ask("stats reset\r\n");
is($dump->(), "END\r\n", 'stats reset');
$c->ask('mg ' . encode_base64("a%\x01\r\nEND\r\n \x7f\xc3:b", '') . " b v\r\n");
is($dump->(), "END\r\nPREFIX a%%01%0D%0AEND%0D%0A%20%7F\xc3 get 1 hit 0 set 0 del 0\r\n",
   'a base64 key does not end the line');
$c->ask("stats reset\r\nstats detail off\r\nget foo:1\r\n");
is($dump->(), "END\r\n", 'detail off');
$c->ask("stats detail on\r\n" . join '', map { "get p$_:x\r\n" } 1 .. 1500);
my $reply = $c->ask("stats detail dump\r\nstats detail off\r\n");
is(scalar(() = $reply =~ /^PREFIX p\d+ get 1 /mg), 1000, 'a thousand prefixes for a worker');
like($reply, qr/^PREFIX \(others\) get 500 hit 0 set 0 del 0\r$/m, 'and the others together');

# --- sizes -------------------------------------------------------------------------------

is($c->ask("stats sizes\r\n"), "STAT sizes_status disabled\r\nEND\r\n", 'sizes unasked');
is($c->ask("stats sizes_enable\r\n"), "STAT sizes_status enabled\r\nEND\r\n", 'enable');
is(setting('track_sizes'), 'yes', 'told');
$c->ask("flush_all\r\n" . join('', map { "set s$_ 0 0 100\r\n" . 'x' x 100 . "\r\n" } 10 .. 19)
        . "set big 0 0 500000\r\n" . 'x' x 500_000 . "\r\n");
my %sizes = $c->ask("stats sizes\r\n") =~ /^STAT (\d+) (\d+)\r$/mg;
is(join(' ', sort { $a <=> $b } values %sizes), '1 10', 'ten of a size and one of another');
my ($small, $big) = sort { $a <=> $b } keys %sizes;
cmp_ok($small, '<', 300, 'the small');
cmp_ok($big, '>', 500_000, 'the big');
is($small % 32 + $big % 32, 0, 'to 32 bytes');
is($c->ask("stats sizes_disable\r\n"), "STAT sizes_status disabled\r\nEND\r\n", 'disable');

# --- memory, verbosity, options ----------------------------------------------------------

is($c->ask("cache_memlimit 16\r\n"), "OK\r\n", 'cache_memlimit');
is(setting('maxbytes') . ' ' . $c->stats->{limit_maxbytes}, '16777216 16777216', 'told');

{
    my $d = mfcached(args => [qw(-D / -A -o track_sizes)]);
    my $dc = $d->connect;
    is(join(' ', @{ $dc->stats('settings') }{qw(stat_key_prefix detail_enabled track_sizes)}), '/ yes yes',
       '-D, -o track_sizes');
    is($dc->ask("get a/b:c\r\nstats detail dump\r\n"),
       "END\r\nPREFIX a get 1 hit 0 set 0 del 0\r\nEND\r\n", 'counts by another delimiter at once');
    is($dc->ask("shutdown nonsense\r\n"), "CLIENT_ERROR invalid shutdown mode\r\n", 'an unknown way');
    my $w = $d->connect;
    is($w->ask_line("watch connevents\r\n"), "OK\r\n", 'a watcher');
    $dc->send("shutdown graceful\r\n");
    is($dc->read_to_close, '', 'shutdown graceful');
    is($d->wait_end, 0, 'ends the node');
}

# --- as memcached answers ------------------------------------------------------------------

# What differs is in docs/compatibility.md and docs/protocol.md.
{
    my $fresh = mfcached(args => [qw(-m 64)]);
    my $conn = $fresh->connect;
    memcached_compare($conn, "$_\r\n", "'$_' as memcached answers") for (
        'verbosity x', 'verbosity 1 noreply', 'verbosity 1 2', 'misbehave', 'lru', 'lru tune',
        'lru tune 1 2 3 4', 'lru mode', 'lru mode segmented', 'lru temp_ttl -1', 'slabs',
        'slabs automove', 'slabs automove 0', 'slabs reassign 1', 'slabs reassign 1 2',
        'slabs reassign 0 1', 'slabs reassign 1 -5', 'slabs reassign 1 39', 'slabs reassign 1 40',
        'slabs reassign 40 1', 'lru_crawler', 'lru_crawler crawl', 'lru_crawler crawl 1,2',
        'lru_crawler crawl 64', 'lru_crawler tocrawl 5',
        'lru_crawler sleep 2000000', 'lru_crawler sleep 100', 'lru_crawler metadump',
        'lru_crawler metadump 64', 'lru_crawler nothing 1', 'cache_memlimit', 'cache_memlimit 64',
        'cache_memlimit 64 noreply', 'cache_memlimit x', 'cache_memlimit 1', 'refresh_certs',
        'stats foo', 'stats items x', 'stats reset', 'stats reset x', 'stats sizes',
        'stats cachedump', 'stats cachedump 1', 'stats cachedump 1 1', 'stats cachedump 63 1',
        'stats cachedump 64 1', 'stats cachedump x y', 'stats extstore', 'stats proxy',
        'stats detail', 'stats detail on', 'stats detail dump', 'stats detail off', 'stats detail x',
        'flush_all', 'flush_all 10', 'flush_all -1', 'flush_all x', 'flush_all noreply', 'watch foo',
        'touch a x', 'config get cluster');
    # memcached may still be busy with the last one.
    is($conn->ask("lru_crawler crawl all\r\n"), "OK\r\n", 'all classes');
}
done_testing;
