import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Claim } from '../src/claim/claim.ts';
import { defaultConfig, type Config } from '../src/config/config.ts';
import type { DefinedDomain, Domain, Hostdev } from '../src/domain/domain.ts';
import { openClaimStore, type ClaimStore } from '../src/engine/claim-store.ts';
import { detach, manualOwner, type Detachment, type DetachRequest } from '../src/engine/detach.ts';
import type { Engine } from '../src/engine/engine.ts';
import type { HeldLocks } from '../src/engine/lock-name.ts';
import { prepare } from '../src/engine/prepare.ts';
import type { Reattachment, ReattachRequest } from '../src/engine/plan-reattach.ts';
import { reattach } from '../src/engine/reattach.ts';
import { recover, type Recovery } from '../src/engine/recover.ts';
import { release } from '../src/engine/release.ts';
import { VfioHookError } from '../src/errors.ts';
import { inconsistencies } from './simulator/consistency.ts';
import { readDescription } from '../simulator/description.ts';
import type { FaultEffect } from '../simulator/faults.ts';
import type { SimulatedHost } from '../simulator/host.ts';
import { createMachine, type Machine } from '../simulator/machine.ts';
import { differences, observe, type Observation } from './simulator/observe.ts';
import type { Operation } from '../simulator/operation.ts';
import type { DeviceSpec, MachineSpec } from '../simulator/spec.ts';
import type { JournalEntry } from '../simulator/state.ts';
import type { LogEntry } from '../src/log/log.ts';
import { parsePciAddress, type PciAddress } from '../src/pci/address.ts';
import { sysfs } from '../src/pci/sysfs.ts';

const examples = fileURLToPath(new URL('../examples/', import.meta.url));
const read = new Map<string, MachineSpec>();

/** A machine of examples/hosts, with other facts about it and about single devices. */
export function machineSpec(
  name: string,
  facts: Partial<MachineSpec> = {},
  devices: Readonly<Record<string, Partial<DeviceSpec>>> = {},
): MachineSpec {
  const spec = read.get(name) ?? readDescription(join(examples, `hosts/${name}.yaml`));
  read.set(name, spec);
  const known = new Set(spec.devices.map(({ address }) => address));
  for (const address of Object.keys(devices)) assert.ok(known.has(address), `${name} has no ${address}`);
  return {
    ...spec,
    ...facts,
    devices: (facts.devices ?? spec.devices).map((device) => ({ ...device, ...devices[device.address] })),
  };
}

/** A PCI address that a test knows to be one. */
export function pci(text: string): PciAddress {
  const address = parsePciAddress(text);
  assert.ok(address, `${text} is no PCI address`);
  return address;
}

/** A guest that is assigned these devices: addresses stand for unmanaged `<hostdev type='pci'>`. */
export function guest(name: string, ...devices: readonly (string | Hostdev)[]): DefinedDomain {
  return {
    name,
    uuid: uuidOf(name),
    hostdevs: devices.map((device) =>
      typeof device === 'string' ? { kind: 'pci', address: pci(device), managed: false } : device,
    ),
  };
}

function uuidOf(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** One machine with an engine over it. Each prepare, release, recover, detach and reattach is a process of its own. */
export interface Scenario {
  readonly machine: Machine;
  readonly directory: string;
  /** The log of all runs. */
  readonly log: readonly LogEntry[];
  /** The time of day; tests move it. */
  readonly time: { now: number };
  /** What the configuration says from now on. */
  config: Config;
  /** Whether guests have files of their own. */
  hasOwnConfig: boolean;
  /** How the next runs come by it. */
  loadConfig: () => Config;
  /** What the next runs are told when they ask whether to stop. */
  interrupted: () => string | undefined;
  /** Stands between the engine and its claims, for disks that are full. */
  wrapStore: (store: ClaimStore, host: SimulatedHost) => ClaimStore;
  /** Stands between the engine and the kernel. */
  wrapHost: (host: SimulatedHost) => SimulatedHost;
  /** An engine for a process of its own. */
  engine(): Engine;
  prepare(guest: Domain): Promise<void>;
  release(guestName: string): Promise<void>;
  recover(options?: { readonly dryRun: boolean }): Promise<Recovery[]>;
  detach(addresses: readonly string[], request?: Partial<DetachRequest>): Promise<Detachment>;
  reattach(addresses: readonly string[], request?: Partial<ReattachRequest>): Promise<Reattachment>;
  /** Something happens on the machine; it must succeed. */
  happens(...operations: readonly Operation[]): void;
  /** A user types this at a root shell; it must succeed. */
  byHand(path: string, value: string): Promise<void>;
  /** As people do it in scripts: override, unbind, bind. `none` takes the driver away. */
  moveByHand(device: string, driver: string): Promise<void>;
  fault(
    effect: FaultEffect,
    where?: { path?: string; value?: string; nth?: number; times?: number | 'always' },
  ): void;
  /** What a run wrote to the kernel since the last call, failed ones with their errno. */
  writes(): string[];
  /** Name of the driver that a device is bound to, `none`, or `leaving`. */
  driver(address: string): string;
  /** One fact of a machine, as in test/simulator/observe.ts. */
  fact(name: string): string | undefined;
  observation(): Observation;
  /** Claims of this boot. */
  claims(): readonly Claim[];
  /** Writes this into a file of the claims' directory. */
  damage(file: string, text: string | Uint8Array): void;
  /** Remembers everything, on the machine and on disk; returns what goes back to it. */
  save(): () => void;
  /** Asserts that everything is as it was in the beginning (or then), that no claim is left, and that the machine makes sense. */
  nothingDiffers(since?: Observation): void;
}

/** Options of one {@link Scenario}. */
export interface ScenarioOptions {
  readonly host?: string;
  readonly machine?: Partial<MachineSpec>;
  /** Facts about single devices of the machine. */
  readonly devicesOfHost?: Readonly<Record<string, Partial<DeviceSpec>>>;
  readonly config?: Partial<Config>;
  /** vfio-pci is loaded already, so that no run has to do it. */
  readonly vfioLoaded?: true;
}

/** Inside a `describe`: gives the function that makes scenarios, whose directories vanish after each test. */
export function scenarios(): (options?: ScenarioOptions) => Scenario {
  const directories: string[] = [];
  afterEach(() => {
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  });
  return (options = {}) => {
    const directory = stateDirectory();
    directories.push(directory);
    return openScenario(options, directory);
  };
}

/** A fresh directory; in memory where there is such a file system, since claims are synced to the disk. */
export function stateDirectory(): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'vfio-hook-'));
}

/** A scenario in a directory that the caller removes. */
export function openScenario(options: ScenarioOptions, directory: string): Scenario {
  const spec = machineSpec(options.host ?? 'amd-rdna3-desktop', options.machine, options.devicesOfHost);
  const machine = createMachine(spec);
  const log: LogEntry[] = [];
  const beginning = observe(machine.state());
  const trustedUid = process.getuid?.() ?? 0;
  let seen = 0;

  const engineOver = (host: SimulatedHost): Engine => {
    const bootId = (host.read(sysfs.bootId) ?? '').trim();
    const store = openClaimStore({ stateDirectory: join(directory, 'run'), trustedUid, bootId });
    return {
      host,
      store: scenario.wrapStore(mortal(store, host), host),
      log: { write: (entry) => log.push(entry), close: () => undefined },
      stateDirectory: join(directory, 'run'),
      trustedUid,
      bootId,
      clock: () => new Date(scenario.time.now),
      loadConfig: () => scenario.loadConfig(),
      hasOwnConfig: () => scenario.hasOwnConfig,
      interrupted: () => scenario.interrupted(),
    };
  };
  const asProcess = async <T>(action: (engine: Engine) => Promise<T>): Promise<T> => {
    const host = machine.host();
    try {
      return await action(engineOver(scenario.wrapHost(host)));
    } finally {
      host.die();
    }
  };

  const scenario: Scenario = {
    machine,
    directory,
    log,
    time: { now: Date.UTC(2026, 0, 2, 3, 4, 5) },
    config: { ...defaultConfig, ...options.config },
    hasOwnConfig: false,
    loadConfig: () => scenario.config,
    interrupted: () => undefined,
    wrapStore: (store) => store,
    wrapHost: (host) => host,
    engine: () => engineOver(machine.host()),
    prepare: (domain) => asProcess((engine) => prepare(engine, domain)),
    release: (name) => asProcess((engine) => release(engine, name)),
    recover: (how = { dryRun: false }) => asProcess((engine) => recover(engine, how)),
    detach: (addresses, request = {}) =>
      asProcess((engine) =>
        detach(engine, {
          owner: manualOwner(),
          devices: addresses.map(pci),
          bars: new Map(),
          skipRefused: false,
          ...request,
        }),
      ),
    reattach: (addresses, request = {}) =>
      asProcess((engine) =>
        reattach(engine, { devices: addresses.map(pci), skipRefused: false, ...request }),
      ),
    happens: (...operations) => {
      for (const operation of operations) {
        assert.deepEqual(machine.perform(operation), { kind: 'done' }, JSON.stringify(operation));
      }
    },
    byHand: async (path, value) => {
      const journal = machine.journal().length;
      assert.deepEqual(await machine.host().write(path, value, 1000), { kind: 'written' }, path);
      if (seen === journal) seen += 1;
    },
    moveByHand: async (device, driver) => {
      const bound = scenario.driver(device);
      if (bound !== 'none') await scenario.byHand(`/sys/bus/pci/drivers/${bound}/unbind`, device);
      if (driver === 'none') return;
      const override = `/sys/bus/pci/devices/${device}/driver_override`;
      await scenario.byHand(override, driver);
      await scenario.byHand(`/sys/bus/pci/drivers/${driver}/bind`, device);
    },
    fault: (effect, where = {}) => {
      machine.perform({ do: 'fault', rule: { ...where, effect } });
    },
    writes: () => {
      const journal = machine.journal();
      const fresh = journal.slice(seen);
      seen = journal.length;
      return fresh.map(writeText);
    },
    driver: (address) => observe(machine.state())[`${address} driver`] ?? 'absent',
    fact: (name) => observe(machine.state())[name],
    observation: () => observe(machine.state()),
    claims: () => engineOver(machine.host()).store.all().claims,
    damage: (file, text) => {
      writeFileSync(join(directory, 'run/claims', file), text, { mode: 0o600 });
    },
    save: () => {
      const state = machine.state();
      const files = readTree(directory);
      return () => {
        machine.store.update((current) => {
          for (const key of Object.keys(current)) Reflect.deleteProperty(current, key);
          Object.assign(current, structuredClone(state));
        });
        writeTree(directory, files);
      };
    },
    nothingDiffers: (since = beginning) => {
      assert.deepEqual(differences(since, observe(machine.state())), []);
      assert.deepEqual(inconsistencies(machine.state()), []);
      const { claims, damaged } = engineOver(machine.host()).store.all();
      assert.deepEqual([...claims, ...damaged], [], 'a claim is left');
    },
  };
  if (options.vfioLoaded) {
    scenario.happens({ do: 'load', module: 'vfio-pci' });
    scenario.writes();
  }
  return scenario;
}

/** A store that a killed process cannot write to any more: what runs on in a test after the kill never ran. */
function mortal(store: ClaimStore, host: SimulatedHost): ClaimStore {
  const alive = (): void => {
    host.read(sysfs.bootId);
  };
  return {
    ...store,
    write: (...args) => {
      alive();
      store.write(...args);
    },
    remove: (...args) => {
      alive();
      store.remove(...args);
    },
  };
}

/**
 * Has the processes from now on die before the nth call that changes the host, counted from 0 over all of them; returns what
 * ends that and tells whether one has died.
 */
export function dieBefore(on: Scenario, nth: number): () => boolean {
  let calls = 0;
  on.wrapHost = (host) => {
    const dies = (): void => {
      if (calls++ === nth) host.die();
    };
    return {
      ...host,
      write: (...args) => {
        dies();
        return host.write(...args);
      },
      run: (...args) => {
        if (!args[1].some((word) => /^(?:show|--query-gpu=.*)$/.test(word))) dies();
        return host.run(...args);
      },
    };
  };
  return () => {
    on.wrapHost = (host) => host;
    return calls > nth;
  };
}

/**
 * Starts and ends a guest on scenarios that are alike, each time with a run that dies before one call more, or `every` more,
 * until none dies: whoever recovers then finds nothing different. How many have died.
 */
export async function dieAtEachCall(open: () => Scenario, domain: DefinedDomain, every = 1): Promise<number> {
  for (let deaths = 0; ; deaths += 1) {
    const on = open();
    const end = dieBefore(on, deaths * every);
    await on.prepare(domain).catch(() => undefined);
    await on.release(domain.name).catch(() => undefined);
    const hasDied = end();
    await on.recover();
    on.nothingDiffers();
    if (!hasDied) return deaths;
  }
}

/** The same of the end of a guest that has been started; `also` looks at it after each recovery. */
export async function dieAtEachCallOfEnd(
  on: Scenario,
  domain: DefinedDomain,
  also: () => void = () => undefined,
): Promise<void> {
  await on.prepare(domain);
  const given = on.save();
  for (let nth = 0, died = true; died; nth += 1) {
    given();
    const end = dieBefore(on, nth);
    await on.release(domain.name).catch(() => undefined);
    died = end();
    await on.recover();
    on.nothingDiffers();
    also();
  }
}

/** For tests that write claims themselves, while nobody else does. */
export const everyLock: HeldLocks = { holds: () => true };

/** Files of a state directory by relative path. */
function readTree(directory: string): Map<string, Buffer> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(directory, name)).isFile());
  return new Map(files.map((name) => [name, readFileSync(join(directory, name))]));
}

function writeTree(directory: string, files: ReadonlyMap<string, Buffer>): void {
  for (const name of readTree(directory).keys()) rmSync(join(directory, name));
  for (const [name, bytes] of files) writeFileSync(join(directory, name), bytes, { mode: 0o600 });
}

function writeText({ operation, path, value, result }: JournalEntry): string {
  const what =
    operation === 'write'
      ? `${path.replace(/^\/sys\/bus\/pci\/(devices|drivers)\//, '')} < ${value.trimEnd() || '""'}`
      : operation === 'run'
        ? `${path} ${value}`
        : `${operation} ${path}`;
  return result === 'ok' ? what : `${what} (${result ?? 'not returned'})`;
}

/** The name of the guest that a claim is of; of others their kind. */
export function claimedBy({ owner }: Pick<Claim, 'owner'>): string {
  return owner.kind === 'guest' ? owner.name : owner.kind;
}

/** The error that an action ends with, which must be one that a person can read. */
export async function failureOf(action: Promise<unknown>): Promise<VfioHookError> {
  try {
    await action;
  } catch (error) {
    assert.ok(error instanceof VfioHookError, error instanceof Error ? error.stack : String(error));
    assert.match(error.message, /^[^\n]+[^.\n]$/, 'one line without a final period');
    return error;
  }
  assert.fail('it succeeded');
}
