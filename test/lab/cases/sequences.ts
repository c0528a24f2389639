import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { compare, explain, unlike } from '../../differential/compare.ts';
import { sight } from '../../differential/facts.ts';
import { normalise } from '../../differential/normalise.ts';
import type { Prediction, Sequence } from '../../differential/sequence.ts';
import type { LabCase } from '../guest/case.ts';
import { must } from '../guest/execute.ts';
import { sequenceKernel } from '../guest/sequence-kernel.ts';
import { resetForSequence } from '../guest/sequence-reset.ts';
import { hostModules } from '../guest/topology.ts';
import { vfioModules } from './contract.ts';

/** Sequences in one case: a lab that dies names the case. */
const batch = 25;

/** Differences that are told in full. */
const told = 8;

/**
 * Random sequences of operations, done step by step on this kernel and held against what the simulated one made
 * of them (host/predictions.ts).
 */
export async function sequenceCases(): Promise<readonly LabCase[]> {
  const { start, seed, sequences } = JSON.parse(readFileSync('/share/sequences.json', 'utf8')) as Prediction;
  await must('modprobe', ['--all', ...hostModules, ...vfioModules]);
  await normalise(sequenceKernel);
  const cases = Array.from({ length: Math.ceil(sequences.length / batch) }, (_, index): LabCase => {
    const from = index * batch;
    const mine = sequences.slice(from, from + batch);
    return {
      name: `sequences ${from + 1} to ${from + mine.length}, seed ${seed}: the kernel does what the simulated one did`,
      limit: 20 * batch,
      async run(context) {
        context.afterwards(async () => {
          await resetForSequence(start);
        });
        const found: string[] = [];
        for (const [place, sequence] of mine.entries()) {
          const difference = await runOne(start, sequence);
          if (difference !== undefined) found.push(`sequence ${from + place + 1}:\n${difference}`);
        }
        const steps = mine.reduce((sum, sequence) => sum + sequence.length, 0);
        context.note(`${steps} operations, ${found.length} sequences differ`);
        assert.ok(found.length === 0, found.slice(0, told).join('\n'));
      },
    };
  });
  return [
    {
      name: 'both kernels begin alike',
      run: () => {
        assert.equal(unlike(new Map(Object.entries(start)), sight(sequenceKernel)).join('\n'), '');
      },
    },
    ...cases,
  ];
}

async function runOne(start: Prediction['start'], sequence: Sequence): Promise<string | undefined> {
  const left = await resetForSequence(start);
  if (left.length > 0) return ['  not as it was before the sequence:', ...left].join('\n      ');
  const difference = await compare(sequenceKernel, start, sequence);
  return difference && explain(sequence, difference);
}
