# Connections to nodes need descriptors too: a proxy asks for as many as its
# table and its clients may need together, whatever the limit was.
use strict;
use warnings;
use Memfleet;

my $nodes = 120; # one process under so many addresses
my $node  = mfcached(listen => '0.0.0.0:0');
my ($port) = $node->addr =~ /:(\d+)$/;
my $small = scratch_dir() . '/mfproxy';
spew($small, "#!/bin/sh\nulimit -S -n 40\nexec '@{[ program_path('mfproxy') ]}' \"\$@\"\n");
chmod(0755, $small);

my $proxy = mfproxy(path => $small,
                    args => ['--servers', join(',', map { "127.0.0.$_:$port" } 1 .. $nodes),
                             '--threads', 1, '--max-connections', 20, patient()]);
my $c = $proxy->connect;
my $stored = grep { $c->set("k$_", 'v') eq 'STORED' } 1 .. 2000;
is($stored, 2000, 'every node is reached');
is($c->stats->{backends_down}, 0, 'and none was taken for dead');
cmp_ok($c->stats->{backend_connects_total}, '>=', $nodes - 5, 'over connections of their own');

# When no more descriptors are to be had, clients get what the nodes leave.
spew($small, "#!/bin/sh\nulimit -n 300\nexec '@{[ program_path('mfproxy') ]}' \"\$@\"\n");
chmod(0755, $small);
my $poor = mfproxy(path => $small,
                   args => ['--servers', $node->addr, '--threads', 1, '--max-connections', 1000]);
my $allowed = $poor->connect->stats->{max_connections};
cmp_ok($allowed, '<', 300, 'stats tell the limit that is in force');
is($allowed, ($poor->log_text =~ /event=clients_limited max=(\d+) nodes=1/)[0], 'as the log does');
done_testing;
