import type { Tally } from './tally.ts';

/** Many points of one kind, each of which must hold. */
export interface Sweep {
  /** One or two words: the first ones of each point's name. */
  readonly name: string;
  /** Pieces that different processes can run at the same time. */
  readonly parts: readonly string[];
  /** It takes both processors itself, or measures time: nothing else may run beside it. */
  readonly alone?: boolean;
  /** It runs the compiled file: `npm run build` first. */
  readonly compiled?: boolean;
  /** Runs the selected points of a part. */
  readonly run: (part: string, tally: Tally) => Promise<void>;
}
