# Malformed, odd and hostile input: every case of t/data/bad_inputs.jsonl gets
# memcached's reply, or the one that bad_inputs_differences.json gives a reason for.
use strict;
use warnings;
use Memfleet;
use Errno qw(EAGAIN);
use JSON::PP qw(decode_json);
use MIME::Base64 qw(decode_base64);

my $data = srcdir() . '/t/data';
my @cases = map { decode_json($_) } split /\n/, slurp("$data/bad_inputs.jsonl");
my $differences = decode_json(slurp("$data/bad_inputs_differences.json"));

# One worker, so that what one connection sent before another is executed before
# or together with it.
my $node = mfcached(args => [qw(-t 1)]);
my $helper = $node->connect;
my ($version) = $helper->ask("version\r\n") =~ /^VERSION (\S+)\r\n\z/;

my $preset = "flush_all\r\n"
    . "set kstr 5 0 5\r\nhello\r\n"
    . "set knum 0 0 2\r\n10\r\n"
    . "set kneg 0 0 2\r\n-5\r\n"
    . "set kempty 0 0 0\r\n\r\n"
    . "set kbig20 0 0 20\r\n18446744073709551615\r\n";

# Everything that has arrived, without waiting, and whether the stream ended.
# After two barriers on another connection of the same worker it is all that
# ever will arrive: the first may have been served in the same turn as the case
# and before it, the second has a turn of its own. The `mn` before the case
# makes sure that the worker has the connection.
sub reply_to {
    my ($bytes) = @_;
    my $c = $node->connect;
    $c->ask('');
    $c->send($bytes);
    $helper->ask('') for 1 .. 2;
    my $reply = '';
    while (1) {
        my $n = sysread($c->socket, $reply, 1 << 16, length $reply);
        next if $n;
        return ($reply, defined $n ? 1 : 0);
    }
}

sub show {
    my ($bytes) = @_;
    return $bytes =~ s/([^\x20-\x7e])/sprintf('\\x%02x', ord $1)/ger;
}

for my $case (@cases) {
    my $name = $case->{name};
    my $ours = $differences->{$name};
    my $closed = ($ours // $case)->{closed} ? 1 : 0;
    $helper->ask($preset);
    my ($reply, $ended) = reply_to(decode_base64($case->{send}));
    if (defined $ours && defined $ours->{reply_like}) {
        like($reply, qr/$ours->{reply_like}/, "$name: reply");
    } else {
        my $wanted = defined $ours ? $ours->{reply} : decode_base64($case->{reply});
        $wanted =~ s/\@VERSION\@/$version/;
        is(show($reply), show($wanted), "$name: reply");
    }
    is($ended, $closed, "$name: " . ($closed ? 'closed' : 'kept open'));
}

done_testing;
