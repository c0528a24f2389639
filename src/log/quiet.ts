import type { Sink } from './file.ts';
import { isLoud, type Log, type Severity } from './log.ts';

/** A log whose level may be learnt only after its first lines, and its sink with it. */
export interface HookLog extends Log {
  /** Sets the level; with `debug` the lines go through `loud`'s log from now on. */
  setLevel(level: Severity, loud: () => Log): void;
}

/**
 * The hook's own log: it writes the one line format itself. winston would cost every run about 20 ms, more
 * than everything else the hook does (docs/decisions.md); it is loaded for level `debug` and by the command.
 */
export function hookLog(sink: Sink): HookLog {
  let level: Severity = 'info';
  let louder: Log | undefined;
  return {
    write: (entry) => {
      if (louder) louder.write(entry);
      else if (isLoud(entry.severity, level)) sink.write(entry);
    },
    setLevel: (wanted, loud) => {
      level = wanted;
      if (wanted === 'debug') louder ??= loud();
    },
    close: () => {
      louder?.close();
      sink.close();
    },
  };
}
