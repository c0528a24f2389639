import type { HoldId } from '../claim/hold.ts';
import { kindOf } from '../resource/kinds.ts';
import { attributePath } from '../steps/attributes.ts';

/** The files that are written to change something of a kind. */
export function pathsOf({ kind, key }: HoldId): string[] {
  return kindOf(kind).attributes.map((attribute) => attributePath(attribute, key));
}
