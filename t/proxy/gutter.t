# The pool that stands in for nodes that are DOWN: what goes there, for how long,
# and what takes it away again.
use strict;
use warnings;
use JSON::PP ();
use Memfleet;
use MockBackend;

# A DOWN node is asked all the same when most of its pool is, so there are three.
# The tag in the keys leads all of them to one node.
sub table_with {
    my ($nodes, $gutter, $ttl) = @_;
    my $file = scratch_dir() . '/table.json';
    my $n = 0;
    publish_table($file, {
        main => { gutter => 'aside', gutter_ttl_s => $ttl, hash_tag => '{}', request_timeout_ms => 500,
                  nodes => [map { { id => 'n' . ++$n, addr => $_->addr } } @$nodes] },
        aside => { request_timeout_ms => 500, nodes => [{ id => 'g', addr => $gutter->addr }] },
    }, default_pool => 'main');
    return $file;
}

my @mocks = map { MockBackend->start(name => $_) } qw(a b c);
my $gutter = MockBackend->start(name => 'g');
my $proxy = mfproxy(args => ['--table', table_with(\@mocks, $gutter, 3), '--threads', 1, '--http', '127.0.0.1:0'],
                    listens => 2);
my $c = $proxy->connect;
my ($t) = grep { ($c->get($_) // '') =~ /^a:/ } map { "{$_}" } 1 .. 100;
my $node = $mocks[0];
my ($k, $k2, $k3) = map { $t . $_ } qw(k k2 k3);

sub seen_by {
    my ($mock) = @_;
    return [grep { !/^(?:version|stats)/ } $mock->seen];
}

# ---- the owner is there -------------------------------------------------------------
is($c->get($k), "a:$k", 'the owner serves');
is($c->ask("set $k 0 0 1\r\nx\r\ndelete $k\r\n"), "STORED\r\nDELETED\r\n", 'and takes writes');
is_deeply(seen_by($gutter), [], 'the gutter hears nothing of it');

# ---- the owner is DOWN -----------------------------------------------------------------
$node->mode('refuse');
wait_until(sub { $c->get($k); $proxy->log_text =~ /event=backend_down/ }, deadline(10), 'the owner is DOWN');
$gutter->seen;
is($c->get($k), "g:$k", 'reads go to the gutter');
is($c->ask("get miss$t $k miss2$t $k2\r\n"), "VALUE $k 0 @{[ length qq{g:$k} ]}\r\ng:$k\r\nVALUE $k2 0 @{[ length qq{g:$k2} ]}\r\ng:$k2\r\nEND\r\n",
   'each key of a multiget');
is($c->ask("mg $k v q O1\r\nmn\r\n"), "VA @{[ length qq{g:$k} ]} O1\r\ng:$k\r\nMN\r\n", 'in meta, too');
is($c->ask("gets $k\r\nmg $k v c\r\ngat 10 $k\r\n"), "END\r\nEN\r\nEND\r\n",
   'but not for a CAS value, or with a change');
is_deeply(seen_by($gutter), ["get $k", "get miss$t $k miss2$t $k2", "mg $k v O1"], 'as they were asked');
is($c->ask("set $k 5 0 1\r\nx\r\nset $k 5 2 1\r\nx\r\nset $k 5 100 1 noreply\r\nx\r\nms $k2 1 F5 Oabc q T0\r\nx\r\n"),
   "STORED\r\nSTORED\r\n", 'sets go there');
is_deeply(seen_by($gutter), ["set $k 5 3 1", "set $k 5 2 1", "set $k 5 3 1", "ms $k2 1 F5 Oabc T3"],
          'and live as long as the gutter allows');
is($c->ask("add $k 0 0 1\r\nx\r\nincr $k 1\r\ncas $k 0 0 1 5\r\nx\r\nappend $k 0 0 1\r\nx\r\ntouch $k 5\r\n"),
   "SERVER_ERROR backend down\r\n" x 4 . "NOT_FOUND\r\n", 'what builds on a value does not');
is($c->ask("delete $k3\r\nmd ${t}k4 q\r\nmd ${t}k5\r\ndelete ${t}k6 noreply\r\n"), "DELETED\r\nHD\r\n", 'deletes do');
is_deeply(seen_by($gutter), ["delete $k3", "md ${t}k4", "md ${t}k5", "delete ${t}k6"], 'each');
my $stats = $c->stats;
is(join(' ', map { $stats->{"gutter_${_}_total"} } qw(reads sets deletes)), '6 4 4', 'counted');

# ---- the owner comes back ------------------------------------------------------------------
$node->seen;
$node->mode('answer');
wait_until(sub { ($c->get($k) // '') eq "a:$k" }, deadline(20), 'the owner serves again');
is_deeply([sort grep { /\Q$t\E/ } @{ seen_by($node) }],
          [sort "get $k", map { "delete $t$_" } qw(k k2 k3 k4 k5 k6)],
          'it has been told to forget what was set or deleted meanwhile');
$gutter->seen;
is($c->ask("delete $k\r\nset $k2 0 0 1\r\nx\r\nincr $k3 1\r\nget $k2\r\n"),
   "DELETED\r\nSTORED\r\n7\r\nVALUE $k2 0 @{[ length qq{a:$k2} ]}\r\na:$k2\r\nEND\r\n", 'it takes writes');
is_deeply(seen_by($gutter), ["delete $k", "delete $k2", "delete $k3"],
          'and while the gutter may have something, what is written goes from there');
$gutter->busy('delete', 'SERVER_ERROR busy');
is($c->ask("delete $k\r\n"), "DELETED\r\n", 'whatever the gutter says');
$gutter->busy('');
my $later = Memfleet::Deadline::now() + 6;
wait_until(sub { Memfleet::Deadline::now() > $later }, deadline(15), 'time passes');
$gutter->seen;
$c->ask("delete $k\r\n");
is_deeply(seen_by($gutter), [], 'later it hears nothing of it');

# ---- the gutter fails, too ---------------------------------------------------------------------
$node->mode('refuse');
wait_until(sub { ($c->get($k) // '') eq "g:$k" }, deadline(10), 'the owner is DOWN again');
$c->ask("set $k 0 0 1\r\nx\r\n");
$gutter->mode('hang');
is($c->ask("get $k\r\nset $k 0 0 1\r\nx\r\ndelete $k\r\n"),
   "END\r\nSERVER_ERROR backend timeout\r\nNOT_FOUND\r\n", 'then it is as without one');
$gutter->mode('refuse');
wait_until(sub { $c->ask("set ${t}z 0 0 1\r\nx\r\n") eq "SERVER_ERROR backend down\r\n" }, deadline(10), 'it is DOWN');
is($c->ask("get $k\r\ndelete $k\r\n"), "END\r\nNOT_FOUND\r\n", 'reads miss');
is($c->ask("delete ${t}n1\r\ndelete ${t}n2 noreply\r\nmd ${t}n3 q\r\nmn\r\n"), "NOT_FOUND\r\nNF\r\nMN\r\n",
   'so do deletes of what it has and both do not hear of');
$gutter->seen;
$gutter->mode('answer');
wait_until(sub { ($c->get($k) // '') eq "g:$k" }, deadline(20), 'it is back');
is_deeply([sort grep { /^delete .*(?:n\d|k)$/ } @{ seen_by($gutter) }], [sort map { "delete $t$_" } qw(k n1 n2 n3)],
          'and had the deletes that it missed first');
like(scalar(http_get($proxy->addr(role => 'http'), '/metrics')),
     qr/^mfproxy_node_gutter_requests_total\{node="n1",addr="[^"]+"\} [1-9]/m, 'a metric per node');
$proxy->stop;

# ---- flush_all -----------------------------------------------------------------------------------
$_->mode('answer') for $node, $gutter;
$proxy = mfproxy(args => ['--servers', $node->addr, '--gutter', $gutter->addr, '--threads', 1]);
$gutter->seen;
is($proxy->connect->ask("flush_all\r\n"), "OK\r\n", 'a flush');
is_deeply(seen_by($gutter), ['flush_all'], 'is one of the gutter, too');
$proxy->stop;

# ---- real nodes ------------------------------------------------------------------------------------
my @nodes = map { mfcached(args => [qw(-t 1)]) } 1 .. 3;
my $aside = mfcached(args => [qw(-t 1)]);
$proxy = mfproxy(args => ['--table', table_with(\@nodes, $aside, 2), '--threads', 2]);
my @clients = map { $proxy->connect } 1 .. 2;
is($clients[0]->set($k, 'old'), 'STORED', 'a value');
my ($owner) = grep { defined $_->connect->get($k) } @nodes;
$owner->freeze;
wait_until(sub { $clients[0]->set($k, 'new') eq 'STORED' && $clients[1]->set("${t}l", 'x') eq 'STORED' },
           deadline(10), 'the gutter takes over');
is($aside->connect->get("${t}l"), 'x', 'it has what is set');
my $until = Memfleet::Deadline::now() + 3.5;
wait_until(sub { Memfleet::Deadline::now() > $until }, deadline(10), 'the TTL has passed');
is($aside->connect->get("${t}l"), undef, 'nothing stays there');
$owner->signal('CONT');
my %read;
wait_until(sub {
    $read{ $_->get($k) // 'miss' }++ for @clients;
    return $clients[0]->ask("stats backends\r\n") !~ /:(?:down_workers|journal) [1-9]/;
}, deadline(20), 'the owner is back');
is($read{old}, undef, 'and what it had is not read');
is($clients[0]->get($k), undef, 'it is gone');
# ---- the gutter's own keys move --------------------------------------------------------
# Another proxy may be a step before or behind, and read its other owner.
{
    my %mock = map { $_ => MockBackend->start(name => $_) } qw(a b c before after);
    my ($file, $epoch) = (scratch_dir() . '/moving.json', 0);
    my $step = sub {
        my @main = map { { id => $_, addr => $mock{$_}->addr } } qw(a b c);
        my @aside = map { { id => $_, addr => $mock{$_}->addr, in_ring => $_ } } qw(before after);
        spew($file, JSON::PP->new->canonical->encode({ memfleet_table => 1, min_reader => 2, epoch => ++$epoch, default_pool => 'main', pools => {
            main => { gutter => 'aside', gutter_ttl_s => 60, hash_tag => '{}', request_timeout_ms => 10_000, nodes => \@main },
            aside => { request_timeout_ms => 10_000, move => { step => $_[0] }, nodes => \@aside } } }));
        return;
    };
    $step->('prepare');
    my $proxy = mfproxy(args => ['--table', $file, '--threads', 1]);
    my $c = $proxy->connect;
    my ($t) = grep { ($c->get($_) // '') =~ /^a:/ } map { "{$_}" } 1 .. 100;
    my $k = $t . 'k';
    my $both = sub {
        my ($lines) = @_;
        my %seen;
        wait_until(sub {
            push @{ $seen{$_} }, @{ seen_by($mock{$_}) } for qw(before after);
            return @{ $seen{before} } + @{ $seen{after} } >= $lines;
        }, deadline(10), "$lines lines");
        return join('; ', map { join(', ', @{ $seen{$_} }) } qw(before after));
    };
    $mock{a}->mode('refuse');
    wait_until(sub { $c->get($k); $proxy->log_text =~ /event=backend_down/ }, deadline(10), 'the owner is DOWN');
    $both->(0);
    for my $case (['prepare', "set $k 0 60 1; delete $k", "get $k; ", "delete $k; delete $k"], ['warm', "delete $k; set $k 0 60 1", "; get $k", "delete $k; delete $k"],
                  ['active', "delete $k; set $k 0 60 1", "; get $k", "delete $k; delete $k"], ['done', "; set $k 0 60 1", "; get $k", "; delete $k"]) {
        my ($at, $set, $get, $delete) = @$case;
        $step->($at) if $at ne 'prepare';
        wait_until(sub { $c->stats->{table_clear_epoch} == $epoch }, deadline(15), $at);
        is($c->ask("set $k 0 0 1\r\nx\r\n"), "STORED\r\n", "$at: a set");
        is($both->($at eq 'done' ? 1 : 2), $set, 'goes where reads go, and from the other');
        like($c->ask("get $k\r\n"), qr/^VALUE /, 'a get');
        is($both->(1), $get, 'goes there');
        is($c->ask("delete $k\r\n"), "DELETED\r\n", 'a delete');
        is($both->($at eq 'done' ? 1 : 2), $delete, 'goes to both');
        last if $at eq 'done';
        $mock{a}->mode('answer');
        wait_until(sub { ($c->get($k) // '') eq "a:$k" }, deadline(20), 'the owner serves again');
        $both->(0);
        is($c->ask("set $k 0 0 1\r\nx\r\n"), "STORED\r\n", 'what is written there');
        is($both->(2), "delete $k; delete $k", 'goes from both');
        $mock{a}->mode('refuse');
        wait_until(sub { $c->get($k) ne "a:$k" }, deadline(20), 'it is DOWN again');
        $both->(0);
    }
}

done_testing;
