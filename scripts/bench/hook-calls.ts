import type { Guest } from './guest.ts';
import type { Form } from './scene.ts';

/** The two calls of the hook for one guest; what comes behind libvirt's four arguments is for all of them. */
export function hookCalls(
  hook: string,
  { name: guest, xml }: Guest,
  where: { readonly enter?: Form['enter']; readonly further?: readonly string[] } = {},
): { readonly prepare: (name: string) => Form; readonly release: (name: string) => Form } {
  const call =
    (...operation: readonly string[]) =>
    (name: string): Form => ({
      name,
      command: [hook, guest, ...operation, ...(where.further ?? [])],
      stdin: xml,
      ...(where.enter && { enter: where.enter }),
    });
  return { prepare: call('prepare', 'begin', '-'), release: call('release', 'end', 'shutdown') };
}
