# A fleet whose keys move while clients of two proxies use them: one node is replaced
# and one joins. One proxy is always a step ahead for a while. Nothing older than an
# acknowledged write is ever read, and when both go by one step nothing is lost.
use strict;
use warnings;
use JSON::PP ();
use Memfleet;

my %node = map { $_ => mfcached(args => [qw(-t 2 -m 64)]) } qw(a b c d e);
my %side = (b => 'before', d => 'after', e => 'after');
my @proxies;
sub publish {
    my ($p, $step) = @_;
    my @ids = $step eq '' ? qw(a b c) : $step eq 'over' ? qw(a c d e) : qw(a b c d e);
    my $moves = $step ne '' && $step ne 'over';
    my @nodes = map { { id => $_, addr => $node{$_}->addr, ($moves && $side{$_} ? (in_ring => $side{$_}) : ()) } } @ids;
    spew($p->{file}, JSON::PP->new->canonical->encode({
        memfleet_table => 1, min_reader => 2, epoch => ++$p->{epoch},
        pools => { main => { patient(table => 1), nodes => \@nodes, $moves ? (move => { step => $step }) : () } } }));
    return;
}
for my $name (qw(one two)) {
    my $p = { file => scratch_dir() . "/$name.json", epoch => 0 };
    publish($p, '');
    $p->{proxy} = mfproxy(args => ['--table', $p->{file}, '--threads', 2]);
    $p->{admin} = $p->{proxy}->connect;
    push @proxies, $p;
}
my @clients = map { $proxies[$_ % 2]{proxy}->connect } 0 .. 9;

# ---- a judge ----------------------------------------------------------------------------
# A value is "KEY VERSION". Each key is written by one client at a time; %least has the
# lowest version that may be read since the last acknowledged write.
my @constant = map { "c$_" } 1 .. 600;
my @changing = map { "k$_" } 1 .. 400;
my (%least, %there);
my ($version, $stale, $lost, $reads, $misses, $strict) = (0) x 5;
my @wrong;

sub note_read {
    my ($key, $value, $least, $there) = @_;
    $reads++;
    if (!defined $value) {
        $misses++;
        if ($strict && $there) { $lost++; push @wrong, "lost $key" }
    } elsif ($value !~ /^$key (\d+)$/ || $1 < $least) {
        $stale++;
        push @wrong, "$key is '$value', not $least";
    }
    return;
}

# A write as (bytes, judge of the reply's line).
sub a_write {
    my ($key) = @_;
    my $v = "$key " . ++$version;
    my $mine = $version;
    my $stored = sub { @least{$key} = $mine; $there{$key} = 1; return };
    my $way = int rand 6;
    return ("set $key 0 0 " . length($v) . "\r\n$v\r\n", sub { $stored->() if $_[0] eq 'STORED'; return $_[0] eq 'STORED' }) if $way < 2;
    return ("ms $key " . length($v) . "\r\n$v\r\n", sub { $stored->() if $_[0] eq 'HD'; return $_[0] eq 'HD' }) if $way == 2;
    return ("delete $key\r\n", sub { $least{$key} = $mine; $there{$key} = 0; return $_[0] =~ /^(?:DELETED|NOT_FOUND)$/ }) if $way == 3;
    return ("add $key 0 0 " . length($v) . "\r\n$v\r\n",
            sub { my $was = $there{$key}; $stored->() if $_[0] eq 'STORED';
                  return $_[0] eq 'NOT_STORED' || ($_[0] eq 'STORED' && !($strict && $was)) }) if $way == 4;
    return ("replace $key 0 0 " . length($v) . "\r\n$v\r\n",
            sub { my $was = $there{$key}; $stored->() if $_[0] eq 'STORED';
                  return $_[0] eq 'STORED' || ($_[0] eq 'NOT_STORED' && !($strict && $was)) });
}

# All clients at once, each with a batch of its own; a batch's writes are of keys that
# no other client writes in this round.
sub a_round {
    my (@batches, %writer);
    my @free = sort { rand() <=> 0.5 } @changing;
    for my $i (0 .. $#clients) {
        my (@steps, $bytes);
        for (1 .. 12) {
            my $kind = int rand 4;
            if ($kind == 0) {
                my $key = shift @free;
                $writer{$key} = $i;
                my ($text, $judge) = a_write($key);
                push @steps, [$judge, $key];
                $bytes .= $text;
            } else {
                my @keys = map { rand() < 0.5 ? $changing[rand @changing] : $constant[rand @constant] } 1 .. ($kind == 3 ? 8 : 1);
                push @steps, [undef, @keys];
                $bytes .= ($kind == 2 ? 'gets' : 'get') . " @keys\r\n";
            }
        }
        push @batches, [$bytes, @steps];
    }
    my %base = %least; # before anything of this round
    my %was = map { $_ => $there{$_} && !exists $writer{$_} } keys %there;
    $clients[$_]->send($batches[$_][0]) for 0 .. $#clients;
    for my $i (0 .. $#clients) {
        my (undef, @steps) = @{ $batches[$i] };
        for my $step (@steps) {
            my ($judge, @keys) = @$step;
            if (defined $judge) {
                my $line = $clients[$i]->read_line =~ s/\r\n//r;
                $judge->($line) or push @wrong, "$keys[0]: $line";
            } else {
                my $read = $clients[$i]->read_values;
                note_read($_, $read->{$_}, $base{$_} // 0, $was{$_}) for @keys;
            }
        }
    }
    return;
}

sub rounds {
    my ($n, $what) = @_;
    @wrong = ();
    ($stale, $lost, $reads, $misses) = (0) x 4;
    a_round() for 1 .. $n;
    is_deeply([@wrong[0 .. ($#wrong < 4 ? $#wrong : 4)]], [], sprintf('%s: %d reads, %d misses', $what, $reads, $misses));
    return;
}
sub in_use {
    my ($p) = @_;
    return wait_until(sub { $p->{admin}->stats->{table_clear_epoch} == $p->{epoch} }, deadline(30), 'the step is acknowledged');
}

# ---- the move ---------------------------------------------------------------------------
for my $key (@constant, @changing) {
    $clients[0]->set($key, "$key " . ++$version);
    ($least{$key}, $there{$key}) = ($version, 1);
}
$strict = 1;
rounds(10, 'before');
for my $step ('prepare', 'warm', 'active', 'done', 'over') {
    publish($proxies[0], $step);
    $strict = 0;
    rounds(15, "one proxy at $step"); # begins while it may not have it yet
    in_use($proxies[0]);
    rounds(15, "one proxy at $step, the other not");
    publish($proxies[1], $step);
    rounds(5, "both come to $step");
    in_use($proxies[1]);
    if ($step eq 'warm') { # what is read moves
        my $all = 0;
        $all += keys %{ $clients[1]->get_many(@constant[$_ * 60 .. $_ * 60 + 59]) } for 0 .. 9;
        is($all, @constant, 'nothing that nobody has written is lost');
    }
    # Proxies that are not at one step may lose values to misses; what is there?
    for my $key (@changing) {
        my $value = $clients[0]->get($key);
        push @wrong, "$key is '$value', not $least{$key}" if defined $value && ($value =~ / (\d+)/)[0] < $least{$key};
        $there{$key} = defined $value;
    }
    is_deeply(\@wrong, [], "$step: nothing old");
    $strict = 1;
    rounds(20, "both at $step");
}
my $kept = 0;
$kept += keys %{ $clients[0]->get_many(@constant[$_ * 60 .. $_ * 60 + 59]) } for 0 .. 9;
is($kept, @constant, 'all that was warm has arrived');
my %held = map { my $id = $_; ($id => scalar keys %{ $node{$id}->connect->get_many(@constant) }) } qw(d e);
cmp_ok($held{$_}, '>', 50, "$_ has $held{$_} of them") for qw(d e);
my %stats = map { my $name = $_; ($name => $proxies[0]{admin}->stats->{$name} + $proxies[1]{admin}->stats->{$name}) }
    qw(move_requests_total move_source_reads_total move_fills_total move_fills_lost_total);
note(join(' ', map { "$_=$stats{$_}" } sort keys %stats));
cmp_ok($stats{move_fills_total}, '>', 100, 'values were copied');
is($stats{move_source_reads_total} >= $stats{move_fills_total}, 1, 'no more than were found');
done_testing;
