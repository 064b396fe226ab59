# Keys move from one node to another while one of two proxies gets no tables any more.
# With a minimum epoch the nodes refuse it, and it neither reads nor leaves anything
# old; without one it does both, which shows that this test would notice.
use strict;
use warnings;
use JSON::PP ();
use Memfleet;

my %in = (old => 'before', new => 'after');

sub a_fleet {
    my (%node) = map { $_ => mfcached(args => [qw(-t 2 -m 64)]) } keys %in;
    my $self = { node => \%node, epoch => 0, at => { map { $_ => $node{$_}->connect } keys %node } };
    for my $name (qw(ahead behind)) {
        $self->{file}{$name} = scratch_dir() . "/$name.json";
    }
    publish($self, 'before', 0, qw(ahead behind));
    for my $name (qw(ahead behind)) {
        $self->{proxy}{$name} = mfproxy(args => ['--table', $self->{file}{$name}, '--threads', 2]);
        $self->{$name} = $self->{proxy}{$name}->connect;
    }
    return $self;
}

sub publish {
    my ($f, $step, $min, @to) = @_;
    my $moves = $step ne 'before' && $step ne 'over';
    my @nodes = map { { id => $_, addr => $f->{node}{$_}->addr, ($moves ? (in_ring => $in{$_}) : ()) } }
        $moves ? qw(old new) : $step eq 'before' ? 'old' : 'new';
    my $epoch = ++$f->{epoch};
    spew($f->{file}{$_}, JSON::PP->new->canonical->encode({
        memfleet_table => 1, min_reader => 2, epoch => $epoch, min_epoch => $min,
        force => $step eq 'over' ? JSON::PP::true() : JSON::PP::false(), pools => {
            main => { patient(table => 1), nodes => \@nodes, $moves ? (move => { step => $step }) : () } } })) for @to;
    return;
}

sub come_to {
    my ($f, $step, $min, @who) = @_;
    publish($f, $step, $min, @who);
    for my $name (@who) {
        wait_until(sub { $f->{$name}->stats->{table_clear_epoch} == $f->{epoch} }, deadline(15), "$name is at $step");
    }
    return $f->{epoch};
}

# The version that is read, or a miss.
sub reads { my ($c, $key) = @_; return $c->ask("get $key\r\n") =~ /^VALUE \S+ 0 \d+\r\n(\w+)\r\n/ ? $1 : 'miss' }
sub writes { my ($c, $key, $v) = @_; return $c->ask("set $key 0 0 " . length($v) . "\r\n$v\r\n") =~ s/\r\n//r }

sub until_done {
    my ($fenced) = @_;
    my $f = a_fleet();
    my ($ahead, $behind) = @$f{qw(ahead behind)};
    writes($behind, $_, 'v1') for qw(k w d c);
    come_to($f, 'prepare', 0, qw(ahead behind));
    # From here on `behind` gets nothing more.
    my $min = come_to($f, 'prepare', $fenced ? $f->{epoch} + 1 : 0, 'ahead');
    if ($fenced) {
        reads($ahead, 'k');
        writes($ahead, 'x', 'y');
        wait_until(sub { (grep { $_->stats->{min_epoch} == $min } values %{ $f->{at} }) == 2 }, deadline(10), 'both nodes know');
    }
    come_to($f, $_, $fenced ? $min : 0, 'ahead') for qw(warm active);
    is(writes($ahead, 'k', 'v2'), 'STORED', 'who is ahead writes');
    come_to($f, 'done', $fenced ? $min : 0, 'ahead');
    is(writes($ahead, 'k', 'v3'), 'STORED', 'and once more');
    writes($ahead, $_, 'v3') for qw(w d c);
    return ($f, $ahead, $behind);
}

subtest 'without a minimum' => sub {
    my ($f, $ahead, $behind) = until_done(0);
    is(writes($behind, 'w', 'lost'), 'STORED', 'who is behind is believed');
    is(reads($behind, 'w'), 'lost', 'it reads it');
    is(reads($ahead, 'w'), 'miss', 'others do not, and have lost what they had');
    is($f->{at}{old}->stats->{stale_refused}, 0, 'nobody is refused');
};

subtest 'with one' => sub {
    my ($f, $ahead, $behind) = until_done(1);
    is(reads($behind, $_), 'miss', "who is behind reads nothing old: $_") for qw(k w d c x);
    is(writes($behind, 'w', 'lost'), 'SERVER_ERROR stale epoch', 'a write is refused');
    is($behind->ask("delete d\r\n"), "SERVER_ERROR stale epoch\r\n", 'so is a delete');
    is($behind->ask("incr c 1\r\n"), "SERVER_ERROR stale epoch\r\n", 'and what counts');
    is(reads($ahead, $_), 'v3', "others have what they wrote: $_") for qw(k w d c);
    my $stats = $behind->stats;
    cmp_ok($stats->{failed_stale_total}, '>=', 8, 'the proxy counts them');
    is($stats->{backends_down}, 0, 'and blames no node');
    cmp_ok($f->{at}{old}->stats->{stale_refused} + $f->{at}{new}->stats->{stale_refused}, '>=', 8, 'the nodes do');
    cmp_ok($f->{at}{old}->stats->{fenced_connections}, '>', 0, 'they know who');

    come_to($f, 'over', $f->{epoch}, qw(ahead behind));
    is(reads($behind, $_), 'v3', "with the newest table it reads: $_") for qw(k w d c);
    is(writes($behind, 'k', 'v4'), 'STORED', 'and writes');
    is(reads($ahead, 'k'), 'v4', 'for all');
    is($f->{at}{new}->stats->{fenced_connections}, 0, 'nobody is fenced at the node that is left');
};

done_testing;
