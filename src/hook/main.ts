/**
 * Wires the parts of the hook together. The command's code lies in a file of its own, so that the hook is not read past
 * what it needs.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { openClaimStore } from '../engine/claim-store.ts';
import { locations, openEngine } from './engine.ts';
import { parseInvocation, simulatedMachine } from './invocation.ts';
import { runHook } from './run.ts';
import { readStdin } from './stdin.ts';
import { linuxHostBeside } from '../host/linux/host.ts';
import { sideShell } from '../host/linux/side-shell.ts';
import { LOGGER_VARIABLE, startedLoggerSink } from '../log/started-logger.ts';
import type { Parts } from '../parts.ts';
import { sayOnStderr } from '../report.ts';
import { escapeControl } from '../text.ts';

/** In place of a name, which is a path: what install.sh asks before it puts this version over another. */
const ASK_FOR_CLAIMS = '--unreadable-claims';

/** Prints the claims below a state directory that this version cannot read, one a line. Returns 1 if there are any. */
function unreadableClaims([stateDirectory = '']: readonly string[]): number {
  const { damaged } = openClaimStore({
    stateDirectory,
    trustedUid: process.geteuid?.() ?? 0,
    bootId: '',
  }).all();
  for (const { path, reason } of damaged) writeSync(1, `${escapeControl(`${path}: ${reason}`)}\n`);
  return damaged.length === 0 ? 0 : 1;
}

async function hook(called: string, args: readonly string[], parts: Parts): Promise<number> {
  const invocation = parseInvocation(args);
  const machine = simulatedMachine(args);
  // qemu:///session runs the very same hook as the user, who has no say over host devices.
  if (!invocation || (machine === undefined && process.geteuid?.() !== 0)) return 0;

  let signal: string | undefined;
  const listeners = new Set<() => void>();
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(name, () => {
      signal = name;
      for (const told of listeners) told();
    });
  }
  const shell = sideShell(process.env);
  const logger = process.env[LOGGER_VARIABLE] === undefined ? undefined : startedLoggerSink();
  const where = locations(machine, called);
  const engine = openEngine({
    where,
    beside: { shell, logger },
    host: () =>
      machine === undefined ? linuxHostBeside(shell) : parts.load('simulated.cjs').openSimulatedHost(machine),
    decoder: () => parts.load('config.cjs'),
    build: parts.build,
    interrupted: () => signal,
  });
  return runHook({
    invocation,
    openEngine: engine.open,
    readStdin,
    loadParser: () => parts.load('domain.cjs').parseDomain,
    loudLog: (level) => parts.load('log.cjs').winstonLog(level, engine.sink),
    say: sayOnStderr,
    scripts: {
      tree: where.scripts,
      between: where.between,
      load: () => parts.load('scripts.cjs'),
      whenTold: (told) => {
        listeners.add(told);
        return () => listeners.delete(told);
      },
      say: sayOnStderr,
      answer: (xml) => {
        writeFileSync(1, xml);
      },
    },
  });
}

/**
 * One run under the name by which the launcher was called: under `vfio-hook` it is the command, else the hook. Returns the
 * exit status.
 */
export async function main(called: string, args: readonly string[], parts: Parts): Promise<number> {
  if (called === ASK_FOR_CLAIMS) return unreadableClaims(args);
  return basename(called) === 'vfio-hook'
    ? parts.load('cli.cjs').main(args, parts)
    : hook(called, args, parts);
}
