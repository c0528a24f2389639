import { closeSync, constants, openSync, writeSync } from 'node:fs';
import type { Sink } from './file.ts';
import { journalRecord } from './journal.ts';

/** What the launcher calls the variable with the process number of the logger(1) that it has started. */
export const LOGGER_VARIABLE = 'VFIO_HOOK_LOGGER';

/** Where that logger's pipe is. */
const LOGGER = 9;

/**
 * Sends lines to the journal or syslog through the logger(1) that the launcher has started beside this process. A line for
 * which there is no room, since logger does not read, is dropped, as are all once it has ended: the hook never waits.
 * What is in the pipe when this process ends still arrives. Undefined when it has ended by now, as one that does not know
 * its options does: a log keeps no guest from starting.
 */
export function startedLoggerSink(): Sink | undefined {
  let fd: number;
  try {
    // Opened anew, since whether a write waits is a matter of the opened file, and that one is the launcher's, too.
    // ENXIO (fs/pipe.c:fifo_open): nobody reads.
    fd = openSync(`/proc/self/fd/${LOGGER}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  closeSync(LOGGER);
  let isOpen = true;
  return {
    write: (entry) => {
      if (!isOpen) return;
      try {
        writeSync(fd, journalRecord(entry));
      } catch {
        // EAGAIN, EPIPE: it is lost.
      }
    },
    close: () => {
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}
