import { advice } from '../hint.ts';
import { writeSync } from 'node:fs';
import pc from 'picocolors';
import { nearestWord } from '../config/nearest.ts';
import type { ConfigText } from '../engine/config-file.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { locations, openEngine } from '../hook/engine.ts';
import type { Host } from '../host/host.ts';
import { linuxHost } from '../host/linux/host.ts';
import type { Parts } from '../parts.ts';
import { pause } from '../pause.ts';
import { pciNames } from '../pci/names.ts';
import { errorLines, sayOnStderr } from '../report.ts';
import { quoteName, safeText } from '../text.ts';
import { readCall } from './arguments.ts';
import type { Call, Command, Terminal } from './command.ts';
import { commands } from './commands.ts';
import { describedEngine, readMachine } from './described.ts';
import { commandHelp, overview } from './help.ts';
import { readOperand } from './operand.ts';

declare const __VERSION__: string;

/** Where distributions put pci.ids (package pci.ids or hwdata). */
const PCI_IDS = ['/usr/share/misc/pci.ids', '/usr/share/hwdata/pci.ids'];

/**
 * The `vfio-hook` command: finds the sub-command, reads its arguments, runs it. Returns the exit status:
 * 0 done, 1 failed, 2 wrong usage, unless the sub-command says otherwise. Data goes to stdout, talk to stderr.
 */
export async function main(args: readonly string[], parts: Parts): Promise<number> {
  const terminal = openTerminal(parts);
  const [word, ...rest] = args;
  try {
    if (word === undefined || word === '--help' || word === '-h' || word === 'help') {
      terminal.print(helpFor(rest[0]));
      return word === undefined ? 2 : 0;
    }
    if (word === '--version' || word === '-V') {
      terminal.print(`vfio-hook ${__VERSION__}`);
      return 0;
    }
    const command = find(word);
    // What follows `--` is somebody else's: vfio-hook run … -- qemu --help.
    const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
    if (own.includes('--help') || own.includes('-h')) {
      terminal.print(commandHelp(command));
      return 0;
    }
    return await command.run(readCall(command, rest), terminal);
  } catch (error) {
    for (const line of errorLines(error)) sayOnStderr(line);
    const { usage = 2, failure = 1 } = commands.find(({ name }) => name === word)?.ownStatuses ?? {};
    return error instanceof VfioHookError && error.code === 'VH_USAGE' ? usage : failure;
  }
}

function helpFor(word: string | undefined): string {
  return word === undefined || word.startsWith('-') ? overview(commands) : commandHelp(find(word));
}

function find(word: string): Command {
  const command = commands.find(({ name }) => name === word);
  if (command) return command;
  const meant = nearestWord(
    word,
    commands.map(({ name }) => name),
  );
  throw new VfioHookError('VH_USAGE', `there is no sub-command ${quoteName(word)}`, {
    hints: [
      meant === undefined ? advice('see: vfio-hook --help') : advice(`did you mean: vfio-hook ${meant}`),
    ],
  });
}

function openTerminal(parts: Parts): Terminal {
  const ownHost = (call: Call): Host => {
    const machine = machineOf(call);
    return machine === undefined ? linuxHost : parts.load('simulated.cjs').openSimulatedHost(machine);
  };
  const colour = pc.isColorSupported && process.stdout.isTTY;
  return {
    parts,
    colour,
    // A terminal that does not say its size has 0 columns.
    columns: (process.stdout.isTTY && process.stdout.columns) || undefined,
    watched: process.stderr.isTTY,
    print: (text) => {
      printAll(`${safeText(text, { colour })}\n`);
    },
    say: sayOnStderr,
    names: (host) =>
      pciNames(PCI_IDS.map((path) => readIfThere(host, path)).find((text) => text !== undefined)),
    ownHost,
    locations: (call) => locations(machineOf(call)),
    openEngine: (call, interrupted = () => undefined) => {
      const described = call.options.get('host');
      const config = configOf(call);
      if (typeof described === 'string') {
        return describedEngine(readMachine(described, parts), {
          parts,
          ...(config && { config }),
          namesFrom: { host: linuxHost, files: PCI_IDS },
        });
      }
      const { open, sink } = openEngine({
        where: locations(machineOf(call)),
        host: () => ownHost(call),
        decoder: () => parts.load('config.cjs'),
        ...(config && { config }),
        interrupted,
      });
      if (!call.options.has('verbose')) return open();
      return { ...open(), log: parts.load('log.cjs').verboseLog(sink, sayOnStderr) };
    },
  };
}

/** The directory of a simulated machine. */
function machineOf({ options }: Call): string | undefined {
  const machine = options.get('simulated-machine');
  return typeof machine === 'string' ? machine : undefined;
}

function configOf({ options }: Call): ConfigText | undefined {
  const path = options.get('config');
  return typeof path === 'string' ? { path, text: readOperand(path) } : undefined;
}

/** Pause before a full terminal or pipe is tried again that somebody has made one that does not block. */
const FULL_MS = 5;

/** A reader that stops early (`| head`) is no error. */
function printAll(text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (errnoOf(error) === 'EPIPE') return;
      if (errnoOf(error) !== 'EAGAIN') throw cannotPrint(error);
      pause(FULL_MS);
    }
  }
}

function cannotPrint(error: unknown): VfioHookError {
  const errno = errnoOf(error) ?? 'EIO';
  return new VfioHookError('VH_FILE', `cannot write to standard output: ${errno}`, { errno, cause: error });
}

function readIfThere(host: Host, path: string): string | undefined {
  try {
    return host.read(path);
  } catch {
    return undefined;
  }
}
