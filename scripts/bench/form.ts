import type { PlainHost } from './files/plain-host.ts';
import type { Row } from './table.ts';

/** One thing that is measured. */
export interface Form {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly stdin: string;
  /** Put before the command, it runs on a host of its own. */
  readonly enter?: PlainHost['enter'];
  /** Done before and after each run, unmeasured. */
  readonly before?: () => void;
  readonly after?: () => void;
}

/** Forms that need each other, and what is to be told of them. */
export interface Scene {
  /** In the order of a round. */
  readonly forms: readonly Form[];
  readonly rows: readonly Row[];
  /** Long ones are measured in one of so many rounds; absent: in all. */
  readonly every?: number;
  stop?(): void;
}

/** What everything is compared with, on this computer and on a host of plain files. */
export const BARE_NODE = 'bare Node';
export const BARE_NODE_THERE = 'bare Node, on a host of plain files';

/** Node with nothing to do. */
export function bareNode(name: string, xml: string, host?: PlainHost): Form {
  return { name, command: [process.execPath, '-e', '0'], stdin: xml, ...(host && { enter: host.enter }) };
}

/** The two calls of the hook for one guest on a host of plain files. */
export function hookForms(
  hook: string,
  { guest, xml, host }: { readonly guest: string; readonly xml: string; readonly host: PlainHost },
): Record<'prepare' | 'release', (name: string) => Form> {
  const call =
    (...operation: readonly string[]) =>
    (name: string): Form => ({ name, command: [hook, guest, ...operation], stdin: xml, enter: host.enter });
  return { prepare: call('prepare', 'begin', '-'), release: call('release', 'end', 'shutdown') };
}
