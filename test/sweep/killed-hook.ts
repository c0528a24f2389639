import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { MACHINE_FILE } from '../../simulator/entry.ts';
import { createMachineFile } from '../../simulator/machine.ts';
import { differences, observe } from '../simulator/observe.ts';
import type { JournalEntry } from '../../simulator/state.ts';
import { callHook, installation } from '../hook/compiled.ts';
import { call, claims, configure, fault, guestWith, type Stage } from '../hook/stage.ts';
import { machineSpec, stateDirectory } from '../scenario.ts';
import type { Sweep } from './sweep.ts';

const guest = guestWith(['0000:03:00.0']);

/** The ways back, as they are typed or as libvirt calls them. */
const ways: Readonly<Record<string, (on: Stage) => void>> = {
  release: (on) => {
    isQuiet(call(on, guest, 'release'));
  },
  recover: ({ option }) => {
    const { status, stderr } = callHook(['recover', ...option], { program: installation().command });
    assert.deepEqual([status, stderr], [0, '']);
  },
  'prepare again': (on) => {
    isQuiet(call(on, guest, 'prepare'));
    isQuiet(call(on, guest, 'release'));
  },
};

/** The compiled hook gets a real SIGKILL before and after each kernel write; each way back is the compiled file, too. */
export const killedHook: Sweep = {
  name: 'killed hook',
  compiled: true,
  parts: ['prepare', 'release'],
  run: async (phase, tally) => {
    const writes = onMachine((on) => {
      if (phase === 'release') isQuiet(call(on, guest, 'prepare'));
      const before = on.machine.journal().length;
      isQuiet(call(on, guest, phase === 'prepare' ? 'prepare' : 'release'));
      return on.machine.journal().slice(before);
    });
    for (const [index, write] of writes.entries()) {
      for (const when of ['before', 'after'] as const) {
        for (const [way, comeToRest] of Object.entries(ways)) {
          await tally.point(`${when} write ${index + 1} (${write.path}), then ${way}`, () => {
            onMachine((on) => {
              const before = observe(on.machine.state());
              dies(on, phase, write, when);
              comeToRest(on);
              assert.deepEqual(differences(before, observe(on.machine.state())), []);
              assert.deepEqual(claims(on), {});
            });
          });
        }
      }
    }
  },
};

function dies(
  on: Stage,
  phase: string,
  { operation, path, value }: JournalEntry,
  when: 'before' | 'after',
): void {
  if (phase === 'release') isQuiet(call(on, guest, 'prepare'));
  fault(on, { on: operation, path, value: value.trimEnd(), effect: { kind: 'kill', when } });
  const { signal } = call(on, guest, phase === 'prepare' ? 'prepare' : 'release');
  assert.equal(signal, 'SIGKILL');
  on.machine.perform({ do: 'clear-faults' });
}

function isQuiet({ status, stderr }: { readonly status: number | null; readonly stderr: string }): void {
  assert.deepEqual([status, stderr], [0, '']);
}

function onMachine<T>(action: (on: Stage) => T): T {
  const directory = stateDirectory();
  try {
    const machine = createMachineFile(join(directory, MACHINE_FILE), machineSpec('amd-rdna3-desktop'));
    const on: Stage = { directory, machine, option: ['--simulated-machine', directory] };
    configure(on, 'config.yaml', 'devices:\n  - match: "0000:03:00.0"\n    bars: { 2: 64MiB }\n');
    return action(on);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
