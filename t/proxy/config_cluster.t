# `config get cluster` as ElastiCache's clients ask it: the proxies that the client's
# pool lists, with the table's epoch as their version.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my $mock = MockBackend->start(name => 'm');
my $file = scratch_dir() . '/table.json';

sub pool { return { patient(table => 1), @_, mock_nodes([$mock]) } }

sub publish {
    my ($epoch, %pools) = @_;
    return publish_table($file, { more => pool(), %pools }, epoch => $epoch, default_pool => 'main',
                         force => JSON::PP::true());
}

publish(7, main => pool(config_cluster => '10.0.0.5:11211,proxy-2.example.com:11212,[2001:db8::1]:11211'));
my $proxy = mfproxy(args => ['--table', $file, '--threads', 1, '--listen', '127.0.0.1:0=more'], listens => 2);
my ($c, $bound) = map { Memfleet::Conn->new($_->{addr}) } $proxy->listening;
my $list = "7\n10.0.0.5|10.0.0.5|11211 proxy-2.example.com||11212 2001:db8::1|2001:db8::1|11211\n";
is($c->ask("config get cluster\r\n"), 'CONFIG cluster 0 ' . length($list) . "\r\n$list\r\nEND\r\n",
   'version, then host, address and port of each');
is($c->ask("get k\r\nconfig get cluster\r\nget k\r\n") =~ s/CONFIG.*?END\r\n/LIST|/sr,
   "VALUE k 0 3\r\nm:k\r\nEND\r\nLIST|VALUE k 0 3\r\nm:k\r\nEND\r\n", 'in its turn');
is($c->ask("config get other\r\n"), "END\r\n", 'nothing else is there');
is($c->ask("config set cluster 0 1\r\n"), "ERROR\r\n", 'or can be set');
is($bound->ask("config get cluster\r\n"), "ERROR\r\n", 'a pool that lists nobody does not know the command');
publish(8, main => pool(), more => pool(config_cluster => '10.0.0.9:1'));
wait_until(sub { $c->stats->{table_clear_epoch} == 8 }, deadline(15), 'another table');
is($c->ask("config get cluster\r\n"), "ERROR\r\n", 'nor does the other by now');
is($bound->ask("config get cluster\r\n"), "CONFIG cluster 0 22\r\n8\n10.0.0.9|10.0.0.9|1\n\r\nEND\r\n",
   'who came by a listener with a pool is told that one\'s');
publish(9, main => pool(config_cluster => '10.0.0.5'));
my ($code, $out) = mfctl('table', 'verify', $file);
like($out, qr/pools\.main\.config_cluster: expected HOST:PORT/, 'a list without ports is refused');
done_testing;
