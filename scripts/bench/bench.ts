/**
 * Measures the hook against a bare Node and a bash dispatcher, round-robin, and prints ratios: medians of the
 * per-round ratio, with the smallest and the largest. Absolute times depend on the machine and are not shown.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { forms } from './forms.ts';
import { environment, measure, type Sample } from './measure.ts';

const WARM_UPS = 3;
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '30' } } });
const rounds = Number(values.rounds);

interface Target {
  readonly of: string;
  readonly by: string;
  readonly measure: 'wallMs' | 'cpuMs' | 'peakKib';
  readonly most?: number;
}

/** What is aimed at; the figures are printed, never asserted. */
const targets: readonly Target[] = [
  { of: 'no-op (started/begin)', by: 'bare node', measure: 'wallMs', most: 0.05 },
  { of: 'no-op (started/begin)', by: 'bash dispatcher, no-op', measure: 'wallMs', most: 1 },
  { of: 'prepare/begin, no host devices', by: 'bare node', measure: 'wallMs', most: 0.15 },
  { of: 'release/end, no host devices', by: 'bare node', measure: 'wallMs', most: 0.15 },
  { of: 'prepare/begin', by: 'bare node', measure: 'cpuMs', most: 2 },
  { of: 'release/end', by: 'bare node', measure: 'cpuMs', most: 2 },
  { of: 'prepare/begin', by: 'bare node', measure: 'wallMs' },
  { of: 'release/end', by: 'bare node', measure: 'wallMs' },
  { of: 'prepare/begin', by: 'bash dispatcher, prepare/begin', measure: 'wallMs' },
  { of: 'prepare/begin', by: 'bare node', measure: 'peakKib', most: 1.3 },
  { of: 'release/end', by: 'bare node', measure: 'peakKib', most: 1.3 },
];

const directory = mkdtempSync(join('/dev/shm', 'vfio-hook-bench-'));
try {
  const all = forms(directory);
  const samples = new Map<string, Sample[]>(all.map(({ name }) => [name, []]));
  for (let round = -WARM_UPS; round < rounds; round += 1) {
    for (const form of all) {
      const sample = await measure(form);
      if (round >= 0) samples.get(form.name)?.push(sample);
    }
  }
  console.log(
    `${rounds} rounds, Node ${process.version}, environment ${Object.keys(environment).join(' ')}\n`,
  );
  console.log(`${'what'.padEnd(32)} ${'compared with'.padEnd(31)} measure  median  (min – max)    target`);
  for (const target of targets) {
    const of = samples.get(target.of) ?? [];
    const by = samples.get(target.by) ?? [];
    const ratios = of
      .map((sample, round) => sample[target.measure] / (by[round]?.[target.measure] ?? NaN))
      .sort((a, b) => a - b);
    const middle = ratios[Math.floor(ratios.length / 2)] ?? NaN;
    const range = `(${(ratios[0] ?? NaN).toFixed(2)} – ${(ratios.at(-1) ?? NaN).toFixed(2)})`;
    const kind = { wallMs: 'time', cpuMs: 'CPU', peakKib: 'memory' }[target.measure];
    const goal = target.most === undefined ? '' : `<= ${target.most.toFixed(2)}`;
    console.log(
      `${target.of.padEnd(32)} ${target.by.padEnd(31)} ${kind.padEnd(7)} ${middle.toFixed(3).padStart(7)}  ${range.padEnd(14)} ${goal}`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
