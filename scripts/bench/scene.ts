import type { Row } from './table.ts';

/** One thing that is measured. */
export interface Form {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly stdin: string;
  /** Put before the command, it runs on a host of its own. */
  readonly enter?: readonly [string, ...string[]];
  /** Done before and after each run, unmeasured. */
  readonly before?: () => void | Promise<void>;
  readonly after?: () => void | Promise<void>;
}

/** Forms that are measured in turn, and what is told of them. */
export interface Scene {
  readonly rows: readonly Row[];
  /** How many of the rounds it gets; absent: all. A scene without warm-ups is long, and its time is all waiting. */
  readonly share?: number;
  readonly warmUps?: number;
  /** Whether it needs a host of plain files. */
  readonly plainHost: boolean;
  /** Makes what it needs, below `directory`. `hook` is what libvirt calls. */
  open(hook: string, directory: string): Promise<OpenScene>;
}

/** A scene that can be measured. */
export interface OpenScene {
  /** In the order of a round. */
  readonly forms: readonly Form[];
  /** Ends what it has started. */
  readonly close: () => Promise<void>;
}

/** What most is compared with. */
export const BARE_NODE = 'bare Node';

/** Node with nothing to do. */
export function bareNode(stdin: string, enter?: Form['enter']): Form {
  return { name: BARE_NODE, command: [process.execPath, '-e', '0'], stdin, ...(enter && { enter }) };
}
