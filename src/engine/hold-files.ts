import type { HoldId } from '../claim/hold.ts';
import type { KnownWrite } from '../resource/kind.ts';
import { kindOf } from '../resource/kinds.ts';
import { attributePath } from '../steps/attributes.ts';

/** Whether a write, or a program that was run, is one that changes something of a kind. */
export function changes({ kind, key }: HoldId, write: KnownWrite & { readonly hold?: HoldId }): boolean {
  if (write.hold?.kind === kind && write.hold.key === key) return true;
  const rule = kindOf(kind);
  return (
    rule.attributes.some((attribute) => attributePath(attribute, key) === write.path) ||
    rule.writes?.(key, write) === true
  );
}
