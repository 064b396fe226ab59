# Limits by rate: over them reads miss, writes are refused, and nobody else notices.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $mock = MockBackend->start(name => 'a');
my $file = scratch_dir() . '/table.json';
my $epoch = 0;
sub publish {
    my (%pool) = @_;
    return publish_table($file, { main => { patient(table => 1), %pool, mock_nodes([$mock]) } }, epoch => ++$epoch);
}
my $limits = { 'u:' => { requests => 1, burst_ms => 20_000 },   # twenty, and then one a second
               'b:' => { bytes => 100, burst_ms => 20_000 },    # two thousand
               'v:' => { requests => 1, burst_ms => 1000 } };
publish(limits => $limits);
my $proxy = mfproxy(args => ['--table', $file, '--threads', 2, '--http', '127.0.0.1:0'], listens => 2);
my @c = map { $proxy->connect } 1 .. 2; # one on each thread
my $other = $proxy->connect;
sub stat_of { return $other->stats->{ $_[0] } }
sub seen { return scalar grep { $_ ne 'version' } $mock->seen }
sub value { return "VALUE $_[0] 0 @{[ 2 + length $_[0] ]}\r\na:$_[0]\r\n" }
my ($http) = $proxy->log_text =~ /event=listening addr=(\S+) role=http/;
sub metric { my (undef, $page) = http_get($http, '/metrics'); return $page =~ /^mfproxy_\Q$_[0]\E (\d+)$/m ? $1 : undef }
# What is refused is so until the bucket has something again, so it is emptied first.
sub empty { my ($key) = @_; $other->ask("get $key\r\n" x 200); $mock->seen; return }

# ---- requests ------------------------------------------------------------------------
my $hits = 0;
for my $i (1 .. 60) {
    my $reply = $c[$i % 2]->ask("get u:$i\r\n");
    if ($reply eq "END\r\n") { next }
    is($reply, value("u:$i") . "END\r\n", 'within the limit, as ever') if $hits++ == 0;
}
cmp_ok($hits, '>=', 20, 'what is for a burst passes, by all threads');
cmp_ok($hits, '<', 45, 'and not much more');
is(seen(), $hits, 'the node has not seen the rest');
is(metric('limit_admitted_total{pool="main",prefix="u:"}'), $hits, 'counted by prefix');
is(metric('limit_refused_total{pool="main",prefix="u:",rate="requests"}'), 60 - $hits, 'both');
is(stat_of('failed_limited_total'), 60 - $hits, 'and in all');
is($c[0]->ask("get w:1\r\n"), value('w:1') . "END\r\n", 'other keys have no limit');

# ---- how it is told ---------------------------------------------------------------------
my $overloaded = "SERVER_ERROR overloaded\r\n";
for my $case (["get v:1\r\n", "END\r\n"], ["gets v:1\r\n", "END\r\n"], ["gat 1 v:1\r\n", "END\r\n"],
              ["mg v:1 v k O7\r\n", "EN O7 kv:1\r\n|EN kv:1 O7\r\n"], ["mg v:1 v q\r\n", ''],
              ["get v:1 w:1 v:2\r\n", value('w:1') . "END\r\n"],
              ["set v:1 0 0 1\r\nx\r\n", $overloaded], ["set v:1 0 0 1 noreply\r\nx\r\n", ''],
              ["add v:1 0 0 1\r\nx\r\n", $overloaded], ["cas v:1 0 0 1 1\r\nx\r\n", $overloaded],
              ["incr v:1 1\r\n", $overloaded], ["incr v:1 1 noreply\r\n", ''],
              ["touch v:1 1\r\n", "NOT_FOUND\r\n"], ["touch v:1 1 noreply\r\n", ''],
              ["ms v:1 1\r\nx\r\n", $overloaded], ["ms v:1 1 q O5\r\nx\r\n", "NS O5\r\n"],
              ["ma v:1\r\n", $overloaded]) {
    my ($bytes, $told) = @$case;
    my ($line) = $bytes =~ /^([^\r]*)/;
    my @may = $told eq '' ? ('') : split(/\|/, $told);
    my $reply;
    wait_until(sub { empty('v:0');
                     $reply = $c[0]->ask($bytes);
                     return grep { $reply eq $_ } @may }, deadline(15), "over the limit: $line");
}
empty('v:0');
is($c[0]->ask("delete v:1\r\n"), "DELETED\r\n", 'deletes pass');
is($c[0]->ask("md v:1\r\n"), "HD\r\n", 'in meta too');
is($c[0]->ask("delete v:1 noreply\r\n"), '', 'and are not told if not asked for');
is(join(', ', grep { /^(?:delete|md)/ } $mock->seen), 'delete v:1, md v:1, delete v:1', 'and are all at the node');

# ---- bytes -----------------------------------------------------------------------------------
my $stored = 0;
for my $i (1 .. 10) {
    my $reply = $c[$i % 2]->ask("set b:$i 0 0 600\r\n" . 'x' x 600 . "\r\n");
    $stored += $reply eq "STORED\r\n";
    BAIL_OUT($reply) if $reply ne "STORED\r\n" && $reply ne $overloaded;
}
cmp_ok($stored, '>=', 4, 'values count by their bytes');
cmp_ok($stored, '<', 9, 'and are refused beyond');
is(metric('limit_refused_total{pool="main",prefix="b:",rate="bytes"}'), 10 - $stored, 'counted by what was over');

# ---- tables ------------------------------------------------------------------------------------
publish(limits => { %$limits, 'r:' => { bytes => 1, burst_ms => 10_000 }, '' => { requests => 1000 } });
wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), 'another table');
cmp_ok(metric('limit_admitted_total{pool="main",prefix="u:"}'), '>=', $hits, 'counts go on');
is($c[0]->ask("get r:1\r\n"), value('r:1') . "END\r\n", 'what a reply has is not known before');
is($c[1]->ask("get r:1\r\n"), "END\r\n", 'then it counts');
is($c[1]->ask("get r:1 w:1\r\n"), value('w:1') . "END\r\n", 'in a multiget only its keys miss');
is(metric('limit_refused_total{pool="main",prefix="",rate="requests"}'), 0, 'a limit for all others');
publish(limits => $limits, on_read_error => 'error', on_write_error => 'not_stored');
wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), 'with errors for misses');
wait_until(sub { empty('v:0'); return $c[0]->ask("get v:1\r\n") eq $overloaded }, deadline(15), 'reads tell the error');
wait_until(sub { empty('v:0'); return $c[0]->ask("set v:1 0 0 1\r\nx\r\n") eq "NOT_STORED\r\n" }, deadline(15),
           'and writes say not stored');
publish();
wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), 'without limits');
is($c[0]->ask("get u:1\r\n" x 100), (value('u:1') . "END\r\n") x 100, 'all pass');
is(metric('limit_admitted_total{pool="main",prefix="u:"}'), undef, 'and nothing is counted');
done_testing;
