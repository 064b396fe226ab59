# What the programs say of themselves: --help and the manual page have every row
# of the option table, and a wrong option is answered with what was expected.
use strict;
use warnings;
use Memfleet;

my %source = (
    mfcached  => 'cached',
    mfproxy   => 'proxy',
    mfcontrol => 'control',
    mfctl     => 'control',
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

# The names in the rows X('l', "listen", ...) of a program's option tables.
sub rows_of {
    my ($program) = @_;
    my $upper = uc $program;
    my @names;
    for my $file (glob(srcdir() . "/$source{$program}/*.[ch]")) {
        my $text = slurp($file);
        while ($text =~ /^#define ${upper}\w*OPTIONS\w*\(X\)((?:.*\\\n)*.*)/mg) {
            my $rows = $1;
            while ($rows =~ /\bX\(\s*('.'|0)\s*,\s*(?:"([^"]+)"|NULL)\s*,/g) {
                push @names, defined $2 ? $2 : substr($1, 1, 1);
            }
        }
    }
    return @names;
}

# Options as a text lists them, without dashes.
sub options_in {
    my ($text) = @_;
    my %seen;
    $seen{$1} = 1 while $text =~ /(?:^|[\s,])--?([A-Za-z][\w-]*)/mg;
    $seen{$1} = 1 while $text =~ /-o ([a-z][\w-]*)/g;
    return \%seen;
}

for my $program (sort keys %source) {
    my ($status, $help, $err) = run($program, '--help');
    is("$status$err", '0', "$program --help");
    like($help, qr/\AUsage: $program /, 'begins with the usage');
    is((run($program, '-h'))[1], $help, '-h is the same');

    my ($version_status, $version) = run($program, '--version');
    like("$version_status $version", qr/\A0 $program \d+\.\d+\.\d+\n\z/, "$program --version");

    my @rows = rows_of($program);
    cmp_ok(scalar @rows, '>', 2, "$program has an option table");
    my $in_help = options_in($help);
    is(join(' ', grep { !$in_help->{$_} } @rows), '', '--help has every row of it');

    my $page = slurp(builddir() . "/docs/$program.1") =~ s/\\(.)/$1/gr;
    my $in_page = options_in($page);
    is(join(' ', grep { !$in_page->{$_} } sort keys %$in_help), '', 'so has the manual page');

    ($status, my $out, $err) = run($program, '--no-such-option');
    is("$status$out", '64', 'an unknown option is a usage error');
    like($err, qr/\A$program: .*--no-such-option.*\n\z/, 'which names it in one line');

    # Every option that takes a number, from the help's own argument names.
    my @numbers = $help =~ /--([\w-]+)=(?:N|MB|NUM)\b/g;
    for my $option (@numbers) {
        ($status, $out, $err) = run($program, "--$option=many");
        is("$status$out", '64', "--$option=many");
        like($err, qr/\A$program: .*--$option.*'many' is not a .*\n\z/, 'says what was expected');
    }
}

done_testing;
