import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { childEnvironment } from '../child-environment.ts';
import { childProcess } from '../child-process.ts';
import { options } from '../programs.ts';
import { severityNumber, type Sink } from './file.ts';
import { logLine } from './line.ts';
import type { LogEntry } from './log.ts';

/** syslog's facility "daemon" (RFC 5424, table 1), shifted as in a priority. */
const DAEMON = 3 << 3;

/** Where a syslog daemon or the journal listens. */
const SYSLOG_SOCKET = '/dev/log';

/** What logger gets on its stdin for one entry: one line, with its priority in front, of less than 1,024 bytes. */
export function journalRecord(entry: LogEntry): string {
  return `<${DAEMON | severityNumber(entry.severity)}>${logLine(entry)}\n`;
}

/** Lines kept from being written while logger(1) does not read: more are dropped, the hook never waits. */
const MOST_WAITING = 1024 * 1024;

/** Whether there is somebody to take what logger(1) sends. */
export function hasJournal(): boolean {
  return existsSync(SYSLOG_SOCKET);
}

/**
 * Sends lines to the journal or syslog through one logger(1), which Node cannot do itself (it has no
 * datagram sockets). logger is started with the first line and reads from a pipe until this process ends,
 * however it ends: what was written to the pipe by then still arrives. It inherits nothing else, so that
 * libvirt, which waits for the end of the hook's output, does not wait for it.
 */
export function journalSink(): Sink {
  let child: ChildProcess | undefined;
  return {
    write: (entry) => {
      child ??= startLogger();
      const { stdin } = child;
      if (!stdin || stdin.destroyed || stdin.writableLength > MOST_WAITING) return;
      stdin.write(journalRecord(entry));
    },
    close: () => {
      child?.stdin?.end();
      child = undefined;
    },
  };
}

function startLogger(): ChildProcess {
  const child = childProcess().spawn('logger', [...options.logger, `--id=${process.pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: childEnvironment,
  });
  // No logger, or one that ended: the lines are lost.
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  return child;
}
