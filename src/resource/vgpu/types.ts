import type { Claim } from '../../claim/claim.ts';
import { ownerPhrase } from '../../claim/owner.ts';
import { isCalled, vgpuWords, type VgpuType } from '../../pci/vgpu.ts';
import type { VgpuFacts } from '../facts.ts';

/** A list of types as facts have it. */
export function textOf(types: readonly VgpuType[]): string {
  return types.map(({ id, name }) => `${id} ${name}`).join('\n');
}

/** The types of such a list. */
export function typesIn(text: string): readonly VgpuType[] {
  return text.split('\n').flatMap((line) => {
    const [, id, name] = /^(\d+) (.+)$/.exec(line) ?? [];
    return id === undefined || name === undefined ? [] : [{ id: Number(id), name }];
  });
}

/**
 * The types whose names are known: those that a card offers, and those that claims have, since the driver lists no type
 * that it could not make once more.
 */
export function knownTypes(
  { known }: Pick<VgpuFacts, 'known'>,
  claims: readonly Claim[],
): readonly VgpuType[] {
  const claimed = claims.flatMap(({ holds }) =>
    holds.flatMap((hold) =>
      hold.kind === 'vgpu' && hold.wish.name !== '' ? [{ id: hold.wish.type, name: hold.wish.name }] : [],
    ),
  );
  return [...typesIn(known), ...claimed];
}

/** The type of this name. */
export function typeOf(name: string, known: readonly VgpuType[]): VgpuType | undefined {
  return known.find((type) => isCalled(type, name));
}

/** Most functions of a card that are named in a sentence. */
const MOST = 4;

/** What the other functions of a card are, and whose: `0000:41:00.5 is type 1152 (guest "a")`; empty: nothing. */
export function takenWords(facts: Pick<VgpuFacts, 'taken' | 'known'>, claims: readonly Claim[]): string {
  const known = knownTypes(facts, claims);
  const words = facts.taken.split('\n').flatMap((line) => {
    const [address, type] = line.split(' ');
    if (address === undefined || type === undefined) return [];
    const owner = claims.find(({ holds }) =>
      holds.some(({ kind, key }) => kind === 'vgpu' && key === address),
    );
    const whose = owner ? `, of ${ownerPhrase(owner.owner)}` : '';
    return [`${address} is ${vgpuWords(Number(type), known)}${whose}`];
  });
  const more = words.length - MOST;
  return [...words.slice(0, MOST), ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}
