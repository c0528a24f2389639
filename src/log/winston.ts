import winston from 'winston';
import Transport from 'winston-transport';
import type { Sink } from './file.ts';
import { logLine } from './line.ts';
import type { Log, LogEntry, Severity } from './log.ts';

/** winston's names for syslog's severities are our own, but for `err`. */
const names: Readonly<Record<Severity, string>> = {
  err: 'error',
  warning: 'warning',
  notice: 'notice',
  info: 'info',
  debug: 'debug',
};

/**
 * A log by winston for whoever wants to hear more: the command with `--verbose`, which talks on stderr, and
 * the hook at level `debug`, whose lines go to the same sink as always. Both write synchronously: winston's
 * own file and console transports lose lines when the process ends early.
 */
export function winstonLog(level: Severity, sink: Sink): Log {
  const logger = winston.createLogger({
    levels: winston.config.syslog.levels,
    level: names[level],
    exitOnError: false,
    transports: [
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's own types call this class by two names
      new Transport({
        log: (info: { readonly entry: LogEntry }, next) => {
          sink.write(info.entry);
          next();
        },
      }),
    ],
  });
  return {
    write: (entry) => {
      logger.log({ ...entry, level: names[entry.severity], entry });
    },
    close: () => {
      logger.close();
      sink.close();
    },
  };
}

/** The command's log with `--verbose`: everything, to the usual place and to the person at the terminal. */
export function verboseLog(sink: Sink, say: (line: string) => void): Log {
  return winstonLog('debug', {
    write: (entry) => {
      sink.write(entry);
      say(`vfio-hook: ${logLine(entry)}`);
    },
    close: () => {
      sink.close();
    },
  });
}
