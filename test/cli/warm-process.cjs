'use strict';

/**
 * Runs calls of the compiled command one after the other, for test/cli/warm-process.ts. Arguments: the launcher, the directory
 * of parts, and milliseconds after which a call counts as hanging. Descriptor 3 has requests, each an array of arguments
 * as a line of JSON; 4 takes exit statuses, a line each.
 */
const { Buffer } = require('node:buffer');
const { readSync, writeSync } = require('node:fs');
const { basename, join } = require('node:path');
const process = require('node:process');
const { Worker } = require('node:worker_threads');

const [, , launcher, directory, patience] = process.argv;
const parts = { launcher, build: basename(directory), load: (name) => require(join(directory, name)) };
const bytes = Buffer.alloc(65_536);

/** How many calls have begun and ended: odd while there is one. */
const calls = new Int32Array(new SharedArrayBuffer(4));

function turn() {
  Atomics.add(calls, 0, 1);
  Atomics.notify(calls, 0);
}

/** Ends this process when a call hangs, also one that never waits. A thread, since only that goes on then. */
function watch() {
  const thread = `const { workerData: { calls, patience } } = require('node:worker_threads');
    for (;;) {
      const seen = Atomics.load(calls, 0);
      const end = Atomics.wait(calls, 0, seen, seen % 2 === 0 ? Infinity : patience);
      if (end === 'timed-out') process.kill(process.pid, 'SIGKILL');
    }`;
  new Worker(thread, { eval: true, workerData: { calls, patience: Number(patience) } }).unref();
}

/** The next line; undefined when whoever asks has ended. Nothing else of this process runs while it waits, as after an end. */
function nextRequest() {
  let text = '';
  while (!text.endsWith('\n')) {
    const count = readSync(3, bytes);
    if (count === 0) return undefined;
    text += bytes.toString('utf8', 0, count);
  }
  return JSON.parse(text);
}

async function serve() {
  for (let args = nextRequest(); args !== undefined; args = nextRequest()) {
    turn();
    const status = await parts.load('main.cjs').main(launcher, args, parts);
    turn();
    writeSync(4, `${status}\n`);
  }
}

watch();
void serve();
