# Leases, tokens and elections of the etcd client against a gateway that
# misbehaves: rules R12 and R14, and who may believe to lead.
use strict;
use warnings;

use JSON::PP ();
use Memfleet;
use Memfleet::Deadline qw(now);
use Memfleet::FakeEtcd;

my $TRUE = JSON::PP::true;
my $BIG = '7587869134001122334'; # above 2^53: a double would round it

sub grant {
    my ($fake, $id, $ttl) = @_;
    my $rq = $fake->request('/v3/lease/grant');
    $rq->ok({ header => header(5), ID => $id, TTL => $ttl });
    return $rq;
}

# Answers the next keepalive as a stream does; without ttl: the lease is gone.
sub keepalive {
    my ($fake, $ttl) = @_;
    my $rq = $fake->request('/v3/lease/keepalive');
    $rq->send({ result => { header => header(5), ID => $rq->json->{ID},
                            defined $ttl ? (TTL => $ttl) : () } })->finish;
    return $rq;
}

subtest 'R12: a lease is renewed, and gone when the server says so' => sub {
    my $fake = Memfleet::FakeEtcd->new;
    my $probe = etcd_probe($fake->url);
    $probe->command('lease 3 nodes/a -');
    my $begin = now();
    is(grant($fake, $BIG, '1')->json->{TTL}, '3', 'asked for three seconds');
    $probe->expect(qr/^held $BIG ttl_ms=1000$/, 'what was granted counts, and ids keep all digits');
    is(keepalive($fake, '1')->json->{ID}, $BIG, 'renewed under its id');
    my $waited = now() - $begin;
    ok($waited > 0.29 && $waited < deadline(0.7), 'after a third of the TTL');
    $probe->expect(qr/^renewed/);
    $fake->request('/v3/lease/keepalive')->error(503, 14, 'etcdserver: no leader');
    $fake->request('/v3/lease/keepalive')->error(500, 2, 'context deadline exceeded');
    $begin = now();
    keepalive($fake, '1');
    cmp_ok(now() - $begin, '<', deadline(0.6), 'a failed renewal is tried again soon');
    $probe->expect(qr/^renewed/);
    ok(!(grep { /^lost/ } $probe->skipped), 'and loses nothing');
    keepalive($fake);
    $probe->expect(qr/^lost $BIG /, 'no TTL in the answer: the lease is gone');
    grant($fake, '55', '1');
    $probe->expect(qr/^held 55 /, 'and a new one is asked for');
    is($probe->metric('leases_lost_total'), 1, 'counted');

    $probe->command('unlease');
    is($fake->request('/v3/lease/revoke')->json->{ID}, '55', 'the end revokes');
};

subtest 'R12: every tenth renewal reads the own key' => sub {
    my @fakes = map { Memfleet::FakeEtcd->new } 1 .. 2;
    my @probes = map { etcd_probe($_->url) } @fakes;
    for my $i (0, 1) {
        $probes[$i]->command('lease 3 nodes/a -');
        grant($fakes[$i], '55', '1');
        $probes[$i]->expect(qr/^held 55 /);
    }
    for (1 .. 10) {
        keepalive($_, '1') for @fakes;
    }
    my @reads = map { $_->request('/v3/kv/range') } @fakes;
    is($reads[0]->key, 'nodes/a', 'a read of the own key');
    $reads[0]->ok({ header => header(9), kvs => [kv('nodes/a', 'x', 8, lease => '55')] });
    $reads[1]->ok({ header => header(9), kvs => [kv('nodes/a', 'x', 8, lease => '54')] });
    keepalive($fakes[0], '1');
    $probes[0]->expect(qr/^renewed/) for 1 .. 11;
    ok(!(grep { /^lost/ } $probes[0]->skipped), 'it hangs on our lease: all is well');
    $probes[1]->expect(qr/^lost 55 .*own key/, 'it hangs on another: ours is lost');
    is($fakes[1]->request('/v3/lease/revoke')->json->{ID}, '55', 'revoked, should it still live');
    grant($fakes[1], '56', '1');
    $probes[1]->expect(qr/^held 56 /, 'and a new one asked for');
};

subtest 'a lease of another program is carried on with' => sub {
    my $fake = Memfleet::FakeEtcd->new;
    my $probe = etcd_probe($fake->url);
    $probe->command('lease 15 - 77');
    is(keepalive($fake, '12')->json->{ID}, '77', 'first a renewal');
    $probe->expect(qr/^held 77 ttl_ms=12000$/, 'held when it succeeds');
    $probe->command('unlease');
    $fake->request('/v3/lease/revoke');
    $probe->command('lease 15 - 78');
    keepalive($fake);
    grant($fake, '79', '15');
    $probe->expect(qr/^held 79 /, 'gone already: a new one');
    ok(!(grep { /^lost/ } $probe->skipped), 'that was never held cannot be lost');
};

subtest 'every callback may end the lease it belongs to' => sub {
    for my $callback (qw(held renewed lost)) {
        my $fake = Memfleet::FakeEtcd->new;
        my $probe = etcd_probe($fake->url);
        $probe->ask("endon $callback");
        $probe->command('lease 3 - -');
        grant($fake, '5', '1');
        keepalive($fake, $callback eq 'lost' ? undef : '1') if $callback ne 'held';
        $probe->expect(qr/^ended/);
        is(join(' ', $probe->said), '', "$callback: not a word more");
    }
};

subtest 'R14: one token for all, renewed once when refused, never in the log' => sub {
    my $fake = Memfleet::FakeEtcd->new;
    my $file = scratch_dir() . '/password';
    spew($file, "se\"cret\\word\nsecond line\n");
    my $probe = etcd_probe($fake->url, { args => ['--user', 'ctl', '--password-file', $file] });
    my $token = sub {
        my ($text) = @_;
        my $rq = $fake->request('/v3/auth/authenticate');
        $rq->ok({ header => header(2), token => $text });
        return $rq;
    };

    $probe->command('get a')->command('get b');
    is_deeply($token->('toKen.1')->json, { name => 'ctl', password => 'se"cret\\word' },
              'name and password, the first line of the file');
    my @gets = map { $fake->request('/v3/kv/range') } 1 .. 2;
    is_deeply([map { $_->header('Authorization') } @gets], ['toKen.1', 'toKen.1'],
              'the token goes with both, without "Bearer"');
    is($fake->maybe_request('/v3/auth/authenticate', 0), undef, 'asked for once');

    $_->error(401, 16, 'etcdserver: invalid auth token') for @gets;
    $token->('toKen.2');
    @gets = map { $fake->request('/v3/kv/range') } 1 .. 2;
    is_deeply([map { $_->header('Authorization') } @gets], ['toKen.2', 'toKen.2'],
              'refused twice, renewed once, both tried again');
    is($fake->maybe_request('/v3/auth/authenticate', 0), undef, 'single flight');
    $gets[0]->ok({ header => header(3) });
    $gets[1]->error(401, 16, 'etcdserver: invalid auth token');
    $probe->expect(qr/^get auth .*invalid auth token/, 'a second refusal is final');

    $probe->command('put a x');
    $fake->request('/v3/kv/put')->error(400, 3, 'etcdserver: user name is empty');
    $token->('toKen.3');
    my $put = $fake->request('/v3/kv/put');
    is($put->header('Authorization'), 'toKen.3', '"user name is empty" renews too');
    $put->error(403, 7, 'etcdserver: permission denied');
    $probe->expect(qr/^put auth .*permission denied/, 'no permission does not');

    $probe->command('watch - 60000 0 0');
    $fake->list(10);
    my $watch = $fake->request('/v3/watch');
    is($watch->header('Authorization'), 'toKen.3', 'a watch carries it');
    $watch->send({ result => { header => header(10), watch_id => '-1', created => $TRUE,
        canceled => $TRUE,
        cancel_reason => 'rpc error: code = Unauthenticated desc = etcdserver: invalid auth token' } });
    ok($watch->wait_closed, 'R5: a watch refused for its token is closed by us');
    $fake->list(10);
    $token->('toKen.4');
    is($fake->watch(10)->header('Authorization'), 'toKen.4', 'and opened with a new one');
    $probe->expect(qr/^live 1/);

    $probe->command('get a');
    $fake->request('/v3/kv/range')->error(401, 16, 'etcdserver: invalid auth token');
    $fake->request('/v3/auth/authenticate')->error(400, 3,
        'etcdserver: authentication failed, invalid user ID or password');
    $probe->expect(qr/^get auth .*invalid user ID/, 'a wrong password is said');
    my $log = $probe->program->log_text;
    unlike($log, qr/toKen|cret/, 'neither token nor password is in the log');
};

# --- elections -----------------------------------------------------------------

sub leader_kv {
    my ($value, $create, $lease) = @_;
    return kv('ctl/leader', $value, $create, lease => $lease);
}

# The answer to a campaign that found the key absent.
sub won {
    my ($rq, $create, $lease) = @_;
    return $rq->ok({ header => header($create), succeeded => $TRUE, responses => [
        { response_put => { header => header($create) } },
        { response_range => { header => header($create), kvs => [leader_kv('me', $create, $lease)] } },
    ] });
}

sub not_won {
    my ($rq, $revision, $kv) = @_;
    return $rq->ok({ header => header($revision), responses => [
        { response_range => { header => header($revision), kvs => [$kv] } } ] });
}

# A probe that was elected with token 12 under lease 600: ($probe, $fake, $stream).
sub elected {
    my ($ttl) = @_;
    my $fake = Memfleet::FakeEtcd->new;
    my $probe = etcd_probe($fake->url, { args => ['--read-ms', 500, '--write-ms', 500] });
    $probe->command("elect me $ttl 60000");
    grant($fake, '600', $ttl);
    $fake->list(10);
    my $stream = $fake->watch(10);
    my $campaign = $fake->request('/v3/kv/txn');
    won($campaign, 12, '600');
    $probe->expect(qr/^elected 12$/);
    my $beat = $fake->request('/v3/kv/txn');
    return ($probe, $fake, $stream, $campaign, $beat);
}

subtest 'election: the campaign, the fence, the beat' => sub {
    my ($probe, $fake, $stream, $campaign, $beat) = elected(30);
    is_deeply($campaign->json->{compare}, [{ key => b64('/mf/ctl/leader'), target => 'CREATE',
                                             result => 'EQUAL', create_revision => '0' }],
              'only where there is no leader');
    is($campaign->json->{success}[0]{request_put}{lease}, '600', 'under the lease');
    my %leader = (key => b64('/mf/ctl/leader'), result => 'EQUAL');
    my $fence = [{ %leader, target => 'CREATE', create_revision => '12' },
                 { %leader, target => 'LEASE', lease => '600' }];
    is_deeply($beat->json->{compare}, $fence, 'the beat carries the fence');
    is($beat->json->{success}[0]{request_put}{key}, b64('/mf/ctl/beat'), 'and is written at once');
    $probe->command('fput t 1');
    my $fput = $fake->request('/v3/kv/txn');
    is_deeply($fput->json->{compare}, $fence, 'so does every write of the leader');
    $fput->ok({ header => header(13), succeeded => $TRUE, responses => [{ response_put => {} }] });
    $probe->expect(qr/^fput ok .*succeeded=1/);
    is($probe->metric('leading'), 1, 'counted');

    $beat->ok({ header => header(14) });
    $probe->expect(qr/^deposed .*not ours/, 'a beat whose compare fails ends the office');
    $probe->command('fput t 2');
    my $late = $fake->request('/v3/kv/txn');
    is($late->json->{compare}[0]{create_revision}, '-1', 'a fence from then on cannot hold');
    is($probe->metric('leading'), 0, 'counted');
};

subtest 'election: the watch ends an office, and begins a campaign' => sub {
    my ($probe, $fake, $stream, $campaign, $beat) = elected(30);
    $stream->events(header(11), delete_event('ctl/leader', 11));
    $probe->ask('echo x');
    ok(!(grep { /^deposed/ } $probe->skipped), 'what happened before our election is no news');
    $stream->events(header(20), put_event('ctl/leader', 'other', 20, lease => '700'));
    $probe->expect(qr/^deposed another leads$/, 'another leader in the key: deposed');
    $probe->expect(qr/^leader other$/, 'and we say who');
    ok(!defined $fake->maybe_request('/v3/kv/txn', 0), 'no campaign while there is a leader');
    $stream->events(header(21), delete_event('ctl/leader', 21));
    my $again = $fake->request('/v3/kv/txn');
    pass('the key disappears: a campaign');
    $again->error(503, 14, 'etcdserver: request timed out');
    not_won($fake->request('/v3/kv/txn'), 22, leader_kv('me', 22, '600'));
    $probe->expect(qr/^elected 22$/, 'a campaign that perhaps succeeded did: the key has our lease');
    $fake->request('/v3/kv/txn'); # the beat
    $stream->events(header(23), delete_event('ctl/leader', 23));
    $probe->expect(qr/^deposed the leader key is gone$/, 'the key disappears under a leader: deposed');
    not_won($fake->request('/v3/kv/txn'), 24, leader_kv('other', 24, '700'));
    ok(!defined $fake->maybe_request('/v3/kv/txn', 0.1), 'another was faster: stand by');
    $probe->command('fence');
    $probe->expect(qr/^fence 0 leader=0$/);
};

subtest 'election: no renewal confirmed for 2/3 of the TTL' => sub {
    my ($probe, $fake, $stream) = elected(3);
    my $begin = now();
    my $renewal = $fake->request('/v3/lease/keepalive');
    $probe->expect(qr/^deposed no renewal/, 'deposed though etcd said nothing');
    my $waited = now() - $begin;
    ok($waited < deadline(2.2), 'before the lease can have run out');
    ok($renewal->wait_closed, 'the renewal that hung has ended at its deadline');
    # One that we answer may end at its deadline at the same moment.
    my $campaign;
    for (my $end = now() + deadline(10); !defined $campaign && now() < $end;) {
        my $late = $fake->maybe_request('/v3/lease/keepalive', 0.05);
        $late->send({ result => { header => header(15), ID => '600', TTL => '3' } })->finish
            if defined $late;
        $campaign = $fake->maybe_request('/v3/kv/txn', 0);
    }
    not_won($campaign, 15, leader_kv('me', 12, '600'));
    $probe->expect(qr/^elected 12$/, 'renewed after all: the office is still ours, same token');
};

subtest 'election: the lease is lost' => sub {
    my ($probe, $fake, $stream) = elected(3);
    keepalive($fake);
    $probe->expect(qr/^deposed /, 'deposed with the lease');
    grant($fake, '601', '3');
    ok(!defined $fake->maybe_request('/v3/kv/txn', 0.2), 'the key still stands: no campaign');
    $stream->events(header(20), delete_event('ctl/leader', 20));
    my $campaign = $fake->request('/v3/kv/txn');
    is($campaign->json->{success}[0]{request_put}{lease}, '601', 'then one with the new lease');
    won($campaign, 21, '601');
    $probe->expect(qr/^elected 21$/);
    $probe->command('resign');
    $probe->expect(qr/^deposed resigned$/, 'resigning ends it at once');
    my $revoke = $fake->request('/v3/lease/revoke');
    is($revoke->json->{ID}, '601', 'and gives the lease back');
    $revoke->ok({ header => header(22) });
    $probe->expect(qr/^resigned$/, 'then says so');
};

subtest 'election: the store goes back in time under a leader' => sub {
    my ($probe, $fake, $stream) = elected(30);
    $stream->finish;
    $fake->list(4, leader_kv('ancient', 3, '1'));
    $probe->expect(qr/^deposed the store went back/, 'deposed');
    $stream = $fake->watch(4);
    $probe->expect(qr/^leader ancient$/);
    $stream->events(header(5), delete_event('ctl/leader', 5));
    won($fake->request('/v3/kv/txn'), 6, '600');
    $probe->expect(qr/^elected 6$/, 'and elected by the store as it is now');
};

done_testing;
