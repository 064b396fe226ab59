# The etcd client against three real members that are killed, stopped and left
# without a quorum: nothing is lost, nothing invented, and a leader that was
# replaced writes nothing.
use strict;
use warnings;

use Memfleet;
BEGIN { skip_without('etcd') }
use Memfleet::Deadline qw(now);
use Memfleet::Etcd;
use Memfleet::EtcdProbe;

my $etcd = Memfleet::Etcd->start(members => 3);

sub wait_leader {
    my $leader;
    wait_until(sub { defined($leader = $etcd->leader) }, deadline(20), 'a leader');
    return $leader;
}

# Writes a key until it is certain that it is there; returns how often that was
# not clear at first.
sub write_surely {
    my ($writer, $key, $value) = @_;
    my $unclear = -1;
    wait_until(sub {
        $unclear++;
        my $reply = $writer->ask("cas $key 0 $value");
        return 1 if $reply =~ /^cas ok/;
        die "unexpected: $reply" if $reply !~ /^cas (?:ambiguous|unavailable)/;
        return 0;
    }, deadline(30), "$key is written");
    return $unclear;
}

subtest 'a stream of 200 writes while one leader is killed and another hangs' => sub {
    my $writer = etcd_probe($etcd->urls, { args => ['--write-ms', 1000, '--read-ms', 1000] });
    my $reader = etcd_probe($etcd->urls, { args => ['--read-ms', 1000] });
    $reader->command('watch s/ 2000 0 0');
    $reader->expect(qr/^live 1/);
    my %at = (60 => sub { $etcd->kill($_[0]{down} = wait_leader()) },
              110 => sub { $etcd->revive($_[0]{down}) },
              140 => sub { $etcd->signal($_[0]{hung} = wait_leader(), 'STOP') });
    my $unclear = 0;
    my %state;
    for my $i (1 .. 200) {
        $at{$i}->(\%state) if exists $at{$i};
        $unclear += write_surely($writer, sprintf('s/%03d', $i), "v$i");
    }
    pass("all written, $unclear attempts were unclear");

    # Replays what the watch said: a snapshot replaces everything.
    $reader->command('resync');
    my $list = $writer->ask('list s/');
    my ($revision) = $list =~ /rev=(\d+) count=200 /;
    ok(defined $revision, 'the store has all 200');
    my (%view, %seen, $twice, $backwards);
    my ($synced, $last) = (0, 0);
    while ($synced < $revision || keys %view < 200) {
        my $line = $reader->line;
        if ($line =~ /^snapshot rev=(\d+) count=\d+(.*)/) {
            my ($rev, $kvs) = ($1, $2);
            $backwards = "$line after $last" if $rev < $last;
            %view = map { m{^(s/\d+)=(\w+)\@} ? ($1, $2) : () } split(/ /, $kvs);
            $last = $rev;
        } elsif ($line =~ m{^event put (s/\d+)=(\w+)\@(\d+)}) {
            $twice = $line if $seen{"$1\@$3"}++;
            $backwards = $line if $3 <= $last;
            $view{$1} = $2;
            $last = $3;
        } elsif ($line =~ /^synced rev=(\d+)/) {
            $synced = $1;
        }
    }
    is($twice, undef, 'no event came twice');
    is($backwards, undef, 'none came from the past');
    is(scalar(grep { ($view{ sprintf('s/%03d', $_) } // '') ne "v$_" } 1 .. 200), 0,
       'the watcher has every one of them, and no other value');
    $etcd->signal($state{hung}, 'CONT');
};

subtest 'quorum lost and found' => sub {
    my $probe = etcd_probe($etcd->urls, { args => ['--write-ms', 700, '--read-ms', 700] });
    $probe->command('watch q/ 60000 0 0');
    $probe->expect(qr/^live 1/);
    my @gone = grep { $_ != 0 } 0 .. 2;
    $etcd->kill(@gone);
    $probe->expect(qr/^live 0/, 'the watch ends instead of staying silent for ever');
    my $begin = now();
    like($probe->ask('put q/1 x'), qr/^put (?:ambiguous|unavailable)/, 'a write does not succeed');
    like($probe->ask('get q/1'), qr/^get unavailable/, 'nor a read');
    cmp_ok(now() - $begin, '<', deadline(6), 'and both say so in time');
    $etcd->revive(@gone);
    $probe->expect(qr/^live 1/, 'current again with the quorum');
};

subtest 'elections: a paused leader, and what it still writes' => sub {
    my @probe = map { etcd_probe($etcd->urls) } 1 .. 2;
    $probe[0]->command('elect first 3 500');
    my ($old) = $probe[0]->expect(qr/^elected \d+/) =~ /(\d+)/;
    $probe[1]->command('elect second 3 500');
    $probe[1]->expect(qr/^leader first$/, 'a standby knows who leads');
    like($probe[0]->ask('fput table v1'), qr/ succeeded=1 /, 'the leader writes');
    $probe[0]->program->signal('STOP');
    my ($new) = $probe[1]->expect(qr/^elected \d+/, 'the standby follows when the lease has run out')
        =~ /(\d+)/;
    cmp_ok($new, '>', $old, 'with a higher token');
    like($probe[1]->ask('fput table v2'), qr/ succeeded=1 /, 'and writes');
    $probe[0]->command('fput table v1-again');
    $probe[0]->program->signal('CONT');
    $probe[0]->expect(qr/^fput ok .* succeeded=0 /, 'what the old leader writes is refused');
    $probe[0]->expect(qr/^deposed /, 'and it knows') if !grep { /^deposed/ } $probe[0]->skipped;
    like($probe[0]->ask('get table'), qr/ table=v2\@/, 'the table is the new leader\'s');
    $probe[1]->command('resign');
    $probe[1]->expect(qr/^resigned/);
    my $begin = now();
    $probe[0]->expect(qr/^elected \d+/, 'a leader that resigns is followed');
    cmp_ok(now() - $begin, '<', deadline(1.5), 'at once');
};

done_testing;
