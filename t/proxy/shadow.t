# Another pool has copies of requests, and nobody who waits for an answer notices:
# docs/routes.md.
use strict;
use warnings;
use JSON::PP ();
use Memfleet;
use MockBackend;

my %mock = map { $_ => MockBackend->start(name => $_) } qw(m n s t);
my $file = scratch_dir() . '/table.json';

# `main` and `new`: their nodes. `shadow`: without it, as it is by default: 100 % of all.
my $epoch = 0;
sub publish {
    my (%opt) = @_;
    my %pools;
    for my $name (qw(main new)) {
        $pools{$name} = { flush_all => 'allow', rejoin => 'flush', connect_timeout_ms => 5000,
                          request_timeout_ms => 10_000, %{ $opt{"of_$name"} // {} },
                          nodes => [map { { id => ref $_ ? $_->addr : $_, addr => (ref $_ ? $_ : $mock{$_})->addr } }
                                    @{ $opt{$name} // [$name eq 'main' ? 'm' : 's'] }] };
    }
    $pools{main}{shadow} = $opt{shadow} // { pool => 'new', percent => 100 };
    spew($file, JSON::PP->new->canonical->encode({
        memfleet_table => 1, epoch => ++$epoch, force => JSON::PP::true(), default_pool => 'main',
        pools => { %pools, %{ $opt{pools} // {} } }, %{ $opt{table} // {} } }));
    return;
}
publish();
my $proxy = mfproxy(args => ['--table', $file, '--threads', 1, '--max-inflight', 50, '--max-value-size', '4m'],
                    listens => 1);
my $c = $proxy->connect;
my $other = $proxy->connect;
sub stat_of { return $other->stats->{ $_[0] } }
sub seen { my ($who) = @_; return [grep { !/^version/ } $mock{$who}->seen] }
sub again {
    publish(@_);
    wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), "epoch $epoch");
    seen($_) for keys %mock;
    return;
}

# What has been counted since the last time, when it is as wanted.
my %before;
sub now_counted {
    my $stats = $other->stats;
    my %now = map { $_ => $stats->{"shadow_${_}_total"} - ($before{$_} // 0) }
        map { /^shadow_(\w+)_total$/ ? $1 : () } keys %$stats;
    return join(', ', map { "$_ $now{$_}" } grep { $now{$_} > 0 } sort keys %now);
}
sub counts {
    my ($want, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got = '';
    eval { wait_until(sub { ($got = now_counted()) eq $want }, deadline(10), 'counted') };
    is($got, $want, "counted: $name");
    my $stats = $other->stats;
    $before{$_} = $stats->{"shadow_${_}_total"} for map { /^shadow_(\w+)_total$/ ? $1 : () } keys %$stats;
    return;
}

# ---- every form of request ------------------------------------------------------------
my @forms = (
    ["get a\r\n", "VALUE a 0 3\r\nm:a\r\nEND\r\n"],
    ["gets a\r\n", "VALUE a 0 3 1\r\nm:a\r\nEND\r\n"],
    ["gat 10 a\r\n", "VALUE a 0 3\r\nm:a\r\nEND\r\n"],
    ["get a b missing\r\n", "VALUE a 0 3\r\nm:a\r\nVALUE b 0 3\r\nm:b\r\nEND\r\n"],
    ["gats 10 a b\r\n", "VALUE a 0 3 1\r\nm:a\r\nVALUE b 0 3 1\r\nm:b\r\nEND\r\n"],
    ["mg a v k O1\r\n", "VA 3 ka O1\r\nm:a\r\n"],
    ["mg missing v q\r\nmg YQ== b v\r\n", "VA 6\r\nm:YQ==\r\n", "mg missing v", "mg YQ== b v"],
    ["mg a s v N30\r\n", "VA 3\r\nm:a\r\n"],
    ["set a 1 2 3\r\nxyz\r\n", "STORED\r\n"],
    ["set a 1 2 3 noreply\r\nxyz\r\nadd a 0 0 1\r\nx\r\n", "STORED\r\n", "set a 1 2 3", "add a 0 0 1"],
    ["replace a 0 0 1\r\nx\r\nappend a 0 0 1\r\nx\r\nprepend a 0 0 1\r\nx\r\n", "STORED\r\n" x 3,
     "replace a 0 0 1", "append a 0 0 1", "prepend a 0 0 1"],
    ["delete a noreply\r\ndelete b\r\n", "DELETED\r\n", "delete a", "delete b"],
    ["incr a 1\r\ndecr a 1 noreply\r\ntouch a 5\r\n", "7\r\nTOUCHED\r\n", "incr a 1", "decr a 1", "touch a 5"],
    ["ms a 1 q\r\nx\r\nms b 1 O2\r\nx\r\nmd a q\r\nma a q\r\nmd b\r\n", "HD\r\nHD\r\n",
     "ms a 1", "ms b 1 O2", "md a", "ma a", "md b"],
);
for my $form (@forms) {
    my ($bytes, $told, @lines) = @$form;
    my ($line) = $bytes =~ /^([^\r]*)/;
    @lines = ($line) if !@lines;
    is($c->ask($bytes . "mn\r\n"), $told . "MN\r\n", "$line: the client is told what the pool says");
    is_deeply(seen('m'), \@lines, 'as ever');
    my @copies;
    wait_until(sub { push @copies, @{ seen('s') }; @copies >= @lines }, deadline(10), "$line is copied");
    is_deeply(\@copies, \@lines, 'and the shadow is sent the same, to answer each');
}
counts('hits 10, misses 2, requests 25', 'what the shadow had, and not');

# A CAS value is of one node.
for my $case (["cas a 0 0 1 5\r\nx\r\n", 'delete a'], ["ms a 1 C5\r\nx\r\n", 'delete a'], ["ma a C5\r\n", 'delete a'],
              ["md a C5\r\n", 'delete a'], ["ms YSBi 1 b C5\r\nx\r\n", 'md YSBi b']) {
    $c->ask($case->[0]);
    my @copies;
    wait_until(sub { push @copies, @{ seen('s') }; @copies > 0 }, deadline(10), 'copied');
    is_deeply(\@copies, [$case->[1]], ($case->[0] =~ /^([^\r]*)/)[0] . ': a delete');
}
seen('m');
is($c->ask("flush_all\r\nme a\r\nversion\r\nget a\r\n") =~ s/^VERSION \S+/VERSION/mr,
   "OK\r\nME a mock=1\r\nVERSION\r\nVALUE a 0 3\r\nm:a\r\nEND\r\n", 'flush_all and me');
my @copies;
wait_until(sub { push @copies, @{ seen('s') }; @copies > 0 }, deadline(10), 'copied');
is_deeply(\@copies, ['get a'], 'are not copied');
is($c->ask("get a\r\n" x 3), "VALUE a 0 3\r\nm:a\r\nEND\r\n" x 3, 'pipelined');
counts('hits 2, requests 7', 'those that the pool was sent');

# ---- what is not asked of a node is not copied --------------------------------------------
seen($_) for keys %mock;
$mock{m}->mode('hang');
my $shared = stat_of('coalesced_total') + 4;
my @crowd = map { $proxy->connect } 1 .. 5;
$_->send("get a\r\n") for @crowd;
wait_until(sub { stat_of('coalesced_total') >= $shared }, deadline(10), 'four wait for the fifth');
$mock{m}->mode('answer');
is($_->read_exact(20), "VALUE a 0 3\r\nm:a\r\nEND\r\n" =~ s/^(.{20}).*/$1/sr, 'told') for @crowd;
counts('hits 1, requests 1', 'reads that are shared');

# ---- a part of the keys ---------------------------------------------------------------------
again(shadow => { pool => 'new', percent => 30 }, main => ['m', 'n'], new => ['s', 't']);
my @keys = map { "key$_" } 1 .. 400;
$c->ask(join('', map { "set $_ 0 0 1\r\nx\r\n" } @keys));
$c->ask(join('', map { "get $_\r\n" } @keys));
$c->ask('get ' . join(' ', @keys) . "\r\n");
my %lines;
wait_until(sub { push @{ $lines{ (split ' ')[0] } }, $_ for map { @{ seen($_) } } qw(s t);
                 my $n = grep { /^key/ } map { split } @{ $lines{get} // [] };
                 return $n == 2 * @{ $lines{set} // [] } }, deadline(10), 'each is set once and read twice');
my %set = map { (split)[1] => 1 } @{ $lines{set} };
my %got;
$got{$_}++ for grep { /^key/ } map { split } @{ $lines{get} };
is_deeply(\%got, { map { $_ => 2 } keys %set }, 'the same keys are written and read');
cmp_ok(scalar keys %set, '>', 0.2 * @keys, 'so many');
cmp_ok(scalar keys %set, '<', 0.4 * @keys, 'of them');
ok((grep { tr/ // > 5 } @{ $lines{get} }), 'a multiget is one there, too');
cmp_ok((sort { $b <=> $a } map { length } @{ $lines{get} })[0], '<=', 2048, 'but not a long one');
counts('hits ' . 2 * keys(%set) . ', requests ' . (@{ $lines{set} } + @{ $lines{get} }), 'a part');

# ---- reads, or writes ------------------------------------------------------------------------
my $mix = "get a\r\nset a 0 0 1\r\nx\r\nmg a v\r\nget a b\r\ngat 1 a\r\ntouch a 1\r\nms a 1\r\nx\r\ndelete a\r\nincr a 1\r\n";
for my $case ([reads => 'get a', 'mg a v', 'get a b', 'gat 1 a'],
              [writes => 'set a 0 0 1', 'touch a 1', 'ms a 1', 'delete a', 'incr a 1']) {
    my ($which, @want) = @$case;
    again(shadow => { pool => 'new', percent => 100, requests => $which });
    $c->ask($mix);
    my @copied;
    wait_until(sub { push @copied, @{ seen('s') }; @copied >= @want }, deadline(10), $which);
    is_deeply(\@copied, \@want, "$which only");
}
again(shadow => { pool => 'new', percent => 0 });
$c->ask($mix);
is_deeply(seen('s'), [], 'or nothing');
again(shadow => { pool => 'later', percent => 100 });
is($c->get('a'), 'm:a', 'a pool that is not there yet has none either');
counts('hits 5, requests 9', 'those');

# ---- a shadow that does not answer -----------------------------------------------------------
again();
$mock{s}->mode('hang');
my $began = Memfleet::Deadline::now();
for my $i (1 .. 200) {
    my $reply = $c->ask("get a$i\r\nset a$i 0 0 1\r\nx\r\nget a$i missing b$i\r\ndelete a$i\r\n");
    next if $reply eq sprintf("VALUE a%d 0 %d\r\nm:a%d\r\nEND\r\nSTORED\r\nVALUE a%1\$d 0 %2\$d\r\nm:a%1\$d\r\n", $i,
                              length("m:a$i"), $i)
        . sprintf("VALUE b%d 0 %d\r\nm:b%1\$d\r\nEND\r\nDELETED\r\n", $i, length("m:b$i"));
    is($reply, '', "request $i");
    last;
}
cmp_ok(Memfleet::Deadline::now() - $began, '<', 30, 'nobody waits for a shadow that hangs, a second each');
like(now_counted(), qr/requests 50$/, 'as many as --max-inflight are on their way');
my %sum = now_counted() =~ /(\w+) (\d+)/g;
is($sum{dropped_overloaded} + ($sum{dropped_down} // 0), 1126, 'all others, of a multiget each key, are dropped');
my $pipelined = join('', map { "get p$_\r\n" } 1 .. 200);
is($c->ask($pipelined) =~ tr/V//, 200, 'clients may pipeline as ever');
is($other->stats->{"failed_$_"}, 0, "no request has failed: $_") for qw(timeout_total down_total overloaded_total);
wait_until(sub { $proxy->log_text =~ /event=shadow_down node="s"/ }, deadline(10), 'it is DOWN');
wait_until(sub { $c->get('a'); now_counted() =~ /dropped_down/ }, deadline(10), 'then it gets no copies');
my $stats = $other->stats;
is($stats->{$_}, 0, "$_: nobody who watches the pool is told") for
    qw(failed_timeout_total failed_down_total backends_down backend_went_down_total journal_puts_total read_retries_total);
is($c->ask("get a\r\nset a 0 0 1\r\nx\r\n"), "VALUE a 0 3\r\nm:a\r\nEND\r\nSTORED\r\n", 'nor a client');
$mock{s}->mode('answer');
seen('s');
wait_until(sub { $c->get('back'); grep { $_ eq 'get back' } @{ seen('s') } }, deadline(20), 'it is back');
$c->ask("get end\r\n");
my @since;
wait_until(sub { push @since, @{ seen('s') }; grep { $_ eq 'get end' } @since }, deadline(10), 'and has copies');
is_deeply([grep { !/^(get|version)/ } @since], [], 'nothing was remembered for it, and it is not flushed');
unlike($proxy->log_text, qr/event=backend_down/, 'nobody else is DOWN');

# ---- a shadow that is dead, or talks nonsense ---------------------------------------------------
again();
counts(now_counted(), 'so far');
$mock{s}->mode('refuse');
is($c->ask("get a\r\nset a 0 0 1\r\nx\r\ndelete a\r\nget a b\r\n"),
   "VALUE a 0 3\r\nm:a\r\nEND\r\nSTORED\r\nDELETED\r\nVALUE a 0 3\r\nm:a\r\nVALUE b 0 3\r\nm:b\r\nEND\r\n", 'dead: nobody notices')
    for 1 .. 50;
like(now_counted(), qr/dropped_down \d/, 'what it was not sent is counted');
like(now_counted(), qr/failures \d/, 'what was on its way too');
$mock{s}->mode('answer');
wait_until(sub { $c->get('back'); grep { $_ eq 'get back' } @{ seen('s') } }, deadline(20), 'it is back');
counts(now_counted(), 'so far');
$mock{s}->busy('set');
is($c->ask("set a 0 0 1\r\nx\r\nget a\r\n"), "STORED\r\nVALUE a 0 3\r\nm:a\r\nEND\r\n", 'an error is not told');
counts('failures 1, hits 1, requests 2', 'but counted');
$mock{s}->busy('');
$mock{s}->mode('bytes', 'no such thing\r\n');
is($c->ask("get a\r\nget a b\r\nset a 0 0 1\r\nx\r\nget c\r\n") =~ tr/\n//, 12, 'what is no reply') for 1 .. 3;
is(stat_of('failed_timeout_total'), 0, 'costs nobody anything');
$mock{s}->mode('answer');
wait_until(sub { $c->get('back'); grep { $_ eq 'get back' } @{ seen('s') } }, deadline(20), 'it is back');

# ---- large values ---------------------------------------------------------------------------------
again();
counts(now_counted(), 'so far');
my $large = 'x' x (1 << 20);
is($c->ask('set a 0 0 ' . length($large) . "\r\n$large\r\nset b 0 0 1048574\r\n" . substr($large, 2) . "\r\n"),
   "STORED\r\nSTORED\r\n", 'large values');
wait_until(sub { now_counted() =~ /requests 1/ }, deadline(10), 'the second is copied');
like(now_counted(), qr/^dropped_too_large 1, (?:failures 1, )?requests 1$/, 'are copied up to a megabyte');
kill('STOP', $mock{s}{pid});
my $sets = 0;
wait_until(sub { $sets++; $c->ask("set b 0 0 1000000\r\n" . substr($large, -1_000_000) . "\r\n");
                 now_counted() =~ /dropped_(?:overloaded|down) \d/ }, deadline(15), 'and only so many bytes at a time');
is(stat_of('failed_overloaded_total'), 0, 'the pool takes them all');
kill('CONT', $mock{s}{pid});

# ---- a node of both pools ------------------------------------------------------------------------
again(main => ['m'], new => ['m']);
counts(now_counted(), 'so far');
is($c->ask("incr a 1\r\nget a\r\n"), "7\r\nVALUE a 0 3\r\nm:a\r\nEND\r\n", 'a node that is in both pools');
is_deeply(seen('m'), ['incr a 1', 'get a'], 'has every request once');
counts('dropped_same_node 2', 'no copies');

# ---- another connection ----------------------------------------------------------------------------
again(table => { routes => { 'n:' => 'new' } });
$mock{s}->seen;
is(join('', map { $c->ask("get $_\r\n") } 'n:1', 'a', 'n:1 a'),
   "VALUE n:1 0 5\r\ns:n:1\r\nEND\r\nVALUE a 0 3\r\nm:a\r\nEND\r\nVALUE n:1 0 5\r\ns:n:1\r\nVALUE a 0 3\r\nm:a\r\nEND\r\n",
   'a shadow pool that clients use already');
my @all;
wait_until(sub { push @all, @{ seen('s') }; @all >= 4 }, deadline(10), 'copied');
is_deeply([sort @all], ['get a', 'get a', 'get n:1', 'get n:1'], 'its own requests have no copies');
$mock{s}->mode('hold', 'set');
$c->ask("set a 0 0 1\r\nx\r\n");
is($c->get('n:1'), 's:n:1', 'and do not wait for a copy');
$mock{s}->mode('answer');
publish(of_new => { shadow => { pool => 'later', percent => 1 } });
wait_until(sub { $proxy->log_text =~ /event=table_refused.*names a pool that has a shadow of its own/ }, deadline(10),
           'a chain is refused');
$proxy->stop;

# ---- real nodes ------------------------------------------------------------------------------------
my @real = map { mfcached(args => [qw(-t 1)]) } 1 .. 2;
publish(main => [$real[0]], new => [$real[1]]);
$proxy = mfproxy(args => ['--table', $file, '--threads', 2], listens => 1);
$c = $proxy->connect;
$other = $proxy->connect;
my $script = "set a 0 0 1\r\n1\r\nincr a 5\r\nappend a 0 0 1\r\n9\r\nms b 2 F5\r\nhi\r\nadd b 0 0 1\r\nx\r\nset c 0 0 1\r\nx\r\n"
    . "delete c\r\nms d 1 q\r\nx\r\nset e 0 0 1 noreply\r\nx\r\n";
$c->ask($script . "mn\r\n");
wait_until(sub { stat_of('shadow_requests_total') == 9 && $real[1]->connect->ask("get e\r\n") ne "END\r\n" },
           deadline(10), 'all are copied');
my $get = "get a b c d e\r\nmg b f v\r\n";
is($real[1]->connect->ask($get), $real[0]->connect->ask($get), 'the shadow has what the pool has');

# ---- by pool -----------------------------------------------------------------------------------------
# Another pool has the same shadow. A line of a multiget has the keys of one.
$proxy->stop;
my $third = { shadow => { pool => 'new', percent => 100 }, nodes => [{ id => 'n', addr => $mock{n}->addr }] };
sub with_third { return publish(pools => { third => $third }, table => { routes => { miss => { pool => 'third' } } }) }
with_third();
$proxy = mfproxy(args => ['--table', $file, '--threads', 2, '--http', '127.0.0.1:0'], listens => 2);
$c = $proxy->connect;
$other = $proxy->connect;
seen($_) for keys %mock;
sub copies {
    my (undef, $page) = http_get($proxy->addr(role => 'http'), '/metrics');
    my %of = $page =~ /^mfproxy_shadow_copies_total\{(pool="\w+",what="\w+")\} ([1-9]\d*)$/mg;
    return join(' ', map { /"(\w+)".*"(\w+)"/; "$1:$2=$of{$_}" } sort keys %of);
}
$c->ask("get a b missing c\r\nset missing 0 0 1\r\nx\r\nget d\r\n");
my $want = 'main:hits=4 main:requests=3 third:misses=1 third:requests=2';
wait_until(sub { copies() eq $want }, deadline(10), 'each pool has its own: ' . copies());
is(join(', ', sort @{ seen('s') }), 'get a b, get c, get d, get missing, set missing 0 0 1', 'and its own lines');
is(stat_of('shadow_requests_total'), 5, 'the sum is all');
with_third();
wait_until(sub { stat_of('table_clear_epoch') == $epoch }, deadline(15), 'another table');
$c->ask("get c\r\n");
$want =~ s/hits=4 main:requests=3/hits=5 main:requests=4/;
wait_until(sub { copies() eq $want }, deadline(10), 'they go on');
pass('counted on');
done_testing;
