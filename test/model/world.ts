import type { Domain } from '../../src/domain/domain.ts';
import type { Config } from '../../src/config/config.ts';
import type { LockName } from '../../src/engine/lock-name.ts';
import { prepare } from '../../src/engine/prepare.ts';
import { recover } from '../../src/engine/recover.ts';
import { release } from '../../src/engine/release.ts';
import type { MachineSpec } from '../../simulator/spec.ts';
import type { ClaimsId } from './claims.ts';
import type { MachineId } from './machines.ts';
import type { Outcome, Program } from './questions.ts';
import type { Point } from './runs.ts';

/** What is explored: a machine, the lives of its guests, and how often each thing may happen. */
export interface Setting {
  readonly name: string;
  readonly machine: MachineSpec;
  /** For each guest what it is assigned, start by start. */
  readonly guests: Readonly<Record<string, readonly Domain[]>>;
  readonly bounds: Bounds;
  /** What the configuration says besides the defaults. */
  readonly config?: Partial<Config>;
  /** No guest is in the way of another one: as long as nothing goes wrong, every run succeeds. */
  readonly isForAll?: boolean;
  /** Locks that keep nobody out, to seed a defect: those of claims, of what is shared, or of groups. */
  readonly unkept?: 'claim' | 'shared' | 'group';
}

/** How often each thing may happen on one path. */
export interface Bounds {
  /** libvirtd is killed: what it has begun goes on without it. */
  readonly daemonDeaths: number;
  /** A run of the program is killed. */
  readonly deaths: number;
  /** A driver does not let go of a device, or does not return from its probe, until much later. */
  readonly hangs: number;
  /** `vfio-hook recover` is run. */
  readonly recoveries: number;
  readonly reboots: number;
  /** A run that waits for a lock gives up. */
  readonly lockTimeouts: number;
}

/**
 * Where a guest is in the life that libvirt leads it through:
 * - `preparing`, `releasing`: libvirt waits for the hook.
 * - `starting`: prepare succeeded; QEMU is next.
 * - `running`: QEMU has its groups open.
 * - `failed`: the start failed; release is next, and is forgotten when libvirtd dies.
 * - `ended`: QEMU is gone; release is next, also after libvirtd died.
 */
export type Phase = 'off' | 'preparing' | 'starting' | 'running' | 'failed' | 'ended' | 'releasing';

/** A run in progress. */
export interface Run {
  readonly point: Point;
  /** What it has locked. */
  readonly locks: readonly LockName[];
  /** The tasks of its calls that wait in the kernel, each with the number of the call. */
  readonly waits: readonly Waiting[];
  /** Nobody waits for it any more. */
  readonly orphan: boolean;
}

/** A call of a run that waits in the kernel. */
export interface Waiting {
  readonly id: number;
  readonly task: number;
  readonly writer: number;
}

export interface World {
  readonly machine: MachineId;
  readonly claims: ClaimsId;
  /** In order of pid. */
  readonly runs: readonly Run[];
  readonly guests: readonly { readonly name: string; readonly phase: Phase; readonly starts: number }[];
  readonly left: Bounds;
}

/** Equal for worlds from which the same can happen. */
export function keyOf(world: World): string {
  const runs = world.runs.map(
    ({ point, waits, orphan }) =>
      `${point.id}${orphan ? 'o' : ''}${waits.map(({ id, task }) => `w${id}-${task}`).join('')}`,
  );
  const guests = world.guests.map(({ phase, starts }) => `${phase}${starts}`);
  return `${world.machine};${world.claims};${runs.join()};${guests.join()};${Object.values(world.left).join()}`;
}

export function pidsOf(world: World): number[] {
  return world.runs.map(({ point }) => point.program.pid);
}

/** A domain that a guest is started with, `starts` counted from 1. */
export function domainOf(setting: Setting, guest: string, starts: number): Domain {
  const domains = setting.guests[guest]!;
  return domains[Math.min(starts, domains.length) - 1]!;
}

const programs = new WeakMap<Setting, Map<string, Program>>();

/** The programs of a setting. Each run has a pid of its own, by guest and start, so that equal lives are equal. */
export function programOf(
  setting: Setting,
  kind: Program['kind'],
  of: { readonly guest?: string; readonly count: number },
): Program {
  const known = programs.get(setting) ?? new Map<string, Program>();
  programs.set(setting, known);
  const key = `${kind} ${of.guest ?? ''} ${of.count}`;
  const program = known.get(key) ?? newProgram(setting, kind, of);
  known.set(key, program);
  return program;
}

function newProgram(
  setting: Setting,
  kind: Program['kind'],
  { guest, count }: { readonly guest?: string; readonly count: number },
): Program {
  const nth = count > 1 ? ` (${count})` : '';
  const { config = {} } = setting;
  if (kind === 'recover' || guest === undefined) {
    return {
      name: `recover${nth}`,
      kind: 'recover',
      pid: 900 + count,
      config,
      body: (engine) => recover(engine, { dryRun: false }),
    };
  }
  const base = 100 * (Object.keys(setting.guests).indexOf(guest) + 1) + 10 * count;
  const name = `${kind} of ${guest}${nth}`;
  return kind === 'prepare'
    ? {
        ...{ name, kind, guest, config, pid: base },
        body: (engine) => prepare(engine, domainOf(setting, guest, count)),
      }
    : { name, kind, guest, config, pid: base + 1, body: (engine) => release(engine, guest) };
}

/** libvirt hears how the run ended that it waits for. */
export function ended(world: World, run: Run, outcome: Outcome): World {
  const { kind, guest } = run.point.program;
  if (run.orphan || guest === undefined) return world;
  if (kind === 'release') return withGuest(world, guest, 'off');
  return withGuest(world, guest, outcome.kind === 'done' ? 'starting' : 'failed');
}

/** The same with a guest in another phase. */
export function withGuest(world: World, name: string, phase: Phase, starts?: number): World {
  const guests = world.guests.map((guest) =>
    guest.name === name ? { ...guest, phase, starts: starts ?? guest.starts } : guest,
  );
  return { ...world, guests };
}

/** The same when one more of these has happened. */
export function spend(world: World, what: keyof Bounds): World {
  return { ...world, left: { ...world.left, [what]: world.left[what] - 1 } };
}

/** The same when a run is over. */
export function without(world: World, run: Run): World {
  return { ...world, runs: world.runs.filter((each) => each.point.program !== run.point.program) };
}

/** The same with a run further on. */
export function replace(world: World, old: Run, run: Run): World {
  return {
    ...world,
    runs: world.runs.map((each) => (each.point.program === old.point.program ? run : each)),
  };
}

/** Runs in order of pid. */
export function inOrder(runs: readonly Run[]): Run[] {
  return [...runs].sort((a, b) => a.point.program.pid - b.point.program.pid);
}
