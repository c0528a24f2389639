import type { BetweenEntry } from '../config/config.ts';
import { advice, type Hint } from '../hint.ts';
import type { PciDevice } from '../pci/device.ts';
import { placeBetween } from '../script-places.ts';
import type { Step } from '../steps/step.ts';
import { quoteName } from '../text.ts';
import type { BarChange } from './bars.ts';
import type { DeviceWishes } from './judgement.ts';

/** Looks for a script of the owner; where nobody can look, it is taken to be where it belongs. */
export type ScriptFinder = (name: string) => FoundScript;

/** A script, or why it must not run. */
export type FoundScript =
  | { readonly kind: 'script'; readonly path: string }
  | { readonly kind: 'refused'; readonly reason: string; readonly hints: readonly Hint[] };

/** One thing that is done to a device while no driver has it, decided. */
export type Between =
  | Exclude<BetweenEntry, { readonly do: 'script' }>
  | { readonly do: 'script'; readonly name: string; readonly guest: string; readonly path: string };

/** What is done to a device, or why it cannot be. */
export type BetweenPlan =
  | { readonly kind: 'between'; readonly between: readonly Between[] }
  | { readonly kind: 'refused'; readonly reason: string; readonly hints: readonly Hint[] };

/** For which guest it is decided. */
export interface BetweenOwner {
  readonly guest: string;
  readonly findScript?: ScriptFinder | undefined;
}

/**
 * Decides what is done to a device between its unbind and its bind. Scripts are of guests: whoever is none
 * (`vfio-hook detach`, `vfio-hook run`) gets the rest.
 */
export function planBetween(
  device: PciDevice,
  rule: Pick<DeviceWishes, 'between' | 'reset'>,
  owner: BetweenOwner | undefined,
): BetweenPlan {
  const between: Between[] = [];
  for (const wish of rule.between ?? []) {
    if (wish.do === 'script') {
      if (!owner) continue;
      const found = owner.findScript?.(wish.name) ?? placeOf(owner.guest, wish.name);
      if (found.kind === 'refused') return found;
      between.push({ ...wish, guest: owner.guest, path: found.path });
      continue;
    }
    const refused = device.expected === true ? undefined : betweenRefusal(device, rule, wish);
    if (refused) return { kind: 'refused', reason: refused[0], hints: [refused[1]] };
    between.push(wish);
  }
  return { kind: 'between', between };
}

function placeOf(guest: string, name: string): FoundScript {
  return { kind: 'script', path: placeBetween(guest, name) };
}

/** Why the kernel would refuse it, as far as it shows that beforehand. */
export function betweenRefusal(
  device: PciDevice,
  { reset }: Pick<DeviceWishes, 'reset'>,
  wish: BetweenEntry,
): readonly [reason: string, hint: Hint] | undefined {
  const { address, resetMethods, sharesBus, powerControl } = device;
  if (wish.do === 'power' && powerControl === undefined) {
    return [`${address} has no power/control`, advice('take power out of between in its rule')];
  }
  if (wish.do !== 'reset') return undefined;
  const out = advice('take reset out of between in its rule');
  if (!resetMethods) return [`${address} cannot be reset: the kernel knows no way to reset it alone`, out];
  const methods = reset ?? resetMethods;
  if (methods.length === 0) {
    const why = reset ? 'its rule says reset: none' : 'all its reset methods are switched off';
    return [`${address} cannot be reset: ${why}`, out];
  }
  if (sharesBus === true && methods.every((method) => method === 'bus')) {
    return [
      `${address} cannot be reset: bus is its only method, and it is not alone on its bus (${quoteName('reset_method')} shows it all the same)`,
      out,
    ];
  }
  return undefined;
}

/** BARs whose size changes at a place in the list. */
export function barsBetween(
  wishes: DeviceWishes['between'],
): readonly { readonly bar: number; readonly size: number }[] {
  return (wishes ?? []).flatMap((wish) => (wish.do === 'bars' ? wish.sizes : []));
}

/**
 * What is done to a device while no driver has it: changes of BAR sizes that the list does not name come first, the others
 * where it names them.
 */
export function stepsBetween(
  { address: device }: PciDevice,
  between: readonly Between[],
  changes: readonly BarChange[],
): { readonly resizes: readonly Step[]; readonly others: readonly Step[] } {
  const named = new Set(barsBetween(between).map(({ bar }) => bar));
  const resize = (change: BarChange): Step => ({ kind: 'resize-bar', device, ...change });
  return {
    resizes: changes.filter(({ bar }) => !named.has(bar)).map(resize),
    others: between.flatMap((each): Step[] => {
      switch (each.do) {
        case 'reset':
          return [{ kind: 'reset-device', device }];
        case 'power':
          return [{ kind: 'set', attribute: 'power-control', key: device, to: each.to }];
        case 'bars':
          return changes.filter(({ bar }) => each.sizes.some((size) => size.bar === bar)).map(resize);
        case 'script': {
          const { guest, name, path } = each;
          return [{ kind: 'run-script', device, guest, name, path }];
        }
      }
    }),
  };
}
