import assert from 'node:assert/strict';
import type { Errno } from '../../simulator/errno.ts';
import type { FaultEffect } from '../../simulator/faults.ts';
import type { JournalEntry } from '../../simulator/state.ts';
import { pciHostdevs } from '../../src/domain/domain.ts';
import { failureOf, guest, type Scenario } from '../scenario.ts';
import { writeName } from './calls.ts';
import { hasEverything, NAME, onStage, recoverAll, type Stage } from './stage.ts';
import { subjects } from './subjects.ts';
import type { Sweep } from './sweep.ts';

/** What the kernel may answer to a write, by the end of the attribute's path; `load` for modules. */
const errnos: Readonly<Record<string, readonly Errno[]>> = {
  exec_quantum_ms: ['EIO'],
  contexts_quota: ['EIO'],
  vram_quota: ['EIO', 'ENOSPC'],
  sched_priority: ['EIO'],
  load: ['ENOENT', 'EPERM'],
  driver_override: ['ENODEV', 'EINVAL', 'ENOMEM'],
  unbind: ['ENODEV', 'EACCES', 'EBUSY'],
  bind: ['EBUSY', 'ENODEV', 'EIO', 'EINVAL', 'EAGAIN', 'ENOENT', 'ENOMEM'],
  resize: ['ENOSPC', 'EBUSY', 'EINVAL', 'ENOENT', 'EPERM', 'ENOTSUPP'],
  control: ['ENODEV', 'EIO'],
  allow_unsafe_interrupts: ['EACCES', 'EINVAL', 'ENOMEM'],
  sriov_numvfs: ['ENOMEM', 'EBUSY'],
  sriov_drivers_autoprobe: ['EIO'],
  nr_hugepages: ['EINVAL'],
  create: ['EUSERS', 'ENOSPC', 'EEXIST', 'EIO'],
  remove: ['EAGAIN', 'ENODEV'],
  // EPERM and EBUSY pass by themselves.
  current_vgpu_type: ['EIO', 'EINVAL'],
  vgpu_params: ['EINVAL', 'EPERM'],
  unbindLock: ['EINVAL'],
};

/** Milliseconds: within the deadline of 30 s for one write, and beyond. */
const SLOW = 5_000;
const TOO_SLOW = 40_000;

const HANG = 'does not return';

/** Every kernel write of a start and of an end goes wrong in every way, on every machine. */
export const faults: Sweep = {
  name: 'kernel fault',
  parts: subjects.flatMap(({ host }) => [`${host} prepare`, `${host} release`]),
  run: async (part, tally) => {
    const [host = '', phase = ''] = part.split(' ');
    await onStage(host, async (stage) => {
      const { s } = stage;
      if (phase === 'release') await s.prepare(stage.domain);
      const back = s.save();
      const before = s.machine.journal().length;
      await (phase === 'prepare' ? s.prepare(stage.domain) : s.release(NAME));
      // What ip(8) is run for has faults of its own: test/engine/functions.test.ts.
      const writes = s.machine
        .journal()
        .slice(before)
        .filter(({ operation }) => operation !== 'run');
      const check = phase === 'prepare' ? start : end;
      for (const [index, write] of writes.entries()) {
        for (const fault of faultsOf(write)) {
          await tally.point(`write ${index + 1} (${shown(write)}) ${fault.name}`, async () => {
            back();
            setFault(s, writes, index, fault);
            await check(stage, write, fault);
          });
        }
      }
    });
  },
};

/** How a write goes wrong. */
interface Fault {
  readonly name: string;
  readonly effect: FaultEffect;
  /** From this write on, every one. */
  readonly lasting?: true;
}

function faultsOf(write: JournalEntry): Fault[] {
  const answers = errnos[write.operation === 'write' ? attribute(write.path) : 'load'];
  assert.ok(answers, `nobody said what ${write.path} may answer`);
  return [
    ...answers.map((errno) => ({ name: `fails with ${errno}`, effect: { kind: 'fail', errno } as const })),
    { name: 'lies', effect: { kind: 'lie' } },
    { name: 'is slow', effect: { kind: 'slow', ms: SLOW } },
    { name: 'is too slow', effect: { kind: 'slow', ms: TOO_SLOW } },
    { name: 'does not return', effect: { kind: 'hang' } },
    { name: 'and all after it fail', effect: { kind: 'fail', errno: answers[0] ?? 'EIO' }, lasting: true },
    { name: 'and all after it lie', effect: { kind: 'lie' }, lasting: true },
  ];
}

function attribute(path: string): string {
  return (path.split('/').at(-1) ?? '').replace(/^resource\d_/, '');
}

function shown({ operation, path, value }: JournalEntry): string {
  return operation === 'write' ? writeName(path, value) : `${operation} ${path}`;
}

/** Sets the fault: on this one write, or from it on. */
function setFault(
  s: Scenario,
  writes: readonly JournalEntry[],
  index: number,
  { effect, lasting }: Fault,
): void {
  const write = writes[index];
  assert.ok(write);
  if (!lasting) {
    // A `*` would stand for anything; no path and no value has one.
    const { operation: on, path, value } = write;
    s.machine.perform({ do: 'fault', rule: { id: HANG, on, path, value: value.trimEnd(), effect } });
    return;
  }
  for (const on of ['write', 'load'] as const) {
    const nth = writes.slice(0, index).filter(({ operation }) => operation === on).length + 1;
    s.machine.perform({ do: 'fault', rule: { on, nth, times: 'always', effect } });
  }
}

type Check = (stage: Stage, write: JournalEntry, fault: Fault) => Promise<void>;

/** A start: the guest has everything, or all is as before, or a claim says what is not, and recover mends it. */
const start: Check = async (stage, write, { effect, lasting }) => {
  const { s, domain } = stage;
  if (effect.kind === 'slow' && effect.ms === SLOW) {
    await s.prepare(domain);
    hasEverything(stage);
    await s.release(NAME);
    s.nothingDiffers();
    return;
  }
  const error = await failureOf(s.prepare(domain));
  if (effect.kind === 'slow' || effect.kind === 'hang') {
    assert.equal(error.code, 'VH_STUCK');
    await isLeftAlone(stage, write);
    return;
  }
  assert.equal(error.code, 'VH_KERNEL');
  if (effect.kind === 'fail' && write.operation === 'write') {
    assert.equal(error.errno, effect.errno);
    assert.ok(error.message.includes(effect.errno), error.message);
  }
  if (lasting) {
    assert.match(error.message, /; guest "win11" is not started( and everything is as it was)?$/);
    await isMended(stage, error.message.endsWith('as it was'));
  } else {
    assert.match(error.message, /; guest "win11" is not started and everything is as it was$/);
    s.nothingDiffers();
  }
};

/** An end: all is as before, or the error and a claim say what is not, and recover mends it. */
const end: Check = async (stage, write, { effect }) => {
  const { s } = stage;
  if (effect.kind === 'slow' && effect.ms === SLOW) {
    await s.release(NAME);
    s.nothingDiffers();
    return;
  }
  const error = await failureOf(s.release(NAME));
  assert.equal(error.code, 'VH_INCOMPLETE');
  if (effect.kind === 'slow' || effect.kind === 'hang') await isLeftAlone(stage, write);
  else await isMended(stage, false);
};

/** While the kernel keeps a write, nobody touches its device; when it lets go, recover finishes the work. */
async function isLeftAlone(stage: Stage, { operation, path, value }: JournalEntry): Promise<void> {
  const { s, domain } = stage;
  assert.deepEqual(
    s.claims().map(({ state, stuck }) => [state, stuck.length]),
    [['stuck', 1]],
  );
  const device = ADDRESS.exec(path)?.[0] ?? value.trim();
  s.writes();
  if (operation === 'write') {
    assert.equal((await failureOf(s.prepare(domain))).code, 'VH_STUCK');
    const other = await failureOf(s.prepare(guest('other', ...pciHostdevs(domain))));
    // Where nothing waits that it wants as well, the claim is what is in the way.
    const isWanted =
      (ADDRESS.test(device) && !path.includes('/mdev_bus/')) || attribute(path) === 'nr_hugepages';
    assert.equal(other.code, isWanted ? 'VH_STUCK' : 'VH_BUSY');
    assert.equal((await failureOf(recoverAll(stage))).code, 'VH_INCOMPLETE');
    assert.deepEqual(
      s.writes().filter((line) => line.includes(device)),
      [],
      'the device was touched',
    );
  }
  s.machine.perform({ do: 'release-fault', id: HANG });
  await s.machine.store.pause(TOO_SLOW);
  await recoverAll(stage);
  s.nothingDiffers();
}

const ADDRESS = /[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/;

/** What is not back is in a claim; once nothing goes wrong any more, recover puts it back. */
async function isMended(stage: Stage, saysItIsBack: boolean): Promise<void> {
  const { s } = stage;
  s.happens({ do: 'clear-faults' });
  if (!saysItIsBack) {
    assert.deepEqual(
      s.claims().map(({ state, leftovers }) => [state, leftovers.length > 0]),
      [['incomplete', true]],
    );
    await recoverAll(stage);
  }
  s.nothingDiffers();
}
