# set and ms in groups: what is stored many at once, and what is answered, is byte
# for byte what each does by itself. A second blank keeps a set out of the groups, and
# the flag P, which means nothing to a node, an ms.
use strict;
use warnings;
use Memfleet;
use MIME::Base64 qw(encode_base64);

my $node = mfcached(args => ['--debug-clock']);
my $c = $node->connect;
srand(4711);

my @text = map { "key$_" } 1 .. 8;
my @binary = map { encode_base64("bin\x00\xff$_" x $_, '') } 1 .. 3;
my @all = (@text, @binary, 'k' x 250);
my @sizes = (0, 1, 10, 100, 100, 255, 256, 1000, 2046, 2047, 5000, 40_000);

# One request in its two forms: for groups, and not.
sub set_of {
    my ($key, $value) = @_;
    my $flags = (0, 0, 7, 65_535, 65_536, 2**32 - 1)[rand 6];
    my $exptime = (0, 0, 100, 3000)[rand 4];
    my $rest = "$flags $exptime " . length($value) . "\r\n$value\r\n";
    return ["set $key $rest", "set $key  $rest"];
}

sub ms_of {
    my ($key, $value, @more) = @_;
    my @flags = grep { rand() < 0.3 } qw(k q I MS), @more;
    push @flags, 'T' . (0, 100, 3000)[rand 3] if rand() < 0.3;
    push @flags, 'F' . (0, 7, 65_536)[rand 3] if rand() < 0.3;
    push @flags, 'O' . join('', map { chr(33 + int rand 90) } 0 .. rand 31) if rand() < 0.3;
    push @flags, 'b' if $key =~ /=$|^Ym/ && rand() < 0.8;
    for my $i (reverse 1 .. $#flags) {
        my $j = int rand($i + 1);
        @flags[$i, $j] = @flags[$j, $i];
    }
    my $head = join ' ', 'ms', $key, length $value, @flags;
    return ["$head\r\n$value\r\n", "$head P\r\n$value\r\n"];
}

sub some {
    my ($count, @more) = @_;
    return map {
        my $value = chr(97 + rand 26) x $sizes[rand @sizes];
        my $key = $all[rand @all];
        rand() < 0.5 ? set_of($key, $value) : ms_of($key, $value, @more);
    } 1 .. $count;
}

sub grouped { return join '', map { $_->[0] } @_ }
sub alone   { return join '', map { $_->[1] } @_ }

my $state = join('', map { ("mg $_ v f s t k q\r\n", "mg $_ b v f s k q\r\n") } @all);

# When a second passes in between, what is told of TTLs differs: then all is asked again.
for my $round (1 .. 40) {
    my @requests = some(1 + int rand 60, 's');
    my ($wanted, $said);
    for (1 .. 5) {
        $c->ask("flush_all\r\n");
        $wanted = $c->ask(alone(@requests) . $state);
        $c->ask("flush_all\r\n");
        $said = $c->ask(grouped(@requests) . $state);
        last if $said eq $wanted;
    }
    next if $said eq $wanted;
    is($said, $wanted, "round $round: " . grouped(@requests));
}
pass('many flags in many orders');

my $fresh = mfcached()->connect;
my $look = join('', map { "mg $_ v f s k q\r\n" } @all) . join('', map { "mg $_ b v f s k q\r\n" } @binary);
for my $round (1 .. 5) {
    memcached_compare($fresh, grouped(some(50)) . $look, "as memcached, round $round");
}

# However the bytes are cut.
{
    my @requests = some(60);
    $c->ask("flush_all\r\n");
    my $wanted = $c->ask(alone(@requests) . $look);
    my $other = $node->connect;
    for my $size (7, 41, 500, 7000) {
        $c->ask("flush_all\r\n");
        my ($pieces, $bytes) = ($node->connect, grouped(@requests) . $look);
        while (length $bytes > $size) {
            $pieces->send(substr($bytes, 0, $size, ''));
            $other->ask('');
        }
        ok($pieces->ask($bytes) eq $wanted, "in pieces of $size");
    }
}

# CAS values are those that were stored, and each is larger.
{
    my $last = 0;
    my $said = $c->ask(join '', map { "ms c$_ 1 c k\r\nx\r\nms c0 1 s c\r\ny\r\n" } 1 .. 20);
    for my $line (split /\r\n/, $said) {
        my ($cas) = $line =~ /^HD (?:c(\d+) kc\d+|s1 c(\d+))$/ ? $1 // $2 : undef;
        isnt($cas, undef, $line);
    }
    my ($cas) = $said =~ /c(\d+)\r\n\z/;
    is($c->ask("mg c0 c\r\n"), "HD c$cas\r\n", 'the last one is what is there');
    my @of_c0 = $said =~ /s1 c(\d+)/g;
    is_deeply([sort { $a <=> $b } @of_c0], \@of_c0, 'each is larger');
}

# Between others, and with what a group cannot store in its midst.
sub told_in_one_go {
    my ($on, $name, @pairs) = @_;
    my (@sent, @wanted);
    while (my ($sent, $wanted) = splice(@pairs, 0, 2)) {
        push @sent, $sent;
        push @wanted, $wanted;
    }
    return is($on->ask(join('', map { "$_\r\n" } @sent)), join('', @wanted), $name);
}

told_in_one_go($c, 'errors stand where they belong',
    "set a 0 0 1\r\n1" => "STORED\r\n", "ms a 1 k\r\n2" => "HD ka\r\n",
    "ms a 1 c c\r\n3" => "CLIENT_ERROR duplicate flag\r\n",
    "ms a! 1 b\r\n4" => "CLIENT_ERROR error decoding key\r\n", 'mg a v' => "VA 1\r\n2\r\n",
    "ms a 1 MX\r\n5" => "CLIENT_ERROR invalid mode for ms M token\r\n",
    "ms a 1 ME\r\n6" => "NS\r\n", "ms a 1 C1\r\n7" => "EX\r\n", 'mg a v' => "VA 1\r\n2\r\n",
    "ms a 1 T-1\r\n8" => "HD\r\n", 'mg a v' => "EN\r\n", "ms a 1 q\r\n9" => '');

my $narrow = mfcached(args => ['-I', '1k']);
my $large = 'l' x 2000;
told_in_one_go($narrow->connect, 'what is too large leaves nothing, and what follows it is stored',
    "set a 0 0 1\r\n1" => "STORED\r\n", "ms b 1 s\r\n2" => "HD s1\r\n",
    "set a 0 0 2000\r\n$large" => "SERVER_ERROR object too large for cache\r\n",
    "ms b 2000 q k\r\n$large" => "SERVER_ERROR object too large for cache\r\n",
    "ms c 1 k\r\n3" => "HD kc\r\n",
    'mg a v' => "EN\r\n", 'mg b v' => "EN\r\n", 'mg c v' => "VA 1\r\n3\r\n");

# What is dead makes room for what is new.
$c->ask("ms e 1 T10\r\n1\r\n");
$c->ask("debugtime 11\r\n");
told_in_one_go($c, 'expired', "ms e 1\r\n2" => "HD\r\n", "ms f 1\r\n3" => "HD\r\n",
    'mg e v t' => "VA 1 t-1\r\n2\r\n");

# The same is counted.
{
    my @names = qw(cmd_set cmd_meta total_items curr_items bytes reclaimed);
    my @requests = some(100);
    my $counted = sub {
        my ($bytes) = @_;
        $c->ask("flush_all\r\n" . join '', map { "md $_\r\nmd $_ b\r\n" } @all, qw(a e f), map { "c$_" } 0 .. 20);
        my %before = %{ $c->stats };
        $c->ask($bytes);
        my %after = %{ $c->stats };
        return join ' ', map { "$_=" . (($after{$_} // 0) - ($before{$_} // 0)) } @names;
    };
    my $wanted = $counted->(alone(@requests));
    is($counted->(grouped(@requests)), $wanted, "the same is counted: $wanted");
}

# A watcher hears of each.
{
    my $watcher = $node->connect;
    $watcher->send("watch mutations\r\n");
    is($watcher->read_line, "OK\r\n", 'a watcher');
    $c->ask("set w1 0 0 1\r\nx\r\nset w2 0 0 1\r\nx\r\nms w3 1\r\nx\r\nms w4 1\r\nx\r\n");
    my @heard = map { $watcher->read_line =~ /key=(\w+) status=stored/ } 1 .. 4;
    is("@heard", 'w1 w2 w3 w4', 'hears of sets in a group');
}

done_testing();
