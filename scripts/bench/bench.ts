/**
 * Measures what the hook costs and prints the table of docs/benchmarks.md. In each round every form runs once, so that
 * a busy moment touches all of them; a line is the median of what the rounds came to, with the smallest and the largest.
 * Absolute times depend on the computer: but for a few differences in milliseconds everything is a ratio.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeControlGroup } from './control-group.ts';
import { whyNoPlainHost } from './files/plain-host.ts';
import { installedHook } from './launcher.ts';
import { environmentSeen } from './measure.ts';
import { runScene } from './run-scene.ts';
import { scenes } from './scenes/scenes.ts';
import { tableHead, tableLine } from './table.ts';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '30' }, only: { type: 'string', default: '' } },
});
const rounds = Number(options.rounds);
const only = options.only.toLowerCase();

const seen = environmentSeen();
const leaking = seen.filter((name) => /^(?:NODE_|SSL_|OPENSSL_|LD_)/.test(name));
if (leaking.length > 0) throw new Error(`${leaking.join(', ')} would change what is measured`);

// What was mounted and made is taken away again, whatever ends the run.
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    interrupted.abort(new Error(name));
  });
}
const directory = mkdtempSync(join('/dev/shm', 'vfio-hook-bench-'));
const group = makeControlGroup();
try {
  const hook = installedHook(directory);
  const missing = whyNoPlainHost();
  console.log(
    [
      `${rounds} rounds, Node ${process.version}, environment ${seen.join(' ')}.`,
      group
        ? 'CPU is that of all processes of a call, from a control group; memory is the largest resident set of one process.'
        : 'There is no control group (version 2) to use: CPU lacks that of children that nobody waited for.',
      ...(missing === undefined ? [] : [`Without the hook on a host of plain files: ${missing}.`]),
    ].join('\n'),
  );
  console.log(`\n${tableHead}`);
  for (const [index, scene] of scenes.entries()) {
    const rows = scene.rows.filter(({ what, against }) => `${what} ${against}`.toLowerCase().includes(only));
    if (rows.length === 0 || (scene.plainHost && missing !== undefined)) continue;
    const where = join(directory, String(index));
    const settings = { hook, directory: where, group, rounds, signal: interrupted.signal };
    for (const [row, spread] of await runScene({ ...scene, rows }, settings)) {
      console.log(tableLine(row, spread));
    }
  }
} finally {
  await group?.remove();
  rmSync(directory, { recursive: true, force: true });
}
