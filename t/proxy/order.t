# One client's replies come in its order, however fast each node is; one
# client's wait is nobody else's.
use strict;
use warnings;
use Memfleet;
use MockBackend;

my @mocks = map { MockBackend->start(name => $_) } qw(a b c);
my %mock = map { $_->name => $_ } @mocks;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @mocks), '--threads', 1,
                             '--request-timeout', '10s']);
my $c = $proxy->connect;
my %keys;
for my $i (1 .. 100) {
    my ($owner) = $c->get("k$i") =~ /^(\w+):/;
    push @{ $keys{$owner} }, "k$i";
}
my ($ka, $kb) = ($keys{a}[0], $keys{b}[0]);
is($c->stats->{gathered_turns_total}, 0, 'a client that is alone is never kept waiting for others');

sub value {
    my ($key, $owner) = @_;
    my $value = "$owner:$key";
    return sprintf("VALUE %s 0 %d\r\n%s\r\n", $key, length $value, $value);
}

# A slow node and a fast one, asked in turns in one write.
$mock{a}->mode('late 100');
my ($asked, $expected) = ('', '');
for my $i (0 .. 9) {
    my ($x, $y) = ($keys{a}[$i % @{ $keys{a} }], $keys{b}[$i % @{ $keys{b} }]);
    $asked .= "get $y\r\nget $x\r\nset $y 0 0 1\r\nx\r\nmg $y v O$i\r\nincr $x 1\r\nversion_\r\nget $y $x miss\r\n";
    $expected .= value($y, 'b') . "END\r\n" . value($x, 'a') . "END\r\nSTORED\r\n"
        . 'VA ' . length("b:$y") . " O$i\r\nb:$y\r\n7\r\nERROR\r\n" . value($y, 'b') . value($x, 'a') . "END\r\n";
}
is($c->ask($asked), $expected, 'seventy commands in order');

# mn and local commands wait for their turn.
$c->send("get $ka\r\nmn\r\nget $kb\r\nverbosity 1\r\nmg missing q\r\nmn\r\n");
my $first = value($ka, 'a') . "END\r\nMN\r\n" . value($kb, 'b') . "END\r\nOK\r\nMN\r\n";
is($c->read_exact(length $first), $first, 'mn is behind everything asked before it');

# A silent command still holds its place.
$c->send("set $ka 0 0 1 noreply\r\nx\r\nget $kb\r\nmn\r\n");
my $silent = value($kb, 'b') . "END\r\nMN\r\n";
is($c->read_exact(length $silent), $silent, 'noreply before it is done first');

# Another client does not wait for the slow node of the first.
$mock{a}->mode('hang');
my $other = $proxy->connect;
$c->send("get $ka $kb\r\n");
is($other->get($kb), "b:$kb", 'another client is served meanwhile');
is($c->unread, '', 'while the first one waits');
$mock{a}->mode('answer');
my $both = value($ka, 'a') . value($kb, 'b') . "END\r\n";
is($c->read_exact(length $both), $both, 'and is served when its node answers');

# Requests of one turn go to each node in one piece: many clients, few sends.
my @clients = map { $proxy->connect } 1 .. 20;
$_->get($kb) for @clients;
my $before = $proxy->connect->stats;
$proxy->freeze;
$_->send("get $kb\r\nget $kb\r\n") for @clients;
$proxy->signal('CONT');
my $reply = value($kb, 'b') . "END\r\n";
is($_->read_exact(2 * length $reply), $reply x 2, 'a client of many') for @clients;
my $after = $proxy->connect->stats;
my $sends = $after->{backend_sends_total} - $before->{backend_sends_total};
cmp_ok($sends, '<=', 3, "forty requests of twenty clients left in $sends sends");
cmp_ok($after->{client_sends_total} - $before->{client_sends_total}, '<=', 25,
       'and each client was sent its replies at once');

# A client whose commands come byte by byte.
my $slow = $proxy->connect;
$slow->send($_) for split //, "set $kb 0 0 3\r\na\r\n\r\nget $kb\r\n";
is($slow->read_line, "STORED\r\n", 'single bytes make commands');
is_deeply($slow->read_values, { $kb => "b:$kb" }, 'and another');
done_testing;
