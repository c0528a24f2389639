import assert from 'node:assert/strict';
import { budgetOf } from '../../src/engine/budget.ts';
import { execute, type ExecuteOptions } from '../../src/engine/execute.ts';
import { VfioHookError } from '../../src/errors.ts';
import type { Host } from '../../src/host/host.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import type { Step } from '../../src/steps/step.ts';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import { machineSpec, pci } from '../scenario.ts';

/** One card of four functions. */
const CARD = ['0000:01:00.0', '0000:01:00.1', '0000:01:00.2', '0000:01:00.3'].map(pci);
const [FIRST, SECOND, THIRD, LAST] = CARD.map(sysfs.driverOverride) as [string, string, string, string];
const overrides = CARD.map((key): Step => ({
  kind: 'set',
  attribute: 'driver-override',
  key,
  to: 'vfio-pci',
}));

interface Done {
  readonly sentences: readonly string[];
  readonly stuck: readonly unknown[];
  /** Results in the log, in order. */
  readonly results: readonly string[];
  /** Reads by a child and writes, in order: `read 4`, `write 0000:01:00.0`. */
  readonly calls: readonly string[];
}

async function done(
  machine: Machine,
  change: Partial<ExecuteOptions> = {},
  steps: readonly Step[] = overrides,
): Promise<Done> {
  const calls: string[] = [];
  const results: string[] = [];
  const plain = change.host ?? machine.host();
  const host: Host = {
    ...plain,
    readLocked: (paths, deadlineMs) => {
      calls.push(`read ${paths.length}`);
      return plain.readLocked(paths, deadlineMs);
    },
    write: (path, value, deadlineMs) => {
      calls.push(`write ${/0000:[\w:.]+/.exec(`${path} ${value}`)?.[0] ?? path}`);
      return plain.write(path, value, deadlineMs);
    },
  };
  const failures = await execute(steps, {
    log: { write: ({ result }) => results.push(result ?? ''), close: () => undefined },
    budget: budgetOf(host, { kernelWrite: 2500, run: 60_000 }),
    onFailure: 'stop',
    ...change,
    host,
  });
  return {
    sentences: failures.map(({ sentence }) => sentence),
    stuck: failures.flatMap(({ stuck }) => stuck?.path ?? []),
    results,
    calls,
  };
}

function shown(machine: Machine): (string | undefined)[] {
  const { devices } = machine.state();
  return CARD.map((address) => devices[address]?.driverOverride);
}

const VFIO = 'vfio-pci';
const writes = (...numbers: readonly number[]): string[] =>
  numbers.map((number) => `write ${CARD[number] ?? ''}`);

describe('neighbours that are read back together', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = createMachine(machineSpec('nvidia-desktop'));
  });
  const fault = (
    path: string,
    effect: 'lie' | 'hang' | 'fail',
    on: 'read' | 'write' = 'write',
    nth = 1,
  ): void => {
    machine.perform({
      do: 'fault',
      rule: { path, on, nth, effect: effect === 'fail' ? { kind: 'fail', errno: 'EIO' } : { kind: effect } },
    });
  };

  it('are four writes in order between two reads', async () => {
    assert.deepEqual(await done(machine), {
      sentences: [],
      stuck: [],
      results: ['done', 'done', 'done', 'done'],
      calls: ['read 4', ...writes(0, 1, 2, 3), 'read 4'],
    });
    assert.deepEqual(shown(machine), [VFIO, VFIO, VFIO, VFIO]);
  });

  it('are one read when all is so already', async () => {
    await done(machine);
    assert.deepEqual(await done(machine), {
      sentences: [],
      stuck: [],
      results: ['skipped', 'skipped', 'skipped', 'skipped'],
      calls: ['read 4'],
    });
  });

  it('are written where they are not so already', async () => {
    await done(machine, {}, overrides.slice(1, 3));
    const { results, calls } = await done(machine);
    assert.deepEqual(results, ['done', 'skipped', 'skipped', 'done']);
    assert.deepEqual(calls, ['read 4', ...writes(0, 3), 'read 2']);
  });

  it('are no more than one where something else is between them', async () => {
    const power: Step = { kind: 'set', attribute: 'power-control', key: pci('0000:01:00.0'), to: 'auto' };
    const { sentences, calls } = await done(machine, {}, [
      ...overrides.slice(0, 2),
      power,
      ...overrides.slice(2),
    ]);
    assert.deepEqual(sentences, []);
    assert.deepEqual(calls, [
      'read 2',
      ...writes(0, 1),
      'read 2',
      ...writes(0),
      'read 2',
      ...writes(2, 3),
      'read 2',
    ]);
  });

  it('each fail for themselves when a write was a success and did nothing', async () => {
    fault(SECOND, 'lie');
    const { sentences, results, calls } = await done(machine);
    assert.deepEqual(sentences, [
      `cannot set driver override of ${CARD[1] ?? ''} to vfio-pci: the kernel reported success, but driver_override reads "(null)" afterwards`,
    ]);
    assert.deepEqual(
      results.map((result) => result.split(':')[0]),
      ['done', 'failed', 'done', 'done'],
    );
    assert.deepEqual(calls, ['read 4', ...writes(0, 1, 2, 3), 'read 4']);
  });

  it('end with a write that was refused, which is read back before anything else is written', async () => {
    fault(SECOND, 'fail');
    const { sentences, calls } = await done(machine);
    assert.equal(sentences.length, 1);
    assert.match(sentences[0] ?? '', /: EIO$/);
    assert.deepEqual(calls, ['read 4', ...writes(0, 1), 'read 2']);
    assert.deepEqual(shown(machine), [VFIO, undefined, undefined, undefined]);
  });

  it('go on behind a write that was refused where as much as can be is wanted', async () => {
    fault(SECOND, 'fail');
    const { sentences, results } = await done(machine, { onFailure: 'next-device' });
    assert.equal(sentences.length, 1);
    assert.deepEqual(
      results.map((result) => result.split(':')[0]),
      ['done', 'failed', 'done', 'done'],
    );
    assert.deepEqual(shown(machine), [VFIO, undefined, VFIO, VFIO]);
  });

  it('go on behind a refused write that is as wished all the same', async () => {
    const plain = machine.host();
    const host: Host = {
      ...plain,
      write: async (path, value, deadlineMs) => {
        const written = await plain.write(path, value, deadlineMs);
        return path === SECOND ? { kind: 'refused', errno: 'EBUSY' } : written;
      },
    };
    const { sentences, results } = await done(machine, { host });
    assert.deepEqual([sentences, results], [[], ['done', 'done', 'done', 'done']]);
  });

  it('end with a write that does not return; those before it are read back and done', async () => {
    fault(THIRD, 'hang');
    const { stuck, results } = await done(machine);
    assert.deepEqual(stuck, [THIRD]);
    assert.deepEqual(results, ['done', 'done', 'stuck']);
    assert.deepEqual(shown(machine), [VFIO, VFIO, undefined, undefined]);
  });

  it('are written where the kernel does not tell of one before: that one alone is not known', async () => {
    fault(LAST, 'hang', 'read');
    const { sentences, results } = await done(machine);
    // The read that hangs hangs once: the write and the look after it are not concerned.
    assert.deepEqual([sentences, results], [[], ['done', 'done', 'done', 'done']]);
  });

  it('fail for the one of which the kernel does not tell afterwards', async () => {
    fault(FIRST, 'hang', 'read', 2);
    const { sentences, results } = await done(machine);
    assert.deepEqual(sentences, [
      `cannot set driver override of ${CARD[0] ?? ''} to vfio-pci: the kernel reported success, but the kernel does not answer: it is busy adding or removing the device`,
    ]);
    assert.deepEqual(results.slice(1), ['done', 'done', 'done']);
  });

  it('fail for the one that cannot be read', async () => {
    const plain = machine.host();
    let written = 0;
    const host: Host = {
      ...plain,
      readLocked: (paths, deadlineMs) => {
        if (written > 0 && paths.includes(SECOND)) {
          return Promise.reject(
            new VfioHookError('VH_KERNEL', `cannot read ${SECOND}: EIO`, { path: SECOND, errno: 'EIO' }),
          );
        }
        return plain.readLocked(paths, deadlineMs);
      },
      write: (path, value, deadlineMs) => {
        written += 1;
        return plain.write(path, value, deadlineMs);
      },
    };
    const { sentences, results } = await done(machine, { host });
    assert.deepEqual(sentences, [
      `cannot set driver override of ${CARD[1] ?? ''} to vfio-pci: cannot read ${SECOND}: EIO`,
    ]);
    assert.deepEqual(
      results.map((result) => result.split(':')[0]),
      ['done', 'failed', 'done', 'done'],
    );
  });

  it('are written no further once a signal has come, and what was written is read back', async () => {
    let asked = 0;
    const interrupted = (): string | undefined => ((asked += 1) > 2 ? 'SIGTERM' : undefined);
    const { sentences, results } = await done(machine, { interrupted });
    assert.deepEqual(sentences, [
      `stopped before: set driver override of ${CARD[2] ?? ''} to vfio-pci (SIGTERM)`,
    ]);
    assert.deepEqual(results, ['done', 'done']);
    assert.deepEqual(shown(machine), [VFIO, VFIO, undefined, undefined]);
  });

  it('are not numbers of virtual functions: what is in the way of one is looked at right before it', async () => {
    const two = ['0000:01:00.0', '0000:01:00.1'].map((key): Step => ({
      kind: 'set',
      attribute: 'vfs',
      key: pci(key),
      to: '0',
    }));
    const { calls } = await done(machine, { onFailure: 'next-device' }, two);
    assert.ok(
      calls.filter((call) => call.startsWith('read')).every((call) => call === 'read 1'),
      String(calls),
    );
  });
});
