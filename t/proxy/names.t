# Nodes whose hosts have names: several addresses, none yet, another tomorrow. A
# proxy in a mount namespace of its own sees our /etc/hosts.
use strict;
use warnings;
use Memfleet;

my $dir   = scratch_dir();
my $hosts = "$dir/hosts";
spew($hosts, "127.0.0.1 localhost\n");
skip_without('unshare');
plan(skip_all => 'needs root and mount namespaces, to give a proxy an /etc/hosts of its own')
    if system("unshare -m mount --bind '$hosts' /etc/hosts 2>/dev/null") != 0;

my $wrapped = "$dir/mfproxy";
spew($wrapped, <<"END");
#!/bin/sh
exec unshare -m sh -c 'mount --bind "$hosts" /etc/hosts && exec "@{[ program_path('mfproxy') ]}" "\$\@"' mfproxy "\$\@"
END
chmod(0755, $wrapped);

# The file under the mount stays the same, so it is written in place.
sub write_hosts {
    my (@lines) = @_;
    open(my $f, '+<', $hosts) or die "$hosts: $!";
    print {$f} map { "$_\n" } '127.0.0.1 localhost', @lines;
    truncate($f, tell $f);
    close $f;
    return;
}

my $port = free_port();
my ($one, $two) = map { mfcached(listen => "$_:$port") } qw(127.0.0.1 127.0.0.2);
$one->connect->set('k', 'one');
$two->connect->set('k', 'two');
$one->stop;

write_hosts('127.0.0.1 both.test', '127.0.0.2 both.test');
my $proxy = mfproxy(path => $wrapped, args => ['--servers', "both.test:$port", '--threads', 1, patient()]);
is($proxy->connect->get('k'), 'two', 'the address that serves is found');
is($proxy->connect->stats->{backend_went_down_total}, 0, 'and the other is no reason to be DOWN');
is($proxy->connect->stats->{backend_connects_total}, 2, 'both were tried');
$proxy->stop;

write_hosts();
$proxy = mfproxy(path => $wrapped, args => ['--servers', "later.test:$port", '--threads', 1, patient()]);
my $c = $proxy->connect;
is($c->ask("get k\r\nset other 0 0 1\r\nx\r\n"), "END\r\nSERVER_ERROR backend down\r\n",
   'a name without an address: the proxy serves, the node is DOWN');
write_hosts("127.0.0.2 later.test");
wait_until(sub { ($c->get('k') // '') eq 'two' }, deadline(20), 'it is found when it has one');

# The host moves.
$two->stop;
$one = mfcached(listen => "127.0.0.3:$port");
$one->connect->set('k', 'three');
write_hosts("127.0.0.3 later.test");
wait_until(sub { ($c->get('k') // '') eq 'three' }, deadline(20), 'and found again where it moved to');
$proxy->stop;
done_testing;
