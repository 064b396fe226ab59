# What the programs say of themselves: --help and the manual page have every row
# of the option table, and a wrong option is answered with what was expected.
use strict;
use warnings;
use Memfleet;

# The option tables: headers, and the macros with the rows.
my %table = (
    mfcached  => { 'cached/node_options.h' => 'MFCACHED_OPTIONS' },
    mfproxy   => { 'proxy/proxy_options.h' => 'PROXY_OPTIONS' },
    mfcontrol => { 'control/control_options.h' => 'CONTROL_OPTIONS',
                   'control/etcd_arguments.h' => 'ETCD_ARGUMENTS' },
    mfctl     => { 'control/ctl.h' => 'CTL_OPTIONS',
                   'control/etcd_arguments.h' => 'ETCD_ARGUMENTS' },
);

# (exit status, stdout, stderr)
sub run {
    my ($program, @args) = @_;
    my $dir = scratch_dir();
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        open(STDIN, '<', '/dev/null');
        open(STDOUT, '>', "$dir/out");
        open(STDERR, '>', "$dir/err");
        exec(program_path($program), @args) or POSIX::_exit(127);
    }
    waitpid($pid, 0);
    return ($? >> 8, slurp("$dir/out"), slurp("$dir/err"));
}

# The rows X('l', "listen", NUMBER, ...) of a program: name => type.
sub rows_of {
    my ($program) = @_;
    my %rows;
    while (my ($file, $macro) = each %{ $table{$program} }) {
        my ($text) = slurp(srcdir() . "/$file") =~ /^#define $macro\(X\)((?:.*\\\n)*.*)/m
            or die "$file: no $macro\n";
        while ($text =~ /\bX\(\s*(?:'(.)'|0)\s*,\s*(?:"([^"]+)"|NULL)\s*,\s*(\w+)/g) {
            $rows{$2 // $1} = $3;
        }
    }
    return %rows;
}

# Options as a text lists them, without dashes.
sub options_in {
    my ($text) = @_;
    my %seen;
    $seen{$1} = 1 while $text =~ /(?:^|[\s,])--?([A-Za-z][\w-]*)/mg;
    $seen{$1} = 1 while $text =~ /-o ([a-z][\w-]*)/g;
    return \%seen;
}

for my $program (sort keys %table) {
    my ($status, $help, $err) = run($program, '--help');
    is("$status$err", '0', "$program --help");
    like($help, qr/\AUsage: $program /, 'begins with the usage');
    is((run($program, '-h'))[1], $help, '-h is the same');

    my ($version_status, $version) = run($program, '--version');
    like("$version_status $version", qr/\A0 $program \d+\.\d+\.\d+\n\z/, "$program --version");

    my %rows = rows_of($program);
    cmp_ok(scalar keys %rows, '>', 2, "$program has an option table");
    my $in_help = options_in($help);
    is(join(' ', grep { !$in_help->{$_} } sort keys %rows), '', '--help has every row of it');

    my $page = slurp(builddir() . "/docs/$program.1") =~ s/\\(.)/$1/gr;
    my $in_page = options_in($page);
    is(join(' ', grep { !$in_page->{$_} } sort keys %$in_help), '', 'so has the manual page');

    ($status, my $out, $err) = run($program, '--no-such-option');
    is("$status$out", '64', 'an unknown option is a usage error');
    like($err, qr/\A$program: .*--no-such-option.*\n\z/, 'which names it in one line');

    for my $option (grep { $rows{$_} =~ /^(?:NUMBER|SIZE|MEGABYTES|DURATION)$/ } sort keys %rows) {
        ($status, $out, $err) = run($program, "--$option=many");
        is("$status$out", '64', "--$option=many");
        like($err, qr/\A$program: .*--$option.*'many' is not a .*\n\z/, 'says what was expected');
    }
}

done_testing;
