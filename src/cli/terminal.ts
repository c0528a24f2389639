import { writeSync } from 'node:fs';
import pc from 'picocolors';
import type { ConfigText } from '../engine/config-file.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { locations, openEngine } from '../hook/engine.ts';
import type { Host } from '../host/host.ts';
import { linuxHost } from '../host/linux/host.ts';
import type { Parts } from '../parts.ts';
import { pause } from '../pause.ts';
import { pciNames } from '../pci/names.ts';
import { sayOnStderr } from '../report.ts';
import { safeText } from '../text.ts';
import type { Call, Terminal } from './command.ts';
import { describedEngine, readMachine } from './described.ts';
import { jsonText } from './json.ts';
import { columnsFor, takesUnicode } from './render/locale.ts';
import { readOperand } from './operand.ts';
import { errorText, forPeople, plain, type Manner } from './render/for-people.ts';

/** Where distributions put pci.ids (package pci.ids or hwdata). */
const PCI_IDS = ['/usr/share/misc/pci.ids', '/usr/share/hwdata/pci.ids'];

/** What sub-commands work with: this process's own streams and environment, and the machine that a call names. */
export function openTerminal(parts: Parts): Terminal {
  const ownHost = (call: Call): Host => {
    const machine = machineOf(call);
    return machine === undefined ? linuxHost : parts.load('simulated.cjs').openSimulatedHost(machine);
  };
  const colour = pc.isColorSupported && process.stdout.isTTY;
  const unicode = takesUnicode(process.env);
  const out: Manner = { colour, unicode, columns: columnsFor(process.env, process.stdout) };
  const err: Manner = { colour: false, unicode, columns: columnsFor(process.env, process.stderr) };
  const say = (text: string): void => {
    for (const line of forPeople(text, err).split('\n')) sayOnStderr(line);
  };
  return {
    parts,
    ...out,
    watched: process.stderr.isTTY,
    print: (text, isFitted = false) => {
      printAll(`${(isFitted ? plain : forPeople)(text, out)}\n`);
    },
    data: (text) => {
      printAll(`${safeText(text, { colour: false })}\n`);
    },
    redraw: (text, isFirst) => {
      printAll(`${process.stdout.isTTY ? CLEAR : isFirst ? '' : '\n'}${forPeople(text, out)}\n`);
    },
    json: (value) => {
      printAll(`${jsonText(value, unicode)}\n`);
    },
    gone: () => isGone,
    say,
    sayError: (error) => {
      for (const line of errorText(error, err).split('\n')) sayOnStderr(line);
    },
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
      return { ...open(), log: parts.load('log.cjs').verboseLog(sink, say) };
    },
  };
}

/** Cursor to the corner, and everything behind it away (ECMA-48: CUP, ED). */
const CLEAR = '\x1b[H\x1b[2J';

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
let isGone = false;

function printAll(text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (errnoOf(error) === 'EPIPE') {
        isGone = true;
        return;
      }
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
