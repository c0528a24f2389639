import type { HoldId } from '../claim/hold.ts';
import type { Host } from '../host/host.ts';
import { networkLink } from '../observe/network-link.ts';
import { virtualFunctionAt } from '../observe/virtual-functions.ts';
import type { KnownWrite, ResourceKind } from '../resource/kind.ts';
import { kindOf } from '../resource/kinds.ts';
import { attributePath } from '../steps/attributes.ts';

/** Whether a write, or a program that was run in place of one, changes this thing. */
export function changes(
  host: Host,
  { kind, key }: HoldId,
  write: KnownWrite & { readonly hold?: HoldId },
): boolean {
  const rule = kindOf(kind);
  if (rule.obeysLast) return false;
  if (write.hold?.kind === kind && write.hold.key === key) return true;
  return (
    rule.attributes.some((attribute) => attributePath(attribute, key) === write.path) ||
    rule.writes?.(key, write) === true ||
    setsLink(host, rule.link?.(key), write.path)
  );
}

/** Whether a line of ip(8) sets what belongs to a virtual function, through its card or its own interface. */
function setsLink(
  host: Host,
  set: ReturnType<NonNullable<ResourceKind['link']>> | undefined,
  line: string,
): boolean {
  if (!set) return false;
  const { card, vf, setting } = set;
  const own = virtualFunctionAt(host, card, vf);
  return (
    line.startsWith(`ip link set dev ${networkLink(host, card) ?? ''} vf ${vf} ${setting} `) ||
    line.startsWith(`ip link set dev ${(own && networkLink(host, own)) ?? ''} address `)
  );
}
