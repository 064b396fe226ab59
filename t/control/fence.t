#!/usr/bin/perl
# A leader's write that arrives after another was elected and has published: the
# fence refuses it (I3). A relay holds it back on its way to etcd.
use strict;
use warnings;
use Memfleet;
use Memfleet::Hold;
use Memfleet::Plane;

my $plane = Memfleet::Plane->new(pool => ['--min-nodes', 1]);
my ($url) = $plane->etcd->urls;
my $relay = Memfleet::Hold->new($url =~ s{^http://}{}r);
my $first = $plane->control('--etcd', 'http://' . $relay->addr);
$plane->leader($first);
my $second = $plane->control;
my $node = $plane->node($second, 'n1', '10.0.0.1:11211');
my $proxy = $plane->proxy($second, 'p');
is($proxy->wait_frame('TABLE')->{by}, 'control1', 'the first leads');

$relay->hold;
my $admit = sub {
    my ($id, $addr) = @_;
    return $plane->put("intent/nodes/$id", JSON::PP::encode_json(
        { action => 'admit', id => $id, pool => 'main', addr => $addr }));
};
$admit->('late', '10.0.0.2:11211');
$first->wait_log(qr/event=table_publishing epoch=2/);
pass('its publication is on its way');
wait_until(sub { $plane->metric($second, 'leader') }, deadline(20), 'the other leads');
my $table = $proxy->wait_table(sub { $_[0]{epoch} == 2 });
is($table->{by}, 'control2', 'another leads and publishes epoch 2');
my $head = $plane->get('table/head');

$relay->release;
$first->wait_log(qr/event=table_not_published epoch=2 outcome=fenced/);
is($plane->metric($first, 'publishes_fenced_total'), 1, 'the late write is refused, and counted');
is($plane->get('table/head'), $head, 'the head is as the new leader wrote it');
$admit->('next', '10.0.0.3:11211');
$table = $proxy->wait_table(sub { $_[0]{epoch} == 3 });
is($table->{by}, 'control2', 'and the new leader goes on');
my $other = $plane->proxy($first, 'p2');
is($other->wait_table(sub { $_[0]{epoch} == 3 })->{by}, 'control2', 'the old one serves that');
is($plane->metric($_, 'tables_refused_total'), 0, 'no two tables had one epoch') for $first, $second;

done_testing;
