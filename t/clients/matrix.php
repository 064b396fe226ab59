<?php
// The steps of t/fleet/client_matrix.t by PHP's memcached extension.
//
//     matrix.php HOST PORT up|dead
[, $host, $port, $how] = $argv;
$c = new Memcached();
$c->setOption(Memcached::OPT_POLL_TIMEOUT, 10000);
$c->setOption(Memcached::OPT_COMPRESSION, false);
$c->addServer($host, (int)$port);

function told($step, $value) { echo "$step: $value\n"; }
function done($step, $ok) { told($step, $ok ? 'ok' : 'refused'); }
function found($step, $value) { told($step, $value === false ? 'none' : $value); }

function everything($c)
{
    done('set', $c->set('a', 'alpha'));
    found('get', $c->get('a'));
    found('get of nothing', $c->get('nothing'));
    $c->set('b', 'beta');
    $c->set('c', 'gamma');
    $many = $c->getMulti(['a', 'b', 'c', 'nothing']);
    ksort($many);
    told('multiget', implode(' ', array_map(fn($k, $v) => "$k=$v", array_keys($many), $many)));
    done('add of what is there', $c->add('a', 'x'));
    done('add', $c->add('d', 'x'));
    done('replace', $c->replace('d', 'delta'));
    done('replace of nothing', $c->replace('nothing', 'x'));
    done('append', $c->append('d', ']'));
    done('prepend', $c->prepend('d', '['));
    found('joined', $c->get('d'));
    $c->set('n', '10');
    found('incr', $c->increment('n', 5));
    found('decr', $c->decrement('n', 20));
    found('incr of nothing', $c->increment('nothing', 1));
    $token = $c->get('b', null, Memcached::GET_EXTENDED)['cas'];
    done('cas', $c->cas($token, 'b', 'beta2'));
    done('cas again', $c->cas($token, 'b', 'beta3'));
    done('touch', $c->touch('a', 100));
    done('touch of nothing', $c->touch('nothing', 100));
    told('gat', 'not offered');
    $c->set('large', str_repeat('x', 700000));
    told('large', strlen($c->get('large')));
    $every = implode('', array_map('chr', range(0, 255)));
    $c->set('bytes', $every);
    told('bytes', $c->get('bytes') === $every ? 'same' : 'other');
    $c->setOption(Memcached::OPT_NOREPLY, true);
    $c->set('quiet', 'kept');
    $c->setOption(Memcached::OPT_NOREPLY, false);
    found('noreply', $c->get('quiet'));
    done('delete', $c->delete('a'));
    done('delete again', $c->delete('a'));
    found('gone', $c->get('a'));
}

function is_error($c)
{
    return !in_array($c->getResultCode(), [Memcached::RES_SUCCESS, Memcached::RES_NOTFOUND]);
}

function one_is_dead($c)
{
    $keys = array_map(fn($i) => "dead-$i", range(0, 59));
    $stored = array_values(array_filter($keys, fn($k) => $c->set($k, $k)));
    $hits = $read_errors = $delete_errors = 0;
    foreach ($keys as $k) {
        $hits += $c->get($k) === $k;
        $read_errors += is_error($c);
    }
    told('stored', count($stored));
    told('hits', $hits);
    told('multiget', count($c->getMulti($keys)));
    foreach ($keys as $k) {
        $c->delete($k);
        $delete_errors += is_error($c);
    }
    told('read errors', $read_errors);
    told('delete errors', $delete_errors);
    done('afterwards', $c->set($stored[0], 'again') && $c->get($stored[0]) === 'again');
}

$how === 'up' ? everything($c) : one_is_dead($c);
