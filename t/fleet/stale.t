# A node that is cut off and comes back with its memory: what was deleted meanwhile,
# and what was written and not acknowledged, is never read again in its old form.
# The node is really stopped and goes on (SIGSTOP, SIGCONT), so that it still has in
# its sockets what it was sent before.
use strict;
use warnings;
use Memfleet;

my @nodes = map { mfcached(args => [qw(-t 2)]) } 1 .. 3;
my $proxy = mfproxy(args => ['--servers', join(',', map { $_->addr } @nodes), '--request-timeout', '300ms',
                             '--connect-timeout', '2s']);
my @clients = map { $proxy->connect } 1 .. 4; # of both workers

my @keys = map { "key:$_" } 1 .. 300;
is($clients[0]->set($_, 'old'), 'STORED', 'a value') for $keys[0];
$clients[$_ % 4]->set($keys[$_], 'old') for 1 .. $#keys;
my %mine = map { $_ => 1 } keys %{ $nodes[0]->connect->get_many(@keys) };
my @mine = grep { $mine{$_} } @keys;
cmp_ok(scalar @mine, '>', 50, 'the node has some of the keys');

for my $round (1 .. 3) {
    $nodes[0]->freeze;
    # Pipelined, so that a round takes one timeout; half are deleted, a quarter are
    # set, the rest left alone.
    my (%deleted, %lost);
    for my $i (0 .. 3) {
        my @batch = @mine[grep { $_ % 4 == $i } 0 .. $#mine];
        my $requests = '';
        my $n        = 0;
        for my $key (@batch) {
            my $what = $n++ % 4;
            $requests .= "delete $key\r\n"                 if $what < 2;
            $requests .= "set $key 0 0 4\r\nlost\r\n"      if $what == 2;
            $deleted{$key} = 1 if $what < 2;
            $lost{$key}    = 1 if $what == 2;
        }
        my $told = $clients[$i]->ask($requests);
        my %lines;
        $lines{$_}++ for split(/\r\n/, $told);
        is(join(' ', grep { !/^(?:NOT_FOUND|SERVER_ERROR backend (?:down|timeout))$/ } keys %lines), '',
           "round $round, client $i: deletes are taken, sets are errors");
    }
    my $looks = 0;
    my $stale = sub {
        $looks++;
        my $read = $clients[ $looks % 4 ]->get_many(@mine);
        return grep { ($deleted{$_} || $lost{$_}) && ($read->{$_} // '') eq 'old' } @mine;
    };
    is_deeply([$stale->()], [], 'while it is stopped nothing old is read');
    $nodes[0]->signal('CONT');
    my @found;
    wait_until(sub {
        push @found, $stale->();
        my $stats = $clients[0]->ask("stats backends\r\n");
        return $stats !~ /:journal [1-9]/ && $stats !~ /:down_workers [1-9]/;
    }, deadline(30), 'it has had all that it missed');
    push @found, $stale->() for 1 .. 8;
    is_deeply(\@found, [], "nor after it goes on ($looks reads)");
    my $direct = $nodes[0]->connect->get_many(@mine);
    is_deeply([grep { $deleted{$_} && exists $direct->{$_} } @mine], [], 'the deletes have arrived');
    is(scalar(grep { !$deleted{$_} && !$lost{$_} && ($direct->{$_} // '') eq 'old' } @mine),
       scalar(grep { !$deleted{$_} && !$lost{$_} } @mine), 'and nothing else was lost');
    $clients[0]->set($_, 'old') for @mine;
}

# A node that is started anew with its items in a file has kept its memory too,
# though its uptime says otherwise.
my $kept  = mfcached(args => ['-e', scratch_dir() . '/items']);
my $other = mfproxy(args => ['--servers', $kept->addr, '--threads', 1]);
my $c     = $other->connect;
$kept->listen_again;
is($c->set('k', 'old'), 'STORED', 'a value');
is($c->set('l', 'old'), 'STORED', 'another');
$kept->stop;
wait_until(sub { $c->ask("get k\r\n"); $other->log_text =~ /event=backend_down/ }, deadline(10), 'the node is gone');
is($c->ask("delete k\r\n"), "NOT_FOUND\r\n", 'the delete is remembered');
my $later = Memfleet::Deadline::now() + 2.5; # longer than the proxy allows the uptime to be off
wait_until(sub { Memfleet::Deadline::now() > $later }, deadline(10), 'time passes');
$kept->restart;
wait_until(sub { ($c->get('l') // '') eq 'old' }, deadline(20), 'the node serves what it had');
is($c->get('k'), undef, 'but not what was deleted meanwhile');
done_testing;
