# Keys that move: what goes to which owner, in which order, and what happens when one
# of them fails. docs/moving-keys.md, row by row; t/proxy/moves_nodes.t has the values.
use strict;
use warnings;
use JSON::PP ();
use Memfleet;
use MockBackend;

my %mock = map { $_ => MockBackend->start(name => $_) } qw(old new aux);
my $file = scratch_dir() . '/table.json';
my $epoch = 0;
my ($now, %pool) = ('');
sub publish {
    my (%node) = @_;
    $epoch++;
    my %in = (old => 'before', aux => 'before', new => 'after');
    my @nodes = map { { id => $_, addr => $mock{$_}->addr, ($now ? (in_ring => $in{$_}) : ()), %{ $node{$_} // {} } } }
        $now ? ('old', ($node{old} && !$node{old}{in_ring} ? 'aux' : ()), 'new') : 'old';
    spew($file, JSON::PP->new->canonical->encode({
        memfleet_table => 1, min_reader => 2, epoch => $epoch,
        pools => { main => { request_timeout_ms => 10_000, %pool, nodes => \@nodes,
                             ($now ? (move => { step => $now }) : ()) } } }));
    return;
}
publish();
my $proxy = mfproxy(args => ['--table', $file, '--threads', 1], listens => 1);
my ($c, $other) = map { $proxy->connect } 1 .. 2;
sub stat_of { return $other->stats->{ $_[0] } }
sub in_use { return wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), "epoch $epoch, $now") }
sub step { $now = shift; publish(@_); in_use(); forget(); return }
sub forget { $_->seen for values %mock; return }
my %unseen;
sub seen { my ($who) = @_; return join(', ', grep { !/^(?:version|stats)/ } $mock{$who}->seen) }
sub wait_seen {
    my ($who, $re, $name) = @_;
    my $all = '';
    wait_until(sub { my $more = seen($who); $all .= ($all ne '' && $more ne '' ? ', ' : '') . $more; return $all =~ $re }, deadline(15), $name // "$re at $who");
    return $all;
}
# Holds `verb` at `first`, and looks that nothing is at `second` before it is answered.
sub in_order {
    my ($bytes, $verb, $first, $second, $then, $reply, $name) = @_;
    forget();
    $mock{$first}->mode('hold', $verb);
    $c->send("$bytes\r\n");
    wait_seen($first, qr/^\Q$verb\E /);
    is(seen($second), '', "$now: $name: $first first, $second waits");
    $mock{$second}->mode('hang');
    $mock{$first}->mode('answer');
    like(wait_seen($second, qr/^$then/), qr/^$then$/, "$now: $name: then $second");
    is($c->unread_now, '', "$now: $name: the client waits for both");
    $mock{$second}->mode('answer');
    is($c->ask(''), $reply, "$now: $name: and is told");
    return;
}

my $nothing = 18446744073709551615; # no item's CAS value

# ---- orders -----------------------------------------------------------------------------
step('prepare');
is($c->ask("get k\r\nget k l\r\nmg k v\r\n"),
   "VALUE k 0 5\r\nold:k\r\nEND\r\nVALUE k 0 5\r\nold:k\r\nVALUE l 0 5\r\nold:l\r\nEND\r\nVA 5\r\nold:k\r\n", 'prepare: reads');
is(seen('new'), '', 'ask the old owner only');
in_order("set k 0 0 1\r\nx", 'set', 'old', 'new', 'delete k', "STORED\r\n", 'set');
in_order('incr k 1', 'incr', 'old', 'new', 'delete k', "7\r\n", 'incr');
in_order('mg k v T9', 'mg', 'old', 'new', 'delete k', "VA 5\r\nold:k\r\n", 'mg that touches');
in_order('gat 9 k', 'gat', 'old', 'new', 'delete k', "VALUE k 0 5\r\nold:k\r\nEND\r\n", 'gat');
in_order('ms aw== 1 b' . "\r\nx", 'ms', 'old', 'new', 'delete k', "HD\r\n", 'ms');
in_order('delete k', 'delete', 'old', 'new', 'delete k', "DELETED\r\n", 'delete');
in_order('md k O9', 'md', 'old', 'new', 'md k O9', "HD\r\n", 'md');
in_order('md k q', 'md', 'old', 'new', 'md k', '', 'md q');
in_order("set k 0 0 1 noreply\r\nx", 'set', 'old', 'new', 'delete k', '', 'noreply');
in_order('md k I', 'md', 'old', 'new', 'delete k', "HD\r\n", 'mark stale');

step('warm');
my $empty = 'VA 0 f0 c77 t3 s0 W\\r\\n';
$mock{new}->busy('mg', $empty);
is($c->ask("get k\r\n"), "VALUE k 0 5\r\nold:k\r\nEND\r\n", 'warm: a miss at the new owner is read from the old');
is(seen('old'), 'mg k v f c t s', 'by mg');
like(wait_seen('new', qr/ms/), qr/^mg k v f c t s N3, ms k 5 C77 F0 E1$/, 'and stored where the empty item stands');
is($c->ask("get miss\r\n"), "END\r\n", 'a miss at both');
like(wait_seen('new', qr/md/), qr/^mg miss v f c t s N3, md miss C77$/, 'takes the empty item away');
forget();
$mock{new}->busy('mg', $empty =~ s/W/Z/r);
is($c->ask("get k\r\n"), "VALUE k 0 5\r\nold:k\r\nEND\r\n", "somebody else's empty item");
like(wait_seen('new', qr/ms/), qr/ms k 5 C77 F0 E1$/, 'is filled, too');
forget();
$mock{new}->busy('mg', 'SERVER_ERROR out of memory storing object');
is($c->ask("get k\r\n"), "VALUE k 0 5\r\nold:k\r\nEND\r\n", 'a node that cannot keep it');
is($c->ask("mg k v\r\n"), "VA 5\r\nold:k\r\n", 'for mg, too');
is(seen('new'), 'mg k v f c t s N3, mg k v f c t s N3', 'is given nothing');
$mock{new}->busy('');
forget();
is($c->ask("get k l\r\n"), "VALUE k 0 5\r\nnew:k\r\nVALUE l 0 5\r\nnew:l\r\nEND\r\n", 'hits at the new owner');
is(seen('old'), '', 'do not ask the old one');
for my $case (['VA 3 f0 c5 t-1 s3 X W\\r\\nabc', "VALUE k 0 3\r\nabc\r\nEND\r\n", "VA 3 X W\r\nabc\r\n", 'md k I C5 E5'],
              ['VA 3 f0 c5 t-1 s3 X Z\\r\\nabc', "VALUE k 0 3\r\nabc\r\nEND\r\n", "VA 3 Z X\r\nabc\r\n", ''],
              ['VA 3 f0 c5 t0 s3\\r\\nabc', "VALUE k 0 3\r\nabc\r\nEND\r\n", "VA 3\r\nabc\r\n", '']) {
    my ($line, $text, $meta, $back) = @$case;
    $mock{new}->busy('mg', $empty);
    $mock{old}->busy('mg', $line);
    forget();
    is($c->ask("get k\r\n"), $text, "$line is told");
    like(wait_seen('new', qr/md k C77/), qr/md k C77$/, 'and not copied');
    my $all = seen('old');
    $all .= wait_seen('old', qr/md/) if $back ne '' && $all !~ /md/;
    is($all =~ s/^mg k v f c t s(?:, )?//r, $back, 'the right to refill it is given back');
    is($c->ask("mg k v\r\n"), $meta, 'an mg is told all of it');
    $_->busy('') for values %mock;
}
in_order("set k 0 0 1\r\nx", 'delete', 'old', 'new', 'set k 0 0 1', "STORED\r\n", 'set');
in_order('delete k', 'delete', 'old', 'new', 'delete k', "DELETED\r\n", 'delete');
in_order("ms k 1 S\r\nx" =~ s/ S//r, 'delete', 'old', 'new', 'ms k 1', "HD\r\n", 'ms');
$mock{new}->busy('mg', 'HD s0 c77 W');
forget();
$mock{new}->mode('hold', 'ms');
$c->send("incr k 1\r\n");
like(wait_seen('new', qr/ms/), qr/^mg k s c N3, ms k 5 C77 F0 E1$/, 'incr fills first');
is(seen('old'), 'mg k v f c t s', 'and does nothing else before that is done');
$mock{old}->mode('hang');
$mock{new}->mode('answer');
like(wait_seen('old', qr/delete/), qr/^delete k$/, 'then it is deleted at the old owner');
is(seen('new'), '', 'and not yet done');
$mock{old}->mode('answer');
is($c->ask(''), "7\r\n", 'then it is done');
is(seen('new'), 'ma k v D1 C1', 'at the new one, to what was filled');
$mock{new}->busy('');
$c->ask("append k 0 0 1\r\nx\r\n");
is(seen('new'), 'mg k s c N3, ms k 1 MA C1', 'what is there needs no filling');
is(seen('old'), 'delete k', 'only the delete');
for my $case (["append k 0 0 1\r\nx", 'ms k 1 MA C1', 'EX', "SERVER_ERROR overloaded\r\n"],
              ['incr k 1', 'ma k v D1 C1', 'EX', "SERVER_ERROR overloaded\r\n"],
              ['decr k 2', 'ma k v D2 MD C1', 'CLIENT_ERROR cannot increment or decrement non-numeric value',
               "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"],
              ["prepend k 0 0 1\r\nx", 'ms k 1 MP C1', 'NS', "NOT_STORED\r\n"],
              ['incr k 1', 'ma k v D1 C1', 'NF', "NOT_FOUND\r\n"],
              ["ms k 1 MA O1\r\nx", 'ms k 1 MA O1 C1', 'NS O1', "NS O1\r\n"],
              ["ms k 1 MA C9 O1\r\nx", 'ms k 1 MA C9 O1', 'EX O1', "EX O1\r\n"],
              ['ma k q O1', 'ma k O1 C1', 'NF O1', "NF O1\r\n"]) {
    my ($bytes, $line, $answer, $told) = @$case;
    my ($verb) = split(' ', $line);
    $mock{new}->busy($verb, $answer);
    forget();
    is($c->ask("$bytes\r\n"), $told, "$line: $answer");
    my $asked = () = seen('new') =~ /\Q$line\E/g;
    is($asked, $told =~ /overloaded/ ? 11 : $answer =~ /CLIENT/ ? 2 : 1, 'so often it begins');
    $mock{new}->busy('');
}
$mock{new}->busy('mg', 'HD s0 c77 W');
is($c->ask("add miss 0 0 1\r\nx\r\n"), "STORED\r\n", 'what is nowhere');
is(seen('new'), 'mg miss s c N3, md miss C77, add miss 0 0 1', 'has its empty item taken away first');
$mock{new}->busy('');
forget();
is($c->ask("mg k v h\r\n"), "VA 5\r\nnew:k\r\n", 'a look');
is(seen('new') . '; ' . seen('old'), 'mg k s c N3, mg k v h; ', 'deletes nothing');
is($c->ask("me k\r\n"), "ME k mock=1\r\n", 'me goes where reads go');
is(seen('new'), 'me k', 'and no further');

# Pipelined behind a write, in its order.
forget();
$mock{old}->mode('hold', 'delete');
$c->send("set k 0 0 1\r\nx\r\nget k\r\nget l\r\n");
wait_seen('old', qr/delete k/);
$other->ask('');
is(seen('new'), '', 'what stands behind a write waits for it');
is($other->ask("get k\r\n"), "VALUE k 0 5\r\nnew:k\r\nEND\r\n", "others' reads do not");
forget();
$mock{old}->mode('answer');
is($c->ask(''), "STORED\r\nVALUE k 0 5\r\nnew:k\r\nEND\r\nVALUE l 0 5\r\nnew:l\r\nEND\r\n", 'and comes in order');

step('active');
is($c->ask("get k\r\n"), "VALUE k 0 5\r\nnew:k\r\nEND\r\n", 'active: the new owner');
is($c->ask("get miss\r\n"), "END\r\n", 'or nobody');
is(seen('new') . '; ' . seen('old'), 'mg k v f c t s, mg miss v f c t s; ', 'is asked');
$mock{new}->busy('mg', $empty);
is($c->ask("get k\r\nmg k v k\r\n"), "END\r\nEN kk\r\n", 'an empty item is a miss');
$mock{new}->busy('mg', 'HD s0 c77 Z');
forget();
is($c->ask("append k 0 0 1\r\nx\r\n"), "STORED\r\n", 'append');
is(seen('new') . '; ' . seen('old'), "mg k s c, md k C77, ms k 1 MA C$nothing; delete k", 'does not build on it');
$mock{new}->busy('');
in_order("set k 0 0 1\r\nx", 'delete', 'old', 'new', 'set k 0 0 1', "STORED\r\n", 'set');
in_order('delete k', 'delete', 'old', 'new', 'delete k', "DELETED\r\n", 'delete');
step('done');
is($c->ask("set k 0 0 1\r\nx\r\nget k\r\ndelete k\r\n"), "STORED\r\nVALUE k 0 5\r\nnew:k\r\nEND\r\nDELETED\r\n", 'done: all');
is(seen('new') . '; ' . seen('old'), 'set k 0 0 1, get k, delete k; ', 'is the new owner\'s');

# ---- steps and what is on its way -----------------------------------------------------------
# An epoch is acknowledged when nothing that was begun before it is on its way.
$now = ''; publish(); wait_until(sub { stat_of('tables_rejected_total') > 0 }, deadline(15), 'back to before is refused');
is(stat_of('move_step:main'), 'done', 'it is done for good');
$proxy->stop;
($now, %pool) = ('');
publish();
$proxy = mfproxy(args => ['--table', $file, '--threads', 1], listens => 1);
($c, $other) = map { $proxy->connect } 1 .. 2;
step('prepare');
my $before = $epoch;
$mock{old}->mode('hold', 'set');
$c->send("set k 0 0 1\r\nx\r\n");
wait_seen('old', qr/^set k/);
$now = 'warm'; publish();
wait_until(sub { stat_of('move_step:main') eq 'warm' }, deadline(15), 'warm comes meanwhile');
is(stat_of('table_clear_epoch'), $before, 'but what was begun in prepare is on its way');
$mock{new}->mode('hang');
$mock{old}->mode('answer');
is(wait_seen('new', qr/delete/), 'delete k', 'it goes on as it began');
is(stat_of('table_clear_epoch'), $before, 'still not');
$mock{new}->mode('answer');
is($c->ask(''), "STORED\r\n", 'it is over');
in_use();
$mock{new}->busy('mg', $empty);
$mock{new}->mode('hold', 'ms');
is($c->ask("get k\r\n"), "VALUE k 0 5\r\nold:k\r\nEND\r\n", 'a read is told');
$before = $epoch;
$now = 'active'; publish();
wait_until(sub { stat_of('move_step:main') eq 'active' }, deadline(15), 'active comes meanwhile');
is(stat_of('table_clear_epoch'), $before, 'but its copy is on its way');
$mock{new}->busy('');
$mock{new}->mode('answer');
in_use();
pass('now nothing is');

# ---- failures --------------------------------------------------------------------------------
%pool = (request_timeout_ms => 300);
sub anew {
    my ($step, %node) = @_;
    $_->mode('answer') for values %mock;
    $proxy->stop;
    $now = $step; publish(%node);
    $proxy = mfproxy(args => ['--table', $file, '--threads', 1], listens => 1);
    ($c, $other) = map { $proxy->connect } 1 .. 2;
    $c->ask("mg warm_up h\r\nget warm_up2\r\n"); # connected
    forget();
    return;
}
sub journals { my $s = $other->stats('backends'); return join(' ', map { "$_:" . $s->{"$_:journal"} } qw(old new)) }
my $late = "SERVER_ERROR backend timeout\r\n";
my $down = "SERVER_ERROR backend down\r\n";
my %deleted = (old => qr/^(?:.*, )?delete k/, new => qr/^(?:.*, )?delete k/);

for my $try (['prepare', "set k 0 0 1\r\nx"], ['prepare', 'incr k 1'], ['prepare', 'delete k'],
             ['warm', "set k 0 0 1\r\nx"], ['warm', 'delete k'], ['active', "set k 0 0 1\r\nx"], ['active', 'delete k']) {
    my ($step, $bytes) = @$try;
    my ($what) = split(/\r/, $bytes);
    anew($step);
    $mock{old}->mode('hang');
    is($c->ask("$bytes\r\n"), $late, "$step: $what: the old owner hangs");
    is(wait_seen('new', qr/delete k/), 'delete k', "$step: $what: the new one has a delete all the same");
    is(journals(), 'old:1 new:0', 'the old one will have one');
    is($c->ask("get k\r\n"), $step eq 'prepare' || $step eq 'warm' || $step eq 'active' ? "END\r\n" : '', 'and the key is not read meanwhile');
    $mock{old}->mode('answer');
    wait_seen('old', qr/delete k/);
    wait_until(sub { journals() eq 'old:0 new:0' }, deadline(15), 'it is delivered');
    like(wait_seen('new', qr/delete k/), qr/delete k/, 'and then the new one has another');
    is($c->ask("get k\r\n"), $step eq 'prepare' ? "VALUE k 0 5\r\nold:k\r\nEND\r\n" : "VALUE k 0 5\r\nnew:k\r\nEND\r\n", 'it is read again');
}
for my $try (['prepare', "set k 0 0 1\r\nx"], ['prepare', 'delete k'], ['warm', "set k 0 0 1\r\nx"], ['warm', 'delete k'],
             ['active', "set k 0 0 1\r\nx"], ['active', 'incr k 1']) {
    my ($step, $bytes) = @$try;
    my ($what) = split(/\r/, $bytes);
    anew($step);
    $mock{new}->mode($what =~ /incr/ ? ('hold', 'ma') : 'hang');
    is($c->ask("$bytes\r\n"), $what =~ /delete/ ? "DELETED\r\n" : $late, "$step: $what: the new owner hangs");
    is(journals(), 'old:0 new:1', 'it will have a delete');
    $mock{new}->mode('answer');
    wait_seen('new', qr/delete k/);
    wait_until(sub { journals() eq 'old:0 new:0' }, deadline(15), 'it has it');
}
# A touch may have given an empty item a longer life.
for my $try (['touch k 9', "NOT_FOUND\r\n"], ['gat 9 k', "END\r\n"], ['mg k v T9', "EN\r\n"], ['mg k v h', "EN\r\n"]) {
    my ($bytes, $told) = @$try;
    anew('warm');
    $mock{new}->busy('mg', 'HD s0 c77 W') if $bytes =~ /h$/; # is taken away first, and that hangs
    $mock{old}->mode('hold', $bytes =~ /h$/ ? 'mg' : 'delete');
    $c->send("$bytes\r\n");
    wait_seen('old', $bytes =~ /h$/ ? qr/^mg k/ : qr/^delete k/);
    $mock{new}->mode('hang');
    $mock{old}->mode('answer');
    is($c->ask(''), $told, "$bytes: the new owner hangs");
    is(journals(), $bytes =~ /h$/ ? 'old:0 new:0' : 'old:0 new:1', 'it will have a delete, if the item has been touched');
    $mock{new}->busy('');
    $mock{new}->mode('answer');
    wait_until(sub { journals() eq 'old:0 new:0' }, deadline(15), 'it has it');
}
# A hot key's old owner may have copies of it, and is told what the new one missed; but
# they do not tell each other for ever.
@pool{qw(replicas hot)} = (2, { prefixes => ['h'] });
for my $step ('warm', 'active') {
    anew($step, old => { in_ring => 'both' });
    my ($hot) = grep { forget(); $c->set($_, 'x'); seen('new') =~ /set $_ / } map { "h$_" } 1 .. 50;
    $mock{old}->mode('hang');
    forget();
    is($c->ask("set $hot 0 0 1\r\nx\r\n"), $late, "$step: a hot key, and the old owner hangs");
    $mock{old}->mode('answer');
    wait_seen('old', qr/delete $hot/);
    wait_until(sub { journals() eq 'old:0 new:0' }, deadline(15), 'what was missed is delivered, and that is all');
}
delete @pool{qw(replicas hot)};
anew('warm');
$mock{old}->mode('hang');
$mock{new}->busy('mg', $empty);
is($c->ask("get k\r\n"), "END\r\n", 'warm: a read whose source hangs is a miss');
like(wait_seen('new', qr/md k C77/), qr/md k C77/, 'and leaves nothing');
$mock{old}->mode('answer');
$mock{new}->busy('mg', 'HD s0 c77 W');
anew('warm');
$mock{old}->mode('hang');
is($c->ask("incr k 1\r\n"), $down, 'what needs the source fails');
like(wait_seen('new', qr/md/), qr/^mg k s c N3, md k C77$/, 'and is not done');
is(journals(), 'old:0 new:0', 'nothing has changed');
$mock{new}->busy('');

# DOWN.
anew('prepare');
$mock{new}->mode('refuse');
$mock{old}->busy('incr', 'NOT_FOUND');
is($c->ask("set k 0 0 1\r\nx\r\n"), $late, 'prepare: a set that one owner has done is no "backend down"');
is($c->ask("incr k 1\r\n"), "NOT_FOUND\r\n", 'what has changed nothing is told');
is($c->ask("delete k\r\n"), "DELETED\r\n", 'a delete is told what the old owner says');
is(journals(), 'old:0 new:1', 'the new one will have it');
$mock{old}->busy('');
anew('warm');
$mock{new}->mode('refuse');
is($c->ask("get k\r\nget k\r\n"), "VALUE k 0 5\r\nold:k\r\nEND\r\n" x 2, 'warm: the new owner is DOWN: the old one is read');
is($c->ask("set k 0 0 1\r\nx\r\n"), $down, 'a set fails');
like(wait_seen('old', qr/delete k/), qr/delete k/, 'and deletes what there was');
is($c->ask("get k l\r\n"), "VALUE k 0 5\r\nold:k\r\nVALUE l 0 5\r\nold:l\r\nEND\r\n", 'reads go on');
anew('active');
$mock{new}->mode('refuse');
is($c->ask("get k\r\nget k\r\n"), "END\r\nEND\r\n", 'active: it is DOWN: misses');
anew('warm');
$mock{old}->mode('refuse');
$mock{new}->busy('mg', $empty);
is($c->ask("get k\r\n"), "END\r\n", 'warm: the old owner is DOWN: misses');
$mock{new}->busy('');
is($c->ask("get k\r\n"), "VALUE k 0 5\r\nnew:k\r\nEND\r\n", 'or hits at the new one');
is($c->ask("set k 0 0 1\r\nx\r\ndelete k\r\n"), $down x 2, 'writes fail');
is($c->ask("md k q O1\r\n"), "NS O1\r\n", 'also quiet ones');
anew('warm', old => { state => 'down' });
my ($key) = grep { forget(); $c->set("d$_", 'x'); seen('aux') eq '' } 1 .. 50;
is($c->ask("set d$key 0 0 1\r\nx\r\ndelete d$key\r\n"), "STORED\r\nDELETED\r\n", 'unless the table calls it down');
$mock{new}->busy('mg', 'HD s0 c77 W');
forget();
is($c->ask("incr d$key 1\r\n"), "7\r\n", 'then there is nothing to fill from');
is(seen('new'), "mg d$key s c N3, md d$key C77, ma d$key v D1 C$nothing", 'and nothing to wait for');
$mock{new}->busy('');

# What an invalidation is told when nobody can be asked.
my %aux = (aux => { in_ring => 'both' });
anew('warm', %aux, old => { state => 'down' });
($key) = grep { forget(); $c->set("e$_", 'x'); seen('aux') eq '' && seen('new') ne '' } 1 .. 50;
$key = "e$key";
for my $case (['delete %s', "NOT_FOUND\r\n"], ['md %s O1', "NF O1\r\n"], ['md %s I O1', "NF O1\r\n", 'prepare'],
              ['delete %s noreply', ''], ["set %s 0 0 1\r\nx", $down], ['incr %s 1', $down]) {
    my ($bytes, $told, $steps) = @$case;
    for my $step (split(' ', $steps // 'prepare warm active')) {
        for my $new_is ('down', 'active') {
            anew($step, %aux, old => { state => 'down' }, new => { state => $new_is });
            $mock{new}->mode('refuse') if $new_is ne 'down';
            my $line = sprintf($bytes, $key);
            my ($what) = split(/\r/, $line);
            is($c->ask("$line\r\n"), $told, "$step: $what: the table calls the old owner down, and the new one is $new_is, and gone");
            is(journals(), 'old:1 new:1', 'both will have it') if $what =~ /^(?:delete|md)/;
        }
    }
}
$pool{rejoin} = 'trust';
anew('warm', %aux, old => { state => 'down' }, new => { state => 'down' });
is($c->ask("delete $key\r\nmd $key\r\n"), $down x 2, 'nothing is kept, and that is told');
anew('warm', %aux, old => { state => 'down' });
is($c->ask("delete $key\r\n"), $down, 'also if the other has done it');
anew('warm');
$mock{new}->mode('refuse');
is($c->ask("delete k\r\n"), $down, 'and the other way round');
delete $pool{rejoin};

# A client that has left.
anew('warm');
$mock{old}->mode('hold', 'delete');
my $gone = $proxy->connect;
$gone->send("set k 0 0 1\r\nx\r\n");
wait_seen('old', qr/delete k/);
$gone->close;
$mock{old}->mode('answer');
like(wait_seen('new', qr/set k/), qr/set k 0 0 1/, 'a write goes on though its client has left');

# ---- an empty item of which nobody knows -------------------------------------------------------
anew('warm');
$mock{new}->busy('mg', $empty);
$mock{new}->mode('hold', 'ms');
is($c->ask("get k\r\n"), "VALUE k 0 5\r\nold:k\r\nEND\r\n", 'a copy is not confirmed');
wait_until(sub { stat_of('failed_timeout_total') > 0 }, deadline(15), 'its time is over');
$before = $epoch;
$now = 'active'; publish();
wait_until(sub { stat_of('move_step:main') eq 'active' }, deadline(15), 'the next step');
$mock{new}->busy('');
$mock{new}->mode('answer');
wait_until(sub { stat_of('backend_late_replies_total') > 0 }, deadline(15), 'its answer comes late');
is(stat_of('table_clear_epoch'), $before, 'is not acknowledged while the empty item may stand');
in_use();
pass('but afterwards');
done_testing;
