# Times: expiry, touch, flushes to come, the background sweep. The node's clock
# is moved by debugtime, so that nothing waits.
use strict;
use warnings;
use Memfleet;

my $node = mfcached(args => ['--debug-clock']);
my $c = $node->connect;

sub asks {
    my ($name, @pairs) = @_;
    while (my ($sent, $wanted) = splice(@pairs, 0, 2)) {
        is($c->ask($sent), $wanted, "$name: " . $sent =~ s/\r\n/ /gr);
    }
    return;
}

sub pass_seconds { is($c->ask("debugtime $_[0]\r\n"), "OK\r\n", "$_[0] s later") }

my $now = time;
asks('relative, absolute, past',
     "set r 0 100 1\r\nx\r\n" => "STORED\r\n",
     'set a 0 ' . ($now + 100) . " 1\r\nx\r\n" => "STORED\r\n",
     'set p 0 ' . ($now - 100) . " 1\r\nx\r\n" => "STORED\r\n",
     "set n 0 -1 1\r\nx\r\n" => "STORED\r\n",
     "set f 0 4294967296 1\r\nx\r\n" => "STORED\r\n",
     "set z 0 0 1\r\nx\r\n" => "STORED\r\n",
     "get p n\r\n" => "END\r\n");
pass_seconds(90);
asks('before', "get r a f z\r\n" => join('', map { "VALUE $_ 0 1\r\nx\r\n" } qw(r a f z)) . "END\r\n");
pass_seconds(11);
asks('after', "get r a f z\r\n" => join('', map { "VALUE $_ 0 1\r\nx\r\n" } qw(f z)) . "END\r\n");

asks('30 days are relative, a second more is a date',
     'set d 0 ' . 60 * 60 * 24 * 30 . " 1\r\nx\r\n" => "STORED\r\n",
     'set e 0 ' . (60 * 60 * 24 * 30 + 1) . " 1\r\nx\r\n" => "STORED\r\n",
     "mg d t\r\n" => 'HD t' . 60 * 60 * 24 * 30 . "\r\n",
     "mg e t\r\n" => "EN\r\n");

asks('touch and mg T',
     "set t 0 10 1\r\nx\r\n" => "STORED\r\n",
     "touch t 100\r\n" => "TOUCHED\r\n");
pass_seconds(50);
asks('touched', "mg t T200 t\r\n" => "HD t200\r\n", "mg t t\r\n" => "HD t200\r\n");
pass_seconds(150);
asks('touched again', "gat 0 t\r\n" => "VALUE t 0 1\r\nx\r\nEND\r\n", "mg t t\r\n" => "HD t-1\r\n");

asks('last access',
     "ms l 1\r\nx\r\n" => "HD\r\n");
pass_seconds(30);
asks('last access', "mg l l u\r\n" => "HD l30\r\n", "mg l l\r\n" => "HD l30\r\n", "mg l l\r\n" => "HD l0\r\n");

asks('a flush to come',
     "set f1 0 0 1\r\nx\r\n" => "STORED\r\n",
     "flush_all 100\r\n" => "OK\r\n");
pass_seconds(99);
asks('not yet', "set f2 0 0 1\r\ny\r\n" => "STORED\r\n",
     "get f1\r\n" => "VALUE f1 0 1\r\nx\r\nEND\r\n");
pass_seconds(2);
asks('now', "set f3 0 0 1\r\nz\r\n" => "STORED\r\n",
     "get f1 f2 f3\r\n" => "VALUE f3 0 1\r\nz\r\nEND\r\n");

# Nobody asks for these again; the sweep of the workers removes them.
$c->ask("flush_all\r\n");
$c->ask(join('', map { "set brief$_ 0 5 1 noreply\r\nx\r\n" } 1 .. 500));
is($c->stats->{curr_items} >= 500, 1, 'stored');
pass_seconds(6);
wait_until(sub { $c->stats->{curr_items} == 0 }, deadline(10), 'the sweep removes what has expired');
cmp_ok($c->stats->{crawler_reclaimed}, '>=', 500, 'the sweep is counted');

done_testing;
