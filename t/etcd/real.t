# The etcd client against one real etcd: every call, watches through compaction
# and a restore from backup, authentication.
use strict;
use warnings;

use IO::Socket::INET ();
use Memfleet;
BEGIN { skip_without('etcd', 'etcdctl') }
use Memfleet::Etcd;
use Memfleet::FakeEtcd;

my $etcd = Memfleet::Etcd->start;
# Patient: no deadline is what is tested here.
my $probe = etcd_probe($etcd->urls, { args => ['--read-ms', 20_000, '--write-ms', 20_000] });

sub ask_like {
    my ($command, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like($probe->ask($command), $pattern, $name);
    return;
}

subtest 'every call means what its name says' => sub {
    ask_like('get a', qr/^get ok rev=1 count=0 /, 'nothing there');
    ask_like('put a one', qr/^put ok rev=2 /, 'put');
    ask_like('get a', qr/^get ok rev=2 count=1 .* a=one\@2$/, 'get');
    ask_like('cas a 0 x', qr/ succeeded=0 .*\[1 kvs/, 'a compare that does not hold: the other branch');
    ask_like('cas a 2 two', qr/^cas ok rev=3 .* succeeded=1 /, 'one that holds');
    ask_like('cas new 0 x', qr/^cas ok rev=4 .* succeeded=1 /, 'absent is mod_revision 0');
    ask_like('list -', qr/^list ok rev=4 count=2 .* a=two\@3 new=x\@4$/, 'list');
    ask_like('del a', qr/^del ok rev=5 .* deleted=1 /, 'delete');
    ask_like('put p/1 x', qr/ok/);
    ask_like('put p/2 x', qr/ok/);
    ask_like('put q x', qr/ok/);
    ask_like('delprefix p/', qr/ deleted=2 /, 'delete a prefix');
    ask_like('list -', qr/ count=2 .* new=x\@4 q=x\@8$/, 'and nothing else');
    ask_like('status 0', qr/ version=3\.\d+\.\d+ has_leader=1 is_leader=1$/, 'status');
    ask_like('members', qr/ member=m0$/, 'members');
};

subtest 'leases' => sub {
    my ($id) = $probe->ask('grant 60') =~ /^grant ok .* lease=(\d+) ttl=60$/;
    ok($id, 'grant');
    ask_like("put l x $id", qr/^put ok/, 'put under it');
    ask_like("keepalive $id", qr/^keepalive ok .* lease=$id ttl=60$/, 'keepalive');
    ask_like("revoke $id", qr/^revoke ok/, 'revoke');
    ask_like('get l', qr/ count=0 /, 'takes its keys along');
    ask_like("keepalive $id", qr/^keepalive not-found .*gone/, 'keepalive of one that is gone');
    ask_like("put l x $id", qr/^put not-found .*lease not found/, 'put under one that is gone');
    ask_like("revoke $id", qr/^revoke not-found/, 'revoke of one that is gone');
};

subtest 'a listing of more keys than a page has' => sub {
    $probe->command("put many/$_ x") for 1 .. 1100;
    $probe->expect(qr/^put ok/) for 1 .. 1100;
    ask_like('list many/', qr/^list ok rev=\d+ count=1100 /, 'all of them, joined');
    ask_like('delprefix many/', qr/ deleted=1100 /);
};

subtest 'a watch: changes as they are made' => sub {
    $probe->command('watch w/ 60000 0 0');
    $probe->expect(qr/^live 1$/);
    $probe->command('put w/1 a');
    $probe->expect(qr{^event put w/1=a\@(\d+)$}, 'put');
    ask_like('put other x', qr/^put ok/);
    my @meanwhile = $probe->skipped;
    $probe->command('put w/1 b');
    $probe->expect(qr{^event put w/1=b\@\d+ was w/1=a\@\d+$}, 'and what it replaced');
    ok(!(grep { /^event.* other/ } @meanwhile, $probe->skipped), 'of its prefix only');
    $probe->command('put w/2 c');
    $probe->expect(qr{^event put w/2=c}); # an older `synced` may still wait to be read
    $probe->expect(qr{^synced});
    $probe->command('delprefix w/');
    $probe->expect(qr{^event delete w/1=\@(\d+) was w/1=b});
    $probe->expect(qr{^event delete w/2=\@\d+ was w/2=c}, 'both deletes');
    ok(!(grep { /^synced/ } $probe->skipped), 'of one transaction come in one piece');
    $probe->command('unwatch');
};

# A gateway in between, so that the test decides what reaches etcd and when.
sub pass_on {
    my ($rq) = @_;
    my ($host) = ($etcd->urls)[0] =~ m{//(.*)};
    my $s = IO::Socket::INET->new(PeerAddr => $host, Proto => 'tcp') or die $!;
    my $body = $rq->body;
    syswrite($s, 'POST ' . $rq->path . " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body");
    return $s;
}

sub pass_back {
    my ($rq, $s, $until) = @_;
    my $all = '';
    while (sysread($s, my $bytes, 65536)) {
        $rq->raw($bytes);
        $all .= $bytes;
        last if $all =~ $until;
    }
    return;
}

subtest 'compaction between the list and the watch' => sub {
    my $between = Memfleet::FakeEtcd->new;
    my $far = etcd_probe($between->url);
    ask_like('put c/1 old', qr/ok/);
    $far->command('watch c/ 60000 0 0');
    my $list = $between->request('/v3/kv/range');
    pass_back($list, pass_on($list), qr/\}\z/);
    $far->expect(qr{^snapshot rev=\d+ count=1 c/1=old});
    my $watch = $between->request('/v3/watch');
    ask_like('put c/1 newer', qr/ok/);
    my ($revision) = $probe->ask('put c/1 newest') =~ /rev=(\d+)/;
    $etcd->call('/v3/kv/compaction', { revision => $revision });
    pass_back($watch, pass_on($watch), qr/compact_revision/);
    my $relist = $between->request('/v3/kv/range');
    pass('compacted: listed again');
    pass_back($relist, pass_on($relist), qr/\}\z/);
    $far->expect(qr{^snapshot rev=$revision count=1 c/1=newest\@$revision$}, 'nothing is missed');
    my $rewatch = $between->request('/v3/watch');
    my $stream = pass_on($rewatch);
    pass_back($rewatch, $stream, qr/created/);
    ask_like('put c/2 more', qr/ok/);
    pass_back($rewatch, $stream, qr/events/);
    $far->expect(qr{^event put c/2=more}, 'and the watch goes on');
};

subtest 'a restore from backup takes the store back in time' => sub {
    my $backup = scratch_dir() . '/backup.db';
    ask_like('put r/1 kept', qr/ok/);
    $etcd->snapshot($backup);
    ask_like("put r/2 lost$_", qr/ok/) for 1 .. 5;
    $probe->command('watch r/ 60000 0 0');
    my ($before) = $probe->expect(qr{^snapshot rev=\d+ count=2 }) =~ /rev=(\d+)/;
    $etcd->restore($backup);
    my ($after) = $probe->expect(qr/^regressed rev=\d+ count=1$/) =~ /rev=(\d+)/;
    cmp_ok($after, '<', $before, 'noticed, and the owner asked');
    ok(!(grep { /^snapshot/ } $probe->skipped), 'the view is the last good one');
    is($probe->metric('watch_regressed'), 1, 'the alarm is on');
    $probe->command('adopt');
    $probe->expect(qr{^snapshot rev=\d+ count=1 r/1=kept}, 'adopted when the owner says so');
    $probe->expect(qr{^live 1});
    ask_like('put r/3 new', qr/^put ok/, 'calls work too');
    $probe->expect(qr{^event put r/3=new}) if !grep { m{^event put r/3=new} } $probe->skipped;
    pass('and the watch sees what happens now');
    $probe->command('unwatch');
};

subtest 'authentication' => sub {
    my $file = scratch_dir() . '/password';
    spew($file, "open sesame\n");
    $etcd->call('/v3/auth/user/add', { name => 'root', password => 'root' });
    $etcd->call('/v3/auth/user/grant', { user => 'root', role => 'root' });
    $etcd->call('/v3/auth/user/add', { name => 'ctl', password => 'open sesame' });
    $etcd->call('/v3/auth/role/add', { name => 'ctl' });
    $etcd->call('/v3/auth/role/grant', { name => 'ctl', perm => {
        permType => 'READWRITE', key => b64('/mf/'), range_end => b64('/mf0') } });
    $etcd->call('/v3/auth/user/grant', { user => 'ctl', role => 'ctl' });
    $etcd->call('/v3/auth/enable', {});
    ask_like('get a', qr/^get auth .*user name is empty/, 'without a user: refused');
    my $known = etcd_probe($etcd->urls, { args => ['-u', 'ctl', '--password-file', $file] });
    like($known->ask('put a x'), qr/^put ok/, 'with one: served');
    $known->command('watch - 60000 0 0');
    $known->expect(qr/^live 1$/, 'watches too');
    like($known->ask('put b x'), qr/^put ok/);
    $known->expect(qr/^event put b=x/) if !grep { /^event put b=x/ } $known->skipped;
    spew($file, "wrong\n");
    my $wrong = etcd_probe($etcd->urls, { args => ['-u', 'ctl', '--password-file', $file] });
    like($wrong->ask('get a'), qr/^get auth .*authentication/, 'with a wrong password: refused');
};

done_testing;
