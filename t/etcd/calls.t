# The calls of the etcd client against a gateway that misbehaves: rules R1, R3
# and R11.
use strict;
use warnings;

use Memfleet;
use Memfleet::Deadline qw(now);
use Memfleet::FakeEtcd;

my $fake = Memfleet::FakeEtcd->new;
my $probe = etcd_probe($fake->url, { env => {
    http_proxy => 'http://127.0.0.1:1', all_proxy => 'http://127.0.0.1:1' } });

subtest 'R1: what a request looks like' => sub {
    $probe->command('put a hello');
    my $put = $fake->request('/v3/kv/put');
    pass('a proxy in the environment is not asked');
    is($put->method . ' ' . $put->version, 'POST HTTP/1.1', 'POST, HTTP/1.1');
    is($put->header('Expect'), undef, 'no Expect');
    is($put->header('Authorization'), undef, 'no token without a user');
    is_deeply($put->json, { key => b64('/mf/a'), value => b64('hello') }, 'the body');
    $put->ok({ header => header(3) });
    $probe->expect(qr/^put ok rev=3 /, 'and its answer');

    $probe->command('put big ' . 'x' x 1_100_000);
    my $big = $fake->request('/v3/kv/put');
    is($big->header('Expect'), undef, 'no Expect for a large body either');
    $big->ok({ header => header(4) });
    $probe->expect(qr/^put ok rev=4 /);

    $probe->command('list n');
    my $list = $fake->request('/v3/kv/range');
    is_deeply($list->json, { key => b64('/mf/n'), range_end => b64('/mf/o'), limit => '1000' },
              'a list asks for everything with the prefix');
    is($list->conn_id, $put->conn_id, 'on the pooled connection');
    $list->answer(302, "text/html\r\nLocation: " . $fake->url . '/v3/kv/put', '');
    $probe->expect(qr/^list refused/, 'a redirect is refused, not followed');

    $probe->command('get a');
    $fake->request('/v3/kv/range')->answer(404, 'text/plain', "404 page not found\n");
    $probe->expect(qr/^get refused .*HTTP 404.*gateway.*404 page not found/,
                   '404 says that the gateway is missing');
};

subtest 'R3: numbers as strings or integers, absent is zero' => sub {
    $probe->command('get a');
    $fake->request('/v3/kv/range')->ok({
        header => { revision => 12, bogus => [{}] }, new_field => 1,
        kvs => [{ key => b64('/mf/a'), mod_revision => 9, value => b64('') }] });
    $probe->expect(qr/^get ok rev=12 count=1 .* a=\@9$/, 'integers, no value, unknown fields');

    $probe->command('get a');
    $fake->request('/v3/kv/range')->ok({ header => header(12), count => '7' });
    $probe->expect(qr/^get ok rev=12 count=0 /, 'count is not believed');

    $probe->command('cas a 5 x');
    my $txn = $fake->request('/v3/kv/txn');
    is_deeply($txn->json->{compare}, [{ key => b64('/mf/a'), target => 'MOD', result => 'EQUAL',
                                        mod_revision => '5' }], 'the compare');
    $txn->ok({ header => header(12) });
    $probe->expect(qr/^cas ok rev=12 .*succeeded=0/, 'no "succeeded" means false');

    for my $bad ('{"header":{"revision":"1x"}}', '{"kvs":[{"key":"L21m_Q=="}]}', '{"kvs":{}}',
                 '[]', '{"header":', '{"kvs":[{"key":"' . b64('/other/a') . '"}]}',
                 '{"kvs":[7]}', '{"more":"yes"}', '') {
        $probe->command('get a');
        $fake->request('/v3/kv/range')->answer(200, 'application/json', $bad);
        $probe->expect(qr/^get unavailable/, "not believed: $bad");
    }
};

subtest 'outcomes: a definite no, and perhaps' => sub {
    my @reads = (
        [400, 11, 'etcdserver: mvcc: required revision has been compacted', 'compacted'],
        [403, 7, 'etcdserver: permission denied', 'auth'],
        [400, 3, 'etcdserver: user name is empty', 'auth'],
        [503, 14, 'etcdserver: request timed out', 'unavailable'],
        [500, 13, 'internal', 'unavailable'],
    );
    for my $case (@reads) {
        my ($status, $code, $message, $outcome) = @$case;
        $probe->command('get a');
        $fake->request('/v3/kv/range')->error($status, $code, $message);
        $probe->expect(qr/^get $outcome .*\Q$message\E/, "read, $code: $outcome");
    }
    my @writes = (
        [404, 5, 'etcdserver: requested lease not found', 'not-found'],
        [400, 3, 'etcdserver: request is too large', 'refused'],
        [429, 8, 'etcdserver: mvcc: database space exceeded', 'no-space'],
        [500, 2, 'context deadline exceeded', 'ambiguous'],
        [503, 14, 'etcdserver: request timed out, possibly due to previous leader failure',
         'ambiguous'],
        [429, 8, 'etcdserver: too many requests', 'unavailable'],
    );
    for my $case (@writes) {
        my ($status, $code, $message, $outcome) = @$case;
        $probe->command('put a x');
        $fake->request('/v3/kv/put')->error($status, $code, $message);
        $probe->expect(qr/^put $outcome .*\Q$message\E/, "write, $code: $outcome");
    }
    $probe->command('put a x');
    $fake->request('/v3/kv/put')->answer(404, 'application/json',
        '{"code":5,"message":"etcdserver: requested lease not found","details":[]}');
    $probe->expect(qr/^put not-found .*lease not found/, 'errors of gateway v2 are read too');
    $probe->command('put a x');
    $fake->request('/v3/kv/put')->answer(502, 'text/html', '<html>bad gateway</html>');
    $probe->expect(qr/^put ambiguous .*bad gateway/, 'a 5xx of something else is ambiguous');
};

subtest 'R11: a write is never sent twice' => sub {
    $probe->command('put a 1');
    my $first = $fake->request('/v3/kv/put');
    $first->ok({ header => header(20) });
    $probe->expect(qr/^put ok/);
    $probe->command('put a 2');
    my $second = $fake->request('/v3/kv/put');
    my $seen = $fake->seen('/v3/kv/put');
    is($second->conn_id, $first->conn_id, 'the connection is pooled');
    $second->drop;
    $probe->expect(qr/^put ambiguous/, 'the connection dies with a write on it: ambiguous');
    $probe->command('get a');
    my $read = $fake->request('/v3/kv/range');
    is($fake->seen('/v3/kv/put'), $seen, 'and it has not come again');
    $read->ok({ header => header(21) });
    $probe->expect(qr/^get ok rev=21/);
};

subtest 'R11: own deadlines, other endpoints' => sub {
    my @fakes = map { Memfleet::FakeEtcd->new } 1 .. 2;
    my $two = etcd_probe((map { $_->url } @fakes),
                         { args => ['--read-ms', 300, '--write-ms', 400] });
    my $begin = now();
    $two->command('get a');
    my $hanging = $fakes[0]->request('/v3/kv/range');
    $fakes[1]->request('/v3/kv/range')->ok({ header => header(7) });
    $two->expect(qr/^get ok rev=7/, 'a read that gets no answer goes to the next endpoint');
    cmp_ok(now() - $begin, '<', deadline(1.5), 'after our deadline, not etcd\'s');

    $two->command('put a x');
    my $put = $fakes[1]->request('/v3/kv/put');
    $two->expect(qr/^put ambiguous .*timed out/i, 'a write that gets no answer is ambiguous');
    is($fakes[0]->seen('/v3/kv/put'), 0, 'and goes nowhere else');

    $fakes[0]->close_port;
    $two->command('put a y');
    $fakes[1]->request('/v3/kv/put')->ok({ header => header(8) });
    $two->expect(qr/^put ok rev=8/, 'a write that could not be sent goes to the next endpoint');
    $fakes[1]->close_port;
    $two->command('put a z');
    $two->expect(qr/^put unavailable/, 'nobody there: certainly not done');
};

subtest 'a long list comes in pages of one revision' => sub {
    $probe->command('list p/');
    my $page = $fake->request('/v3/kv/range');
    $page->ok({ header => header(50), more => JSON::PP::true,
                kvs => [kv('p/1', 'a', 3), kv('p/2', 'b', 4)] });
    my $next = $fake->request('/v3/kv/range');
    is_deeply($next->json, { key => b64("/mf/p/2\0"), range_end => b64('/mf/p0'), limit => '1000',
                             revision => '50' }, 'the next page: behind the last key, pinned');
    $next->ok({ header => header(53), kvs => [kv('p/3', 'c', 5)] });
    $probe->expect(qr{^list ok rev=50 count=3 .* p/1=a\@3 p/2=b\@4 p/3=c\@5$}, 'joined, rev 50');

    $probe->command('list p/');
    $fake->request('/v3/kv/range')->ok({ header => header(50), more => JSON::PP::true,
                                         kvs => [kv('p/1', 'a', 3)] });
    $fake->request('/v3/kv/range')->error(400, 11, 'required revision has been compacted');
    my $again = $fake->request('/v3/kv/range');
    is($again->json->{revision}, undef, 'compacted between two pages: from the beginning');
    $again->ok({ header => header(60), kvs => [kv('p/9', 'z', 60)] });
    $probe->expect(qr{^list ok rev=60 count=1 .* p/9=z\@60$}, 'only the new listing counts');
};

subtest 'R8: answers of another cluster or an older term are dropped' => sub {
    $probe->command('get a');
    $fake->request('/v3/kv/range')->ok({ header => header(70, raft_term => '5') });
    $probe->expect(qr/^get ok/);
    $probe->command('get a');
    $fake->request('/v3/kv/range')->ok({ header => header(70, raft_term => '4') });
    $probe->expect(qr/^get unavailable .*term/, 'a member whose raft term went back');
    $probe->command('get a');
    $fake->request('/v3/kv/range')->ok({ header => header(70, cluster_id => '1') });
    $probe->expect(qr/^get unavailable .*another etcd cluster/, 'a read from another cluster');
    $probe->command('put a x');
    $fake->request('/v3/kv/put')->ok({ header => header(70, cluster_id => '1') });
    $probe->expect(qr/^put ambiguous .*another etcd cluster/, 'a write into another cluster');
    is($probe->metric('disbelieved_total'), 3, 'counted');
};

done_testing;
