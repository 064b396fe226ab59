# Memfleet::RandomCommands - conversations that a seed makes: every text and meta
# command, with arguments at their edges, flags in all combinations, and some lines
# that are slightly wrong.
#
#     my $batches = random_conversation(17, ours => 0);
#
# A conversation is a list of batches, each sent in one piece; a batch is a list of
# commands. A command is {words => [...], eol => "\r\n", value => '..' or undef}, and
# a word is text, {key => N, b => 1} for key N (in base64), or {before => 'C', cas => N,
# age => A} for the CAS value that key N had A looks ago. So the same conversation can
# be held with several servers, with other keys each time. `wrong` is true for lines
# that are made wrong, which are alone in their batch, and `learn => N` for commands
# whose reply tells the CAS value of key N. The first of a batch has `pieces`: in so many
# the batch is sent.
package Memfleet::RandomCommands;
use strict;
use warnings;

use Exporter qw(import);
our @EXPORT = qw(random_conversation KEYS TEXT_KEYS);

# Key numbers below TEXT_KEYS can be said in a line, the others in base64 only.
use constant { TEXT_KEYS => 6, KEYS => 8, LONG_KEY => 4 };

my %ours; # what the dialect of memcached 1.6.18 has not: E, x, s of ms

sub pick   { return $_[int(rand(@_))] }
sub chance { return rand(100) < $_[0] }
sub number { return int(rand($_[0])) }

# --- words ---------------------------------------------------------------------

my @hot;     # the keys of this conversation, so that its commands meet
my $encoded; # are text keys said in base64, too?
my $big;     # are there numbers from 2^63?
my $long;    # are there long values? Else there are gets of many keys.

sub key_number { return chance(90) ? pick(@hot) : number(KEYS) }

sub text_key {
    my $n = key_number();
    return { key => $n < TEXT_KEYS ? $n : 0 };
}

my @small = qw(0 1 2 5 9 10 99 100 4294967295 4294967296);
my @large = qw(9223372036854775807 9223372036854775808 18446744073709551614 18446744073709551615);

sub any_number { return pick(@small, $big ? @large : ()) }

# None that could pass meanwhile.
sub seconds {
    return pick(qw(0 0 0 100 100 1000 86400 2592000 2592001 -1 -1 -10 2147483647), time() + 7000);
}

sub client_flags { return pick(0, 0, 1, 7, 65535, 65536, 4294967295, $ours{dialect} ? '18446744073709551615' : 5) }

sub bytes {
    my ($count) = @_;
    my $bytes = join '', map { pick("\r\n", "\n", "\0", ' ', 'END', 'VALUE a 0 1', chr(number(256)), 'x' x number(9)) } 1 .. $count;
    return $bytes =~ /^\s+\z/ ? "x$bytes" : $bytes; # in blanks alone memcached finds the number of another item
}

sub value {
    my $kind = number(100);
    return any_number() if $kind < 40;
    return pick('', '-1', ' 5', '5 ', '007', '1x', 'x', "5\0", "5\r\n", '+5', '0x10', '1e3',
                $big ? ('18446744073709551616', '99999999999999999999', '1' x 25) : ()) if $kind < 55;
    return bytes(number(6)) if $kind < 85;
    return bytes(number(100)) if $kind < 96;
    return pick('v', "ab\r\n") x (1000 + number(8000)) if $kind < 98 || !$long;
    return 'w' x pick(16_000, 70_000, 300_000, 700_000, 1_200_000);
}

sub cas_word {
    my ($before, $key) = @_;
    return $before . pick(0, 1, '18446744073709551610') if chance(20);
    return { before => $before, cas => $key, age => chance(70) ? 0 : 1 + number(3) };
}

sub noreply { return chance(12) ? 'noreply' : () }

# --- text ------------------------------------------------------------------------

sub command { my ($words, %more) = @_; return { words => $words, eol => "\r\n", %more } }

sub text_get {
    my $verb = pick(qw(get get get gets));
    my @keys = map { text_key() } 1 .. (chance(60) ? 1 : $long || chance(90) ? 1 + number(5) : 20 + number(150));
    return command([$verb, @keys], $verb eq 'gets' && @keys == 1 ? (learn => $keys[0]{key}) : ());
}

sub text_gat { return command([pick(qw(gat gats)), seconds(), map { text_key() } 1 .. 1 + number(3)]) }

sub text_store {
    my $value = value();
    return command([pick(qw(set set set add replace append prepend)), text_key(), client_flags(), seconds(),
                    length $value, noreply()], value => $value);
}

sub text_cas {
    my $value = value();
    my $key = text_key();
    return command(['cas', $key, client_flags(), seconds(), length $value, cas_word('', $key->{key}), noreply()],
                   value => $value);
}

sub text_arith  { return command([pick(qw(incr decr)), text_key(), any_number(), noreply()]) }
sub text_touch  { return command(['touch', text_key(), seconds(), noreply()]) }
sub text_delete { return command(['delete', text_key(), chance(10) ? '0' : (), noreply()]) }

sub text_other {
    return command([pick('version', 'verbosity 0', 'verbosity 1 noreply', 'flush_all', 'flush_all 0',
                         'flush_all noreply', 'flush_all -1', 'flush_all 0 noreply')]);
}

# --- meta ------------------------------------------------------------------------

my @opaques = ('', '1', 'abc', 'x' x 30, "\xc3\xbc");

# A flag with an argument that it can have, for the item `key`.
my %flag = (
    (map { my $letter = $_; $letter => sub { $letter } } qw(c f h k l q s t u v I x)),
    (map { my $letter = $_; $letter => sub { $letter . seconds() } } qw(N T)),
    R => sub { 'R' . pick(0, 50, 500, 500, 5000, 2000000000, -1) }, # far from what T and N say
    C => sub { cas_word('C', $_[0]) },
    E => sub { 'E' . pick(5, 1000, '281474976710656') },
    D => sub { 'D' . any_number() },
    J => sub { 'J' . any_number() },
    F => sub { 'F' . client_flags() },
    L => sub { pick('L', 'Lx') },
    P => sub { pick('P', 'Px') },
    O => sub { 'O' . pick(@opaques) },
);

# Which flags mean something, and how likely each is.
my %likely = (
    mg => { c => 30, f => 20, h => 25, k => 20, l => 15, q => 12, s => 20, t => 30, u => 12, v => 50,
            N => 15, R => 15, T => 12, O => 12, E => 4 },
    ms => { c => 25, k => 15, q => 12, s => 8, C => 25, F => 25, I => 20, O => 12, T => 30, M => 45, E => 6 },
    md => { k => 15, q => 12, C => 20, I => 35, O => 12, T => 25, x => 15, E => 6 },
    ma => { c => 20, k => 12, q => 12, t => 30, v => 50, C => 15, D => 40, J => 30, N => 35, M => 40, O => 12,
            T => 20, E => 6 },
);
my %modes = (
    ms => [qw(S E E R R A A A P P)],
    ma => [qw(I D D + -)],
);

sub meta_flags {
    my ($verb, $key) = @_;
    my %make = (%flag, M => sub { 'M' . pick(@{ $modes{$verb} // ['S'] }) });
    my @letters = grep { chance($likely{$verb}{$_} // 1) } sort keys %make;
    @letters = grep { !/[Ex]/ } @letters if !$ours{dialect};
    @letters = grep { !/s/ } @letters if !$ours{dialect} && $verb eq 'ms';
    @letters = map { splice @letters, number(scalar @letters), 1 } 1 .. @letters;
    return map { $make{$_}->($key) } @letters;
}

sub meta {
    my ($verb) = @_;
    my $key = key_number();
    my $b = $key >= TEXT_KEYS || $encoded && $key != LONG_KEY && chance(30);
    my @flags = meta_flags($verb, $key);
    splice @flags, number(@flags + 1), 0, 'b' if $b;
    my $value = $verb eq 'ms' ? value() : undef;
    return command([$verb, { key => $key, b => $b }, defined $value ? length $value : (), @flags],
                   value => $value, grep({ !ref($_) && $_ eq 'c' } @flags) ? (learn => $key) : ());
}

sub meta_debug { my $key = number(TEXT_KEYS); return command(['me', { key => $key }]) }
sub meta_noop  { return command(['mn']) }

sub look {
    my $key = key_number();
    return command(['mg', { key => $key, b => $key >= TEXT_KEYS }, $key >= TEXT_KEYS ? 'b' : (), 'c', 'v', 't', 'f', 'k'],
                   learn => $key);
}

# --- slightly wrong -----------------------------------------------------------------

my @junk = ('', '-1', '0', 'x', '-', '+', 'noreply', 'noreplyx', '99999999999', '18446744073709551616', '1.5', '0x10',
            '-0', '1a', 'v', 'v', 'Mx', 'M', 'MSS', 'T', 'Tx', 'T-', 'C', 'C-1', 'Cx', 'N', 'R', 'D', 'D-1', 'J', 'Jx', 'F',
            'F-1', 'Fx', 'F4294967296', 'y', 'Q', 'O' . 'o' x 31, 'O' . 'o' x 32, 'O' . 'o' x 40, '!', '7', 'b', 'bx', 'qq', 'S100',
            "\xc3\xa4", 'T2147483648', 'T99999999999', 'k' x 251, 'bx==', '====');

my @mistakes = (
    sub { my ($w) = @_; splice @$w, number(scalar @$w), 1 },
    sub { my ($w) = @_; splice @$w, number(@$w - 1) + 1, 1 if @$w > 1 },
    sub { my ($w) = @_; my $at = number(scalar @$w); splice @$w, $at, 0, $w->[$at] },
    sub { my ($w) = @_; splice @$w, 1 + number(scalar @$w), 0, pick(@junk) },
    sub { my ($w) = @_; splice @$w, 1 + number(scalar @$w), 0, pick(@junk) },
    sub { my ($w) = @_; $w->[1 + number(@$w - 1)] = pick(@junk) if @$w > 1 },
    sub { my ($w) = @_; $w->[1 + number(@$w - 1)] = pick(@junk) if @$w > 1 },
    sub { my ($w) = @_; push @$w, pick(@junk) },
    sub { my ($w) = @_; push @$w, pick(@junk) },
    sub { my ($w) = @_; unshift @$w, '' },
    sub { my ($w) = @_; $w->[0] = uc $w->[0] if $w->[0] !~ /^(?:get|delete)$/ },
    sub { my ($w) = @_; $w->[0] = pick('ge', 'sets', 'mx', 'm', 'incrs', 'bget', 'mgx', 'touchx', 'gat') },
    sub { my ($w, $c) = @_; $c->{eol} = "\n" },
    sub { my ($w, $c) = @_; $c->{eol} = " \r\n" },
    sub { my ($w, $c) = @_; $c->{value} .= 'x' x (1 + number(9)) if defined $c->{value} },
    sub { my ($w, $c) = @_; chop $c->{value} if defined $c->{value} && length $c->{value} < 30 },
    sub { my ($w, $c) = @_; $c->{value} = undef },
    sub { my ($w, $c) = @_; $c->{tail} = pick("\n", "\r", "\r\r\n", '') if defined $c->{value} },
);

sub make_wrong {
    my ($c) = @_;
    my %copy = (%$c, words => [@{ $c->{words} }], wrong => 1);
    if (defined $c->{value}) {
        $copy{value} = pick('', '5', 'get a', "get a\r\nget b");
        no_long_lengths($copy{words});
    }
    pick(@mistakes)->($copy{words}, \%copy) for 1 .. (chance(75) ? 1 : 2);
    if (defined $c->{value}) { # memcached 1.6.18 takes 32 bits of it for a length
        $_ = '18446744073709551616' for grep { !ref && $_ eq '99999999999' } @{ $copy{words} };
    }
    return \%copy;
}

# Any number may become the length of the value; so much must then come behind it.
sub no_long_lengths {
    my ($words) = @_;
    for my $word (@$words) {
        $word = pick(0, 1, 5, 7, 15, 40) if !ref($word) && $word =~ /^\d+$/ && $word > 40;
    }
    return;
}

# --- a conversation -------------------------------------------------------------------

my @makers = (
    (\&text_get) x 12, (\&text_gat) x 3, (\&text_store) x 14, (\&text_cas) x 5, (\&text_arith) x 6,
    (\&text_touch) x 2, (\&text_delete) x 3, (sub { meta('mg') }) x 22, (sub { meta('ms') }) x 22,
    (sub { meta('md') }) x 7, (sub { meta('ma') }) x 10, (\&meta_debug) x 2, (\&look) x 7, \&meta_noop,
);

sub one_command {
    my ($wrong) = @_;
    my $c = chance(0.7) ? text_other() : pick(@makers)->();
    @$c{qw(encoded big)} = ($encoded, $big);
    return chance($wrong) ? make_wrong($c) : $c;
}

# `alone` says of a command that nothing may be sent with it.
sub random_conversation {
    my ($seed, %opt) = @_;
    srand($seed);
    %ours = (dialect => $opt{ours});
    @hot = map { number(KEYS) } 1 .. 1 + number(3);
    my $wrong = pick(0, 0, 5, 30);
    $encoded = chance(30);
    $big = chance(20);
    $long = chance(20);
    my @batches;
    for (1 .. 12 + number(30)) {
        my @batch = map { one_command($wrong) } 1 .. (chance(60) ? 1 : 1 + number(12));
        my @together = grep { !$_->{wrong} && !$opt{alone}->($_) } @batch;
        $together[0]{pieces} = chance(20) ? 1 + number(4) : 1 if @together;
        push @batches, \@together if @together;
        push @batches, map { [$_] } grep { $_->{wrong} || $opt{alone}->($_) } @batch;
    }
    return \@batches;
}

1;
