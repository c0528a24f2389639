import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { severities, type LogEntry } from './log.ts';
import { logLine } from './line.ts';

/** A place that takes finished log lines. Neither function throws or waits. */
export interface Sink {
  write(entry: LogEntry): void;
  close(): void;
}

/** syslog's numbers for our severities (RFC 5424, table 2). */
const numbers: Readonly<Record<LogEntry['severity'], number>> = {
  err: 3,
  warning: 4,
  notice: 5,
  info: 6,
  debug: 7,
};

/** The number of a severity. */
export function severityNumber(severity: LogEntry['severity']): number {
  return numbers[severity];
}

/**
 * Appends to a file, one write(2) for each line, opened at the first. A full disk, a missing directory or a
 * file that is a link: the line is lost, and nothing else happens. A log must never change what the hook does.
 */
export function fileSink(path: string, clock: () => Date): Sink {
  let fd: number | undefined;
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  return {
    write: (entry) => {
      try {
        fd ??= openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o640);
        writeSync(fd, `${clock().toISOString()} ${entry.severity.padEnd(LONGEST_NAME)} ${logLine(entry)}\n`);
      } catch {
        // Said above: the line is lost.
      }
    },
    close: () => {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

const LONGEST_NAME = Math.max(...severities.map((name) => name.length));
