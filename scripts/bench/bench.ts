/**
 * Measures what the hook costs and prints the table of docs/benchmarks.md. In each round every form runs once, so that
 * a busy moment touches all of them; a line is the median of what the rounds came to, with the smallest and the largest.
 * Absolute times depend on the computer: but for a few differences in milliseconds everything is a ratio.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeControlGroup } from './control-group.ts';
import { installedHook } from './launcher.ts';
import { environment, measure, measurePeak } from './measure.ts';
import { whyNoPlainHost } from './files/plain-host.ts';
import type { Scene } from './form.ts';
import { cardScene } from './scenes/card.ts';
import { simulatedScene } from './scenes/simulated.ts';
import { markdown, spreadOf, type Values } from './table.ts';

const WARM_UPS = 3;
/** Runs in which memory is looked at: it hardly differs from one to the next. */
const LOOKS_AT_MEMORY = 3;

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '30' }, only: { type: 'string', default: '' } },
});
const rounds = Number(options.rounds);

const leaking = Object.keys(environment).filter((name) => /^(?:NODE_|SSL_|OPENSSL)/.test(name));
if (leaking.length > 0) throw new Error(`${leaking.join(', ')} would change what a bare Node costs`);

/** Only the scenes that have a line with the text. */
function wanted(scenes: readonly Scene[]): Scene[] {
  const text = options.only.toLowerCase();
  return scenes
    .map((scene) => ({
      ...scene,
      rows: scene.rows.filter(({ what, against }) => `${what} ${against}`.toLowerCase().includes(text)),
    }))
    .filter(({ rows }) => rows.length > 0);
}

const directory = mkdtempSync(join('/dev/shm', 'vfio-hook-bench-'));
const group = makeControlGroup();
const started: Scene[] = [];
try {
  const hook = installedHook(directory);
  started.push(simulatedScene(hook, directory));
  const missing = whyNoPlainHost();
  if (missing === undefined) started.push(await cardScene(hook, directory));
  const scenes = wanted(started);

  const samples = new Map<string, number>();
  const key = (form: string, measured: string, round: number): string => `${form}\0${measured}\0${round}`;
  for (let round = -WARM_UPS; round < rounds; round += 1) {
    for (const { forms, every = 1 } of scenes) {
      if (round % every !== 0) continue;
      for (const form of forms) {
        const { wallMs, cpuMs } = await measure(form, group);
        samples.set(key(form.name, 'time', round), wallMs);
        samples.set(key(form.name, 'CPU', round), cpuMs);
      }
    }
  }
  for (let round = 0; round < LOOKS_AT_MEMORY; round += 1) {
    for (const { forms, rows } of scenes) {
      if (!rows.some((row) => row.measure === 'memory')) continue;
      for (const form of forms) samples.set(key(form.name, 'memory', round), await measurePeak(form));
    }
  }

  const values: Values = (form, measured, round) => samples.get(key(form, measured, round));
  const lines = scenes.flatMap(({ rows }) =>
    rows.flatMap((row) => {
      const spread = spreadOf(row, values, Math.max(rounds, LOOKS_AT_MEMORY));
      return spread ? [[row, spread] as const] : [];
    }),
  );
  console.log(
    `${rounds} rounds, Node ${process.version}, environment ${Object.keys(environment).join(' ')}.`,
  );
  console.log(
    group
      ? 'CPU is that of all processes of a call, from a control group; memory is the largest resident set of one process.'
      : 'There is no control group (version 2) to use: CPU lacks that of children that nobody waited for.',
  );
  if (missing !== undefined) console.log(`Without the hook on a host of plain files: ${missing}.`);
  console.log(`\n${markdown(lines)}`);
} finally {
  for (const scene of started) scene.stop?.();
  group?.remove();
  rmSync(directory, { recursive: true, force: true });
}
