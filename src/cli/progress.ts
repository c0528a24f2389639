import type { Log } from '../log/log.ts';
import { escapeControl } from '../text.ts';

/** A log that also says each step to the person who waits at a terminal. */
export function withProgress(log: Log, say: (line: string) => void): Log {
  return {
    write: (entry) => {
      log.write(entry);
      if (entry.step === undefined) return;
      const guest = entry.guest === undefined ? '' : `guest ${entry.guest}: `;
      say(`vfio-hook: ${escapeControl(`${guest}${entry.step}: ${entry.result ?? ''}`)}`);
    },
    close: () => {
      log.close();
    },
  };
}
