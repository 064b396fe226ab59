# BadInputs - every case of t/data/bad_inputs.jsonl against one server: it gets
# memcached's reply, or the one that bad_inputs_differences.json gives a reason for.
#
#     bad_inputs($server);                          # a Memfleet::Program
#     bad_inputs($server, barrier => "get ...\r\n");
#
# The server must have one worker, so that what one connection sent before
# another is executed before it or together with it. `barrier` is a request that
# is answered only when everything asked before has been; by default just `mn`.
package BadInputs;
use strict;
use warnings;

use Exporter qw(import);
use JSON::PP qw(decode_json);
use MIME::Base64 qw(decode_base64);
use Test::More ();

use Memfleet;

our @EXPORT = qw(bad_inputs);

my $preset = "flush_all\r\n"
    . "set kstr 5 0 5\r\nhello\r\n"
    . "set knum 0 0 2\r\n10\r\n"
    . "set kneg 0 0 2\r\n-5\r\n"
    . "set kempty 0 0 0\r\n\r\n"
    . "set kbig20 0 0 20\r\n18446744073709551615\r\n";

# What of the stream has arrived, without waiting; $$ended when it is its end.
sub _arrived {
    my ($c, $reply, $ended) = @_;
    while (1) {
        my $n = sysread($c->socket, $$reply, 1 << 16, length $$reply);
        next if $n;
        $$ended = defined $n ? 1 : 0;
        return;
    }
}

# The reply, and whether the stream ended. After two barriers on another connection what
# has arrived is all that ever will, if the case needs one turn of the worker: the first
# may have been served in the same turn as the case and before it, the second has a turn
# of its own. What needs more turns (a line of thousands of keys) gets more, until it is
# `as_wanted` or clearly never will be. The `mn` before the case makes sure that the
# worker has the connection.
sub _reply_to {
    my ($server, $helper, $barrier, $bytes, $as_wanted) = @_;
    my $c = $server->connect;
    my ($reply, $ended) = ('', 0);
    $c->ask('');
    $c->send($bytes);
    $helper->ask($barrier);
    for (1 .. 200) {
        $helper->ask($barrier);
        _arrived($c, \$reply, \$ended);
        last if $ended || $as_wanted->($reply, $ended);
    }
    return ($reply, $ended);
}

sub _show {
    my ($bytes) = @_;
    return $bytes =~ s/([^\x20-\x7e])/sprintf('\\x%02x', ord $1)/ger;
}

# What the case is to be answered with: a pattern, or exactly these bytes.
sub _wanted {
    my ($case, $ours, $version) = @_;
    return qr/$ours->{reply_like}/ if defined $ours && defined $ours->{reply_like};
    my $wanted = defined $ours ? $ours->{reply} : decode_base64($case->{reply});
    return _show($wanted =~ s/\@VERSION\@/$version/r);
}

sub _is_like {
    my ($reply, $wanted) = @_;
    return ref $wanted ? $reply =~ $wanted : _show($reply) eq $wanted;
}

sub bad_inputs {
    my ($server, %opt) = @_;
    my $data = srcdir() . '/t/data';
    my @cases = map { decode_json($_) } split /\n/, slurp("$data/bad_inputs.jsonl");
    my $differences = decode_json(slurp("$data/bad_inputs_differences.json"));
    my $helper = $server->connect;
    my ($version) = $helper->ask("version\r\n") =~ /^VERSION (\S+)\r\n\z/;
    for my $case (@cases) {
        $helper->ask($preset);
        my $ours = $differences->{ $case->{name} };
        my $closed = ($ours // $case)->{closed} ? 1 : 0;
        my $wanted = _wanted($case, $ours, $version);
        my ($reply, $ended) = _reply_to(
            $server, $helper, $opt{barrier} // '', decode_base64($case->{send}),
            sub { return $_[1] == $closed && _is_like($_[0], $wanted) });
        ref $wanted ? Test::More::like($reply, $wanted, "$case->{name}: reply")
                    : Test::More::is(_show($reply), $wanted, "$case->{name}: reply");
        Test::More::is($ended, $closed, "$case->{name}: " . ($closed ? 'closed' : 'kept open'));
    }
    return;
}

1;
