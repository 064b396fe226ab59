# mg in groups: what is served from a look at many keys at once is, byte for byte,
# what each mg says by itself. The flag P, which means nothing to a node, keeps a
# request out of the groups.
use strict;
use warnings;
use Memfleet;
use MIME::Base64 qw(encode_base64);

my $node = mfcached(args => ['--debug-clock']);
my $c = $node->connect;
srand(4711);

my @text = map { "key$_" } 1 .. 8;
my @binary = map { encode_base64("bin\x00\xff$_" x $_, '') } 1 .. 4;
my @all = (@text, @binary, 'k' x 250);

# Values of all kinds; some keys have none, some are stale and somebody refills them.
sub fill {
    $c->ask("flush_all\r\n");
    my @sizes = (0, 1, 100, 255, 256, 2046, 2047, 5000);
    for my $i (0 .. 6) {
        my ($size, $flags) = ($sizes[$i], ($i, 70_000)[$i % 2]);
        my $ttl = $i % 3 ? '' : ' T' . 50 * ($i + 1);
        $c->ask("ms $text[$i] $size F$flags$ttl\r\n" . chr(97 + $i) x $size . "\r\n");
    }
    $c->ask("ms $binary[$_] 3 b E$_\r\nabc\r\n") for 0 .. 2;
    $c->ask("set " . 'k' x 250 . " 1 0 3\r\nxyz\r\n");
    $c->ask("md $text[2] I\r\nmg $text[2]\r\nmg $text[3] R30\r\n"); # stale; taken
    $c->ask("mg $text[0] R9999\r\n");                               # early, taken
    return;
}

sub flags_of {
    my ($key) = @_;
    my @flags = grep { rand() < 0.4 } qw(v f s c t k q);
    push @flags, 'O' . join('', map { chr(33 + int rand 90) } 1 .. rand 32) if rand() < 0.3;
    push @flags, 'b' if $key =~ /=$|^Ym/ && rand() < 0.9;
    push @flags, 'b' if $key eq 'key4' && rand() < 0.1; # no base64 of length 4
    for my $i (reverse 1 .. $#flags) {
        my $j = int rand($i + 1);
        @flags[$i, $j] = @flags[$j, $i];
    }
    return @flags;
}

sub lines {
    my ($count) = @_;
    return map { my $key = $all[rand @all]; ["mg $key", flags_of($key)] } 1 .. $count;
}

sub bytes_of { return join '', map { join(' ', @$_) . "\r\n" } @_ }

# Seen one by one by exec_meta_get(), then in groups. When a second passes in
# between, what is told of TTLs differs: then both are asked again.
fill();
for my $round (1 .. 60) {
    my @lines = lines(1 + int rand 100);
    my ($wanted, $said);
    for (1 .. 5) {
        $wanted = $c->ask(bytes_of(map { [@$_, 'P'] } @lines));
        $said = $c->ask(bytes_of(@lines));
        last if $said eq $wanted;
    }
    next if $said eq $wanted;
    is($said, $wanted, "round $round: " . bytes_of(@lines));
}
pass('many flags in many orders');

# However the bytes are cut. Without TTLs, since this takes a while.
{
    my @lines = map { [grep { $_ ne 't' } @$_] } lines(60);
    my $wanted = $c->ask(bytes_of(map { [@$_, 'P'] } @lines));
    my $other = $node->connect;
    for my $size (1, 2, 3, 7, 41, 500) {
        my ($pieces, $bytes, $wrong) = ($node->connect, bytes_of(@lines), 0);
        while (length $bytes > $size) {
            $pieces->send(substr($bytes, 0, $size, ''));
            $other->ask('');
        }
        ok($pieces->ask($bytes) eq $wanted, "in pieces of $size");
    }
}

# Between others, and with what a group cannot answer in its midst.
sub told_in_one_go {
    my ($name, @pairs) = @_;
    my (@sent, @wanted);
    while (my ($sent, $wanted) = splice(@pairs, 0, 2)) {
        push @sent, $sent;
        push @wanted, $wanted;
    }
    return is($c->ask(join('', map { "$_\r\n" } @sent)), join('', @wanted), $name);
}

$c->ask("flush_all\r\nset a 0 0 1\r\nA\r\nset b 0 0 1\r\nB\r\nmd b I\r\n");
told_in_one_go('a token is handed out once',
    'mg a v' => "VA 1\r\nA\r\n", 'mg b v' => "VA 1 X W\r\nB\r\n", 'mg b v' => "VA 1 Z X\r\nB\r\n",
    'mg c v' => "EN\r\n", 'mg c v q' => '', 'mg b k' => "HD kb Z X\r\n", 'mn' => "MN\r\n");
told_in_one_go('writes are seen by what follows them',
    'mg a v' => "VA 1\r\nA\r\n", "ms a 1\r\nC" => "HD\r\n", 'mg a v' => "VA 1\r\nC\r\n",
    'md a' => "HD\r\n", 'mg a v' => "EN\r\n", 'mg a v N30' => "VA 0 W\r\n\r\n",
    'mg a v' => "VA 0 Z\r\n\r\n", 'mg a v' => "VA 0 Z\r\n\r\n");
told_in_one_go('errors stand where they belong',
    'mg b s' => "HD s1 Z X\r\n", 'mg b v v' => "CLIENT_ERROR duplicate flag\r\n",
    'mg b! v b' => "CLIENT_ERROR error decoding key\r\n", 'mg b s' => "HD s1 Z X\r\n",
    'mg' => "CLIENT_ERROR bad command line format\r\n", 'mg b s' => "HD s1 Z X\r\n");

# The dead.
$c->ask("ms e 1 T10\r\nE\r\n");
$c->ask("debugtime 9\r\n");
told_in_one_go('alive', 'mg e v t' => "VA 1 t1\r\nE\r\n", 'mg a s' => "HD s0 Z\r\n");
$c->ask("debugtime 2\r\n");
told_in_one_go('expired', 'mg a s' => "HD s0 Z\r\n", 'mg e v t' => "EN\r\n", 'mg e k' => "EN ke\r\n");

# The same is counted.
{
    my @names = qw(cmd_get get_hits get_misses cmd_meta cmd_touch get_expired);
    my @lines = lines(100);
    my $counted = sub {
        my %before = %{ $c->stats };
        $c->ask(bytes_of(@_));
        my %after = %{ $c->stats };
        return join ' ', map { "$_=" . (($after{$_} // 0) - ($before{$_} // 0)) } @names;
    };
    fill();
    my $wanted = $counted->(map { [@$_, 'P'] } @lines);
    is($counted->(@lines), $wanted, "the same is counted: $wanted");
}

# A watcher hears of each.
{
    my $watcher = $node->connect;
    $watcher->send("watch fetchers\r\n");
    is($watcher->read_line, "OK\r\n", 'a watcher');
    $c->ask("set w 0 0 1\r\nx\r\n");
    $c->ask("mg w v\r\nmg w v\r\nmg nothing v\r\n");
    my ($seen, $missed) = (0, 0);
    while ($seen + $missed < 4) {
        my $line = $watcher->read_line;
        $seen++ if $line =~ /key=w status=found/;
        $missed++ if $line =~ /status=not_found/;
    }
    is($seen, 2, 'hears of mgs in a group');
}

# A client that reads nothing is held up between two of them.
{
    my $lazy = $node->connect;
    my $count = 2000;
    $c->set('large', 'l' x 2000);
    my $sent = syswrite($lazy->socket, "mg large v\r\n" x $count);
    is($sent, 12 * $count, 'all are asked');
    $c->ask('') for 1 .. 20;
    my $wrong = 0;
    for (1 .. $count) {
        $wrong++ if $lazy->read_exact(length "VA 2000\r\n") ne "VA 2000\r\n";
        $wrong++ if $lazy->read_exact(2002) ne 'l' x 2000 . "\r\n";
    }
    is($wrong, 0, 'and answered to who reads later');
}

done_testing();
