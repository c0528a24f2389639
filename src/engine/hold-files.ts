import type { HoldId } from '../claim/hold.ts';
import { kindOf } from '../resource/kinds.ts';
import { attributePath } from '../steps/attributes.ts';

/** The files that are written, and the programs that are run, to change something of a kind. */
export function pathsOf({ kind, key }: HoldId): string[] {
  const rule = kindOf(kind);
  return [
    ...rule.attributes.map((attribute) => attributePath(attribute, key)),
    ...(rule.programs?.(key) ?? []),
  ];
}
