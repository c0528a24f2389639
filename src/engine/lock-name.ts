import { isGuestKey } from '../claim/owner.ts';

/**
 * What a lock is for, in the order in which a run takes them:
 *
 * - a claim, by its key (src/claim/owner.ts): whoever writes or removes the claim has it;
 * - something of the host that several owners share, such as a module's parameter: whoever changes it has it;
 * - an IOMMU group: whoever touches its devices has it.
 */
export type LockName = { readonly claim: string } | { readonly shared: string } | { readonly group: number };

/** What somebody has locked, for those who do only what a lock gives the right to. */
export interface HeldLocks {
  holds(name: LockName): boolean;
}

/**
 * The one order in which all runs take their locks, so that no two ever wait for each other in a circle: by rank,
 * groups by number, the others by the name of their file. Zero for the same lock. `install.sh --uninstall` has it, too.
 */
export function compareLocks(a: LockName, b: LockName): number {
  if ('group' in a && 'group' in b) return a.group - b.group;
  if (rankOf(a) !== rankOf(b)) return rankOf(a) - rankOf(b);
  const [first, second] = [lockFile(a), lockFile(b)];
  if (first === second) return 0;
  return first < second ? -1 : 1;
}

function rankOf(name: LockName): number {
  if ('claim' in name) return 0;
  return 'shared' in name ? 1 : 2;
}

/**
 * The file of a lock, another one for each name: letters, digits and `_ . -`, and `%` with two hexadecimal digits, or
 * with `u` and four, for every other UTF-16 code unit.
 */
export function lockFile(name: LockName): string {
  if ('group' in name) return `group-${name.group}`;
  return 'claim' in name ? `claim-${encoded(name.claim)}` : `shared-${encoded(name.shared)}`;
}

function encoded(text: string): string {
  return text.replace(/[^\w.-]/g, (unit) => {
    const code = unit.charCodeAt(0);
    const digits = code.toString(16);
    return code < 0x100 ? `%${digits.padStart(2, '0')}` : `%u${digits.padStart(4, '0')}`;
  });
}

/** What whoever has a lock works on, for those who wait for it. */
export function lockSubject(name: LockName): string {
  if ('group' in name) return `IOMMU group ${name.group}`;
  if ('shared' in name) return name.shared;
  return isGuestKey(name.claim) ? 'the same guest' : 'the same claim';
}
