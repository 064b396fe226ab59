#!/usr/bin/perl
# What mfcontrol does not start with, and says at once instead of in a log later.
use strict;
use warnings;
use Memfleet;

my $program = program_path('mfcontrol');
my @root    = $> == 0 ? qw(-u root) : ();
my $nobody  = 'http://127.0.0.1:' . free_port();
my $dir     = scratch_dir();
spew("$dir/file", 'x');

for my $case (
    [64, qr/option --cluster: expected 1 to 128 letters/, '--cluster', 'a b'],
    [64, qr/option --id: expected 1 to 128 letters/,      '--id',      'a/b'],
    [64, qr/option --lease-ttl|options --lease-ttl/,      '--lease-ttl', '1s'],
    [1,  qr/an etcd user needs a password file/,          '--etcd-user', 'me'],
    [1,  qr{\Q$dir\E/none: No such file},                 '--etcd-user', 'me', '--etcd-password-file', "$dir/none"],
    [1,  qr{\Q$dir\E/none: No such file},                 '--etcd-ca', "$dir/none"],
    [1,  qr/a client certificate and its key are needed together/, '--etcd-cert', "$dir/file"],
    [1,  qr/a client certificate and its key are needed together/, '--etcd-key',  "$dir/file"],
    [1,  qr{option --state-dir: '\Q$dir\E/no/where': No such file}, '--state-dir', "$dir/no/where"],
    [1,  qr{option --state-dir: '\Q$dir\E/file': not a folder},     '--state-dir', "$dir/file"],
) {
    my ($want, $pattern, @args) = @$case;
    my @all = ('--etcd', $nobody, '--cluster', 'c', '--listen', '127.0.0.1:0', @root, @args);
    my $out = qx{'$program' @{[ map { "'$_'" } @all ]} 2>&1};
    is($? >> 8, $want, "@args: exit status $want");
    like($out, qr/\Amfcontrol: .*$pattern.*\n\z/, '... and why, in one line');
}

# mfctl looks at the same files.
my $out = qx{'@{[ program_path('mfctl') ]}' --etcd $nobody --cluster c --etcd-ca '$dir/none' status 2>&1};
is($? >> 8, 64, 'mfctl: a certificate that is not there is a wrong command line');
like($out, qr{\Amfctl status: \Q$dir\E/none: No such file.*\n\z}, '... and which');

done_testing;
