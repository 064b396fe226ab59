# Memfleet::MemcachedRules - where mfcached answers other than Debian's memcached 1.6.18
# on purpose; docs/protocol.md and docs/compatibility.md tell the reasons.
package Memfleet::MemcachedRules;
use strict;
use warnings;

our @rules;

sub rule { my ($name, %rule) = @_; push @rules, { name => $name, %rule }; return }

sub same_but_cas { my ($ours, $theirs) = @_; s/ c\d+/ c/g for $ours, $theirs; return $ours eq $theirs }
sub verb { return $_[0]{words}[0] }
sub says_base64 { my ($c) = @_; return grep { ref && $_->{b} } @{ $c->{words} } }
sub has_flag { my ($c, $letter) = @_; return scalar grep { ref($_) ? ($_->{before} // "") eq $letter : /^\Q$letter/ } @{ $c->{words} }[2 .. $#{ $c->{words} }] }

rule 'the words of an error are those of 1.6.45',
    sent => sub { $_[1]{wrong} },
    replies => sub {
        my ($ours, $theirs, $closed, $theirs_closed) = @_;
        s/^(?:CLIENT_)?ERROR\b[^\n]*/ERROR/mg for $ours, $theirs;
        return $closed == $theirs_closed && $ours eq $theirs;
    };

# Where a value's length is missing or cannot be read, or a word stands where none can.
sub hidden_length {
    my ($line, $c) = @_;
    return 0 if !$c->{wrong};
    my @words = split(' ', $line) or return 0;
    return 1 if $words[0] =~ /^ms$/ && (grep { !/^[a-z]/i } @words[3 .. $#words]);
    my $at = $words[0] eq 'ms' ? 2 : $words[0] =~ /^(?:set|add|replace|append|prepend|cas)$/ ? 4 : return 0;
    return 1 if ($words[$at] // '') !~ /^\d{1,10}$/ || $words[$at] > 2147483645;
    return $at == 4 && (grep { !/^[a-z]/i } @words[$at + ($words[0] eq 'cas' ? 2 : 1) .. $#words]) > 0;
}

rule 'a value never runs as commands',
    sent => \&hidden_length,
    replies => sub { my ($ours, $theirs, $closed) = @_; return $closed && $ours =~ /\A(?:CLIENT_ERROR[^\n]*\n)?\z/ };

# memcached 1.6.18 executes it, or takes other lines for it.
rule 'a refused value is swallowed',
    sent => sub { my ($line, $c) = @_; return $c->{wrong} && $line =~ /^(?:set|add|replace|append|prepend|cas|ms) / },
    replies => sub { my ($ours, $theirs) = @_; return $ours =~ /\ACLIENT_ERROR/ && $theirs =~ /\A(?:CLIENT_)?ERROR/ };

rule 'a line that begins with a blank has no verb',
    sent => qr/^ /,
    replies => sub { my ($ours) = @_; return $ours =~ /\A(?:CLIENT_)?ERROR/ };

rule 'control characters in keys are refused',
    sent => sub { my ($line, $c) = @_; return ($c->{tail} // '') =~ /\r\z/ },
    replies => sub { my ($ours, $theirs) = @_; return $ours =~ /^CLIENT_ERROR/m };

rule 'M means nothing to mg and md',
    sent => sub { my ($line, $c) = @_; return $c->{wrong} && $line =~ /^m[gd] .* M/ },
    replies => sub { my ($ours, $theirs) = @_; return $theirs =~ /^CLIENT_ERROR in(?:correct length|valid or dup)/ };

rule 'noreply is silence also for what is refused',
    sent => sub { my ($line, $c) = @_; return $c->{wrong} && $line =~ / noreply\b/ },
    replies => sub { my ($ours, $theirs, $closed) = @_; return !$closed || $ours eq '' };

rule 'dates lie in the future also beyond 2038',
    sent => sub { my ($line, $c) = @_; return $c->{wrong} && $line =~ /2147483648|99999999999/ },
    ends => 1;

rule 'a number that is not a time has no sign',
    sent => sub { my ($line, $c) = @_; return $c->{wrong} && $line =~ /[ A-Z][-+]\d/ },
    replies => sub { my ($ours, $theirs) = @_; return $ours =~ /^CLIENT_ERROR/ };

rule 'what is no base64 is refused, not left out',
    sent => sub { my ($line, $c) = @_; return $c->{wrong} && $line =~ /^m[gsdae] .* b/ },
    replies => sub { my ($ours, $theirs) = @_; return $ours =~ /^CLIENT_ERROR (?:error decoding key|invalid or dup)/ };

# memcached notices it when it has made the item.
rule 'an opaque that is too long is refused first',
    sent => qr/^m\w .*O\S{32}/,
    ends => 1;

rule 'only a set that is too large removes what was there',
    sent => sub { my ($line, $c) = @_; return $line =~ /^ms .* (?:C|M[^Ss])/ && length($c->{value} // '') > 1_000_000 },
    ends => 1;

rule 'gat needs a key',
    sent => qr/^gats? \S+ *\r?\n/,
    replies => sub { my ($ours, $theirs) = @_; return $ours =~ /^CLIENT_ERROR/ && $theirs =~ /^END/ };

rule 'surplus words mean nothing',
    sent => sub { my ($line, $c) = @_; return $c->{wrong} && $line =~ /^(?:incr|decr|touch|flush_all|verbosity|version|mn|set|add|replace|append|prepend|cas) / },
    replies => sub { my ($ours, $theirs) = @_; return $theirs =~ /^ERROR/ && $ours !~ /^(?:CLIENT_)?ERROR/ };

rule 'flags E and x are of 1.6.45',
    sent => sub { my ($line, $c) = @_; return $c->{wrong} && $line =~ /^m[gsda] / && $line =~ / [Ex]| .* key/ },
    replies => sub { my ($ours, $theirs) = @_; return $theirs =~ /^CLIENT_ERROR invalid/ };

rule 'N of ms is of 1.6.45',
    sent => sub { my ($line, $c) = @_; return $line =~ /^ms .*M[AP]/i && has_flag($c, 'N') },
    replies => sub { my ($ours, $theirs) = @_; return $theirs =~ /^NS/ && $ours !~ /^NS/ };

# In a pipeline memcached counts in place or makes a new item, depending on whether it
# still sends what was asked before: so it pads with blanks and remembers hits, or not.
# Behind the digits of a value it looks for a minus sign, also past its end.
rule 'numbers are counted in one way, also from 2^63',
    sent => qr/^(?:incr|decr|ma) /,
    replies => sub { my ($ours, $theirs) = @_; return $theirs =~ /^CLIENT_ERROR cannot increment/ && $ours =~ /^(?:\d+|VA|HD)/ };

# memcached gives the TTL to the item that the number has just grown out of.
rule 'ma sets the TTL of a number that grows',
    sent => sub { my ($line, $c) = @_; return $line =~ /^ma / && $line !~ / M[D-]/i && has_flag($c, 'T') },
    ends => 1;

rule 'an item that mg makes has the TTL of N, and of T, wherever t stands',
    sent => sub { $_[0] =~ /^m[ga] / && $_[0] =~ / N/ && $_[0] =~ / t / },
    replies => sub { my ($ours, $theirs) = @_; s/ t(?:-1|\d+)/ t/ for $ours, $theirs; return same_but_cas($ours, $theirs) },
    goes_on => 1;

rule 'a base64 key stays one when its value is joined or counted',
    sent => sub { my ($line, $c) = @_; $line =~ /^m[ge] / && ($c->{encoded} || says_base64($c)) && ($line =~ /^me/ || has_flag($c, 'k')) },
    replies => sub { my ($ours, $theirs) = @_; return $ours =~ /^ME/ || $ours =~ / k\S+ b/ && $theirs =~ / k/ && $theirs !~ / k\S+ b/ },
    goes_on => 1;

1;
