# The meta protocol: flags, modes, quiet mode, tokens, binary keys.
use strict;
use warnings;
use Memfleet;
use MIME::Base64 qw(encode_base64);

my $node = mfcached();
my $c = $node->connect;

sub asks {
    my ($name, @pairs) = @_;
    while (my ($sent, $wanted) = splice(@pairs, 0, 2)) {
        my $said = "$name: " . $sent =~ s/\r\n/ /gr;
        ref $wanted ? like($c->ask($sent), $wanted, $said) : is($c->ask($sent), $wanted, $said);
    }
    return;
}

asks('ms and mg',
     "mg a v\r\n" => "EN\r\n",
     "mg a v k Ox\r\n" => "EN ka Ox\r\n",
     "ms a 3 F7\r\nabc\r\n" => "HD\r\n",
     "mg a\r\n" => "HD\r\n",
     "mg a v f s t k O1\r\n" => "VA 3 f7 s3 t-1 ka O1\r\nabc\r\n",
     "mg a O1 k t s f v\r\n" => "VA 3 O1 ka t-1 s3 f7\r\nabc\r\n",
     "ms a 0 k Oz\r\n\r\n" => "HD ka Oz\r\n",
     "mg a v\r\n" => "VA 0\r\n\r\n",
     "ms a 2 s\r\nab\r\n" => "HD s2\r\n");

asks('hit before and last access',
     "ms h 1\r\nx\r\n" => "HD\r\n",
     "mg h h l t u\r\n" => "HD h0 l0 t-1\r\n",
     "mg h h\r\n" => "HD h0\r\n",
     "mg h h\r\n" => "HD h1\r\n");

asks('modes',
     "ms m 1 MR\r\nx\r\n" => "NS\r\n",
     "ms m 1 MA\r\nx\r\n" => "NS\r\n",
     "ms m 1 MA N30\r\nb\r\n" => "HD\r\n",
     "mg m t v\r\n" => "VA 1 t30\r\nb\r\n",
     "ms m 1 ME k O9\r\nx\r\n" => "NS km O9\r\n",
     "ms m 1 Ma s\r\nc\r\n" => "HD s2\r\n",
     "ms m 1 MP\r\na\r\n" => "HD\r\n",
     "mg m v\r\n" => "VA 3\r\nabc\r\n",
     "ms m 1 MR\r\nr\r\n" => "HD\r\n",
     "mg m v t\r\n" => "VA 1 t-1\r\nr\r\n");

my ($cas) = $c->ask("ms c 1 c\r\nx\r\n") =~ /^HD c(\d+)\r\n\z/;
asks('compare',
     "mg c c\r\n" => "HD c$cas\r\n",
     "ms none 1 C5\r\nx\r\n" => "NF\r\n",
     "ms c 1 C" . ($cas + 1) . " c k\r\nx\r\n" => "EX c0 kc\r\n",
     "md c C" . ($cas + 1) . " k Oo\r\n" => "EX kc Oo\r\n",
     "ms c 1 C$cas E777 c\r\ny\r\n" => "HD c777\r\n",
     "mg c c v\r\n" => "VA 1 c777\r\ny\r\n",
     "md c C777\r\n" => "HD\r\n",
     "ms c 1\r\n1\r\n" => "HD\r\n",
     "ms c 1 C0\r\nx\r\n" => "EX\r\n",
     "ms c 1 MR C0\r\nx\r\n" => "EX\r\n",
     "ms c 1 MA C0\r\n2\r\n" => "HD\r\n",
     "ms c 1 MP C0\r\n3\r\n" => "HD\r\n",
     "ma c C0 v\r\n" => "VA 3\r\n313\r\n",
     "ma none C0\r\n" => "NF\r\n",
     "md c C0\r\n" => "EX\r\n",
     "md c\r\n" => "HD\r\n",
     "ms c 1 C0\r\nx\r\n" => "NF\r\n",
     "md c\r\n" => "NF\r\n");

asks('an outdated write with I is kept as stale',
     "ms i 1 E100 T60\r\na\r\n" => "HD\r\n",
     "ms i 1 C99\r\nb\r\n" => "EX\r\n",
     "ms i 1 C99 I T0\r\nb\r\n" => "HD\r\n",
     "mg i v t\r\n" => "VA 1 t60 X W\r\nb\r\n",
     "mg i v\r\n" => "VA 1 Z X\r\nb\r\n",
     "ms i 1 C18446744073709551615 I\r\nc\r\n" => "EX\r\n");

asks('tokens: one client fills a miss',
     "mg v1 v N30 t\r\n" => "VA 0 t30 W\r\n\r\n",
     "mg v1 v N30 t\r\n" => "VA 0 t30 Z\r\n\r\n",
     "ms v1 1 T60\r\nx\r\n" => "HD\r\n",
     "mg v1 v N30\r\n" => "VA 1\r\nx\r\n");

asks('tokens: one client refreshes early',
     "mg v1 R30 t\r\n" => "HD t60\r\n",
     "mg v1 R90 t\r\n" => "HD t60 W\r\n",
     "mg v1 R90\r\n" => "HD Z\r\n",
     "mg v1 t T90 t\r\n" => qr/^CLIENT_ERROR duplicate flag/,
     "mg v1 T90 t\r\n" => "HD t90 Z\r\n",
     "mg v1 t T30\r\n" => "HD t90 Z\r\n");

asks('md marks, drops values',
     "ms s 2 F5 T100\r\nab\r\n" => "HD\r\n",
     "md s I T50\r\n" => "HD\r\n",
     "mg s t v\r\n" => "VA 2 t50 X W\r\nab\r\n",
     "mg s v\r\n" => "VA 2 Z X\r\nab\r\n",
     "md s x\r\n" => "HD\r\n",
     "mg s t f v\r\n" => "VA 0 t50 f0\r\n\r\n",
     "md s\r\n" => "HD\r\n",
     "md s k O7\r\n" => "NF ks O7\r\n");

asks('ma',
     "ma n\r\n" => "NF\r\n",
     "ma n k O1\r\n" => "NF kn O1\r\n",
     "ma n N60 J13 v t\r\n" => "VA 2 t60\r\n13\r\n",
     "ma n N60 J13 v\r\n" => "VA 2\r\n14\r\n",
     "ma n D6 v\r\n" => "VA 2\r\n20\r\n",
     "ma n MD D5 v\r\n" => "VA 2\r\n15\r\n",
     "ma n M- v\r\n" => "VA 2\r\n14\r\n",
     "ma n\r\n" => "HD\r\n",
     "ma n T90 t\r\n" => "HD t90\r\n",
     "ma n E55 c\r\n" => "HD c55\r\n",
     "ma n C54\r\n" => "EX\r\n",
     "ma n C55 v\r\n" => "VA 2\r\n18\r\n",
     "ms n 1\r\nx\r\n" => "HD\r\n",
     "ma n\r\n" => "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");

asks('quiet mode hides EN and HD only',
     "mg none v q\r\nmg none v k q Oz\r\n" => '',
     "ms q 1 q\r\n1\r\n" => '',
     "mg q v q\r\n" => "VA 1\r\n1\r\n",
     "mg q s q\r\n" => "HD s1\r\n",
     "ms q 1 ME q\r\nx\r\n" => "NS\r\n",
     "ms q 1 C1 q O3\r\nx\r\n" => "EX O3\r\n",
     "ms q 2 q\r\nabc\r\n" => "CLIENT_ERROR bad data chunk\r\nCLIENT_ERROR bad command line format\r\n",
     "ma q q\r\n" => '',
     "ma none q\r\n" => "NF\r\n",
     "md q q\r\n" => '',
     "md q q\r\n" => "NF\r\n",
     "mg viv N30 s q\r\n" => "HD s0 W\r\n",
     "ma made N0 q\r\n" => "HD\r\n");

my $binary = join('', map { chr } 0 .. 31, 128 .. 140);
my $b64 = encode_base64($binary, '');
asks('binary keys',
     "ms $b64 2 b k\r\nab\r\n" => "HD k$b64 b\r\n",
     "mg $b64 v\r\n" => "EN\r\n",
     "mg $b64 b k v\r\n" => "VA 2 k$b64 b\r\nab\r\n",
     "md $b64 b k\r\n" => "HD k$b64 b\r\n",
     "mg $b64 b k\r\n" => "EN k$b64 b\r\n",
     "set plain 0 0 1\r\nx\r\n" => "STORED\r\n",
     'mg ' . encode_base64('plain', '') . " b k v\r\n" => "VA 1 kplain\r\nx\r\n");

asks('mn, me',
     "mn\r\nmn\r\n" => "MN\r\nMN\r\n",
     "me none\r\n" => "EN\r\n",
     "ms e 1 T100 E9\r\nx\r\n" => "HD\r\n",
     "me e\r\n" => qr/^ME e exp=100 la=0 cas=9 fetch=no cls=1 size=\d+\r\n\z/,
     'me ' . encode_base64('e', '') . " b\r\n" => qr/^ME e exp=100 /);

done_testing;
