# The tarball that `make dist` makes holds every file of the repository, so that
# whoever unpacks it can build and run the same tests.
use strict;
use warnings;
use Memfleet;

plan(skip_all => 'needs a git clone, and this tree is none') if !-e srcdir() . '/.git';
plan(skip_all => 'needs git, which is not installed') if !defined program_path('git');

# What is of use in a clone only.
my $not_shipped = qr{^(?:\.gitignore|\.editorconfig|\.clang-format)$};

my $dir = scratch_dir();
my $src = srcdir();
my @tracked = grep { $_ !~ $not_shipped } `git -C '$src' -c safe.directory='*' ls-files`
    =~ /^(.+)$/mg;
cmp_ok(scalar @tracked, '>', 50, 'git lists the tree');

# Not through `make check`'s own job server, which is not ours to use.
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
my $log = `make -C '@{[ builddir() ]}' distdir distdir='$dir/tree' am__remove_distdir=: 2>&1`;
is($?, 0, 'make distdir') or diag($log);

my @missing = grep { !-e "$dir/tree/$_" } @tracked;
is("@missing", '', 'every tracked file is in it');

# A file of the tree that is neither tracked nor made by autotools came by
# accident: a backup, a core file, a build product.
my %tracked = map { $_ => 1 } @tracked;
my @extra = grep { !$tracked{$_} && !m{^(?:build-aux/|aclocal\.m4|configure$|config\.h\.in$|Makefile\.in$)} }
    map { s{^\Q$dir/tree/\E}{}r } `find '$dir/tree' -type f` =~ /^(.+)$/mg;
is("@extra", '', 'and nothing else');

done_testing;
