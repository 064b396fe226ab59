#!/usr/bin/perl
# Followers that do not follow: silent, slow, or not ours.
use strict;
use warnings;
use IO::Select ();
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Memfleet;
use Memfleet::Plane;

my $plane = Memfleet::Plane->new(pool => ['--min-nodes', 1]);
my $control = $plane->control('--follower-timeout', '4s');

# ---- not ours ------------------------------------------------------------------------

sub ends_with {
    my ($what, $reason, $follower) = @_;
    $follower->{mute} = 1;
    ok($follower->ends, "$what: the stream is ended");
    $control->wait_log(qr/event=follower_gone .*reason="$reason"/);
    return;
}

my $stranger = Memfleet::Follower->new($control->addr, silent => 1);
syswrite($stranger->socket, "GET / HTTP/1.0\r\n\r\n");
ends_with('HTTP', 'not our frames', $stranger);
$stranger = Memfleet::Follower->new($control->addr, silent => 1);
$stranger->send_frame('REPORT', {});
ends_with('a REPORT first', 'no HELLO first', $stranger);
$stranger = Memfleet::Follower->new($control->addr, silent => 1);
$stranger->send_bytes(16, '{"role":');
ends_with('a torn HELLO', 'a frame that is no JSON', $stranger);
ends_with('an unknown role', 'HELLO malformed',
          Memfleet::Follower->new($control->addr, role => 'king', id => 'x'));
ends_with('an id with a slash', 'HELLO malformed', $plane->proxy($control, 'a/b'));
ends_with('a node without an address', 'HELLO of a node malformed',
          Memfleet::Follower->new($control->addr, role => 'node', id => 'x', pool => 'main'));
ends_with('a weight of 0', 'HELLO of a node malformed',
          $plane->node($control, 'x', '10.0.0.1:1', weight => 0));
$stranger = $plane->proxy($control, 'twice');
$stranger->send_frame('HELLO', { role => 'proxy', id => 'twice' });
ends_with('a second HELLO', 'a second HELLO', $stranger);
$stranger = Memfleet::Follower->new($control->addr, silent => 1);
syswrite($stranger->socket, pack('NCC', 1 << 20, 16, 0) . ('x' x 300_000));
ends_with('a frame over the limit', 'input over the limit', $stranger);
my $newer = $plane->proxy($control, 'newer');
$newer->send_bytes(99, '{"from":"the future"}');
is_deeply([$newer->frames_within(1)], [], 'a frame of a type that we do not know is skipped');

# ---- silent ----------------------------------------------------------------------------

ends_with('silence', 'silent', $plane->proxy($control, 'silent'));

# ---- slow --------------------------------------------------------------------------------

# A table that no socket buffer swallows: nodes with long names, and a follower
# with a small buffer.
for my $batch (0 .. 9) {
    my @ops;
    for my $i (1 .. 100) {
        my $id = sprintf('node-%s-%04d', 'x' x 100, $batch * 100 + $i);
        my $addr = sprintf('10.%d.%d.1:11211', $batch, $i);
        push @ops, { request_put => {
            key => Memfleet::Plane::_key("intent/nodes/$id"),
            value => MIME::Base64::encode_base64(JSON::PP::encode_json({
                action => 'admit', id => $id, pool => 'main', addr => $addr,
                ring_name => $id, zone => 'z' x 60 }), '') } };
    }
    $plane->etcd->call('/v3/kv/txn', { success => \@ops });
}
my $reader = $plane->proxy($control, 'reader');
my $slow = Memfleet::Follower->new($control->addr, silent => 1, role => 'proxy', id => 'slow');
setsockopt($slow->socket, SOL_SOCKET, SO_RCVBUF, pack('i', 4096)) or die "setsockopt: $!";
$slow->send_frame('HELLO', $slow->{hello});
$reader->{raw} = 1;
# The one goes on to report and does not read; the other may read slowly. Their
# voice is a process of its own, which ends when our end of the pipe is closed.
pipe(my $ended, my $talking) or die "pipe: $!";
my $talker = fork() // die "fork: $!";
if ($talker == 0) {
    close $talking;
    $_->report for $slow, $reader;
    while (!IO::Select->new($ended)->can_read(0.3)) {
        $_->report for $slow, $reader;
    }
    POSIX::_exit(0);
}
close $ended;
my $dropped = sub { $control->log_text =~ /event=follower_gone id="slow"/ };
my $names = 0;
$reader->wait_table(sub { $names = () = $_[0] =~ /"ring_name"/g; $names == 1000 }, deadline(60));
for my $ms (301 .. 330) {
    last if $dropped->();
    $plane->ctl_ok('pool', 'set', 'main', '--request-timeout', "${ms}ms");
    $reader->wait_table(sub { $_[0] =~ /"request_timeout_ms":$ms\b/ }, deadline(60));
}
wait_until($dropped, deadline(30), 'the slow one is dropped');
close $talking;
waitpid($talker, 0);
like($control->log_text, qr/event=follower_gone id="slow" .*reason="(?:peer does not read|takes a table too slowly)"/,
     'a follower that does not read is dropped');
my $after = $plane->proxy($control, 'after');
$after->{raw} = 1;
like($after->wait_frame('TABLE'), qr/"epoch":[1-9]/, '... and the others are served');

done_testing;
