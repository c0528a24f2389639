import type {
  BlockedWrite,
  GuestProcess,
  Holder,
  Host,
  ModuleOptions,
  ModuleResult,
  ProcessIdentity,
  RunResult,
  UnseenProcess,
  WriteResult,
} from '../src/host/host.ts';
import { openingFor } from '../src/host/only-root.ts';
import { acting, notStarted, replaceable } from '../src/programs.ts';
import { submit, type Call } from './kernel.ts';
import { processAlive, thisProcess } from './process.ts';
import { readLabel } from './read.ts';
import { programPath } from './programs.ts';
import { passTime, simulatedReads } from './reads.ts';
import type { MachineState, Process, ProgramOutput } from './state.ts';
import type { Store } from './store.ts';
import type { Work } from './work.ts';

/** {@link Host} and what only tests need. */
export interface SimulatedHost extends Host {
  /** One write(2) of exactly these bytes; `create` opens with O_CREAT as Node's writeFile does. */
  writeRaw(path: string, data: string, deadlineMs: number, create?: boolean): Promise<WriteResult>;
  /** Removes a module (rmmod). The program itself never does. */
  unloadModule(name: string, deadlineMs: number): Promise<ModuleResult>;
  /** The process is gone: every further call throws {@link SimulatedKill}; what it had begun goes on in the kernel. */
  die(): void;
}

export interface SimulatedHostOptions {
  /** The process that this host is used by; absent: this one. */
  readonly process?: ProcessIdentity;
  /** What the death of this process is; absent: SIGKILL to itself. */
  readonly kill?: () => void;
}

/** What is thrown out of a call of a process that a fault has killed, and by every call after it. */
export class SimulatedKill extends Error {
  constructor() {
    super('the process was killed by a fault of the simulated machine');
    this.name = 'SimulatedKill';
  }
}

/**
 * The port to a simulated machine. Calls that wait in the kernel are looked at every few milliseconds until
 * their deadline, since another process may be the one that lets them go on.
 */
export function simulatedHost(store: Store, options: SimulatedHostOptions = {}): SimulatedHost {
  const self = options.process ?? thisProcess();
  const kill = options.kill ?? killThisProcess;
  let killed = false;
  const alive = (): void => {
    if (killed) throw new SimulatedKill();
  };
  const die = (): void => {
    killed = true;
    kill();
  };
  const look = <T>(see: (state: MachineState) => T): T => {
    alive();
    return store.read(see);
  };

  const reads = simulatedReads(store, look);

  const call = async (request: Call, deadlineMs: number): Promise<CallResult> => {
    alive();
    const deadline = store.now() + deadlineMs;
    const submission = store.update((state) => submit(state, request));
    if (submission.kill) {
      die();
      throw new SimulatedKill();
    }
    for (;;) {
      const result = store.read((state) => resultNow(state, submission.task));
      if (result) return result;
      const left = deadline - store.now();
      if (left <= 0) return store.read((state) => stuckResult(state, submission.task));
      await passTime(store, left);
    }
  };

  const writeRaw = async (
    path: string,
    data: string,
    deadlineMs: number,
    create = false,
  ): Promise<WriteResult> => {
    const work = { do: 'store', path, data, create } as const;
    const result = await call({ operation: 'write', path, value: data, pid: self.pid, work }, deadlineMs);
    if (result.kind === 'stuck') return result;
    return result.errno === undefined ? { kind: 'written' } : { kind: 'refused', errno: result.errno };
  };

  const moduleCall = async (
    operation: 'load' | 'unload',
    name: string,
    deadlineMs: number,
    { obeyBlacklist = false }: ModuleOptions = {},
  ): Promise<ModuleResult> => {
    const work: Work =
      operation === 'load' ? { do: operation, module: name, obeyBlacklist } : { do: operation, module: name };
    const result = await call({ operation, path: name, value: '', pid: self.pid, work }, deadlineMs);
    if (result.kind === 'stuck') return result;
    return result.errno === undefined
      ? { kind: 'loaded' }
      : { kind: 'failed', reason: moduleReason(operation, name, result.errno) };
  };

  const run: Host['run'] = async (program, args, deadlineMs): Promise<RunResult> => {
    const { path, unfit } = look((state) => programPath(state, program));
    if (path === undefined) throw notStarted(acting[program], 'ENOENT');
    if (path.startsWith('/')) {
      const opening = openingFor(reads, path);
      if (opening) throw replaceable(path, opening.found);
    }
    if (unfit !== undefined) return { kind: 'exited', status: 1, stdout: '', stderr: `${unfit}\n` };
    const work = { do: 'run', program, args } as const;
    const result = await call(
      { operation: 'run', path: program, value: args.join(' '), pid: self.pid, work },
      deadlineMs,
    );
    if (result.kind === 'stuck') return result;
    return { kind: 'exited', ...(result.output ?? { status: 0, stdout: '', stderr: '' }) };
  };

  return {
    kind: 'simulated',
    ...reads,
    securityLabel: (path) => Promise.resolve(look((state) => readLabel(state, path))),
    wideRoutes: () => Promise.resolve(look(({ spec }) => spec.wideRoutes)),
    write: (path, value, deadlineMs) => writeRaw(path, `${value}\n`, deadlineMs),
    writeRaw,
    loadModule: (name, deadlineMs, how) => moduleCall('load', name, deadlineMs, how),
    run,
    tryProgram: (program) => Promise.resolve(look(({ spec }) => spec.unfitPrograms?.[program])),
    unloadModule: (name, deadlineMs) => moduleCall('unload', name, deadlineMs),
    holders: (paths) => look((state) => holdersOf(state, paths, self)),
    openFiles: (paths, ofProgram = () => true) =>
      look((state) => ({
        holders: holdersOf(state, paths, self).filter(({ name }) => ofProgram(name)),
        unseen:
          paths.length === 0
            ? []
            : state.processes
                .filter(({ crowded, name }) => crowded === true && ofProgram(name))
                .map(identify),
      })),
    libvirtDaemons: () => look(({ daemon }) => (daemon ? [daemon.pid] : [])),
    guestProcess: (guest) => look((state) => libvirtsGuest(state, guest)),
    blockedWrites: () => look(blockedWrites),
    isAlive: (process) => look((state) => isAlive(state, process)),
    hasEnded: async (process, deadlineMs) => {
      const deadline = store.now() + deadlineMs;
      while (look((state) => isAlive(state, process))) {
        const left = deadline - store.now();
        if (left <= 0) return false;
        await passTime(store, left);
      }
      return true;
    },
    pause: async (ms) => {
      alive();
      const end = store.now() + ms;
      for (let left = ms; left > 0; left = end - store.now()) await passTime(store, left);
    },
    self: () => self,
    now: () => store.now(),
    die,
  };
}

type CallResult =
  | { readonly kind: 'returned'; readonly errno?: string; readonly output?: ProgramOutput }
  | { readonly kind: 'stuck'; readonly writer: ProcessIdentity };

function resultNow(state: MachineState, task: number): CallResult | undefined {
  const { result, output } = state.journal.find((entry) => entry.id === task) ?? {};
  if (result === undefined) return undefined;
  const said = output && { output };
  return result === 'ok' ? { kind: 'returned', ...said } : { kind: 'returned', errno: result, ...said };
}

function stuckResult(state: MachineState, id: number): CallResult {
  const task = state.tasks.find((each) => each.id === id);
  return { kind: 'stuck', writer: { pid: task?.writer ?? 0, startTime: id } };
}

function identify({ pid, name }: Process): UnseenProcess {
  return { pid, name };
}

function holdersOf(state: MachineState, paths: readonly string[], self: ProcessIdentity): Holder[] {
  return state.processes
    .filter(({ pid, crowded }) => pid !== self.pid && crowded !== true)
    .flatMap(({ pid, name, guest, unit, program, halted, sessions = [] }) => {
      const open = new Set([
        ...state.opens.filter((each) => each.pid === pid).map(({ path }) => path),
        ...sessions.map(({ inode }) => `socket:[${inode}]`),
        ...Object.values(state.groups)
          .filter((group) => group.openedBy === pid)
          .map(({ number }) => `/dev/vfio/${number}`),
      ]);
      const about = {
        pid,
        name,
        ...(guest !== undefined && { guest }),
        ...(unit && { unit }),
        ...(program !== undefined && { program }),
        ...(halted && { halted }),
      };
      return paths
        .filter((path) => open.has(path))
        .sort()
        .map((path) => ({ ...about, path }));
    })
    .sort((a, b) => a.pid - b.pid);
}

function libvirtsGuest({ processes }: MachineState, guest: string): GuestProcess | undefined {
  const qemu = processes.find((each) => each.guest === guest && each.name.startsWith('qemu'));
  return qemu && { pid: qemu.pid, name: qemu.name, guest };
}

function blockedWrites(state: MachineState): BlockedWrite[] {
  return state.tasks.flatMap(({ id, writer, write }) =>
    write
      ? [{ path: write.path, value: write.value.replace(/\n$/, ''), writer: { pid: writer, startTime: id } }]
      : [],
  );
}

/** A simulated process or writer while it is there; else a real one. */
function isAlive(state: MachineState, process: ProcessIdentity): boolean {
  const { pid, startTime } = process;
  if (state.tasks.some((task) => task.writer === pid && task.id === startTime)) return true;
  if (state.processes.some((each) => each.pid === pid && each.startTime === startTime)) return true;
  return processAlive(process);
}

function moduleReason(operation: 'load' | 'unload', name: string, errno: string): string {
  if (operation === 'load' && errno === 'ENOENT') return `Module ${name} not found`;
  return `could not ${operation} module ${name}: ${errno}`;
}

function killThisProcess(): void {
  process.kill(process.pid, 'SIGKILL');
}
