# The etcd client over TLS with client certificates, against a real etcd.
use strict;
use warnings;

use Memfleet;
BEGIN { skip_without('etcd', 'openssl') }
use Memfleet::Etcd;
use Memfleet::EtcdProbe;

my $dir = scratch_dir();

sub openssl {
    my (@args) = @_;
    system("openssl @args >>$dir/openssl.log 2>&1") == 0
        or die "openssl @args: " . slurp("$dir/openssl.log");
    return;
}

sub authority {
    my ($name) = @_;
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /O=$name",
            "-keyout $dir/$name.key -out $dir/$name.pem");
    return "$dir/$name.pem";
}

# The gateway dials back to etcd with the server's certificate, so that one must
# be good for clients too; a client's must have no CN, or etcd's authentication
# would take it for a user.
sub certificate {
    my ($ca, $name) = @_;
    spew("$dir/$name.ext", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n");
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=$name",
            "-keyout $dir/$name.key -out $dir/$name.csr");
    openssl("x509 -req -in $dir/$name.csr -CA $ca -CAkey", $ca =~ s/pem$/key/r,
            "-CAcreateserial -days 2 -extfile $dir/$name.ext -out $dir/$name.pem");
    return ("$dir/$name.pem", "$dir/$name.key");
}

my $ca = authority('ca');
my $other_ca = authority('other');
my ($server_cert, $server_key) = certificate($ca, 'server');
my ($client_cert, $client_key) = certificate($ca, 'client');
my $etcd = Memfleet::Etcd->start(tls => { ca => $ca, cert => $server_cert, key => $server_key });

my @identity = ('--cert', $client_cert, '--key', $client_key);
my $probe = etcd_probe($etcd->urls, { args => ['--ca', $ca, @identity] });
like($probe->ask('put a one'), qr/^put ok/, 'a call');
$probe->command('watch - 60000 0 0');
$probe->expect(qr/^live 1$/, 'a watch');
$probe->command('put a two');
$probe->expect(qr/^event put a=two/, 'and what it sees');

my $stranger = etcd_probe($etcd->urls, { args => ['--ca', $ca] });
like($stranger->ask('put a three'), qr/^put (?:ambiguous|unavailable)/, 'without a certificate: no');
my $wary = etcd_probe($etcd->urls, { args => ['--ca', $other_ca, @identity] });
like($wary->ask('put a three'), qr/^put unavailable .*certificate/i,
     'a server of another authority: not a byte is sent');
like($probe->ask('get a'), qr/ a=two\@/, 'nothing was written by either');

done_testing;
