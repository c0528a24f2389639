import { attach, detach, probe, removed } from './driver-core.ts';
import { faultDelay, nextFault } from './faults.ts';
import { deleteDevice, removeTree, rescan } from './hotplug.ts';
import { mdevGone } from './mdev-parent.ts';
import { load, moduleName, unload, unregister } from './modules.ts';
import { withdrawShares } from './function-profile.ts';
import { failedOutput, runProgram } from './programs.ts';
import { resetDevice, setEnabled, setPowerControl } from './power.ts';
import { resize } from './resize.ts';
import { unitStopped } from './systemd.ts';
import { dropVfs, makeVfs, setNumVfs } from './sriov.ts';
import { deviceByUid, type JournalEntry, type MachineState, type ProgramOutput, type Task } from './state.ts';
import { storeAttribute, storeOpenAttribute } from './write.ts';
import { busLock, done, failed, then, type Outcome, type Work } from './work.ts';

const JOURNAL_LENGTH = 2000;

/** A call that a process makes. */
export interface Call {
  readonly operation: JournalEntry['operation'];
  /** Attribute, or name of the module, or of the program. */
  readonly path: string;
  readonly value: string;
  /** The process that makes it. */
  readonly pid: number;
  readonly work: Work;
}

/** What became of making a call: its task, and whether the caller must die now. */
export interface Submission {
  readonly task: number;
  readonly kill: boolean;
}

/** Makes a call and runs everything that can run. The result is in the journal as soon as there is one. */
export function submit(state: MachineState, call: Call): Submission {
  const fault = nextFault(state, { on: call.operation, path: call.path, value: call.value });
  const id = (state.next.task += 1);
  const { operation, path, value, pid } = call;
  const tells = operation === 'run' && / show | --query-gpu=/.test(value);
  state.journal.push({ id, at: state.clock, pid, operation, path, value, ...(tells && { tells }) });
  if (state.journal.length > JOURNAL_LENGTH) state.journal.splice(0, state.journal.length - JOURNAL_LENGTH);
  const effect = fault?.effect;
  if (effect?.kind === 'kill' && effect.when === 'before') {
    settle(state, id, 'killed');
    return { task: id, kill: true };
  }
  if (effect?.kind === 'fail' || effect?.kind === 'lie') {
    if (operation === 'run' && effect.kind === 'fail') say(state, id, failedOutput(effect.errno, path));
    settle(state, id, effect.kind === 'fail' ? effect.errno : 'ok');
    return { task: id, kill: false };
  }
  const writer = (state.next.pid += 1);
  state.tasks.push({
    id,
    writer,
    ...(operation === 'write' && { write: { path, value } }),
    ...(operation === 'run' && { write: { path: `${path} ${value}`, value: '' } }),
    todo: [...faultDelay(state, fault), call.work],
    locks: [],
  });
  advance(state);
  return { task: id, kill: effect?.kind === 'kill' };
}

/** Runs every task as far as it gets. */
export function advance(state: MachineState): void {
  for (let moved = true; moved;) {
    moved = false;
    for (const task of [...state.tasks]) moved = runTask(state, task) || moved;
  }
}

/** Whether time alone can make something happen before or at `now`. */
export function isDue(state: MachineState, now: number): boolean {
  if (state.schedule.some((entry) => entry.at <= now)) return true;
  return state.tasks.some((task) => task.todo[0]?.do === 'sleep' && task.todo[0].until <= now);
}

/** Returns whether the task got any further. */
function runTask(state: MachineState, task: Task): boolean {
  let moved = false;
  for (let work = task.todo[0]; work; work = task.todo[0]) {
    const outcome = perform(state, task, work);
    if (outcome.kind === 'wait') {
      task.waiting = outcome.for;
      return moved;
    }
    moved = true;
    delete task.waiting;
    if (outcome.kind === 'failed') {
      finish(state, task, outcome.errno);
      return true;
    }
    task.todo.shift();
    if (outcome.kind === 'then') task.todo.unshift(...outcome.todo);
  }
  finish(state, task, 'ok');
  return true;
}

function finish(state: MachineState, task: Task, result: string): void {
  for (const key of [...task.locks]) unlock(state, task, key);
  for (const lock of Object.values(state.locks)) lock.queue = lock.queue.filter((id) => id !== task.id);
  state.tasks = state.tasks.filter((each) => each !== task);
  const output = result === 'ok' ? task.output : failedOutput(result, task.write?.path.split(' ')[0]);
  if (output) say(state, task.id, output);
  settle(state, task.id, result);
}

function say(state: MachineState, id: number, output: ProgramOutput): void {
  const entry = state.journal.find((each) => each.id === id);
  if (entry?.operation === 'run') entry.output = output;
}

function settle(state: MachineState, id: number, result: string): void {
  const entry = state.journal.find((each) => each.id === id);
  if (entry) Object.assign(entry, { result, took: state.clock - entry.at });
}

function perform(state: MachineState, task: Task, work: Work): Outcome {
  switch (work.do) {
    case 'lock':
      return lock(state, task, work.key);
    case 'unlock':
      unlock(state, task, work.key);
      return done;
    case 'store':
      return storeAttribute(state, work);
    case 'store-open':
      return storeOpenAttribute(state, work);
    case 'hang':
      return state.faults.some((rule) => rule.id === work.fault && !rule.released)
        ? { kind: 'wait', for: `fault ${work.fault}` }
        : done;
    case 'sleep':
      return state.clock < work.until ? { kind: 'wait', for: 'time to pass' } : done;
    case 'wedge':
      return { kind: 'wait', for: work.reason };
    case 'fail':
      return failed(work.errno);
    case 'attach':
      return attach(state, work);
    case 'probe':
      return probe(state, work.uid, work.strict);
    case 'detach':
      return detach(state, work.uid);
    case 'removed':
      return removed(state, work.uid, work.driver);
    case 'remove-tree':
      return removeTree(state, work.uid, work.keep);
    case 'delete':
      return deleteDevice(state, work.uid, work.keep);
    case 'rescan':
      return rescan(state);
    case 'override': {
      const device = deviceByUid(state, work.uid);
      if (!device) return failed('ENODEV');
      if (work.text === '') delete device.driverOverride;
      else device.driverOverride = work.text;
      return done;
    }
    case 'set-power':
      return setPowerControl(state, work.uid, work.value);
    case 'enable':
      return setEnabled(state, work.uid, work.on);
    case 'reset':
      return resetDevice(state, work.uid);
    case 'resize':
      return resize(state, work.uid, work.bar, work.bit);
    case 'numvfs':
      return setNumVfs(state, work.uid, work.count);
    case 'make-vfs':
      return makeVfs(state, work.uid, work.count);
    case 'drop-vfs':
      return dropVfs(state, work.uid, task.locks.includes(busLock));
    case 'unlink-vf': {
      const device = deviceByUid(state, work.uid);
      if (device) device.unlinked = true;
      return done;
    }
    case 'vfs-gone': {
      const device = deviceByUid(state, work.uid);
      if (device) device.numVfs = 0;
      delete device?.vfSettings;
      if (device?.shares) withdrawShares(device.shares);
      return done;
    }
    case 'run': {
      const { todo, ...output } = runProgram(state, work.program, work.args);
      task.output = output;
      return then(...todo);
    }
    case 'unit-stopped':
      return unitStopped(state, work.key);
    case 'mdev-gone':
      return mdevGone(state, work.uuid);
    case 'load':
      return load(state, moduleName(work.module), work.obeyBlacklist);
    case 'unload':
      return unload(state, moduleName(work.module));
    case 'unregister':
      return unregister(state, work.module);
  }
}

/** Locks are granted in the order in which they were asked for. */
function lock(state: MachineState, task: Task, key: string): Outcome {
  const held = state.locks[key];
  if (!held) {
    state.locks[key] = { holder: task.id, queue: [] };
    task.locks.push(key);
    return done;
  }
  if (held.holder === task.id) return done;
  if (!held.queue.includes(task.id)) held.queue.push(task.id);
  return { kind: 'wait', for: `the lock of ${key}` };
}

function unlock(state: MachineState, task: Task, key: string): void {
  const held = state.locks[key];
  task.locks = task.locks.filter((each) => each !== key);
  if (held?.holder !== task.id) return;
  const next = state.tasks.find((each) => each.id === held.queue[0]);
  if (next) {
    held.holder = next.id;
    held.queue.shift();
    next.locks.push(key);
    return;
  }
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the state is a JSON object
  delete state.locks[key];
}
