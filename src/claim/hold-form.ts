import { parsePciAddress } from '../pci/address.ts';
import { isCpuList } from '../pci/cpu-list.ts';
import { isConsoleText, isFirmwareFramebuffer } from '../pci/console.ts';
import { governors, isPolicyName } from '../pci/frequency.ts';
import { isIrqKey } from '../pci/irq.ts';
import { isMdevUuid, isParentName, isTypeId, parseAttributes } from '../pci/mdev.ts';
import { isHostSlice } from '../pci/slice.ts';
import { parseUnitKey } from '../pci/unit.ts';
import type { Forms, HoldKind } from './hold.ts';

/** What is true of a value that was stored. */
type Check = (value: unknown) => boolean;

/** How a hold of one kind is stored: what may be a key, and each field of both parts. */
interface Form<K extends HoldKind> {
  readonly key: (text: string) => boolean;
  readonly original: { readonly [F in keyof Forms[K]['state']]: Check };
  readonly wish: { readonly [F in keyof Forms[K]['wish']]: Check };
}

/** More pages than any host has room for, and few enough that the sum of a thousand guests is exact. */
const MOST_PAGES = 2 ** 40;

const MAC = '[0-9a-f]{2}(?::[0-9a-f]{2}){5}';
/** What becomes an argument of ip(8): words, numbers, addresses. */
const isSetting = matching(/^[a-z0-9_]{1,16}(?: qos [0-7])?$/);
const isShare = matching(/^[a-z0-9_]{1,32}$/);

/** What becomes part of a path below /sys/module, and an argument of rmmod(8). */
const isModuleName = (text: string): boolean => /^[a-z0-9][a-z0-9_]{0,63}$/.test(text);

const isPages = within(MOST_PAGES);
/** sriov_numvfs is a number of 16 bits (drivers/pci/iov.c:sriov_numvfs_store). */
const isVfCount = within(0xffff);
/** current_vgpu_type is a decimal number of 32 bits. */
const isVgpuType = within(0xffffffff);

/** A kind that is missing does not compile. */
const forms: { readonly [K in HoldKind]: Form<K> } = {
  hugepages: {
    key: (text) => /^[1-9]\d{0,9}kB(?: node\d{1,4})?$/.test(text),
    original: { pages: isPages },
    wish: { pages: isPages },
  },
  vfs: {
    key: (text) => parsePciAddress(text) === text,
    original: { count: isVfCount, autoprobe: isBoolean, power: oneOf('auto', 'on') },
    wish: { count: isVfCount, autoprobe: isBoolean },
  },
  vgpu: {
    key: (text) => parsePciAddress(text) === text,
    original: { type: isVgpuType },
    wish: { type: isVgpuType, name: matching(/^[\w .()+-]{0,80}$/), params: matching(/^[\w.,:=+-]{0,512}$/) },
  },
  mdev: {
    key: isMdevUuid,
    original: { parent: emptyOr(isParentName), type: emptyOr(isTypeId) },
    wish: {
      parent: text(isParentName),
      type: text(isTypeId),
      attributes: text((json) => parseAttributes(json) !== undefined),
      api: text((name) => /^[a-z][a-z-]{0,31}$/.test(name)),
    },
  },
  vf: {
    key: (text) => isOfFunction(text, / (?:vlan|spoofchk|trust|state|max_tx_rate)$/),
    original: { value: isSetting },
    wish: { value: isSetting },
  },
  'vf-mac': {
    key: (text) => isOfFunction(text, /$/),
    original: {
      mac: matching(new RegExp(`^(?:unset|libvirt|${MAC})$`)),
      own: matching(new RegExp(`^(?:${MAC})?$`)),
    },
    wish: { mac: matching(new RegExp(`^(?:libvirt|${MAC})$`)), unset: isBoolean },
  },
  'vf-resource': {
    key: (text) => {
      const [card = '', path = '', ...more] = text.split(' ');
      return more.length === 0 && parsePciAddress(card) === card && SHARE_PATH.test(path);
    },
    original: { value: isShare },
    wish: { value: isShare },
  },
  unit: {
    key: (text) => parseUnitKey(text) !== undefined,
    original: { active: isBoolean },
    wish: { active: isBoolean },
  },
  cpus: {
    key: isHostSlice,
    original: { allowed: emptyOr(isCpuList) },
    wish: { keeps: text(isCpuList), all: text(isCpuList) },
  },
  irq: {
    key: isIrqKey,
    original: { cpus: text(isCpuList) },
    wish: { keeps: text(isCpuList) },
  },
  console: {
    key: isConsoleText,
    original: { bound: isBoolean },
    wish: { bound: (value) => value === false },
  },
  framebuffer: {
    key: isFirmwareFramebuffer,
    original: { driver: matching(/^(?:[a-z]{1,16}-framebuffer)?$/) },
    wish: { driver: oneOf('') },
  },
  module: {
    key: isModuleName,
    original: { loaded: isBoolean },
    wish: { loaded: isBoolean },
  },
  'vfio-modules': {
    key: (text) => text === 'vfio',
    original: { loaded: isBoolean },
    wish: { loaded: (value) => value === true },
  },
  persistence: {
    key: (text) => parsePciAddress(text) === text,
    original: { on: isBoolean },
    wish: { on: (value) => value === false },
  },
  frequency: {
    key: isPolicyName,
    original: { governor: matching(/^[a-z_]{1,15}$/), epp: matching(/^(?:[a-z_]{0,31}|\d{1,3})$/) },
    wish: { governor: oneOf(...governors) },
  },
  parameter: {
    key: (text) => /^[a-z0-9_]{1,64} [a-z0-9_]{1,64}$/.test(text),
    original: { value: oneOf('Y', 'N') },
    wish: { value: oneOf('Y') },
  },
};

/** What is wrong with the kind and the key of a stored hold; undefined when nothing is. A key becomes part of a path. */
export function keyDeviation(kind: unknown, key: string): string | undefined {
  if (!isHoldKind(kind))
    return `it holds something of the kind ${JSON.stringify(kind)}, which this version does not know`;
  return forms[kind].key(key) ? undefined : `${JSON.stringify(key)} is no key of ${kind}`;
}

/** What is wrong with what is stored of a hold; undefined when nothing is. Each field is there, and no other. */
export function partDeviation(
  kind: HoldKind,
  part: 'original' | 'wish',
  value: Readonly<Record<string, unknown>>,
): string | undefined {
  const checks: Readonly<Record<string, Check>> = forms[kind][part];
  const names = new Set([...Object.keys(checks), ...Object.keys(value)]);
  for (const name of names) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (!check?.(value[name])) return `${part} of ${kind} has no right ${JSON.stringify(name)}`;
  }
  return undefined;
}

/** Below a card: what xe and i915-sriov-dkms call the shares of a function (src/resource/sriov/profile.ts). */
const SHARE_PATH =
  /^(?:sriov_admin\/(?:pf|vf[1-9]\d{0,3})\/profile|drm\/card\d{1,3}\/prelim_iov\/(?:pf|vf[1-9]\d{0,3})\/gt\d)\/[a-z_]{1,32}$/;

/** A card, the number of one of its functions, and something behind. */
function isOfFunction(text: string, rest: RegExp): boolean {
  const [card = '', vf = ''] = text.split(' ');
  const known = `${card} ${vf}`;
  return (
    parsePciAddress(card) === card &&
    /^(?:0|[1-9]\d{0,4})$/.test(vf) &&
    new RegExp(`^${rest.source}`).test(text.slice(known.length))
  );
}

function isHoldKind(kind: unknown): kind is HoldKind {
  return typeof kind === 'string' && Object.hasOwn(forms, kind);
}

function within(most: number): Check {
  return (value) => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean';
}

function text(check: (text: string) => boolean): Check {
  return (value) => typeof value === 'string' && check(value);
}

function matching(pattern: RegExp): Check {
  return text((value) => pattern.test(value));
}

function emptyOr(check: (text: string) => boolean): Check {
  return text((value) => value === '' || check(value));
}

function oneOf(...words: readonly string[]): Check {
  return (value) => typeof value === 'string' && words.includes(value);
}
