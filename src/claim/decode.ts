import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { isDriverName } from '../pci/driver-name.ts';
import {
  claimStates,
  type BarSize,
  type Claim,
  type ClaimOwner,
  type ClaimProcess,
  type ClaimedDevice,
  type ClaimState,
  type Original,
  type StuckWrite,
  type UnsafeInterrupts,
} from './claim.ts';
import { keyDeviation, partDeviation } from './hold-form.ts';
import type { Hold, HoldId } from './hold.ts';

/**
 * Reads a claim back from its JSON text, also one of version 2. Anything but a whole claim gives a reason in words:
 * a torn, foreign or hand-edited claim is never guessed at.
 */
export function decodeClaim(text: string): { readonly claim: Claim } | { readonly reason: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { reason: text.trim() === '' ? 'the file is empty' : 'the file is no whole JSON document' };
  }
  try {
    return { claim: claim(record(json, 'claim')) };
  } catch (error) {
    return { reason: error instanceof Deviation ? error.message : 'the file is no claim' };
  }
}

/** The text to store; {@link decodeClaim} reads it. */
export function encodeClaim(value: Claim): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}

/** Each `version` of a claim file that this program reads; the scripts of packages look for another one before an upgrade. */
export const readableVersions = [2, 3] as const;

type ReadableVersion = (typeof readableVersions)[number];

class Deviation extends Error {}

type Json = Readonly<Record<string, unknown>>;

function claim(json: Json): Claim {
  const written = versionOf(json);
  return {
    version: 3,
    bootId: string(json, 'bootId'),
    owner: owner(record(json['owner'], 'owner')),
    state: state(json['state']),
    claimedAt: string(json, 'claimedAt'),
    writer: identity(json['writer'], 'writer'),
    kernelWriteTimeout: number(json, 'kernelWriteTimeout'),
    groups: list(json, 'groups').map((group) => count(group, 'groups')),
    devices: list(json, 'devices').map((entry) => device(record(entry, 'devices'))),
    holds: written === 2 ? [] : holds(json),
    ...(json['unsafeInterrupts'] !== undefined && { unsafeInterrupts: unsafeInterrupts(json) }),
    stuck: list(json, 'stuck').map((entry) => stuck(record(entry, 'stuck'))),
    leftovers: list(json, 'leftovers').map(String),
  };
}

function versionOf(json: Json): ReadableVersion {
  const version = readableVersions.find((readable) => readable === json['version']);
  if (version === undefined)
    throw new Deviation(
      `its version is ${JSON.stringify(json['version'])}, not ${readableVersions.join(' or ')}`,
    );
  const tooNew = ['holds', 'unsafeInterrupts'].find((key) => version === 2 && json[key] !== undefined);
  if (tooNew !== undefined) throw new Deviation(`version 2 has no ${tooNew}`);
  return version;
}

function holds(json: Json): readonly Hold[] {
  const all = list(json, 'holds').map((entry) => hold(record(entry, 'holds')));
  const ids = new Set(all.map(({ kind, key }) => `${kind} ${key}`));
  if (ids.size < all.length) throw new Deviation('it holds one thing twice');
  return all;
}

function hold(json: Json): Hold {
  const { kind, key } = holdId(json);
  const part = (name: 'original' | 'wish'): Json => {
    const value = record(json[name], name);
    const wrong = partDeviation(kind, name, value);
    if (wrong !== undefined) throw new Deviation(wrong);
    return value;
  };
  // Sound, though not proven by the type: each field of both parts has been checked for this kind.
  return { kind, key, original: part('original'), wish: part('wish') } as unknown as Hold;
}

function holdId(json: Json): HoldId {
  const key = string(json, 'key');
  const wrong = keyDeviation(json['kind'], key);
  if (wrong !== undefined) throw new Deviation(wrong);
  return { kind: json['kind'] as HoldId['kind'], key };
}

function unsafeInterrupts(json: Json): UnsafeInterrupts {
  const { original } = record(json['unsafeInterrupts'], 'unsafeInterrupts');
  if (original !== 'N') throw new Deviation('unsafeInterrupts has another original than N');
  return { original };
}

function owner(json: Json): ClaimOwner {
  const uuid = string(json, 'uuid');
  switch (json['kind']) {
    case 'guest':
      return { kind: 'guest', name: string(json, 'name'), uuid };
    case 'manual':
      return { kind: 'manual', uuid };
    case 'run':
      return {
        kind: 'run',
        uuid,
        command: string(json, 'command'),
        processes: list(json, 'processes').map((entry) => identity(entry, 'processes')),
      };
    default:
      throw new Deviation(`${JSON.stringify(json['kind'])} is no kind of owner`);
  }
}

function device(json: Json): ClaimedDevice {
  const driver = optional(json, 'driver');
  return {
    address: address(json['address']),
    group: count(json['group'], 'group'),
    vendor: string(json, 'vendor'),
    device: string(json, 'device'),
    ...(json['physicalFunction'] !== undefined && { physicalFunction: address(json['physicalFunction']) }),
    ...(driver !== undefined && { driver: kernelName(driver) }),
    ...(flag(json, 'chosen') && { chosen: true as const }),
    ...(flag(json, 'returning') && { returning: true as const }),
    original: original(record(json['original'], 'original')),
  };
}

function flag(json: Json, key: string): boolean {
  const value = json[key];
  if (value === undefined || value === true) return value === true;
  throw new Deviation(`${key} is not true`);
}

function original(json: Json): Original {
  const driver = optional(json, 'driver');
  const module = optional(json, 'module');
  const driverOverride = optional(json, 'driverOverride');
  const powerControl = optional(json, 'powerControl');
  const { d3coldAllowed } = json;
  if (d3coldAllowed !== undefined && typeof d3coldAllowed !== 'boolean')
    throw new Deviation('d3coldAllowed is neither true nor false');
  return {
    ...(driver !== undefined && { driver: kernelName(driver) }),
    ...(module !== undefined && { module: kernelName(module) }),
    ...(driverOverride !== undefined && { driverOverride: overrideText(driverOverride) }),
    bars: list(json, 'bars').map((entry) => barSize(record(entry, 'bars'))),
    ...((powerControl === 'auto' || powerControl === 'on') && { powerControl }),
    ...(json['resetMethods'] !== undefined && {
      resetMethods: list(json, 'resetMethods').map((method) => kernelName(String(method))),
    }),
    ...(d3coldAllowed !== undefined && { d3coldAllowed }),
  };
}

function barSize(json: Json): BarSize {
  const bar = count(json['bar'], 'bar');
  if (bar > 5) throw new Deviation(`BAR ${bar} does not exist`);
  return { bar, size: number(json, 'size') };
}

function stuck(json: Json): StuckWrite {
  return {
    ...(json['device'] !== undefined && { device: address(json['device']) }),
    ...(json['hold'] !== undefined && { hold: holdId(record(json['hold'], 'hold')) }),
    step: string(json, 'step'),
    path: string(json, 'path'),
    writer: identity(json['writer'], 'writer'),
    ...(json['nodes'] !== undefined && { nodes: list(json, 'nodes').map(String) }),
  };
}

/** A name that will become part of a path under /sys, the argument of modprobe or the value of an attribute. */
function kernelName(text: string): string {
  if (!isDriverName(text)) throw notFromKernel(text);
  return text;
}

function notFromKernel(text: string): Deviation {
  return new Deviation(`${JSON.stringify(text)} is no name that the kernel gives`);
}

/** An override's text is only ever written into the attribute. */
function overrideText(text: string): string {
  if (!/^[^\n\0]{1,4094}$/.test(text)) throw notFromKernel(text);
  return text;
}

function address(value: unknown): PciAddress {
  const parsed = typeof value === 'string' ? parsePciAddress(value) : undefined;
  if (!parsed) throw new Deviation(`${JSON.stringify(value)} is no PCI address`);
  return parsed;
}

function identity(value: unknown, name: string): ClaimProcess {
  const json = record(value, name);
  return { pid: number(json, 'pid'), startTime: number(json, 'startTime') };
}

function state(value: unknown): ClaimState {
  const known = claimStates.find((candidate) => candidate === value);
  if (!known) throw new Deviation(`${JSON.stringify(value)} is no state of a claim`);
  return known;
}

function record(value: unknown, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Deviation(`${name} is no object`);
  }
  return value as Json;
}

function list(json: Json, key: string): readonly unknown[] {
  const value = json[key];
  if (!Array.isArray(value)) throw new Deviation(`${key} is no list`);
  return value;
}

function string(json: Json, key: string): string {
  const value = json[key];
  if (typeof value !== 'string') throw new Deviation(`${key} is no text`);
  return value;
}

function optional(json: Json, key: string): string | undefined {
  return json[key] === undefined ? undefined : string(json, key);
}

function number(json: Json, key: string): number {
  const value = json[key];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Deviation(`${key} is no number`);
  return value;
}

function count(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
    throw new Deviation(`${name} is no whole number`);
  }
  return value;
}
