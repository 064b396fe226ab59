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

# Everything that has arrived, without waiting, and whether the stream ended.
# After two barriers on another connection it is all that ever will arrive: the
# first may have been served in the same turn as the case and before it, the
# second has a turn of its own. The `mn` before the case makes sure that the
# worker has the connection.
sub _reply_to {
    my ($server, $helper, $barrier, $bytes) = @_;
    my $c = $server->connect;
    $c->ask('');
    $c->send($bytes);
    $helper->ask($barrier) for 1 .. 2;
    my $reply = '';
    while (1) {
        my $n = sysread($c->socket, $reply, 1 << 16, length $reply);
        next if $n;
        return ($reply, defined $n ? 1 : 0);
    }
}

sub _show {
    my ($bytes) = @_;
    return $bytes =~ s/([^\x20-\x7e])/sprintf('\\x%02x', ord $1)/ger;
}

sub _check {
    my ($case, $ours, $version, $reply, $ended) = @_;
    my $name = $case->{name};
    my $closed = ($ours // $case)->{closed} ? 1 : 0;
    if (defined $ours && defined $ours->{reply_like}) {
        Test::More::like($reply, qr/$ours->{reply_like}/, "$name: reply");
    } else {
        my $wanted = defined $ours ? $ours->{reply} : decode_base64($case->{reply});
        $wanted =~ s/\@VERSION\@/$version/;
        Test::More::is(_show($reply), _show($wanted), "$name: reply");
    }
    Test::More::is($ended, $closed, "$name: " . ($closed ? 'closed' : 'kept open'));
    return;
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
        my ($reply, $ended) = _reply_to($server, $helper, $opt{barrier} // '',
                                        decode_base64($case->{send}));
        _check($case, $differences->{ $case->{name} }, $version, $reply, $ended);
    }
    return;
}

1;
