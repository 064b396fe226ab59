# Memfleet::Differences - holds the same random conversations with two servers and
# tells where their answers differ.
#
#     my $d = Memfleet::Differences->new(servers => [$node, $memcached], rules => \@rules);
#     $d->compare(1 .. 500);          # seeds; each is a conversation
#     is($d->report, '', ...);
#
# Replies must be the same bytes, but for what no two servers agree on: CAS values are
# held to be the same where they come from the same change (what is equal at one must
# be equal at the other), seconds may differ by two, size and class in `me` are not looked at.
#
# A rule is a difference that is meant: {name, sent => sub(line, command) or pattern,
# replies => sub(ours, theirs, closed_ours, closed_theirs)}. A command that a rule may be
# about is sent alone; where the rule holds the conversation ends, because what the
# servers keep may differ from then on (`goes_on`: unless it does not). With `ends` it
# ends in any case: the difference is in what they keep.
#
# `ours`: both are ours, and know more commands than memcached 1.6.18. `apart`: nothing is
# pipelined. `stats`: what both must have counted alike, by a conversation that no rule
# has ended.
#
# What differs without a rule is shortened as long as it still differs, then told.
package Memfleet::Differences;
use strict;
use warnings;

use MIME::Base64 qw(encode_base64);

use Memfleet::RandomCommands;

use constant MOST => 5; # differences that are told

sub new {
    my ($class, %opt) = @_;
    return bless {
        servers => $opt{servers}, rules => $opt{rules} // [], ours => $opt{ours} // 0, apart => $opt{apart} // 0, stats => $opt{stats} // [],
        conns => [undef, undef], run => 0, commands => 0, held => 0, met => {}, found => [],
    }, $class;
}

sub commands { return $_[0]{commands} }
sub met      { return $_[0]{met} }

sub compare {
    my ($self, @seeds) = @_;
    for my $seed (@seeds) {
        last if @{ $self->{found} } >= MOST;
        my $batches = random_conversation($seed, ours => $self->{ours}, alone => sub { $self->{apart} || $self->_rules_for($_[0]) > 0 });
        my $difference = $self->_hold($batches, 1) // next;
        $self->_shorten($seed, $batches, $difference);
    }
    return;
}

sub report { return join "\n", @{ $_[0]{found} } }

# --- rules ------------------------------------------------------------------------

sub _rules_for {
    my ($self, $command) = @_;
    my $line = _line($command, sub { 'key' }, sub { '18446744073709551609' });
    return grep { ref $_->{sent} eq 'CODE' ? $_->{sent}->($line, $command) : $line =~ $_->{sent} } @{ $self->{rules} };
}

# --- rendering --------------------------------------------------------------------

sub _line {
    my ($c, $key, $cas) = @_;
    return join(' ', map { !ref($_) ? $_ : exists $_->{key} ? $key->($_) : $_->{before} . $cas->($_) } @{ $c->{words} })
        . $c->{eol};
}

my @stems = ('a', 'b', "gr\xc3\xbc\xc3\x9fe:", 'x:y:', 'long', "\xff\xfe", "\0\r\n \x7f", 'z' x 150 . ' ');

sub _key {
    my ($self, $word) = @_;
    my $key = sprintf('%s%06d', $stems[$word->{key}], $self->{run});
    $key .= 'l' x (250 - length $key) if $word->{key} == Memfleet::RandomCommands::LONG_KEY();
    return $word->{b} ? encode_base64($key, '') : $key;
}

sub _bytes {
    my ($self, $c, $side) = @_;
    my $line = _line($c, sub { $self->_key($_[0]) }, sub {
        my $known = $self->{cas}{ $_[0]{cas} } // [];
        my $pair = $known->[$#$known - $_[0]{age}];
        return $_[0]{age} < @$known ? $pair->[$side] : '18446744073709551609';
    });
    return $line . (defined $c->{value} ? $c->{value} . ($c->{tail} // "\r\n") : '');
}

# --- a conversation ----------------------------------------------------------------

# The first difference, or undef: {batch, sent, replies}.
sub _hold {
    my ($self, $batches, $counts) = @_;
    $self->{run}++;
    $self->{cas} = {};
    $self->{ours_of} = {};
    my @before = $self->_stats;
    for my $i (0 .. $#$batches) {
        my $batch = $batches->[$i];
        $self->{commands} += @$batch if $counts;
        my @replies = $self->_ask($batch);
        my $same = $self->_same(@replies)
            && (@$batch > 1 || !defined $batch->[0]{learn} || $self->_learn($batch->[0]{learn}, @replies));
        my $closed = $replies[0]{closed} || $replies[1]{closed};
        if (!$same) {
            my $rule = $self->_excuse($batch, @replies);
            if (!$rule) {
                $self->_forget_connections;
                return { batch => $i, replies => \@replies };
            }
            $self->{met}{ $rule->{name} }++ if $counts;
            $same = $rule->{goes_on};
        }
        if (!$same || $closed || @$batch == 1 && grep { $_->{ends} } $self->_rules_for($batch->[0])) {
            $self->_forget_connections;
            return undef;
        }
    }
    return $self->_counted_otherwise($#$batches, @before);
}

# What each has counted of `stats` so far.
sub _stats {
    my ($self) = @_;
    return if !@{ $self->{stats} };
    return map { $self->{conns}[$_] //= $self->{servers}[$_]->connect; $self->{conns}[$_]->stats } 0, 1;
}

sub _counted_otherwise {
    my ($self, $last, @before) = @_;
    my @now = $self->_stats or return undef;
    my @replies = ({ text => '' }, { text => '' });
    for my $name (@{ $self->{stats} }) {
        my @counted = map { $now[$_]{$name} - $before[$_]{$name} } 0, 1;
        next if $counted[0] == $counted[1];
        $replies[$_]{text} .= "$name $counted[$_] " for 0, 1;
    }
    $_->{sent} = 'all of it' for @replies;
    return $replies[0]{text} eq '' ? undef : { batch => $last, replies => \@replies };
}

sub _excuse {
    my ($self, $batch, $ours, $theirs) = @_;
    return undef if @$batch != 1;
    for my $rule ($self->_rules_for($batch->[0])) {
        return $rule if $rule->{replies} && $rule->{replies}->($ours->{text}, $theirs->{text}, $ours->{closed}, $theirs->{closed});
    }
    return undef;
}

# Sends the batch to both, then a request whose answer ends what is read. A line that
# is wrong may announce more bytes than come, so there is something to swallow.
sub _ask {
    my ($self, $batch) = @_;
    my $mark = sprintf('mark%07d', ++$self->{held});
    my $behind = ($batch->[0]{wrong} ? "mn\r\n" x 14 : '') . "mg $mark k\r\n";
    my @sent;
    for my $side (0, 1) {
        $self->{conns}[$side] //= $self->{servers}[$side]->connect;
        $sent[$side] = join '', map { $self->_bytes($_, $side) } @$batch;
        $self->_send($side, $sent[$side] . $behind, $batch->[0]{pieces} // 1);
    }
    return map {
        my $conn = $self->{conns}[$_];
        my $text = eval { $conn->read_to("EN k$mark\r\n") } // die 'behind ' . _shown($sent[$_]) . ": $@";
        { text => $text, closed => $conn->closed ? 1 : 0, sent => $sent[$_] };
    } 0, 1;
}

# Where it is cut follows from its length alone, so both get the same pieces.
sub _send {
    my ($self, $side, $bytes, $pieces) = @_;
    for my $left (reverse 2 .. $pieces) {
        $self->{conns}[$side]->send(substr($bytes, 0, length($bytes) * 7 / 11 / $left, ''));
    }
    return $self->{conns}[$side]->send($bytes);
}

sub _forget_connections {
    my ($self) = @_;
    for my $conn (@{ $self->{conns} }) {
        $conn->close if defined $conn;
        $conn = undef;
    }
    return;
}

# --- are they the same? ---------------------------------------------------------------

sub _same {
    my ($self, $ours, $theirs) = @_;
    return 0 if $ours->{closed} != $theirs->{closed};
    return 1 if $ours->{text} eq $theirs->{text};
    my ($x, $y) = map { _parts($_->{text}) } $ours, $theirs;
    return 0 if $x->{text} ne $y->{text} || @{ $x->{cas} } != @{ $y->{cas} } || @{ $x->{seconds} } != @{ $y->{seconds} };
    for my $i (0 .. $#{ $x->{cas} }) {
        return 0 if !$self->_same_cas($x->{cas}[$i], $y->{cas}[$i]);
    }
    for my $i (0 .. $#{ $x->{seconds} }) {
        return 0 if !_same_seconds($x->{seconds}[$i], $y->{seconds}[$i]);
    }
    return 1;
}

# memcached counts them over all items, so what is equal there is the same change; ours
# may be equal for two keys.
sub _same_cas {
    my ($self, $ours, $theirs) = @_;
    return $ours eq $theirs if $ours eq '0' || $theirs eq '0';
    return 1 if $self->{ours};
    return ($self->{ours_of}{$theirs} //= $ours) eq $ours;
}

# A negative number of seconds is an unsigned one in memcached 1.6.18.
sub _same_seconds {
    my ($ours, $theirs) = @_;
    return $ours == 0 && $theirs > 4_200_000_000 || abs($ours - $theirs) <= 2;
}

# Whoever asks for the CAS value of one key learns it. Values of other keys may be the
# same, but of one key only if nothing has changed it.
sub _learn {
    my ($self, $key, @replies) = @_;
    my ($x, $y) = map { _cas_in($_->{text}) } @replies;
    return 1 if !defined $x || !defined $y;
    my $known = $self->{cas}{$key} //= [];
    return 0 if grep { $_->[0] eq $x && $_->[1] ne $y } @$known;
    push @$known, [$x, $y] if !@$known || $known->[-1][0] ne $x;
    return 1;
}

sub _cas_in {
    my ($text) = @_;
    return $text =~ /\A(?:HD|VA \d+)(?: [^c\r]\S*)* c(\d+)/ || $text =~ /\AVALUE \S+ \d+ \d+ (\d+)\r\n/ ? $1 : undef;
}

# A reply with CAS values and seconds taken out.
sub _parts {
    my ($text) = @_;
    my %parts = (text => '', cas => [], seconds => []);
    my $at = 0;
    while ($text =~ /\G([^\n]*\n?)/gc && length $1) {
        my $line = $1;
        my $value = 0;
        if ($line =~ /^VALUE \S+ \d+ (\d+)(?: (\d+))?\r\n/) {
            $value = $1 + 2;
            $line =~ s/ (\d+)\r\n/push @{ $parts{cas} }, $1; " CAS\r\n"/e if defined $2;
        } elsif ($line =~ /^(?:VA|HD|EN|NF|NS|EX)\b/) {
            $value = $1 + 2 if $line =~ /^VA (\d+)/;
            $line =~ s/ c(\d+)/push @{ $parts{cas} }, $1; ' cCAS'/ge;
            $line =~ s/ ([tl])(\d+)/push @{ $parts{seconds} }, $2; " $1 SECONDS"/ge;
        } elsif ($line =~ /^ME /) {
            $line =~ s/ (exp|la)=(?!-1 )-?(\d+)/push @{ $parts{seconds} }, $2; " $1=SECONDS"/ge;
            $line =~ s/ cas=(\d+)/push @{ $parts{cas} }, $1; ' cas=CAS'/e;
            $line =~ s/ cls=\d+ size=\d+//;
        } elsif ($line =~ /^VERSION /) {
            $line = 'VERSION';
        }
        my $from = pos $text;
        $value = length($text) - $from if $value > length($text) - $from;
        $parts{text} .= $line . substr($text, $from, $value);
        pos($text) = $from + $value;
    }
    return \%parts;
}

# --- shortening ------------------------------------------------------------------------

# Leaves out batches and commands as long as the rest still differs.
sub _shorten {
    my ($self, $seed, $batches, $difference) = @_;
    my @kept = @$batches[0 .. $difference->{batch}];
    my $last = $self->_hold(\@kept, 0);
    if (!$last) {
        my $from = @kept > 6 ? @kept - 6 : 0;
        push @{ $self->{found} }, "seed $seed, not the second time:\n" . $self->_before(@kept[$from .. $#kept - 1]) . _told($difference);
        return;
    }
    my $try = sub {
        my ($shorter) = @_;
        my $again = $self->_hold($shorter, 0) or return 0;
        @kept = @$shorter[0 .. $again->{batch}];
        $last = $again;
        return 1;
    };
    my $shorter = 1;
    while ($shorter) {
        $shorter = 0;
        for (my $i = $#kept - 1; $i >= 0; $i--) {
            next if $i > $#kept;
            $shorter |= $try->([@kept[0 .. $i - 1], @kept[$i + 1 .. $#kept]]);
        }
        for (my $i = $#kept; $i >= 0; $i--) {
            for (my $j = 0; $i <= $#kept && @{ $kept[$i] } > 1 && $j < @{ $kept[$i] }; $j++) {
                my @batch = @{ $kept[$i] };
                splice @batch, $j, 1;
                $shorter |= $j-- >= -1 if $try->([@kept[0 .. $i - 1], \@batch, @kept[$i + 1 .. $#kept]]);
            }
        }
        for (my $i = $#kept; $i >= 0; $i--) {
            for (my $j = $i <= $#kept ? $#{ $kept[$i] } : -1; $i <= $#kept && $j >= 0; $j--) {
                $shorter |= $self->_drop_words(\@kept, $i, $j, $try);
            }
        }
    }
    push @{ $self->{found} }, "seed $seed:\n" . $self->_before(@kept[0 .. $#kept - 1]) . _told($last);
    return;
}

sub _before {
    my ($self, @batches) = @_;
    return join '', map { '  then   ' . join('', map { _shown($self->_bytes($_, 0)) } @$_) . "\n" } @batches;
}

# Leaves out flags of one meta command, from the last.
sub _drop_words {
    my ($self, $kept, $i, $j, $try) = @_;
    my $dropped = 0;
    my $c = $kept->[$i][$j] // return 0;
    my $first = $c->{words}[0] eq 'ms' ? 3 : $c->{words}[0] =~ /^m[gda]$/ ? 2 : return 0;
    for (my $w = $#{ $c->{words} }; $w >= $first; $w--) {
        my @words = @{ $c->{words} };
        splice @words, $w, 1;
        my %fewer = (%$c, words => \@words);
        my @batch = @{ $kept->[$i] };
        $batch[$j] = \%fewer;
        next if !$try->([@$kept[0 .. $i - 1], \@batch, @$kept[$i + 1 .. $#$kept]]);
        $dropped = 1;
        $c = \%fewer;
        last if $i > $#$kept;
    }
    return $dropped;
}

sub _told {
    my ($d) = @_;
    my ($ours, $theirs) = @{ $d->{replies} };
    return '  sent   ' . _shown($ours->{sent}) . ($ours->{sent} ne $theirs->{sent} ? "\n  and    " . _shown($theirs->{sent}) : '') . "\n"
        . '  ours   ' . _shown($ours->{text}) . ($ours->{closed} ? ' (closed)' : '') . "\n"
        . '  theirs ' . _shown($theirs->{text}) . ($theirs->{closed} ? ' (closed)' : '') . "\n";
}

sub _shown {
    my ($bytes) = @_;
    my $cut = length $bytes > 700 ? substr($bytes, 0, 500) . '...' . substr($bytes, -150) : $bytes;
    return $cut =~ s/((.)\2{20})\2+/$1../gr =~ s/(?:enp6)+/enp6../gr =~ s/(\\|[^\x20-\x7e])/$1 eq "\r" ? '\r' : $1 eq "\n" ? '\n' : sprintf('\\x%02x', ord $1)/ger;
}

1;
