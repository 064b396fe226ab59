# Random conversations, the same at two servers: mfcached beside Debian's memcached, and
# mfproxy beside the mfcached that it stands for. Every difference that is meant is a rule
# (Memfleet::MemcachedRules, and here).
#
# RANDOM_SEEDS=1000,5000 holds those conversations (from, how many) instead of the usual.
use strict;
use warnings;
use Memfleet;
use Memfleet::Differences;
use Memfleet::MemcachedRules;

my ($from, $count) = split /,/, $ENV{RANDOM_SEEDS} // '1,' . (sanitized() ? 20 : 60);
alarm($count + deadline(60));

# Whether two servers answer alike. What they were asked is in the log.
sub alike {
    my ($name, @differences) = @_;
    my $d = Memfleet::Differences->new(@differences);
    $d->compare($from .. $from + $count - 1);
    my $met = $d->met;
    diag("$name: " . $d->commands . " commands");
    diag("    $met->{$_} times: $_") for sort keys %$met;
    is($d->report, '', $name);
    return;
}

SKIP: {
    skip('needs memcached, which is not installed', 1) if !defined program_path('memcached');
    # Without the threads that hold items for a moment: it counts in place or not by that.
    my $memcached = memcached_program(args => ['-o', 'no_modern']);
    alike('a node beside memcached', servers => [mfcached(), $memcached],
          rules => \@Memfleet::MemcachedRules::rules,
          stats => [qw(cmd_flush delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits
                       cas_misses cas_hits cas_badval store_too_large)]);
}

# A proxy takes q out of what it passes on, so it cannot tell these from others.
my @proxy_rules = ({ name => 'a quiet ma that makes an item is told by a node only', sent => qr/^ma .* q/, goes_on => 1,
                     replies => sub { my ($proxy, $node) = @_; $node =~ s/\A(?:HD|VA \d+)[^\n]*\r\n(?:\d+\r\n)?//; return $proxy eq $node } });

# docs/hot-keys.md
my @copy_rules = (
    { name => 'a copy ends by its own time', sent => qr/^gats? (?:-|2592001)|^mg .*T(?:-|2592001)/, ends => 1 },
    { name => 'a copy may have been begun before a flush', sent => qr/^ *flush_all/, ends => 1 },
    { name => 'who makes a copy fetches the item', sent => qr/^mg .* h|^me /, goes_on => 1,
      replies => sub { my ($x, $y) = @_; s/ h[01]| fetch=\w+//, s/ (?:cas=|c)\d+//g for $x, $y; return $x eq $y } },
    { name => 'who makes a copy may have the token of a stale item for a moment', sent => qr/^mg /,
      replies => sub { my ($x, $y) = @_; s/ (?:cas=|c)\d+//g for $x, $y; return $x =~ s/ Z X\r\n/ X W\r\n/r eq $y } },
    { name => 'a copy does not tell that a text key was said in base64', sent => qr/^mg .* k/, goes_on => 1,
      replies => sub { my ($x, $y) = @_; s/ (?:cas=|c)\d+//g, s/ k\S+(?: b)?/ k/ for $x, $y; return $x eq $y } });

sub behind_proxy {
    my ($name, $nodes, $rules, $how, %pool) = @_;
    my $table = scratch_dir() . '/table';
    publish_table($table, { main => { patient(table => 1), flush_all => 'allow', %pool,
                                      nodes => [map { { id => "n$_", addr => mfcached()->addr } } 1 .. $nodes] } });
    my $proxy = mfproxy(args => ['--table', $table]);
    return alike($name, servers => [$proxy, mfcached()], rules => $rules, ours => 1, @$how);
}

behind_proxy('a proxy with one node beside a node', 1, \@proxy_rules, []);
behind_proxy('a proxy with three nodes and a near cache', 3, \@proxy_rules, [], near_cache_bytes => 1 << 20);
# In a pipeline a read that finds no copy may come behind the write that follows it.
behind_proxy('a proxy with copies of hot keys', 3, [@proxy_rules, @copy_rules], [apart => 1],
             replicas => 2, promote_percent => 1, hot => { keys => [], prefixes => ['x:', 'gr', 'a'] });

done_testing;
