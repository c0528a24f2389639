import { defaultConfig, type Config } from '../config/config.ts';
import { VfioHookError } from '../errors.ts';
import type { Engine } from './engine.ts';

/** How long a way back may wait, and what there is to say about it. */
export interface Timeouts {
  readonly timeouts: Config['timeouts'];
  /** Sentences for a person. */
  readonly notes: readonly string[];
}

/** The timeouts of the configuration; the usual ones while it is broken, since a way back must not hang on that. */
export function timeoutsForWayBack({ loadConfig }: Pick<Engine, 'loadConfig'>): Timeouts {
  try {
    return { timeouts: loadConfig().timeouts, notes: [] };
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    return { timeouts: defaultConfig.timeouts, notes: [`${error.message}; the usual timeouts count`] };
  }
}
