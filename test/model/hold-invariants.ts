import { isDeepStrictEqual } from 'node:util';
import type { MachineState } from '../../simulator/state.ts';
import type { Hold, Stated } from '../../src/claim/hold.ts';
import type { MdevRule } from '../../src/config/config.ts';
import { mdevHostdevs, type Hostdev } from '../../src/domain/domain.ts';
import { domainOf, type Setting, type World } from './world.ts';

/** Which original in a claim is not what there was at the boot, which is what all claims on one thing have to say. */
export function wrongHold(booted: MachineState, { kind, key, original }: Hold): string | undefined {
  const was = stateOf(booted, kind, key);
  if (isDeepStrictEqual(original, was)) return undefined;
  return `has ${JSON.stringify(original)} as an original of ${key}, which was ${JSON.stringify(was)}`;
}

/**
 * Whether one of these holds has to put back what a line of a drift says. A virtual function goes as it came: what its
 * guest has made of it is for a claim on the device.
 */
export function isHeldBack(line: string, holds: readonly Hold[], state: MachineState): boolean {
  const [name = '', after] = line.split(/: .* -> /);
  const [address = ''] = /[0-9a-f:]+\.[0-7]/.exec(name) ?? [];
  const physical = state.devices[address]?.spec.physicalFunction;
  const isMoved =
    (name.endsWith(' driver') && after !== 'none') || (name.endsWith('override') && after !== '(null)');
  return holds.some((hold) => factsOf(hold).includes(name) || (hold.key === physical && !isMoved));
}

/** Whether a line of a drift is never put back for the device's sake, but for what is held of it. */
export function isOfHoldAlone(line: string): boolean {
  return line.includes(' vgpu type: ');
}

/** What an observation calls that which a hold is about. */
function factsOf({ kind, key }: Hold): readonly string[] {
  switch (kind) {
    case 'hugepages': {
      const { sizeKb, node } = poolOf(key);
      return [`huge pages of ${sizeKb} kB on node ${node}`];
    }
    case 'vfs':
      return ['virtual functions', 'vf autoprobe', 'power control'].map((fact) => `${key} ${fact}`);
    case 'unit':
      return [`unit ${key}`];
    case 'cpus':
      return [`CPUs of ${key}`];
    case 'irq':
      return [key === 'default' ? 'new interrupts' : `interrupt ${key}`];
    case 'console':
      return [`console ${key}`];
    case 'framebuffer':
      return [`firmware frame buffer`];
    case 'persistence':
      return [`${key} persistence mode`];
    case 'module':
    case 'vfio-modules':
      return [];
    case 'frequency':
      return [`frequency ${key}`];
    case 'vgpu':
      return [`${key} vgpu type`];
    case 'mdev':
      return [`mediated device ${key}`];
    case 'vf':
    case 'vf-mac':
    case 'vf-resource':
      return [];
    case 'parameter':
      return ['allow_unsafe_interrupts'];
  }
}

/**
 * Who was told that it may start has what it wants of the host, besides what there was and what others were told that
 * they have, until its QEMU is gone.
 */
export function missingWish(
  setting: Setting,
  booted: MachineState,
  state: MachineState,
  { guests }: World,
): string | undefined {
  let pages = 0;
  for (const { name, phase, starts } of guests) {
    if (phase !== 'starting' && phase !== 'running') continue;
    const { hostdevs, hugepages = [] } = domainOf(setting, name, starts);
    const pool = setting.config?.hugepages;
    for (const { bytes } of pool ? hugepages : []) pages += bytes / (pool?.sizeKb ?? 0) / 1024;
    const wanted = pool && poolPages(booted, pool.sizeKb, pool.node ?? 0) + pages;
    const found = pool && poolPages(state, pool.sizeKb, pool.node ?? 0);
    if (wanted !== undefined && found !== undefined && found < wanted)
      return `${name} is ${phase} and the pool has ${found} pages in place of ${wanted}`;
    for (const { pf, vfs, autoprobe } of setting.config?.sriov ?? []) {
      const isOf = (address: string): boolean => state.devices[address]?.spec.physicalFunction === pf;
      if (!hostdevs.some((each) => 'address' in each && isOf(each.address))) continue;
      const is = stateOf(state, 'vfs', pf);
      if (!isDeepStrictEqual(is, { count: vfs, autoprobe, power: 'on' }))
        return `${name} is ${phase} and ${pf} is ${JSON.stringify(is)}`;
    }
    const slice = missingSlice(setting, state, hostdevs);
    if (slice !== undefined) return `${name} is ${phase} and ${slice}`;
  }
  return sharedMdev(setting, guests);
}

/** What is not as it must be of a guest's mediated devices and vGPUs. */
function missingSlice(
  { config }: Setting,
  state: MachineState,
  hostdevs: readonly Hostdev[],
): string | undefined {
  for (const hostdev of hostdevs) {
    if (hostdev.kind === 'mdev') {
      const wanted = config?.mdev?.find(({ uuid }) => uuid === hostdev.uuid);
      const is = state.mdevs[hostdev.uuid];
      if (!is) return `its mediated device ${hostdev.uuid} is gone`;
      if (is.leaving) return `its mediated device ${hostdev.uuid} is being removed`;
      const { parent, type } = offered(state, wanted);
      if (is.parent !== parent || is.type !== type)
        return `its mediated device ${hostdev.uuid} is ${is.type} on ${is.parent}`;
      continue;
    }
    const rule = config?.vgpu?.find(({ vf }) => vf === hostdev.address);
    const type = state.devices[hostdev.address]?.vgpuType;
    if (rule && type !== rule.type) return `the vGPU on ${hostdev.address} is of type ${type ?? 'none'}`;
  }
  return undefined;
}

/** The only type of the only parent of a machine of the model, if that is what a rule asks for. */
function offered({ spec }: MachineState, rule: MdevRule | undefined): { parent?: string; type?: string } {
  const [only] = spec.mdevTypes;
  const isAsked = only && rule && [only.parent, 'auto'].includes(rule.parent);
  return isAsked && [only.type, only.name].includes(rule.type) ? only : {};
}

/** A mediated device is for one guest at a time. */
function sharedMdev(setting: Setting, guests: World['guests']): string | undefined {
  const owners = new Map<string, string>();
  for (const { name, phase, starts } of guests) {
    if (phase !== 'starting' && phase !== 'running') continue;
    for (const { uuid } of mdevHostdevs(domainOf(setting, name, starts))) {
      const other = owners.get(uuid);
      if (other !== undefined) return `${other} and ${name} both have the mediated device ${uuid}`;
      owners.set(uuid, name);
    }
  }
  return undefined;
}

/** Read from the machine by code of its own, so that a fault of the product's readers cannot hide here. */
function stateOf(machine: MachineState, kind: Hold['kind'], key: string): Stated | undefined {
  switch (kind) {
    case 'hugepages': {
      const { sizeKb, node } = poolOf(key);
      return { pages: poolPages(machine, sizeKb, node) };
    }
    case 'vfs': {
      const card = machine.devices[key];
      return card && { count: card.numVfs, autoprobe: card.vfAutoprobe, power: card.powerControl };
    }
    case 'unit': {
      const unit = machine.units[key];
      return { active: unit?.active === 'active' };
    }
    case 'cpus':
      return { allowed: machine.slices[key]?.allowed ?? '' };
    case 'irq': {
      const cpus = key === 'default' ? machine.irqs?.default : machine.irqs?.each[key]?.cpus;
      return cpus === undefined ? undefined : { cpus };
    }
    case 'console': {
      const found = machine.consoles.find(({ text }) => text === key);
      return found && { bound: found.bound };
    }
    case 'framebuffer':
      if (machine.firmwareFramebuffer !== key) return undefined;
      return { driver: machine.firmwareUnbound ? '' : key.replace(/\.\d+$/, '') };
    case 'persistence':
      return { on: machine.devices[key]?.persistence === true };
    case 'module':
      return { loaded: machine.modules[key] !== undefined };
    case 'vfio-modules':
      return { loaded: machine.modules['vfio'] !== undefined };
    case 'frequency': {
      const { governor = '', epp = '' } = machine.frequency[key] ?? {};
      return { governor, epp };
    }
    case 'vgpu': {
      const type = machine.devices[key]?.vgpuType;
      return type === undefined ? undefined : { type };
    }
    case 'mdev': {
      const mdev = machine.mdevs[key];
      return { parent: mdev?.parent ?? '', type: mdev?.type ?? '' };
    }
    // No setting of the model has any of these.
    case 'vf':
    case 'vf-mac':
    case 'vf-resource':
      return undefined;
    case 'parameter': {
      const [module = '', name = ''] = key.split(' ');
      return { value: machine.modules[module]?.parameters[name] ?? '' };
    }
  }
}

/** Without those that are only lent to the pool. */
function poolPages({ memory }: MachineState, sizeKb: number, node: number): number {
  const pool = memory?.pools.find((each) => each.sizeKb === sizeKb)?.nodes[node];
  return pool ? pool.nr - pool.surplus : NaN;
}

function poolOf(key: string): { readonly sizeKb: number; readonly node: number } {
  const [, size, node] = /^(\d+)kB node(\d+)$/.exec(key) ?? [];
  return { sizeKb: Number(size), node: Number(node) };
}
