import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import { budgetOf } from '../../src/engine/budget.ts';
import { execute, type ExecuteOptions, type Failure } from '../../src/engine/execute.ts';
import type { Host } from '../../src/host/host.ts';
import type { LogEntry } from '../../src/log/log.ts';
import { slotOf, type PciAddress } from '../../src/pci/address.ts';
import type { Step } from '../../src/steps/step.ts';
import type { FaultDescription } from '../../simulator/operation.ts';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import { machineSpec, pci } from '../scenario.ts';

const CARDS = ['0000:19:00.0', '0000:1a:00.0', '0000:4d:00.0', '0000:8c:00.0'].map(pci);
const [FIRST, SECOND, THIRD] = CARDS as [PciAddress, PciAddress, PciAddress];

const unbinds: readonly Step[] = CARDS.map((device) => ({ kind: 'unbind', device, driver: 'nvidia' }));
/** Three steps of one stage for each card. */
const attributes: readonly Step[] = CARDS.flatMap((key): Step[] => [
  { kind: 'set', attribute: 'driver-override', key, to: 'vfio-pci' },
  { kind: 'set', attribute: 'power-control', key, to: 'auto' },
  { kind: 'set', attribute: 'reset-methods', key, to: 'bus' },
]);

describe('execute, with several cards', () => {
  let machine: Machine;
  let log: LogEntry[];
  beforeEach(() => {
    machine = createMachine(machineSpec('server-8-gpu'));
    log = [];
  });

  const run = (steps: readonly Step[], options: Partial<ExecuteOptions> = {}): Promise<readonly Failure[]> =>
    execute(steps, {
      host: machine.host(),
      log: { write: (entry) => log.push(entry), close: () => undefined },
      budget: budgetOf(machine.host(), { kernelWrite: 2500, run: 10_000 }),
      onFailure: 'stop',
      ...options,
    });
  const fault = (rule: FaultDescription): void => {
    machine.perform({ do: 'fault', rule });
  };
  /** Names of the attributes that were written for a card. */
  const writtenTo = (card: PciAddress): string[] =>
    machine
      .journal()
      .filter(({ path, value }) => `${path}${value}`.includes(card))
      .map(({ path }) => path.split('/').at(-1) ?? '');

  it('does what is to be done for each of them side by side', async () => {
    fault({ on: 'remove', times: 'always', effect: { kind: 'slow', ms: 300 } });
    const { host, most } = counting(machine.host());
    assert.deepEqual(await run(unbinds, { host }), []);
    assert.equal(most(), CARDS.length);
    assert.deepEqual(log.map(({ device }) => device).sort(), CARDS);
  });

  it('does one thing after the other for the functions of one', async () => {
    machine = createMachine(machineSpec('amd-rdna3-desktop'));
    fault({ on: 'remove', times: 'always', effect: { kind: 'slow', ms: 300 } });
    const [GPU, SOUND, OTHER] = ['0000:03:00.0', '0000:03:00.1', '0000:0f:00.3'].map(pci) as [
      PciAddress,
      PciAddress,
      PciAddress,
    ];
    const { host, most } = counting(machine.host(), slotOf(GPU));
    const steps: readonly Step[] = [
      { kind: 'unbind', device: OTHER, driver: 'xhci_hcd' },
      { kind: 'unbind', device: SOUND, driver: 'snd_hda_intel' },
      { kind: 'unbind', device: GPU, driver: 'amdgpu' },
    ];
    assert.deepEqual(await run(steps, { host }), []);
    assert.equal(most(), 1);
    assert.deepEqual(
      log.map(({ device }) => device).filter((device) => device !== OTHER),
      [SOUND, GPU],
    );
  });

  it('does not touch the graphics behind one port of a card when the sound behind another hangs', async () => {
    machine = createMachine(machineSpec('intel-arc'));
    fault({ path: '*/snd_hda_intel/unbind', effect: { kind: 'hang' } });
    const failures = await run([
      { kind: 'unbind', device: pci('0000:06:00.0'), driver: 'igc' },
      { kind: 'unbind', device: pci('0000:04:00.0'), driver: 'snd_hda_intel' },
      { kind: 'unbind', device: pci('0000:03:00.0'), driver: 'i915' },
    ]);
    assert.deepEqual(
      failures.map(({ stuck }) => stuck?.device),
      ['0000:04:00.0'],
    );
    assert.deepEqual(writtenTo(pci('0000:03:00.0')), []);
    assert.deepEqual(writtenTo(pci('0000:06:00.0')), ['unbind']);
  });

  it('has sixteen lanes at once and no more, and leaves none out', async () => {
    const many = Array.from({ length: 20 }, (_, bus) => pci(`0000:${(0xc0 + bus).toString(16)}:00.0`));
    const begun: (() => void)[] = [];
    const host: Host = {
      ...machine.host(),
      write: async () => {
        await new Promise<void>((resolve) => begun.push(resolve));
        return { kind: 'refused', errno: 'ENODEV' };
      },
    };
    const steps = many.map((device): Step => ({ kind: 'bind', device, driver: 'vfio-pci' }));
    const done = run(steps, { host, onFailure: 'next-device' });
    for (const [number] of many.entries()) {
      await idle();
      assert.equal(begun.length, Math.min(16 + number, many.length));
      begun[number]?.();
    }
    assert.equal((await done).length, many.length);
  });

  it('begins nothing more for any of them after the first failure, when all or nothing is wanted', async () => {
    fault({ path: `*/${SECOND}/power/control`, effect: { kind: 'fail', errno: 'EIO' } });
    const failures = await run([...attributes, ...unbinds]);
    assert.deepEqual(
      failures.map(({ sentence }) => sentence),
      [`cannot set power control of ${SECOND} to auto: EIO`],
    );
    for (const card of CARDS) {
      const written = writtenTo(card);
      assert.ok(
        !written.includes('reset_method') && !written.includes('unbind'),
        `${card}: ${written.join()}`,
      );
    }
  });

  it('goes on with all others, and with nothing more of that one, when as much as can be is wanted', async () => {
    fault({ path: `*/${SECOND}/power/control`, effect: { kind: 'fail', errno: 'EIO' } });
    const failures = await run([...attributes, ...unbinds], { onFailure: 'next-device' });
    assert.equal(failures.length, 1);
    assert.deepEqual(
      CARDS.map((card) => writtenTo(card).length),
      [4, 2, 4, 4],
    );
  });

  it('waits for what is under way for the others, and tells of every write that does not return', async () => {
    fault({ path: '*/unbind', value: FIRST, effect: { kind: 'hang' } });
    fault({ path: '*/unbind', value: THIRD, effect: { kind: 'hang' } });
    const host = machine.host();
    const began = host.now();
    const failures = await run([...unbinds, ...attributes], { host });
    assert.deepEqual(
      failures.map(({ stuck }) => stuck?.device),
      [FIRST, THIRD],
    );
    assert.ok(failures.every(({ stuck }) => stuck && host.isAlive(stuck.writer)));
    assert.deepEqual(
      CARDS.map((card) => writtenTo(card)),
      CARDS.map(() => ['unbind']),
    );
    const waited = host.now() - began;
    assert.ok(waited < 3500, `two hung side by side, and it took ${waited} ms`);
  });

  it('gives half a second together to what is left on a way back, once a write of one has not returned', async () => {
    fault({ path: '*/unbind', value: FIRST, effect: { kind: 'hang' } });
    fault({ path: '*/power/control', times: 'always', effect: { kind: 'hang' } });
    const host = machine.host();
    const began = host.now();
    const failures = await run([...unbinds, ...attributes], { host, onFailure: 'next-device' });
    assert.equal(failures.filter(({ stuck }) => stuck).length, CARDS.length);
    const waited = host.now() - began;
    assert.ok(waited < 4000, `${waited} ms`);
    // What returns at once is done all the same.
    assert.deepEqual(writtenTo(THIRD), ['unbind', 'driver_override', 'control']);
  });

  it('hears a signal for all of them, and says so once', async () => {
    let asked = 0;
    const interrupted = (): string | undefined => ((asked += 1) > 6 ? 'SIGTERM' : undefined);
    const failures = await run(attributes, { interrupted });
    assert.equal(failures.length, 1);
    assert.match(failures[0]?.sentence ?? '', /^stopped before: .* \(SIGTERM\)$/);
    assert.equal(machine.journal().length, 6);
    assert.equal(asked, 7);
  });

  it('begins nothing any more when the time of the whole run is over', async () => {
    const time = { at: 0, now: (): number => time.at };
    const budget = budgetOf(time, { kernelWrite: 1000, run: 60_000 });
    const host = machine.host();
    const late: Host = {
      ...host,
      write: (...call) => {
        time.at += 15_000;
        return host.write(...call);
      },
    };
    const failures = await run(attributes, { host: late, budget });
    assert.deepEqual(
      failures.map(({ sentence, hints }) => [sentence, hints.map(hintText)]),
      [
        [
          `stopped before: set power control of ${FIRST} to auto (the run has taken longer than 60 s)`,
          ['if the devices are only slow, raise timeouts.run in the configuration'],
        ],
      ],
    );
    assert.equal(machine.journal().length, CARDS.length);
    // On a way back everything that answers is done.
    assert.deepEqual(await run(attributes, { host: late, budget, onFailure: 'next-device' }), []);
  });
});

/** Until everything that can go on by itself has done so. */
async function idle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Counts the writes that are under way at once, of those with a text in value or path. */
function counting(host: Host, about = ''): { host: Host; most: () => number } {
  let now = 0;
  let most = 0;
  return {
    most: () => most,
    host: {
      ...host,
      write: async (path, value, deadlineMs) => {
        const counts = `${path} ${value}`.includes(about);
        if (counts) most = Math.max(most, (now += 1));
        const result = await host.write(path, value, deadlineMs);
        if (counts) now -= 1;
        return result;
      },
    },
  };
}
