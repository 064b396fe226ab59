# The steps of t/fleet/client_matrix.t by a Perl client.
#
#     matrix.pl Cache::Memcached|Cache::Memcached::Fast HOST PORT up|dead
use strict;
use warnings;

my ($module, $host, $port, $how) = @ARGV;
eval "require $module; 1" or die $@;
my %settings = (servers => ["$host:$port"]);
$settings{$_} = 10 for $module eq 'Cache::Memcached' ? 'select_timeout' : 'io_timeout';
my $c = $module->new(\%settings);

sub told  { printf "%s: %s\n", @_ }
sub done  { my ($step, $value) = @_; told($step, $value ? 'ok' : 'refused') }
sub found { my ($step, $value) = @_; told($step, $value // 'none') }

# Calls a method that not every client has.
sub offered {
    my ($tell, $step, $method, @args) = @_;
    return $c->can($method) ? $tell->($step, $c->$method(@args)) : told($step, 'not offered');
}

sub everything {
    done('set', $c->set('a', 'alpha'));
    found('get', $c->get('a'));
    found('get of nothing', $c->get('nothing'));
    $c->set('b', 'beta');
    $c->set('c', 'gamma');
    my $many = $c->get_multi('a', 'b', 'c', 'nothing');
    told('multiget', join(' ', map { "$_=$many->{$_}" } sort keys %$many));
    done('add of what is there', $c->add('a', 'x'));
    done('add', $c->add('d', 'x'));
    done('replace', $c->replace('d', 'delta'));
    done('replace of nothing', $c->replace('nothing', 'x'));
    offered(\&done, 'append', 'append', 'd', ']');
    offered(\&done, 'prepend', 'prepend', 'd', '[');
    found('joined', $c->get('d')) if $c->can('append');
    $c->set('n', '10');
    found('incr', $c->incr('n', 5));
    found('decr', $c->decr('n', 20) + 0);
    my $none = $c->incr('nothing', 1);
    found('incr of nothing', defined $none && $none eq '' ? undef : $none);
    if ($c->can('cas')) {
        my $token = $c->gets('b')->[0];
        done('cas', $c->cas('b', $token, 'beta2'));
        done('cas again', $c->cas('b', $token, 'beta3'));
    }
    offered(\&done, 'touch', 'touch', 'a', 100);
    offered(\&done, 'touch of nothing', 'touch', 'nothing', 100);
    if ($c->can('gat')) {
        found('gat', $c->gat(100, 'a'));
    }
    $c->set('large', 'x' x 700_000);
    told('large', length($c->get('large')));
    my $every = join('', map { chr } 0 .. 255);
    $c->set('bytes', $every);
    told('bytes', $c->get('bytes') eq $every ? 'same' : 'other');
    $c->set('quiet', 'kept'); # in void context Fast asks for no reply
    found('noreply', $c->get('quiet'));
    done('delete', $c->delete('a'));
    done('delete again', $c->delete('a'));
    found('gone', $c->get('a'));
    return;
}

sub one_is_dead {
    my @keys = map { "dead-$_" } 0 .. 59;
    my @stored = grep { my $ok = $c->set($_, $_); $ok } @keys;
    told('stored', scalar @stored);
    told('hits', scalar grep { ($c->get($_) // '') eq $_ } @keys);
    told('multiget', scalar keys %{ $c->get_multi(@keys) });
    my $ignored = $c->delete($_) for @keys;
    told('read errors', 0);   # it has none to tell
    told('delete errors', 0); # nor here
    done('afterwards', $c->set($stored[0], 'again') && $c->get($stored[0]) eq 'again');
    return;
}

$how eq 'up' ? everything() : one_is_dead();
