import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { inconsistencies } from './consistency.ts';
import { submit } from '../../simulator/kernel.ts';
import { createMachine, createMachineFile, type Machine } from '../../simulator/machine.ts';
import { differences, observe } from './observe.ts';
import type { Operation } from '../../simulator/operation.ts';
import { rootDirectory } from '../../simulator/view-system.ts';
import type { MachineSpec } from '../../simulator/spec.ts';
import type { MachineState } from '../../simulator/state.ts';
import type { Directory } from '../../simulator/tree.ts';
import { attribute, exampleSpec } from './machines.ts';

type Command = { readonly write: string; readonly value: string } | { readonly perform: Operation };

const addresses = [
  '0000:01:00.0',
  '0000:01:00.1',
  '0000:02:00.0',
  '0000:02:10.0',
  '0000:02:10.2',
  '0000:04:00.0',
  '0000:05:01.0',
  '0000:05:02.0',
  '0000:07:00.0',
  '0000:08:00.0',
  '0000:99:00.0',
];
const drivers = [
  'vfio-pci',
  'pci-stub',
  'bochs-drm',
  'snd_hda_intel',
  'igb',
  'igbvf',
  'e1000',
  'e1000e',
  'nosuch',
];
const modules = ['vfio-pci', 'vfio_pci', 'vfio_iommu_type1', 'igbvf', 'igb', 'bochs', 'snd_hda_intel'];
const guests = ['a', 'b'];

const address = fc.constantFrom(...addresses);
const driver = fc.constantFrom(...drivers);

const write = fc.oneof(
  fc.record({ write: driver.map((name) => `/sys/bus/pci/drivers/${name}/bind`), value: address }),
  fc.record({ write: driver.map((name) => `/sys/bus/pci/drivers/${name}/unbind`), value: address }),
  fc.record({ write: fc.constant('/sys/bus/pci/drivers_probe'), value: address }),
  fc.record({
    write: address.map((one) => attribute(one, 'driver_override')),
    value: fc.oneof(driver, fc.constant('\n'), fc.string()),
  }),
  fc.record({
    write: fc
      .tuple(
        address,
        fc.constantFrom(
          'remove',
          'reset',
          'enable',
          'sriov_numvfs',
          'resource2_resize',
          'sriov_drivers_autoprobe',
        ),
      )
      .map(([one, name]) => attribute(one, name)),
    value: fc.oneof(fc.integer({ min: -1, max: 16 }).map(String), fc.string()),
  }),
  fc.record({
    write: address.map((one) => attribute(one, 'power/control')),
    value: fc.constantFrom('auto', 'on', 'x'),
  }),
  fc.record({
    write: address.map((one) => attribute(one, 'reset_method')),
    value: fc.constantFrom('\n', 'default', 'flr', 'bus pm', 'x'),
  }),
  fc.record({ write: fc.constant('/sys/bus/pci/rescan'), value: fc.constantFrom('1', '0', 'x') }),
  fc.record({
    write: fc.constantFrom('/sys/bus/pci/drivers/vfio-pci/new_id', '/sys/bus/pci/drivers/vfio-pci/remove_id'),
    value: fc.constantFrom('8086 10d3', '1234 beef', '8086', 'x'),
  }),
  fc.record({ write: fc.string().map((text) => `/sys/${text}`), value: fc.string() }),
);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    do: fc.constant('open-group' as const),
    devices: fc.array(address, { minLength: 1, maxLength: 3 }),
    guest: fc.constantFrom(...guests),
  }),
  fc.record({ do: fc.constant('close-group' as const), guest: fc.constantFrom(...guests) }),
  fc.record({
    do: fc.constant('hold-node' as const),
    path: fc.constantFrom('/dev/snd/controlC0', '/dev/dri/card0', '/dev/nosuch'),
    program: fc.constant('pipewire'),
  }),
  fc.record({ do: fc.constant('release-node' as const), path: fc.constant('/dev/snd/controlC0') }),
  fc.record({ do: fc.constantFrom('unplug' as const, 'lose' as const), device: address }),
  fc.record({ do: fc.constantFrom('load' as const, 'unload' as const), module: fc.constantFrom(...modules) }),
  fc.constant({ do: 'reboot' as const }),
  fc.record({
    do: fc.constant('fault' as const),
    rule: fc.record({
      id: fc.constantFrom('one', 'two'),
      on: fc.constantFrom('write' as const, 'probe' as const, 'remove' as const, 'load' as const),
      effect: fc.oneof(
        fc.constant({ kind: 'lie' as const }),
        fc.constant({ kind: 'hang' as const }),
        fc.constant({ kind: 'fail' as const, errno: 'EIO' as const }),
        fc.constant({ kind: 'slow' as const, ms: 0 }),
      ),
    }),
  }),
  fc.record({ do: fc.constant('release-fault' as const), id: fc.constantFrom('one', 'two') }),
);

const commands = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: write },
    { weight: 1, arbitrary: operation.map((one): Command => ({ perform: one })) },
  ),
  { maxLength: 40 },
);

function apply(machine: Machine, command: Command): void {
  if ('perform' in command) {
    machine.perform(command.perform);
    return;
  }
  const work = { do: 'store', path: command.write, data: command.value, create: false } as const;
  machine.store.update((state) =>
    submit(state, { operation: 'write', path: command.write, value: command.value, pid: 1, work }),
  );
}

/** Everything about a machine but its times. */
function timeless(state: MachineState): unknown {
  return {
    ...state,
    clock: 0,
    journal: state.journal.map((entry) => ({ ...entry, at: 0, took: 0 })),
    processes: state.processes.map((process) => ({ ...process, startTime: 0 })),
  };
}

/** Reads every file and link below a directory; throws when a view does. */
function readAll(directory: Directory, depth: number): number {
  let count = 0;
  for (const name of directory.names()) {
    const node = directory.child(name);
    assert.ok(node, name);
    count += 1;
    if (node.kind === 'directory' && depth > 0) count += readAll(node, depth - 1);
    // An interface that is down does not know whether it has a carrier.
    if (node.kind === 'file' && name !== 'carrier') node.text?.();
    if (node.kind === 'node') node.open();
  }
  return count;
}

describe('whatever is done to a machine', () => {
  const changes = fc.record({
    kernel: fc.constantFrom('6.1' as const, '6.12' as const, '7.2' as const),
    groupNumbers: fc.constantFrom('lowest' as const, 'next' as const),
  });
  const changed = (change: Partial<MachineSpec>): MachineSpec => ({ ...exampleSpec('lab-q35'), ...change });

  it('it stays consistent and readable, and comes back with a reboot', () => {
    fc.assert(
      fc.property(changes, commands, (change, all) => {
        const machine = createMachine(changed(change));
        const fresh = observe(machine.state());
        for (const command of all) {
          apply(machine, command);
          assert.deepEqual(inconsistencies(machine.state()), [], JSON.stringify(command));
        }
        assert.ok(readAll(rootDirectory(machine.state()), 9) > 400);
        machine.perform({ do: 'reboot' });
        assert.deepEqual(differences(fresh, observe(machine.state())), []);
      }),
      { numRuns: 60 },
    );
  });

  it('nothing waits any more when nobody holds anything', () => {
    fc.assert(
      fc.property(changes, commands, (change, all) => {
        const machine = createMachine(changed(change));
        for (const command of all) apply(machine, command);
        machine.perform({ do: 'release-fault', id: 'one' });
        machine.perform({ do: 'release-fault', id: 'two' });
        machine.perform({ do: 'clear-faults' });
        for (const guest of guests) machine.perform({ do: 'close-group', guest });
        machine.perform({ do: 'release-node', path: '/dev/snd/controlC0' });
        machine.perform({ do: 'release-node', path: '/dev/dri/card0' });
        const { tasks, locks } = machine.state();
        assert.deepEqual(tasks, []);
        assert.deepEqual(locks, {});
      }),
      { numRuns: 60 },
    );
  });

  it('a machine in a file is the same as one in memory', () => {
    const directory = mkdtempSync(join(tmpdir(), 'simulated-'));
    try {
      fc.assert(
        fc.property(changes, commands, (change, all) => {
          const inMemory = createMachine(changed(change));
          const inFile = createMachineFile(join(directory, 'machine.json'), changed(change));
          for (const command of all) {
            apply(inMemory, command);
            apply(inFile, command);
          }
          assert.deepEqual(timeless(inFile.state()), timeless(inMemory.state()));
        }),
        { numRuns: 15 },
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('the journal', () => {
  it('keeps the latest two thousand calls', () => {
    const machine = createMachine(exampleSpec('lab-q35'));
    machine.store.update((state) => {
      const work = { do: 'fail', errno: 'EIO' } as const;
      for (let count = 0; count < 2100; count += 1) {
        submit(state, { operation: 'write', path: String(count), value: '', pid: 1, work });
      }
    });
    const journal = machine.journal();
    assert.equal(journal.length, 2000);
    assert.equal(journal[0]?.path, '100');
    assert.equal(journal.at(-1)?.result, 'EIO');
  });
});
