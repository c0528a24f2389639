import type { VgpuRule } from '../../config/config.ts';
import { VfioHookError } from '../../errors.ts';
import { advice } from '../../hint.ts';
import type { PciAddress } from '../../pci/address.ts';
import type { Wish } from '../kind.ts';

/** The card of a virtual function that stays on NVIDIA's driver, or will; undefined for every other device. */
export type CardOf = (address: PciAddress) => PciAddress | undefined;

/**
 * The vGPUs that a guest needs on the virtual functions that it is assigned. `auto` stands for the one that no other
 * rule names: the XML says which one the guest gets, so that it cannot be any. Throws VH_CONFIG where it would be several.
 */
export function vgpuWishes(
  rules: readonly VgpuRule[],
  assigned: readonly PciAddress[],
  cardOf: CardOf,
): readonly Wish<'vgpu'>[] {
  const named = assigned.flatMap((address) => {
    const rule = latest(rules, ({ vf }) => vf === address);
    return rule ? [wishFor(address, rule)] : [];
  });
  const left = assigned.flatMap((address) => {
    const card = cardOf(address);
    if (!card || named.some(({ key }) => key === address)) return [];
    const rule = latest(rules, ({ vf, pf }) => vf === 'auto' && (pf === undefined || pf === card));
    return rule ? [{ address, rule }] : [];
  });
  const [first, second] = left;
  if (first && second) {
    const all = left.map(({ address }) => address).join(', ');
    throw new VfioHookError(
      'VH_CONFIG',
      `vgpu: vf: auto is for one virtual function, and the guest is assigned ${left.length} that no rule names: ${all}`,
      { device: first.address, hints: [advice('write an entry with its address for each of them')] },
    );
  }
  return [...named, ...(first ? [wishFor(first.address, first.rule)] : [])];
}

/** What a rule comes to for a virtual function. */
function wishFor(key: PciAddress, { type, params }: Pick<VgpuRule, 'type' | 'params'>): Wish<'vgpu'> {
  const asked = typeof type === 'number' ? { type, name: '' } : { type: 0, name: type };
  return { kind: 'vgpu', key, wish: { ...asked, params: params ?? '' } };
}

/** A later rule wins, as in all lists of the configuration. */
function latest(rules: readonly VgpuRule[], fits: (rule: VgpuRule) => boolean): VgpuRule | undefined {
  return rules.filter(fits).at(-1);
}
