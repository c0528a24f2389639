import assert from 'node:assert/strict';
import { copyFileSync, renameSync, rmSync } from 'node:fs';

import type { LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { execute, must } from '../guest/execute.ts';
import { configure } from '../guest/product.ts';
import { barSizes } from '../guest/snapshot.ts';
import { devices } from '../guest/topology.ts';
import { card } from './life-cycle.ts';

const hook = '/etc/libvirt/hooks/qemu';
const rounds = 5;

/** One start and stop of the same guest with its BAR resized, with the product and with the usual shell script. */
export const timingCases: readonly LabCase[] = [
  {
    name: 'one start and stop of the same guest, with this hook and with one of the usual shape',
    limit: 600,
    async run(context) {
      configure(context, 'timed', `devices:\n  - match: "${devices.gpu}"\n    bars: { 2: 2GiB }\n`);
      // libvirt leaves the devices to a hook that detaches them itself.
      const domain = await Domain.define(
        context,
        'timed',
        card.map((device) => ({ ...device, managed: false })),
      );
      const product = `${hook}.product`;
      const measure = async (): Promise<readonly [number, number]> => {
        const start = performance.now();
        await must('virsh', ['-q', 'start', domain.name]);
        const started = performance.now();
        assert.equal(barSizes(devices.gpu)[2], 2 ** 31);
        await domain.destroy();
        return [started - start, performance.now() - started];
      };
      const ours: (readonly [number, number])[] = [];
      const usual: (readonly [number, number])[] = [];
      for (let round = 0; round <= rounds; round += 1) {
        const first = await measure();
        renameSync(hook, product);
        copyFileSync('/share/usual-hook', hook);
        try {
          const second = await measure();
          // The first round warms the caches of the emulated machine.
          if (round > 0) {
            ours.push(first);
            usual.push(second);
          }
        } finally {
          rmSync(hook);
          renameSync(product, hook);
        }
      }
      context.note(`| ${rounds} rounds, median | virsh start | virsh destroy |`);
      for (const [name, times] of [
        ['vfio-hook', ours],
        ['bash and virsh', usual],
      ] as const) {
        context.note(
          `| ${name} | ${seconds(times.map(([start]) => start))} | ${seconds(times.map(([, end]) => end))} |`,
        );
      }
    },
  },
  {
    name: 'a call that has nothing to do costs about as much as an empty shell script',
    limit: 120,
    async run({ note }) {
      const times = { hook: [] as number[], shell: [] as number[], node: [] as number[] };
      for (let round = 0; round < 10; round += 1) {
        times.hook.push((await execute(hook, ['plain', 'started', 'begin', '-'])).milliseconds);
        times.shell.push((await execute('/bin/sh', ['-c', ':'])).milliseconds);
        if (round < 3) times.node.push((await execute('node', ['-e', '0'])).milliseconds);
      }
      note(
        `started/begin ${milliseconds(times.hook)}, sh ${milliseconds(times.shell)}, node ${milliseconds(times.node)}`,
      );
      assert.ok(median(times.hook) < median(times.node) / 4, 'Node must not start for it');
    },
  },
];

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function seconds(values: readonly number[]): string {
  return `${(median(values) / 1000).toFixed(2)} s`;
}

function milliseconds(values: readonly number[]): string {
  return `${median(values).toFixed(0)} ms`;
}
