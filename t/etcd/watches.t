# Watches of the etcd client against a gateway that misbehaves: rules R1, R2, R4
# to R10, R13 and R15.
use strict;
use warnings;

use Memfleet;
use Memfleet::Deadline qw(now);
use Memfleet::FakeEtcd;

my $LONG = 60_000; # a silence or a check that no test waits for
my $TRUE = JSON::PP::true;

# A probe and its gateways, with a watch of everything that follows gateway 0 or
# whichever it begins with: ($probe, $fake, $stream), at revision 10 with a=one.
sub watching {
    my (%opt) = @_;
    my $fake = Memfleet::FakeEtcd->new;
    my $probe = etcd_probe($fake->url, { args => ['--read-ms', $opt{read_ms} // 2000] });
    my $idle = $opt{idle_ms} // $LONG;
    my $resync = $opt{resync_ms} // 10 * $LONG;
    $probe->command("watch - $idle $resync 0");
    my $list = $fake->list(10, kv('a', 'one', 9));
    my $stream = $fake->watch(10);
    $probe->expect(qr/^live 1/);
    return ($probe, $fake, $stream, $list);
}

# The watch begins anew: a list at `revision`, then the stream.
sub again {
    my ($probe, $fake, $revision, @kvs) = @_;
    $fake->list($revision, @kvs);
    my $stream = $fake->watch($revision);
    $probe->expect(qr/^snapshot rev=$revision /);
    return $stream;
}

subtest 'R1, R7, R15: list, then watch from its revision on, on a connection of its own' => sub {
    my ($probe, $fake, $stream, $list) = watching();
    is_deeply($list->json, { key => b64('/mf/'), range_end => b64('/mf0'), limit => '1000' },
              'a linearizable list of the prefix');
    is_deeply($stream->json->{create_request},
              { key => b64('/mf/'), range_end => b64('/mf0'), start_revision => '11',
                prev_kv => $TRUE, progress_notify => $TRUE }, 'the watch begins behind it');
    is($stream->header('Grpc-Metadata-hasleader'), 'true', 'a watch without leader ends');
    is($stream->version, 'HTTP/1.1', 'HTTP/1.1');
    isnt($stream->conn_id, $list->conn_id, 'not on the pooled connection');
    $stream->events(header(11), put_event('b', 'two', 11));
    $probe->expect(qr/^event put b=two\@11$/, 'an event');
    $probe->expect(qr/^synced rev=11$/, 'and its end');
    $stream->finish;
    my $relist = $fake->list(12, kv('b', 'two', 11));
    my $second = $fake->watch(12);
    isnt($second->conn_id, $stream->conn_id, 'a new stream is a new connection');
    $probe->expect(qr/^snapshot rev=12 count=1 b=two\@11$/, 'the list replaces what was');
    is($second->json->{create_request}{start_revision}, '13', 'and the watch goes on behind it');
    $probe->command('unwatch');
    ok($second->wait_closed, 'the end of the watch closes its connection');
};

subtest 'R2: messages are split by braces, whatever the chunks' => sub {
    my ($probe, $fake, $stream) = watching();
    $stream->send_split({ result => { header => header(11), events => [
        put_event('q', 'a{"}\\"[', 11)] } });
    $probe->expect(qr/^event put q=a\{"\}\\"\[\@11$/, 'byte by byte');
    my @two = map { '{"result":{"header":{"cluster_id":"' . $CLUSTER . '","revision":"' . $_
        . '","odd":"}{\\"}\\\\"},"events":[{"kv":{"key":"' . b64('/mf/k') . '","mod_revision":"'
        . $_ . '"}}]}}' } 12, 13;
    $stream->send(join('', @two));
    $probe->expect(qr/^event put k=\@12$/, 'two in a chunk without newlines: one');
    $probe->expect(qr/^event put k=\@13$/, 'two; braces and quotes inside strings do not count');
    $stream->send("\n\n  ", '{"result":{"header":{"revision":"14"},"events":[{"kv":{"key":"'
        . b64('/mf/k') . '","mod_revision":"14"}}]}}', "\n");
    $probe->expect(qr/^event put k=\@14$/, 'the newline as a chunk of its own');
    $stream->send('["not an object"]');
    ok($stream->wait_closed, 'something else than an object ends the stream');
    again($probe, $fake, 15);
};

subtest 'R4: created must come, and so must something later' => sub {
    my $fake = Memfleet::FakeEtcd->new;
    my $probe = etcd_probe($fake->url);
    $probe->command("watch - 300 0 0");
    my $begin = now();
    $fake->list(10);
    my $mute = $fake->request('/v3/watch');
    ok($mute->wait_closed, 'a watch that is not confirmed is given up');
    my $waited = now() - $begin;
    ok($waited > 2.9 && $waited < deadline(4), 'after three seconds');
    $probe->expect(qr/^live 0$/, 'the view may be old then');
    my $stream = again($probe, $fake, 10);
    $begin = now();
    my $next = $fake->list(10);
    cmp_ok(now() - $begin, '<', deadline(1.5), 'silence after that leads to a list, in time');
    ok($stream->wait_closed, 'and closes the stream that hangs');
    $fake->watch(10);
    ok(!(grep { /^live 0/ } $probe->said), 'which is no alarm while the list succeeds');
};

subtest 'R5: canceled and error end the stream from our side' => sub {
    my ($probe, $fake, $stream) = watching();
    $stream->send({ result => { header => header(11), canceled => $TRUE,
                                cancel_reason => 'because' } });
    ok($stream->wait_closed, 'canceled: we close');
    $stream = again($probe, $fake, 11);
    $stream->send('{"error":{"grpc_code":14,"http_code":503,"message":"transport is closing",'
        . '"http_status":"Service Unavailable"}}');
    ok($stream->wait_closed, 'an error object without a newline: we close');
    $stream = again($probe, $fake, 12);
    $stream->send('{"error":{"code":14,"message":"etcdserver: no leader","details":[]}}');
    ok($stream->wait_closed, 'the same from gateway v2');

    $fake->list(13);
    $stream = $fake->request('/v3/watch');
    my %bare = (cluster_id => $CLUSTER, member_id => '3319814642761637952', raft_term => '2');
    $stream->send({ result => { header => header(40), created => $TRUE } });
    $stream->send({ result => { header => \%bare, canceled => $TRUE, compact_revision => '30' } });
    ok($stream->wait_closed, 'compacted: we close');
    again($probe, $fake, 41, kv('z', 'new', 40));
    pass('and list again');
    is($probe->metric('watch_compactions_total'), 1, 'counted');
    is($probe->metric('watch_reconnects_total'), 4, 'four new beginnings');
};

subtest 'R6: only a whole answer moves the point to resume from' => sub {
    my ($probe, $fake, $stream) = watching();
    $stream->events(header(30), put_event('b', 'x', 12));
    $probe->expect(qr/^synced rev=12$/, 'not to the header\'s revision');
    $stream->events(header(30), put_event('b', 'x', 12));
    $stream->events(header(30), put_event('b', 'old', 11), put_event('c', 'y', 13));
    $probe->expect(qr/^event put c=y\@13$/, 'what was applied is dropped, news is not');
    ok(!(grep { /^event/ } $probe->skipped), 'nothing twice, nothing old');
    is($probe->metric('watch_dropped_total'), 2, 'counted');

    $stream->send({ result => { header => header(90) } });
    $stream->events(header(90), put_event('d', 'z', 14));
    $probe->expect(qr/^event put d=z\@14$/, 'a progress notification moves nothing');

    $stream->send({ result => { header => header(90), fragment => $TRUE,
                                events => [put_event('t1', '1', 20)] } });
    $stream->send({ result => { header => header(90), fragment => $TRUE,
                                events => [put_event('t2', '2', 20)] } });
    ok(!(grep { /^event/ } $probe->said), 'fragments wait for their answer');
    $stream->events(header(90), delete_event('t3', 20));
    $probe->expect(qr/^synced rev=20$/, 'until it is whole');
    is(join(' ', grep { /^event/ } $probe->skipped),
       'event put t1=1@20 event put t2=2@20 event delete t3=@20', 'then all of it, in order');

    $stream->send({ result => { header => header(90), fragment => $TRUE,
                                events => [put_event('half', '4', 30)] } });
    $stream->drop;
    $stream = again($probe, $fake, 21);
    ok(!(grep { /^event/ } $probe->skipped), 'half of an answer is never delivered');
    $stream->events(header(31), put_event('t5', '5', 31));
    $probe->expect(qr/^event put t5/);
    ok(!(grep { /half/ } $probe->skipped), 'nor later, with another');
};

subtest 'breaks: early end, reset, garbage, other status' => sub {
    my ($probe, $fake, $stream) = watching();
    $stream->raw("40\r\n{\"a\":{\"b\":{\"c\":{\"d");
    $stream->drop;
    $stream = again($probe, $fake, 11);
    $stream->events(header(12), put_event('b', 'x', 12));
    $probe->expect(qr/^event put b=x\@12$/, 'half a message leaves nothing behind');
    $stream->reset;
    $stream = again($probe, $fake, 12);
    $stream->send('{"result":{"header":{"revision":"13"},"events":[{"kv":{"key":7}}]}}');
    ok($stream->wait_closed, 'a message that makes no sense');
    $fake->list(13);
    $fake->request('/v3/watch')->error(503, 14, 'etcdserver: no leader');
    $fake->list(14);
    $fake->request('/v3/watch')->answer(404, 'text/plain', "404 page not found\n");
    $fake->list(15);
    $fake->request('/v3/watch')->events(header(16), put_event('b', 'x', 16));
    $stream = again($probe, $fake, 17);
    ok(!(grep { /^event/ } $probe->skipped), 'events before created are not believed');
    $stream->events(header(18), put_event('b', 'x', 18));
    $probe->expect(qr/^event put b=x\@18$/, 'and in the end it works');
};

subtest 'R8: members that contradict what was seen are skipped' => sub {
    my ($probe, $fake, $stream) = watching();
    $stream->events(header(11, cluster_id => '99'), put_event('evil', 'x', 11));
    ok($stream->wait_closed, 'another cluster on the stream');
    $fake->request('/v3/kv/range')->ok({ header => header(500, cluster_id => '99'),
                                         kvs => [kv('evil', 'y', 400)] });
    $fake->request('/v3/kv/range')->ok({ header => header(12, raft_term => '7'),
                                         kvs => [kv('a', 'one', 9)] });
    $stream = $fake->request('/v3/watch');
    $stream->send({ result => { header => header(12, raft_term => '6'), created => $TRUE } });
    ok($stream->wait_closed, 'a term that went back');
    ok(!(grep { /evil/ } $probe->said), 'nothing of it was delivered');
    is($probe->metric('disbelieved_total'), 3, 'counted');
};

subtest 'R9: one member in our past is passed over' => sub {
    my @fakes = map { Memfleet::FakeEtcd->new } 1 .. 2;
    my $probe = etcd_probe(map { $_->url } @fakes);
    $probe->command("watch - $LONG 0 0");
    # It begins with either; from here on $fakes[0] is the one it began with.
    my $first = $fakes[0]->maybe_request('/v3/kv/range', 0.3);
    @fakes = reverse @fakes if !defined $first;
    $first //= $fakes[0]->request('/v3/kv/range');
    $first->ok({ header => header(50), kvs => [kv('a', 'one', 40)] });
    my $stream = $fakes[0]->watch(50);
    $probe->expect(qr/^live 1/);
    $stream->drop;
    $fakes[1]->list(45);
    $fakes[0]->list(51, kv('a', 'two', 51));
    $probe->expect(qr/^snapshot rev=51 /, 'R10: the other one is asked, then the first again');
    ok(!(grep { /^(?:snapshot|regressed)/ } $probe->skipped), 'the old view was not delivered');
    $stream = $fakes[0]->request('/v3/watch');
    $stream->send({ result => { header => header(48), created => $TRUE } });
    ok($stream->wait_closed, 'a watch whose member is behind its own list is given up');
};

subtest 'R9: the store went back in time' => sub {
    my ($probe, $fake, $stream) = watching();
    $stream->events(header(20), put_event('a', 'two', 20));
    $stream->finish;
    $fake->list(4, kv('a', 'past', 3));
    $probe->expect(qr/^regressed rev=4 count=1$/, 'the owner is asked');
    is($probe->metric('watch_regressed'), 1, 'an alarm');
    $fake->list(25, kv('a', 'past', 3), kv('b', 'x', 25));
    $probe->expect(qr/^regressed rev=25 count=2$/, 'counting up past our revision is no proof');
    ok(!(grep { /^snapshot/ } $probe->skipped), 'nothing was adopted');
    $probe->command('adopt');
    $fake->list(5, kv('a', 'accepted', 5));
    $probe->expect(qr/^snapshot rev=5 count=1 a=accepted\@5$/, 'until the owner says so');
    $probe->expect(qr/^live 1/, 'the view is current again');
    $stream = $fake->watch(5);
    is($stream->json->{create_request}{start_revision}, '6', 'the watch goes on from there');
    is($probe->metric('watch_regressed'), 0, 'the alarm is over');
    $stream->events(header(6), put_event('a', 'next', 6));
    $probe->expect(qr/^event put a=next\@6$/, 'with revisions that are lower than once');
};

subtest 'R9: a lower raft term everywhere is the past too' => sub {
    my ($probe, $fake, $stream) = watching();
    $stream->finish;
    $fake->request('/v3/kv/range')->ok({ header => header(11, raft_term => '9') });
    $stream = $fake->request('/v3/watch');
    $stream->send({ result => { header => header(11, raft_term => '9'), created => $TRUE } });
    $stream->finish;
    $fake->request('/v3/kv/range')->ok({ header => header(30, raft_term => '2') });
    $probe->expect(qr/^regressed rev=30 count=0$/, 'though the revision is higher');
    $probe->command('adopt');
    $fake->request('/v3/kv/range')->ok({ header => header(31, raft_term => '2') });
    $probe->expect(qr/^snapshot rev=31 /, 'adopted');
    $stream = $fake->request('/v3/watch');
    $stream->send({ result => { header => header(31, raft_term => '2'), created => $TRUE } });
    $stream->events(header(32, raft_term => '2'), put_event('a', 'x', 32));
    $probe->expect(qr/^event put a=x\@32$/, 'and the terms begin anew');
};

subtest 'R10: a failing gateway is asked less and less often' => sub {
    my $fake = Memfleet::FakeEtcd->new;
    my $probe = etcd_probe($fake->url);
    my $begin = now();
    $probe->command("watch - $LONG 0 0");
    $fake->request('/v3/kv/range')->error(503, 14, 'etcdserver: no leader') for 1 .. 6;
    my $quick = now() - $begin;
    cmp_ok($quick, '<', deadline(4), 'six times within the first ceilings');
    my $more = 0;
    my $end = now() + 0.5;
    while (my $rq = $fake->maybe_request('/v3/kv/range', $end - now())) {
        $rq->error(503, 14, 'etcdserver: no leader');
        $more++;
    }
    cmp_ok($more, '<', 6, 'no storm');
    $fake->request('/v3/kv/range')->ok({ header => header(2) });
    $probe->expect(qr/^snapshot rev=2 /, 'and served as soon as it answers');
};

subtest 'R13: the view is checked on schedule' => sub {
    my $begin = now();
    my ($probe, $fake, $stream) = watching(resync_ms => 400);
    $fake->list(11, kv('a', 'lost event', 11));
    my $waited = now() - $begin;
    ok($waited > 0.31 && $waited < deadline(1.5), 'within a fifth of the time set');
    $probe->expect(qr/^snapshot rev=11 count=1 a=lost event\@11$/, 'what a watch missed is found');
    ok(!(grep { /^live/ } $probe->skipped), 'no alarm');
    ok($stream->wait_closed, 'the old stream ends');
    is($probe->metric('watch_resyncs_total'), 1, 'counted');
    is($probe->metric('watch_reconnects_total'), 0, 'and is no break');
};

subtest 'every callback may end the watch it belongs to' => sub {
    for my $callback (qw(snapshot synced live)) {
        my $fake = Memfleet::FakeEtcd->new;
        my $probe = etcd_probe($fake->url);
        $probe->ask("endon $callback");
        $probe->command("watch - $LONG 0 0");
        $fake->list(10, kv('a', 'one', 9));
        $probe->expect(qr/^ended/);
        is(join(' ', $probe->said), '', "$callback: not a word more");
        is($fake->seen('/v3/watch'), 0, 'and no stream');
    }
    for my $callback (qw(event synced)) {
        my ($probe, $fake, $stream) = watching();
        $probe->ask("endon $callback");
        $stream->send({ result => { header => header(12), events => [
            put_event('a', 'x', 11), put_event('b', 'x', 12)] } },
            { result => { header => header(13), events => [put_event('c', 'x', 13)] } });
        $probe->expect(qr/^ended/);
        is(join(' ', $probe->said), '', "$callback: not a word more");
        ok($stream->wait_closed, 'the stream is closed');
    }
    my ($probe, $fake, $stream) = watching();
    $probe->ask('endon regressed');
    $stream->finish;
    $fake->list(4);
    $probe->expect(qr/^ended/);
    is(join(' ', $probe->said), '', 'regressed: not a word more');
    is($probe->metric('watch_regressed'), 0, 'the alarm is over with it');
};

subtest 'on demand: resync' => sub {
    my ($probe, $fake, $stream) = watching();
    $probe->command('resync');
    again($probe, $fake, 12);
    pass('a list at once');
};

done_testing;
