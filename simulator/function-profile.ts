import type { ProfileSpec } from './spec.ts';
import type { Device } from './state.ts';
import { cString, kernelNumber } from './text.ts';
import { directory, link, text, type Directory, type File, type Node } from './tree.ts';
import { done, failed, type Outcome } from './work.ts';

/** Shares of functions that a driver has dealt out, by file: `vf1/exec_quantum_ms`, `pf/gt0/preempt_timeout_us`. */
export type Shares = Record<string, string>;

const TIMES = ['exec_quantum_ms', 'preempt_timeout_us'] as const;
const QUOTAS = ['ggtt_quota', 'contexts_quota', 'doorbells_quota'] as const;
const PRIORITIES = ['low', 'normal', 'high'] as const;

/** What a driver begins with: nothing is limited. */
export function newShares(): Shares {
  return {};
}

/** Whatever was dealt out to functions is gone with them (drivers/gpu/drm/xe/xe_sriov_pf_provision.c:unprovision_vfs). */
export function withdrawShares(shares: Shares): void {
  for (const name of Object.keys(shares)) {
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the state is a JSON object
    if (name.startsWith('vf')) delete shares[name];
  }
}

/**
 * Memory of functions that are made: what they were told before, or, where nobody was told anything, as much for each
 * (drivers/gpu/drm/xe/xe_sriov_pf_provision.c:pf_auto_provision). False when there is not enough.
 */
export function dealMemory({ vram }: ProfileSpec, shares: Shares, count: number): boolean {
  if (vram === undefined) return true;
  const names = Array.from({ length: count }, (_, vf) => `vf${vf + 1}/vram_quota`);
  const told = names.some((name) => Number(shares[name] ?? 0) > 0);
  if (!told) for (const name of names) shares[name] = String(Math.floor(vram / (count + 1)));
  return names.reduce((sum, name) => sum + Number(shares[name] ?? 0), 0) <= vram;
}

/** Directories of a card's functions below it: `sriov_admin` of xe, or `drm/cardN/prelim_iov` of i915-sriov-dkms. */
export function profileEntries(device: Device, devicePaths: readonly string[]): Record<string, Node> {
  const { sriov } = device.spec;
  const profile = sriov?.profile;
  if (!sriov || !profile) return {};
  const parts = ['pf', ...Array.from({ length: sriov.totalVfs }, (_, vf) => `vf${vf + 1}`)];
  const at = (part: string): string | undefined => devicePaths[parts.indexOf(part)];
  if (profile.interface === 'xe') {
    return {
      sriov_admin: directory(
        Object.fromEntries(parts.map((part) => [part, () => xePart(device, profile, part, at(part))])),
      ),
    };
  }
  const iov = directory({
    mode: text(() => (device.numVfs > 0 ? 'SR-IOV PF (VFs enabled)\n' : 'SR-IOV PF\n')),
    ...Object.fromEntries(parts.map((part) => [part, () => prelimPart(device, profile, part, at(part))])),
  });
  return { drm: directory({ [profile.card ?? 'card0']: directory({ prelim_iov: iov }) }) };
}

function xePart(device: Device, { vram }: ProfileSpec, part: string, path: string | undefined): Directory {
  const isCard = part === 'pf';
  return directory({
    profile: directory({
      ...Object.fromEntries(TIMES.map((name) => [name, number(device, `${part}/${name}`)])),
      sched_priority: isCard ? priority(device) : { kind: 'file', mode: 0o444, text: () => '[low] normal\n' },
      ...(!isCard && vram !== undefined && { vram_quota: quota(device, part, vram) }),
    }),
    ...(path !== undefined && { device: link(path) }),
  });
}

function prelimPart(
  device: Device,
  { gts = 1 }: ProfileSpec,
  part: string,
  path: string | undefined,
): Directory {
  const names = part === 'pf' ? TIMES : [...TIMES, ...QUOTAS];
  const ofGt = (gt: string): Directory =>
    directory(Object.fromEntries(names.map((name) => [name, number(device, `${part}/${gt}/${name}`)])));
  return directory({
    ...Object.fromEntries(Array.from({ length: gts }, (_, gt) => [`gt${gt}`, () => ofGt(`gt${gt}`)])),
    ...(path !== undefined && { device: link(path) }),
  });
}

/** Parsing is kstrtou32 with base 0 (drivers/gpu/drm/xe/xe_sriov_pf_sysfs.c). */
function number(device: Device, name: string, most = 0xffffffff): File {
  return {
    kind: 'file',
    uid: device.uid,
    text: () => `${device.shares?.[name] ?? '0'}\n`,
    store: (data) => {
      const value = kernelNumber(data, most);
      if (typeof value === 'string') return failed(value === 'ERANGE' ? 'ERANGE' : 'EINVAL');
      return set(device, name, String(value));
    },
  };
}

/** Memory of a function that is there is in use; more than the card has is refused. */
function quota(device: Device, part: string, vram: number): File {
  const file = number(device, `${part}/vram_quota`, Number.MAX_SAFE_INTEGER);
  return {
    ...file,
    store: (data) => {
      const value = kernelNumber(data, Number.MAX_SAFE_INTEGER);
      if (typeof value !== 'string' && value > vram) return failed('ENOSPC');
      if (Number(part.slice(2)) <= device.numVfs) return failed('EBUSY');
      return file.store?.(data) ?? done;
    },
  };
}

function priority(device: Device): File {
  const name = 'pf/sched_priority';
  return {
    kind: 'file',
    uid: device.uid,
    text: () => {
      const chosen = device.shares?.[name] ?? 'low';
      return `${PRIORITIES.map((word) => (word === chosen ? `[${word}]` : word)).join(' ')}\n`;
    },
    store: (data) => {
      const [word = ''] = cString(data).split('\n');
      return (PRIORITIES as readonly string[]).includes(word) ? set(device, name, word) : failed('EINVAL');
    },
  };
}

function set(device: Device, name: string, value: string): Outcome {
  (device.shares ??= newShares())[name] = value;
  return done;
}
