import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from '../../../simulator/build.ts';
import { simulatedHost } from '../../../simulator/host.ts';
import { catchUp, faultRule } from '../../../simulator/operations.ts';
import type { FaultDescription } from '../../../simulator/operation.ts';
import { readText } from '../../../simulator/read.ts';
import type { MachineSpec } from '../../../simulator/spec.ts';
import { devicePath, type MachineState } from '../../../simulator/state.ts';
import type { Store } from '../../../simulator/store.ts';
import { rootDirectory } from '../../../simulator/view-system.ts';
import { difference, entriesOf, type Entries } from './entries.ts';
import type { ServedFile } from './fuse.ts';
import type { NetworkSetting } from './network.ts';

/** What a host of plain files is like. */
export interface Setting {
  readonly spec: MachineSpec;
  readonly faults?: readonly FaultDescription[];
  readonly network?: NetworkSetting;
}

/** What may change besides the directories of devices. */
const AROUND = ['/sys/bus/pci/drivers', '/sys/class', '/sys/module', '/dev'];

function isWithin(path: string, part: string): boolean {
  return path.startsWith(part) && (path.length === part.length || path[part.length] === '/');
}

/** Everything that is known of each device, by its directory. */
function devicesAsText(state: MachineState): Map<string, string> {
  return new Map(
    Object.values(state.devices).map((device) => [devicePath(state, device), JSON.stringify(device)]),
  );
}

/** Longer than any call that is measured. */
const WITHOUT_END_MS = 600_000;

/** The machine in this process, by the clock of the real one: what takes 300 ms takes 300 ms. */
function liveStore(initial: MachineState): Store {
  let state = initial;
  return {
    read: (look) => look(state),
    update: (change) => {
      // Under another identity: what was made of the old one is not asked for again.
      state = { ...state, journal: state.journal.slice(-100) };
      catchUp(state, performance.now());
      return change(state);
    },
    now: () => performance.now(),
    pause: async (ms) => {
      await delay(Math.min(ms, 1));
    },
  };
}

/** The simulated kernel behind plain files: a write to an attribute goes to it, and the files follow before it returns. */
export interface FileKernel {
  readonly attributes: readonly { readonly path: string; readonly file: ServedFile }[];
}

/**
 * Boots a machine and lays its tree out below `root`; in place of each attribute that can be written stands an empty
 * file, over which the caller mounts what serves it.
 */
export function fileKernel(
  { spec, faults = [] }: Setting,
  root: string,
  tops: readonly string[],
): FileKernel {
  const state = build(spec, 1);
  state.faults = faults.map((fault, index) => faultRule(fault, `fault-${index + 1}`));
  const store = liveStore(state);
  const host = simulatedHost(store);
  const layOut = (parts: readonly string[], there: Entries): Entries => {
    const entries = store.read((now) => entriesOf(rootDirectory(now), parts));
    change(root, difference(there, entries));
    return entries;
  };
  const all = layOut(tops, new Map());
  const there = new Map(all);
  let devices = store.read(devicesAsText);
  /** Only what a write can have changed: a walk through everything takes longer than a kernel does. */
  const follow = (): void => {
    const now = store.read(devicesAsText);
    const changed = [...now].filter(([path, text]) => devices.get(path) !== text).map(([path]) => path);
    devices = now;
    const parts = [...changed, ...AROUND];
    const before = new Map([...there].filter(([path]) => parts.some((part) => isWithin(path, part))));
    const after = layOut(parts, before);
    for (const path of before.keys()) there.delete(path);
    for (const [path, entry] of after) there.set(path, entry);
  };
  const attributes = [...all].flatMap(([path, entry]) =>
    entry.kind === 'attribute'
      ? [
          {
            path,
            file: {
              mode: entry.mode,
              read: (): string => {
                const result = store.read((now) => readText(now, path));
                return result.kind === 'text' ? result.text : '';
              },
              write: async (data: string): Promise<string | undefined> => {
                const result = await host.writeRaw(path, data, WITHOUT_END_MS);
                follow();
                return result.kind === 'refused' ? result.errno : undefined;
              },
            },
          },
        ]
      : [],
  );
  return { attributes };
}

function change(root: string, { gone, fresh }: ReturnType<typeof difference>): void {
  for (const path of gone) rmSync(join(root, path), { recursive: true, force: true });
  for (const [path, entry] of fresh) {
    const real = join(root, path);
    mkdirSync(dirname(real), { recursive: true });
    switch (entry.kind) {
      case 'directory':
        mkdirSync(real, { recursive: true });
        break;
      case 'link':
        symlinkSync(entry.target, real);
        break;
      case 'attribute':
        writeFileSync(real, '', { mode: entry.mode });
        break;
      case 'file':
        writeFileSync(real, entry.content);
    }
  }
}
