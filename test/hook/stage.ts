import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeClaim } from '../../src/claim/decode.ts';
import type { Claim } from '../../src/claim/claim.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import { readDescription } from '../../simulator/description.ts';
import { MACHINE_FILE } from '../../simulator/entry.ts';
import { createMachineFile, type Machine } from '../../simulator/machine.ts';
import type { FaultDescription } from '../../simulator/operation.ts';
import type { MachineSpec } from '../../simulator/spec.ts';
import {
  callHook,
  example,
  repository,
  startHook,
  temporaryDirectory,
  type CallOptions,
  type Ended,
  type Running,
} from './compiled.ts';

/** A guest as libvirt knows it. */
export interface Guest {
  readonly name: string;
  readonly uuid: string;
  readonly xml: string;
}

/** A guest of examples/domains, by file name without its ending. */
export function exampleGuest(title: string): Guest {
  const xml = example(`domains/${title}.xml`);
  const { name } = parseDomain(xml);
  const { uuid } = parseDomain(xml, { name });
  return { name, uuid, xml };
}

/** A small guest that is assigned these addresses. */
export function guestWith(addresses: readonly string[], { name, uuid } = ANYBODY): Guest {
  const hostdevs = addresses.map((address) => {
    const [, domain, bus, slot, fn] = /^(\w+):(\w+):(\w+)\.(\d)$/.exec(address) ?? [];
    return `<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0x${domain ?? ''}' bus='0x${bus ?? ''}' slot='0x${slot ?? ''}' function='0x${fn ?? ''}'/></source></hostdev>`;
  });
  const escaped = name
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\r\n\t]/g, (char) => `&#${char.charCodeAt(0)};`);
  const xml = `<domain type='kvm' id='1'>\n  <name>${escaped}</name>\n  <uuid>${uuid}</uuid>\n  <devices>${hostdevs.join('')}</devices>\n</domain>\n`;
  return { name, uuid, xml };
}

const ANYBODY = { name: 'vm1', uuid: '82eef905-a0c9-4093-ab06-790e7ebe014c' };

/** A simulated machine and the directory that the hook is pointed at. */
export interface Stage {
  readonly directory: string;
  readonly machine: Machine;
  /** `--simulated-machine DIRECTORY`. */
  readonly option: readonly [string, string];
}

/** Boots a machine of examples/hosts, changed if need be. */
export function stage(title: string, change?: (spec: MachineSpec) => MachineSpec): Stage {
  return stageOf(join(repository, 'examples/hosts', `${title}.yaml`), change);
}

/** Boots the machine that a file describes. */
export function stageOf(file: string, change: (spec: MachineSpec) => MachineSpec = (spec) => spec): Stage {
  const directory = temporaryDirectory();
  const spec = change(readDescription(file));
  const machine = createMachineFile(join(directory, MACHINE_FILE), spec);
  return { directory, machine, option: ['--simulated-machine', directory] };
}

/** The five moments of a guest's life, as libvirt gives them. */
export const moments = {
  prepare: ['prepare', 'begin', '-'],
  start: ['start', 'begin', '-'],
  started: ['started', 'begin', '-'],
  stopped: ['stopped', 'end', '-'],
  release: ['release', 'end', 'shutdown'],
} as const;

/** One call of the hook for a guest. stdout is libvirt's: nothing may be on it, whatever happens. */
export function call(
  { option }: Stage,
  guest: Guest,
  moment: keyof typeof moments,
  options: CallOptions = {},
): Ended {
  const ended = callHook([guest.name, ...moments[moment], ...option], { input: guest.xml, ...options });
  assert.equal(ended.stdout, '');
  return ended;
}

/** The same, beside the test. */
export function begin(
  { option }: Stage,
  guest: Guest,
  moment: keyof typeof moments,
  options: CallOptions = {},
): Running {
  return startHook([guest.name, ...moments[moment], ...option], { input: guest.xml, ...options });
}

/** A call that does what it should, and says nothing. */
export function succeeds(on: Stage, guest: Guest, moment: keyof typeof moments): void {
  assert.deepEqual(call(on, guest, moment), { status: 0, signal: null, stdout: '', stderr: '' });
}

/** What the machine is like: all that a guest could change, nothing that only counts up. */
export function picture({ machine }: Stage): unknown {
  const { devices, groups, drivers, autoprobe, mdevs, memory } = machine.state();
  return {
    autoprobe,
    mdevs,
    groups,
    pools: memory?.pools.map(({ sizeKb, nodes }) => ({ sizeKb, nodes })),
    dynamicIds: Object.values(drivers).flatMap(({ dynamicIds }) => dynamicIds),
    devices: Object.values(devices).map((device) => ({
      address: device.spec.address,
      driver: device.driver,
      linked: device.linked,
      driverOverride: device.driverOverride,
      bars: device.bars,
      numVfs: device.numVfs,
      vfAutoprobe: device.vfAutoprobe,
      powerControl: device.powerControl,
      d3coldAllowed: device.d3coldAllowed,
      resetMethods: device.resetMethods,
      users: device.users,
    })),
  };
}

/** Writes and loaded modules so far. */
export function changes({ machine }: Stage): number {
  return machine.journal().length;
}

/** The driver of each of these devices. */
export function drivers({ machine }: Stage, addresses: readonly string[]): (string | undefined)[] {
  const { devices } = machine.state();
  return addresses.map((address) => devices[address]?.driver);
}

/** The claims on disk, by file name; unfinished replacements of one (names with a dot) are none yet. */
export function claims({ directory }: Stage): Readonly<Record<string, Claim>> {
  const folder = join(directory, 'run/claims');
  if (!existsSync(folder)) return {};
  const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  return Object.fromEntries(
    names.map((name) => {
      const read = decodeClaim(readFileSync(join(folder, name), 'utf8'));
      assert.ok('claim' in read, `${name} is no claim`);
      return [name, read.claim];
    }),
  );
}

/** Adds a fault to the machine. */
export function fault({ machine }: Stage, rule: FaultDescription): void {
  machine.perform({ do: 'fault', rule });
}

/** Puts a configuration file below the machine's etc. */
export function configure({ directory }: Stage, path: string, text: string): void {
  mkdirSync(join(directory, 'etc/domains'), { recursive: true, mode: 0o755 });
  const file = join(directory, 'etc', path);
  writeFileSync(file, text);
  chmodSync(file, 0o644);
}

/** A text as it is in a golden file: what differs from run to run is replaced by words. */
export function steady(text: string, { directory }: Pick<Stage, 'directory'>): string {
  return text
    .replaceAll(directory, 'MACHINE')
    .replace(/\b(pid|process) \d+/g, '$1 PID')
    .replace(/\d{4}-\d\d-\d\d(?:T[\d:.]+Z| [\d:]+ [+-]\d\d:\d\d)/g, 'TIME')
    .replace(/\b[\d.]+ ms\b/g, 'N ms')
    .replace(/\b(for|over|prepared|begun) \d+ s\b/g, '$1 N s');
}
