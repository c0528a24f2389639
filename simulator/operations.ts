import { build } from './build.ts';
import type { FaultRule } from './faults.ts';
import { mapPages } from './hugepages.ts';
import { advance, submit } from './kernel.ts';
import { openMdev } from './mdev.ts';
import { closeNodes } from './open-nodes.ts';
import type { FaultDescription, Operation } from './operation.ts';
import { endProcess, openNode, startProcess } from './processes.ts';
import type { MachineState, Process } from './state.ts';
import { openGroup, type OpenFailure } from './vfio.ts';
import { busLock, type Work } from './work.ts';

/** What came of an operation; a call that waits in the kernel is `pending`. */
export type OperationResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'pending'; readonly task: number }
  | { readonly kind: 'refused'; readonly errno: string; readonly stage?: OpenFailure['stage'] };

const completed: OperationResult = { kind: 'done' };

/** Lets time pass up to `now`: what the schedule says happens at its time, waiting calls go on. */
export function catchUp(state: MachineState, now: number): void {
  for (;;) {
    const due = state.schedule.filter((entry) => entry.at <= now).sort((a, b) => a.at - b.at)[0];
    if (!due) break;
    state.schedule = state.schedule.filter((entry) => entry !== due);
    state.clock = Math.max(state.clock, due.at);
    perform(state, due.operation);
  }
  state.clock = Math.max(state.clock, now);
  if (state.tasks.length > 0) advance(state);
}

/** Does what an operation says, and whatever it sets free. */
export function perform(state: MachineState, operation: Operation): OperationResult {
  const result = change(state, operation);
  advance(state);
  return result;
}

/** As Debian's libvirt starts it; the kernel keeps 15 characters of a name. */
const QEMU = 'qemu-system-x86';

/** The process of this guest's QEMU. */
export function guestProcess(state: MachineState, guest: string): Process | undefined {
  return state.processes.find((process) => process.guest === guest && process.name.startsWith('qemu'));
}

function change(state: MachineState, operation: Operation): OperationResult {
  switch (operation.do) {
    case 'open-group':
      return open(state, operation);
    case 'close-group': {
      const process = guestProcess(state, operation.guest);
      if (process) endProcess(state, process);
      return completed;
    }
    case 'start-qemu':
      startProcess(state, QEMU, operation);
      return completed;
    case 'stop-libvirt':
      delete state.daemon;
      return completed;
    case 'hold-node': {
      const process = startProcess(state, operation.program, operation);
      if (openNode(state, process, operation.path)) return completed;
      endProcess(state, process);
      const isLocked = Object.values(state.devices).some(
        ({ unbindLock, spec }) => unbindLock && spec.nodes.includes(operation.path),
      );
      return { kind: 'refused', errno: isLocked ? 'ENODEV' : 'ENOENT' };
    }
    case 'map-pages': {
      const running = operation.guest === undefined ? undefined : guestProcess(state, operation.guest);
      const process = running ?? startProcess(state, operation.program, operation);
      const { sizeKb, pages, touched = pages, node } = operation;
      if (mapPages(state, { pid: process.pid, sizeKb, pages, touched, node })) return completed;
      if (!running) endProcess(state, process);
      return { kind: 'refused', errno: 'ENOMEM' };
    }
    case 'open-many-files': {
      const process = startProcess(state, operation.program, { crowded: true });
      const opened = (operation.nodes ?? []).every((path) => openNode(state, process, path));
      return opened ? completed : { kind: 'refused', errno: 'ENOENT' };
    }
    case 'close-nodes':
      closeNodes(state, operation.pid, operation.uid);
      return completed;
    case 'end-process': {
      const process = state.processes.find(({ pid }) => pid === operation.pid);
      if (process) endProcess(state, process);
      return completed;
    }
    case 'release-node': {
      const pids = state.opens.filter((each) => each.path === operation.path).map((each) => each.pid);
      for (const process of state.processes.filter((each) => pids.includes(each.pid)))
        endProcess(state, process);
      return completed;
    }
    case 'unplug': {
      const device = state.devices[operation.device];
      if (!device) return { kind: 'refused', errno: 'ENODEV' };
      kernelThread(state, [
        { do: 'lock', key: busLock },
        { do: 'remove-tree', uid: device.uid, keep: false },
      ]);
      return completed;
    }
    case 'lose': {
      const device = state.devices[operation.device];
      if (!device) return { kind: 'refused', errno: 'ENODEV' };
      device.powerState = 'D3cold';
      return completed;
    }
    case 'load':
    case 'unload': {
      const work: Work = { do: operation.do, module: operation.module };
      const call = { operation: operation.do, path: operation.module, value: '', pid: 1, work };
      return resultOf(state, submit(state, call).task);
    }
    case 'fault':
      state.faults.push(faultRule(operation.rule, `fault-${state.faults.length + 1}`));
      return completed;
    case 'release-fault':
      for (const rule of state.faults) if (rule.id === operation.id) rule.released = true;
      return completed;
    case 'clear-faults':
      state.faults = [];
      return completed;
    case 'reboot':
      Object.assign(state, { firmwareFramebuffer: undefined });
      delete state.firmwareFramebuffer;
      delete state.firmwareUnbound;
      Object.assign(state, build(state.spec, state.next.boot + 1, state));
      return completed;
  }
}

/** What a call has come to so far. */
export function resultOf(state: MachineState, task: number): OperationResult {
  const result = state.journal.find((entry) => entry.id === task)?.result;
  if (result === undefined) return { kind: 'pending', task };
  return result === 'ok' ? completed : { kind: 'refused', errno: result };
}

/** Fills in what a description of a fault leaves out: the first write to anything, once. */
export function faultRule(description: FaultDescription, id: string): FaultRule {
  const times = description.times ?? 1;
  return {
    id: description.id ?? id,
    on: description.on ?? 'write',
    path: description.path ?? '*',
    ...(description.value !== undefined && { value: description.value }),
    nth: description.nth ?? 1,
    ...(times !== 'always' && { times }),
    effect: description.effect,
    seen: 0,
    released: false,
  };
}

function open(state: MachineState, operation: Extract<Operation, { do: 'open-group' }>): OperationResult {
  const running = guestProcess(state, operation.guest);
  const process = running ?? startProcess(state, QEMU, operation);
  for (const address of operation.devices) {
    const device = state.devices[address];
    const group = device?.group;
    const failure: OpenFailure | undefined =
      device === undefined || group === undefined
        ? { stage: 'open', errno: 'ENOENT' }
        : openGroup(state, { group, devices: [device], pid: process.pid });
    if (!failure) continue;
    endProcess(state, process);
    return { kind: 'refused', ...failure };
  }
  for (const uuid of operation.mdevs ?? []) {
    const errno = openMdev(state, uuid, process.pid);
    if (errno === undefined) continue;
    endProcess(state, process);
    return { kind: 'refused', stage: 'device', errno };
  }
  return completed;
}

/** Work that no process waits for, such as that of a hot-plug interrupt. */
function kernelThread(state: MachineState, todo: Work[]): void {
  state.tasks.push({ id: (state.next.task += 1), writer: (state.next.pid += 1), todo, locks: [] });
}
