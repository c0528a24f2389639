import type { PciAddress } from '../../pci/address.ts';

/**
 * What a driver deals out to the functions of a graphics card, by the names of its files. `of`: whether a card has it for
 * itself, its virtual functions, or both. `dealt: 'before'`: before the functions are made.
 */
export const profiles = {
  exec_quantum_ms: { of: 'both', in: ['xe', 'prelim'] },
  preempt_timeout_us: { of: 'both', in: ['xe', 'prelim'] },
  sched_priority: { of: 'card', in: ['xe'] },
  vram_quota: { of: 'functions', in: ['xe'], dealt: 'before' },
  ggtt_quota: { of: 'functions', in: ['prelim'], dealt: 'before' },
  contexts_quota: { of: 'functions', in: ['prelim'], dealt: 'before' },
  doorbells_quota: { of: 'functions', in: ['prelim'], dealt: 'before' },
} as const satisfies Readonly<Record<string, ProfileRow>>;

interface ProfileRow {
  readonly of: 'card' | 'functions' | 'both';
  readonly in: readonly ('xe' | 'prelim')[];
  readonly dealt?: 'before';
}

export type ProfileName = keyof typeof profiles;

/** Where a driver has these files: xe below `sriov_admin`, i915-sriov-dkms below its DRM card, once for each GT. */
export type ProfilePlace =
  | { readonly interface: 'xe' }
  | { readonly interface: 'prelim'; readonly card: string; readonly gts: readonly string[] };

/** Whether a share is dealt out before the functions that it is for are made. */
export function isDealtBefore(name: ProfileName): boolean {
  const row: ProfileRow = profiles[name];
  return row.dealt === 'before';
}

/**
 * The keys of one share: `0000:03:00.0 sriov_admin/vf1/profile/exec_quantum_ms`. Drivers count functions from 1, where the
 * bus has `virtfn0`. Without a place those of xe, which then are not there.
 */
export function profileKeys(
  card: PciAddress,
  of: number | 'pf',
  name: ProfileName,
  place: ProfilePlace = { interface: 'xe' },
): readonly string[] {
  const part = of === 'pf' ? 'pf' : `vf${of + 1}`;
  if (place.interface === 'xe') return [`${card} sriov_admin/${part}/profile/${name}`];
  return place.gts.map((gt) => `${card} drm/${place.card}/prelim_iov/${part}/${gt}/${name}`);
}

/** What a key is of: the number of a function, or the card itself. */
export function placeOf(key: string): { readonly of: number | 'pf'; readonly name: string } {
  const steps = (key.split(' ')[1] ?? '').split('/');
  const part = steps.find((step) => /^(?:pf|vf\d+)$/.test(step)) ?? 'pf';
  const gt = steps.find((step) => /^gt\d$/.test(step));
  const name = steps.at(-1) ?? '';
  return {
    of: part === 'pf' ? 'pf' : Number(part.slice(2)) - 1,
    name: gt === undefined || gt === 'gt0' ? name : `${name} (${gt})`,
  };
}
