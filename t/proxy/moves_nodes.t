# Keys that move between real nodes, ours and memcached's: what each command finds and
# leaves at either owner, step by step. All keys move from `old` to `new`. Then what
# each says when another proxy leaves an empty item there at that very moment.
use strict;
use warnings;
use JSON::PP ();
use Memfleet;
use MockBackend;

sub try_with {
    my ($kind, $start) = @_;
    my %node = map { $_ => $start->() } qw(old new);
    my %at   = map { $_ => $node{$_}->connect } qw(old new);
    my $file = scratch_dir() . "/$kind.json";
    my $epoch = 0;
    my $publish = sub {
        my ($step, %head) = @_;
        $epoch++;
        my %in = (old => 'before', new => 'after');
        my %pool = (patient(table => 1), nodes => [map { { id => $_, addr => $node{$_}->addr, kind => $kind,
                                                       ($step ? (in_ring => $in{$_}) : ()) } }
                                               $step ? qw(old new) : 'old']);
        $pool{move} = { step => $step } if $step;
        spew($file, JSON::PP->new->canonical->encode({ memfleet_table => 1, min_reader => 2, %head,
                                                       epoch => $epoch, pools => { main => \%pool } }));
    };
    $publish->('');
    my $proxy = mfproxy(args => ['--table', $file, '--threads', 2]);
    my $c = $proxy->connect;
    my $go = sub {
        $publish->(@_);
        return wait_until(sub { $c->stats->{table_clear_epoch} == $epoch }, deadline(15), "$kind: @_");
    };
    my $both = sub { my ($key) = @_; return join(' ', map { $at{$_}->get($key) // '-' } qw(old new)) };
    my $is = sub {
        my ($bytes, $reply, $key, $left, $name) = @_;
        is($c->ask("$bytes\r\n"), $reply =~ s/$/\r\n/r, "$kind: $name") if defined $reply;
        my $found = $both->($key); # reads are told before the new owner is filled
        wait_until(sub { ($found = $both->($key)) eq $left }, deadline(10), "$key: $left") if $found ne $left;
        return is($found, $left, "$kind: $name: what is left");
    };
    my $value = sub { my ($key, $v) = @_; return "VALUE $key 5 " . length($v) . "\r\n$v\r\nEND" };

    # ---- prepare: the old owner is read and written, the new one is only told ----------
    $go->('prepare');
    my $set = sub { my ($who, $key, $v, $ttl) = @_; return $at{$who}->ask("set $key 5 " . ($ttl // 0) . ' ' . length($v) . "\r\n$v\r\n") };
    $set->('old', $_, 'o'), $set->('new', $_, 'n') for 'p1' .. 'p9';
    $is->('get p1', $value->('p1', 'o'), 'p1', 'o n', 'prepare: get');
    $is->("set p2 5 0 1\r\nx", 'STORED', 'p2', 'x -', 'set');
    $is->("append p3 5 0 1\r\nx", 'STORED', 'p3', 'ox -', 'append');
    $is->('delete p4', 'DELETED', 'p4', '- -', 'delete');
    $is->('mg p6 v T30', 'VA 1' . "\r\no", 'p6', 'o -', 'mg T');
    $is->('delete nosuch', 'NOT_FOUND', 'nosuch', '- -', 'delete of nothing');

    # ---- warm ---------------------------------------------------------------------------
    $set->('old', "w$_", 'o', 100) for 1 .. 30;
    $set->('new', $_, 'n') for 'w2';
    $set->('old', 'num', '41');
    $go->('warm', routes => { 'u/' => { pool => 'main', strip_prefix => JSON::PP::true } });
    $is->('get w1', $value->('w1', 'o'), 'w1', 'o o', 'warm: a miss at the new owner is filled');
    like($at{new}->ask("mg w1 t f v\r\n"), qr/^VA 1 t(?:9\d|100) f5\r\no\r\n$/, "$kind: with its time to live and flags");
    $is->('get w2', $value->('w2', 'n'), 'w2', 'o n', 'a hit there is served');
    $is->('get none', 'END', 'none', '- -', 'a miss at both leaves nothing');
    $is->('mg none v k O1', 'EN O1 knone' =~ s/O1 knone/knone O1/r, 'none', '- -', 'nor does an mg');
    $is->('mg w3 s k f O7', 'HD s1 kw3 f5 O7', 'w3', 'o o', 'mg without a value fills, too');
    $is->("set w4 5 0 1\r\nx", 'STORED', 'w4', '- x', 'set');
    $is->('delete w5', 'DELETED', 'w5', '- -', 'delete');
    $is->("append w6 5 0 1\r\nx", 'STORED', 'w6', '- ox', 'append fills first');
    $is->("add w7 5 0 1\r\nx", 'NOT_STORED', 'w7', '- o', 'add finds what there is');
    $is->("add w31 5 0 1\r\nx", 'STORED', 'w31', '- x', 'or nothing');
    $is->('incr num 1', '42', 'num', '- 42', 'incr');
    $is->('incr nonum 1', 'NOT_FOUND', 'nonum', '- -', 'incr of nothing');
    $is->('touch w8 50', 'TOUCHED', 'w8', '- o', 'touch');
    $is->('gat 50 w9', $value->('w9', 'o'), 'w9', '- o', 'gat');
    is(join('', sort split(/(?=VALUE|END)/, $c->ask("gat 50 w10 none w11\r\n"))),
       "END\r\nVALUE w10 5 1\r\no\r\nVALUE w11 5 1\r\no\r\n", "$kind: gat of several");
    is($both->('w11'), '- o', "$kind: moves them");
    is($c->ask("get w12 none w2 w13 w12\r\n"),
       "VALUE w12 5 1\r\no\r\nVALUE w2 5 1\r\nn\r\nVALUE w13 5 1\r\no\r\nVALUE w12 5 1\r\no\r\nEND\r\n", "$kind: get of several");
    my ($cas) = $c->ask("gets w14\r\n") =~ /VALUE w14 5 1 (\d+)/;
    is($c->ask("cas w14 5 0 1 1\r\nx\r\n"), "EXISTS\r\n", "$kind: cas with another's value");
    is($both->('w14'), '- o', "$kind: it has moved all the same");
    ($cas) = $c->ask("gets w14\r\n") =~ /VALUE w14 5 1 (\d+)/;
    $is->("cas w14 5 0 1 $cas\r\nx", 'STORED', 'w14', '- x', 'cas');
    $is->("ms w15 1 T0\r\nx", 'HD', 'w15', '- x', 'ms');
    $is->('mg w16 v h t', undef, 'w16', 'o -', 'before');
    like($c->ask("mg w16 v h t\r\n"), qr/^VA 1 h[01] t\d+\r\no\r\n$/, "$kind: mg h");
    $is->('mg w16 v', "VA 1\r\no", 'w16', 'o o', 'it fills');
    is($c->ask("mg dzE3 v b k\r\n"), "VA 1 kdzE3 b\r\no\r\n", "$kind: a key in base64");
    $is->('mg dzE3 b', 'HD', 'w17', 'o o', 'it is filled');
    is($c->ask("set w18 5 0 1\r\na\r\nget w18\r\nappend w18 0 0 1\r\nb\r\nget w18 w19\r\ndelete w18\r\nget w18\r\n"),
       "STORED\r\nVALUE w18 5 1\r\na\r\nEND\r\nSTORED\r\nVALUE w18 5 2\r\nab\r\nVALUE w19 5 1\r\no\r\nEND\r\nDELETED\r\nEND\r\n",
       "$kind: what is pipelined comes in order");
    is($c->ask("set w20 5 0 1 noreply\r\nx\r\nget w20\r\n"), "VALUE w20 5 1\r\nx\r\nEND\r\n", "$kind: noreply");
    is($c->ask("ms w21 1 q\r\nx\r\nmd w22 q\r\nmd none q\r\nmn\r\n"), "NF\r\nMN\r\n", "$kind: quiet ones");
    is($both->($_), $_ eq 'w21' ? '- x' : '- -', "$kind: $_ is done") for qw(w21 w22);
    # by a route that takes the prefix off: the nodes' keys move, the client reads his own
    is($c->ask("get u/w23\r\n"), "VALUE u/w23 5 1\r\no\r\nEND\r\n", "$kind: a key without its prefix");
    $is->('mg u/w23 k', 'HD ku/w23', 'w23', 'o o', 'it is filled');
    is($c->ask("mg u/w24 v k\r\n"), "VA 1 ku/w24\r\no\r\n", "$kind: mg k");
    is($c->ask("mg dS93MjU= v b k\r\n"), "VA 1 kdS93MjU= b\r\no\r\n", "$kind: in base64");
    is($c->ask("get u/w26 w27 u/none u/w2\r\n"),
       "VALUE u/w26 5 1\r\no\r\nVALUE w27 5 1\r\no\r\nVALUE u/w2 5 1\r\nn\r\nEND\r\n", "$kind: several");
    is(join('', sort split(/(?=VALUE|END)/, $c->ask("gat 50 u/w28 u/none w29\r\n"))),
       "END\r\nVALUE u/w28 5 1\r\no\r\nVALUE w29 5 1\r\no\r\n", "$kind: gat");
    $is->("append u/w30 5 0 1\r\nx", 'STORED', 'w30', '- ox', 'append');
    $is->('ma u/num k v', "VA 2 ku/num\r\n43", 'num', '- 43', 'ma k');
    $is->('md u/num k', 'HD ku/num', 'num', '- -', 'md k');
    my $large = 'l' x 300_000;
    $at{old}->ask("set large 5 0 300000\r\n$large\r\n");
    is($c->get('large'), $large, "$kind: a large value");
    wait_until(sub { ($at{new}->get('large') // '') eq $large }, deadline(10), "$kind: moves too");
    like($c->ask("me w20\r\n"), qr/^ME w20 /, "$kind: me");
    is($c->ask("flush_all\r\n"), "SERVER_ERROR flush_all disabled\r\n", "$kind: flush_all has to wait");
    my $stats = $c->stats;
    is($stats->{'move_step:main'}, 'warm', "$kind: stats tell the step");
    cmp_ok($stats->{move_fills_total}, '>=', 10, "$kind: fills are counted");
    is($stats->{move_fills_lost_total}, 1, "$kind: a key that was asked for twice was filled once");
    cmp_ok($stats->{move_source_reads_total}, '>=', $stats->{move_fills_total}, "$kind: source reads are");

    # ---- active -------------------------------------------------------------------------
    $set->('old', "a$_", 'o') for 1 .. 20;
    $set->('new', "a$_", 'n') for 1 .. 9;
    $at{new}->ask("mg claim v N30\r\n"); # as somebody would leave it who is a step behind
    $go->('active');
    $is->('get a1', $value->('a1', 'n'), 'a1', 'o n', 'active: get');
    $is->('get a11', 'END', 'a11', 'o -', 'the old owner is not read any more');
    is($c->ask("get claim a1\r\n"), "VALUE a1 5 1\r\nn\r\nEND\r\n", "$kind: an empty item is a miss");
    is($c->ask("mg claim v\r\n"), "EN\r\n", "$kind: for mg too");
    $is->("add claim 5 0 1\r\nx", 'STORED', 'claim', '- x', 'and nothing to build upon');
    $is->("set a2 5 0 1\r\nx", 'STORED', 'a2', '- x', 'set');
    $is->('delete a3', 'DELETED', 'a3', '- -', 'delete');
    $is->("append a4 5 0 1\r\nx", 'STORED', 'a4', '- nx', 'append');
    $is->("append a12 5 0 1\r\nx", 'NOT_STORED', 'a12', '- -', 'append to nothing');
    $is->('gat 9 a5 a13', "VALUE a5 5 1\r\nn\r\nEND", 'a5', '- n', 'gat');

    # ---- done ---------------------------------------------------------------------------
    $go->('done');
    $is->("set a6 5 0 1\r\nx", 'STORED', 'a6', 'o x', 'done: the new owner only');
    is($c->ask("get a7 a14\r\n"), "VALUE a7 5 1\r\nn\r\nEND\r\n", "$kind: reads too");
    return;
}

# The old owner is held at its delete, which comes between looking at the new one and
# what is done there.
sub cross_with {
    my ($kind, $start) = @_;
    my $old = MockBackend->start(name => 'old');
    my $new = $start->();
    my $at = $new->connect;
    my $file = scratch_dir() . "/crossed_$kind.json";
    my $epoch = 0;
    my $go = sub {
        my ($step) = @_;
        spew($file, JSON::PP->new->canonical->encode({ memfleet_table => 1, min_reader => 2, epoch => ++$epoch, pools => { main => {
            patient(table => 1), move => { step => $step }, nodes => [
                { id => 'old', addr => $old->addr, in_ring => 'before', kind => $kind },
                { id => 'new', addr => $new->addr, in_ring => 'after', kind => $kind }] } } }));
        return;
    };
    $go->('prepare');
    my $proxy = mfproxy(args => ['--table', $file, '--threads', 1]);
    my $c = $proxy->connect;
    my $told = "mg %s s v k\r\n";
    for my $step ('warm', 'active') {
        $go->($step);
        wait_until(sub { $c->stats->{table_clear_epoch} == $epoch }, deadline(15), "$kind: $step");
        my $n = 0;
        for my $case (["add %s 0 0 1\r\nx", 'STORED', 'x'], ["ms %s 1 ME\r\nx", 'HD', 'x'],
                      ["replace %s 0 0 1\r\nx", 'NOT_STORED'], ["ms %s 1 MR O7\r\nx", 'NS O7'],
                      ["append %s 0 0 1\r\nx", 'NOT_STORED'], ['incr %s 1', 'NOT_FOUND'],
                      ['touch %s 100', 'NOT_FOUND'], ['gat 100 %s', 'END'], ['gats 100 %s', 'END'], ['gat 100 %s %1$s2', 'END'],
                      ['mg %s v T100 O7', 'EN O7'], ['md %s I T100', 'NF'],
                      ["cas %s 0 0 1 3\r\nx", 'NOT_FOUND'], ["ms %s 1 C3\r\nx", 'NF'], ['md %s C3', 'NF'],
                      ['mg %s v N100', "VA 0 W\r\n", '']) {
            my ($bytes, $reply, $left) = @$case;
            my $key = "miss$step" . ++$n;
            my $line = sprintf($bytes, $key);
            $old->mode('hold', 'delete');
            $c->send("$line\r\n");
            wait_until(sub { grep { /^delete $key$/ } $old->seen }, deadline(15), 'it is to be deleted at the old owner');
            like($at->ask("mg $key v N100\r\n"), qr/^VA 0 W/, "$kind: $step: somebody else leaves an empty item");
            $old->mode('answer');
            is($c->ask(''), "$reply\r\n", "$kind: $step: " . $line =~ s/\r\n.*//sr);
            is($at->ask("mg $key v\r\n") =~ s/ Z//r, defined $left ? "VA " . length($left) . "\r\n$left\r\n" : "EN\r\n", 'what is left');
        }
        # What is there is found as ever.
        $at->ask("set there$step 5 0 1\r\n1\r\n");
        for my $case (['touch %s 100', "TOUCHED\r\n"], ["gat 100 %s", "VALUE %s 5 1\r\n1\r\nEND\r\n"], ["add %s 0 0 1\r\nx", "NOT_STORED\r\n"],
                      ["replace %s 6 0 1\r\n2", "STORED\r\n"], ["ms %s 1 MR F7 k q\r\n3", ''], ['mg %s v f T50 t', "VA 1 f7 t50\r\n3\r\n"],
                      ["md %s I T100 k", "HD k%s\r\n"], ($kind eq 'mfcached' ? ['mg %s v T90', "VA 1 W X\r\n3\r\n"] : ()), ['mg %s v T90', "VA 1 X Z\r\n3\r\n"], ['touch %s 100', "TOUCHED\r\n"]) {
            my ($bytes, $reply) = map { sprintf($_, "there$step") } @$case;
            is($c->ask("$bytes\r\n") =~ s/ Z X/ X Z/r =~ s/ X W/ W X/r =~ s/t49/t50/r, $reply, "$kind: $step: $bytes");
        }
        my ($cas) = $c->ask("gats 100 there$step\r\n") =~ /^VALUE there$step 7 1 (\d+)\r\n3\r\nEND\r\n$/;
        is($c->ask("cas there$step 0 0 1 $cas\r\nx\r\nreplace there$step 0 -1 1\r\nx\r\n"), "STORED\r\nSTORED\r\n", "$kind: $step: gats, cas, replace");
        is($at->get("there$step"), undef, 'it is over');
    }
    return;
}

try_with('mfcached', sub { mfcached(args => [qw(-t 2)]) });
cross_with('mfcached', sub { mfcached(args => [qw(-t 2)]) });
SKIP: {
    skip('memcached is not installed', 1) if !-x '/usr/bin/memcached';
    cross_with('memcached', \&memcached_program);
    try_with('memcached', \&memcached_program);
}
done_testing;
