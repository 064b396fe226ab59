// The steps of t/fleet/client_matrix.t by the npm package memcached.
//
//     matrix.js HOST PORT up|dead
'use strict';
const Memcached = require('memcached');
const [, , host, port, how] = process.argv;
const client = new Memcached(`${host}:${port}`, { timeout: 10000, retries: 0, poolSize: 1 });

// Every call ends in [error, value].
const call = (method, ...args) =>
  new Promise((resolve) => client[method](...args, (error, value) => resolve([error, value])));
const told = (step, value) => console.log(`${step}: ${value}`);
const done = (step, [, value]) => told(step, value ? 'ok' : 'refused');
const found = (step, [, value]) =>
  told(step, value === undefined || value === false ? 'none' : value);

async function everything() {
  done('set', await call('set', 'a', 'alpha', 0));
  found('get', await call('get', 'a'));
  found('get of nothing', await call('get', 'nothing'));
  await call('set', 'b', 'beta', 0);
  await call('set', 'c', 'gamma', 0);
  const [, many] = await call('getMulti', ['a', 'b', 'c', 'nothing']);
  told('multiget', Object.keys(many).sort().map((k) => `${k}=${many[k]}`).join(' '));
  done('add of what is there', await call('add', 'a', 'x', 0));
  done('add', await call('add', 'd', 'x', 0));
  done('replace', await call('replace', 'd', 'delta', 0));
  done('replace of nothing', await call('replace', 'nothing', 'x', 0));
  done('append', await call('append', 'd', ']'));
  done('prepend', await call('prepend', 'd', '['));
  found('joined', await call('get', 'd'));
  await call('set', 'n', '10', 0);
  found('incr', await call('incr', 'n', 5));
  found('decr', await call('decr', 'n', 20));
  found('incr of nothing', await call('incr', 'nothing', 1));
  const [, told_of_b] = await call('gets', 'b');
  done('cas', await call('cas', 'b', 'beta2', told_of_b.cas, 0));
  done('cas again', await call('cas', 'b', 'beta3', told_of_b.cas, 0));
  done('touch', await call('touch', 'a', 100));
  done('touch of nothing', await call('touch', 'nothing', 100));
  await call('set', 'large', 'x'.repeat(700000), 0);
  told('large', (await call('get', 'large'))[1].length);
  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await call('set', 'bytes', every, 0);
  told('bytes', every.equals((await call('get', 'bytes'))[1]) ? 'same' : 'other');
  done('delete', await call('del', 'a'));
  done('delete again', await call('del', 'a'));
  found('gone', await call('get', 'a'));
}

// It shuts a server off for half a minute after one error line, so the proxy in
// front of it says NOT_STORED (on_write_error).
async function oneIsDead() {
  const keys = Array.from({ length: 60 }, (_, i) => `dead-${i}`);
  const stored = [];
  let hits = 0, readErrors = 0, deleteErrors = 0;
  for (const k of keys) {
    const [error, value] = await call('set', k, k, 0);
    if (!error && value) stored.push(k);
  }
  for (const k of keys) {
    const [error, value] = await call('get', k);
    hits += value === k;
    readErrors += error !== undefined && error !== null;
  }
  told('stored', stored.length);
  told('hits', hits);
  const [error, many] = await call('getMulti', keys);
  told('multiget', error ? error : Object.keys(many).length);
  for (const k of keys) {
    const [e] = await call('del', k);
    deleteErrors += e !== undefined && e !== null;
  }
  told('read errors', readErrors);
  told('delete errors', deleteErrors);
  done('afterwards', await call('set', stored[0], 'again', 0));
}

(how === 'up' ? everything() : oneIsDead()).then(() => client.end());
