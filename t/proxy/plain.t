# Requests that are spelled as usual go a shorter way through the proxy than others
# (proxy/plain.h). Nobody can tell which way his went: a blank too many in a line makes
# it an unusual one, and every answer must be the same.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my @mocks = map { MockBackend->start(name => $_) } qw(a b);
my %mock = map { $_->name => $_ } @mocks;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @mocks), '--threads', 1,
                             '--request-timeout', '300ms']);
my $c = $proxy->connect;
my %keys;
for my $i (1 .. 60) {
    my ($owner) = $c->get("k$i") =~ /^(\w+):/;
    push @{ $keys{$owner} }, "k$i";
}
my ($ka, $kb, $kc) = ($keys{a}[0], $keys{b}[0], $keys{a}[1]);
my $behind = "mn\r\n"; # its MN ends what is read
$mock{$_}->seen for qw(a b);

sub unusual {
    my ($request) = @_;
    my @lines = split /(?<=\r\n)/, $request;
    s/^get /get  /, s/^((?:set|mg) .*)\r\n/$1 \r\n/ for @lines;
    return join '', @lines;
}

sub answer {
    my ($client, $request) = @_;
    $client->send($request . $behind);
    my $answer = '';
    $answer .= $client->read_exact(1) until $answer =~ /MN\r\n\z/;
    return $answer;
}

# By either way, with what the nodes have seen of it: of an mg also the blank too many.
sub same {
    my ($request, $expected, $what) = @_;
    my @ways = map {
        my $answer = answer($c, $_);
        my %seen = map { my $m = $_; ($m => [map { s/^(mg .*\S) +$/$1/r } $mock{$m}->seen]) } qw(a b);
        { answer => $answer, seen => \%seen };
    } $request, unusual($request);
    like($ways[0]{answer}, $expected, $what);
    is($ways[1]{answer}, $ways[0]{answer}, "$what, by either way");
    is_deeply($ways[1]{seen}, $ways[0]{seen}, "$what, and its nodes are asked the same");
}

for my $mode ('answer', 'split') {
    $_->mode($mode) for @mocks;
    same("get $ka\r\n", qr/^VALUE $ka 0 \d+\r\na:$ka\r\nEND\r\nMN\r\n$/, "$mode: a hit");
    same("get missing\r\n", qr/^END\r\nMN\r\n$/, "$mode: a miss");
    same("get $ka $kb missing $kc $ka\r\n",
         qr/^VALUE $ka .*VALUE $kb .*VALUE $kc .*VALUE $ka .*\nEND\r\nMN\r\n$/s, "$mode: several keys");
    same("get missing missing2\r\n", qr/^END\r\nMN\r\n$/, "$mode: several misses");
    same("set $ka 5 0 3\r\nabc\r\n", qr/^STORED\r\nMN\r\n$/, "$mode: a set");
    same("set $ka 0 0 0\r\n\r\n", qr/^STORED\r\nMN\r\n$/, "$mode: a set of nothing");
    for my $flags ('', ' v', ' k v', ' v f t c s', ' O123 v k', ' k Oq v c') {
        same("mg $ka$flags\r\n", qr/^(?:HD|VA \d+)[^\r]*\r\n(?:a:$ka\r\n)?MN\r\n$/, "$mode: mg$flags");
        same("mg missing$flags\r\n", qr/^EN\r\nMN\r\n$/, "$mode: a miss of mg$flags");
    }
    for my $flags (' q', ' q v', ' v q', ' k Oq q v') {
        same("mg $ka$flags\r\nmg missing$flags\r\nmg $kb v\r\n",
             qr/^(?:HD|VA \d+)[^\r]*\r\n(?:a:$ka\r\n)?VA \d+\r\nb:$kb\r\nMN\r\n$/, "$mode: mg$flags");
    }
    same("mg $ka v k\r\nset $ka 0 0 1\r\nx\r\nmg $ka v\r\nget $ka\r\nmg $ka v q\r\nmg $kb k v\r\n",
         qr/^VA .*STORED\r\n.*MN\r\n$/s, "$mode: mg among others");
    same("mg dGVzdA== b k v\r\nmg $ka N30 v\r\nmg $ka v v\r\n", qr/^VA .*CLIENT_ERROR /s,
         "$mode: mg with other flags");
    same("set $ka 0 0 3\r\nabc\r\nget $ka\r\nset $kb 0 0 1\r\nx\r\nget $kb $ka\r\n",
         qr/^STORED\r\nVALUE .*END\r\nSTORED\r\nVALUE .*END\r\nMN\r\n$/s, "$mode: one behind the other");
}
$_->mode('answer') for @mocks;

my $long = 'x' x 251;
same("get $long\r\n", qr/^CLIENT_ERROR /, 'a key that is too long');
same("get $ka $long\r\n", qr/^CLIENT_ERROR /, 'one among several');
same("set $ka 0 0 3\r\nabcd\r\n", qr/^CLIENT_ERROR bad data chunk\r\n/, 'a value that is longer than it says');
my $many = join ' ', map { "k$_" } 1 .. 60, 1 .. 60, 1 .. 60;
same("get $many\r\n", qr/^(?:VALUE k\d+ \d+ \d+\r\n\w:k\d+\r\n){180}END\r\nMN\r\n$/, 'many keys');

# What a node answers otherwise.
$mock{a}->busy('get');
same("get $ka\r\n", qr/^SERVER_ERROR busy\r\nMN\r\n$/, 'an error');
same("get $ka $kb $kc\r\n", qr/^VALUE $kb 0 \d+\r\nb:$kb\r\nEND\r\nMN\r\n$/, 'an error for some keys');
$mock{a}->busy('set');
same("set $ka 0 0 1\r\nx\r\n", qr/^SERVER_ERROR busy\r\nMN\r\n$/, 'an error for a set');
$mock{a}->busy('');
sub says {
    my ($bytes) = @_;
    $mock{a}->mode('bytes ' . ($bytes =~ s/\r/\\r/gr =~ s/\n/\\n/gr));
}
for my $odd ("VALUE $ka 0 1 77\r\nx\r\nEND\r\n", "VALUE $ka 4294967295 0\r\n\r\nEND\r\n") {
    says($odd);
    same("get $ka\r\n", qr/^\Q$odd\EMN\r\n$/, 'what is odd, but a value');
}

for my $odd ("VA 1 f4294967295 W Z\r\nx\r\n", "VA 0\r\n\r\n", "HD \r\n", "EN k$ka\r\n", "VA 2  k\r\n\r\n\r\n",
             "SERVER_ERROR no\r\n", "HD k\001\r\n") {
    says($odd);
    for my $flags ('', ' q') {
        same("mg $ka v$flags\r\n", $flags ne '' && $odd =~ /^EN/ ? qr/^MN\r\n$/ : qr/^\Q$odd\EMN\r\n$/,
             'what is odd, but an answer to mg');
    }
}
$mock{a}->mode('answer');

# A client may go away, and a node may say what it was not asked for.
sub goes_on {
    my ($what) = @_;
    $_->mode('answer') for @mocks;
    ok(wait_until(sub { ($proxy->connect->get($ka) // '') eq "a:$ka" }, 20, $what), $what);
    $mock{$_}->seen for qw(a b);
}
for my $wrong ("VALUE $kc 0 1\r\nx\r\nEND\r\n", "VALUE $ka 0 1\r\nxEND\r\n", "STORED\r\n") {
    says($wrong);
    is(answer($c, "get $ka\r\n"), "END\r\nMN\r\n", 'what is no answer is a miss');
    goes_on('and the next request is answered');
}
$mock{a}->mode('hang');
my $leaves = $proxy->connect;
$leaves->send("get $ka\r\nget $ka $kb\r\nset $ka 0 0 1\r\nx\r\n");
wait_until(sub { grep { /^set/ } $mock{a}->seen }, 10, 'the set');
is(answer($c, "get $kb\r\n"), "VALUE $kb 0 " . length("b:$kb") . "\r\nb:$kb\r\nEND\r\nMN\r\n",
   'others are served');
undef $leaves;
goes_on('he has left, and all goes on');

for my $wrong ("VA 3\r\nabcd\r\n", "HD\001\r\n", "ENX\r\n\001\r\n", "VALUE $ka 0 1\r\nx\r\nEND\r\n") {
    for my $flags (' O7 v k', ' k q') {
        says($wrong);
        my $by_either = answer($c, "mg $ka$flags\r\n");
        goes_on('and the next request is answered');
        says($wrong);
        is(answer($c, unusual("mg $ka$flags\r\n")), $by_either, "what is no answer to mg$flags, by either way");
        goes_on('and the next request is answered');
    }
}

# In its own time.
$mock{a}->mode('hang');
is(answer($c, "get $ka\r\nset $ka 0 0 1\r\nx\r\nget $kb $ka\r\n"),
   "END\r\nSERVER_ERROR backend timeout\r\nVALUE $kb 0 " . length("b:$kb") . "\r\nb:$kb\r\nEND\r\nMN\r\n",
   'what comes too late is a miss, or an error');
goes_on('and late replies are nobody else\'s');
$mock{a}->mode('hang');
is(answer($c, "mg $ka O7 v k\r\nmg $ka v q O8\r\nmg $kb v\r\n"),
   "EN O7 k$ka\r\nVA " . length("b:$kb") . "\r\nb:$kb\r\nMN\r\n", 'a late mg is a miss, and has its echo');
goes_on('and late replies of mg are nobody else\'s');

done_testing();
