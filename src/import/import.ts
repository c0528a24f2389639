import type { Command } from './commands.ts';
import { phaseOf, phaseOfName, type Phase } from './moment.ts';
import { cpus, frequency, hugepages } from './recognise/tuning.ts';
import { devices, modules } from './recognise/devices.ts';
import { display } from './recognise/display.ts';
import { frame, known, services, unitName } from './recognise/others.ts';
import { OPERATION, SUB_OPERATION, type Variables } from './variables.ts';
import { stays, type Known, type Recogniser, type Verdict, type Wish } from './verdict.ts';
import { configText } from './config-text.ts';
import { walk, type WalkedLine } from './walk.ts';

/** A script that is to be looked at. */
export interface ScriptFile {
  readonly path: string;
  readonly text: string;
  /** Of libvirt, where the script lies in its directory; absent: it asks for it itself, or its name says so. */
  readonly moment?: readonly [operation: string, subOperation: string];
  /** One script for all guests: `$1` is the guest, `$2` libvirt's operation. */
  readonly isHook?: boolean;
}

/** What an import goes by. */
export interface ImportInput {
  readonly guest: string;
  readonly scripts: readonly ScriptFile[];
  /** Addresses that the XML of the guest assigns; absent: it is not known. */
  readonly assigned?: ReadonlySet<string>;
  /** The text of a file that a script reads with `source`; undefined where it is not to be read. */
  readonly sourced: (path: string) => string | undefined;
  /** Whether a configuration with this text is one that the hook takes. */
  readonly takes: (text: string) => boolean;
}

/** A line of a script, and what becomes of each command on it. */
export interface ImportedLine {
  readonly number: number;
  readonly text: string;
  readonly verdicts: readonly Verdict[];
}

/** A script with its lines that do something. */
export interface ImportedScript {
  readonly path: string;
  readonly lines: readonly ImportedLine[];
}

/** What scripts come to. */
export interface Imported {
  readonly scripts: readonly ImportedScript[];
  readonly wishes: readonly Wish[];
}

/** In order: the first that knows a command decides. */
const recognisers: readonly Recogniser[] = [
  display,
  devices,
  modules,
  frequency,
  hugepages,
  cpus,
  services,
  frame,
  known,
];

/**
 * Says what each line of the scripts of a guest comes to: which key of the configuration does the same, what is done without
 * any, and what has to stay a script. Reads texts, and runs nothing. What it does not know stays. A key that the configuration does not
 * take, with this value, stays as well.
 */
export function importScripts(input: ImportInput): Imported {
  const walked = input.scripts.map((script) => ({ script, lines: walk(script.text, walkOf(input, script)) }));
  const commands = walked.flatMap(({ lines }) => lines.flatMap((line) => line.commands));
  const unitsOf = (verb: string): ReadonlySet<string> =>
    new Set(
      commands
        .filter(({ name, phase, args }) => name === 'systemctl' && phase === 'begin' && args.includes(verb))
        .flatMap(({ args }) =>
          args.flatMap((arg) => (arg === undefined || arg === verb ? [] : [unitName(arg)])),
        ),
    );
  const facts: Known = {
    stopped: unitsOf('stop'),
    started: unitsOf('start'),
    ...(input.assigned && { assigned: input.assigned }),
  };
  const judge = ({ number, text, commands: own }: WalkedLine): ImportedLine => ({
    number,
    text,
    verdicts: own.flatMap(oneUnitEach).map((command) => {
      for (const recognise of recognisers) {
        const verdict = recognise(command, facts);
        if (verdict) return taken(verdict, input.takes);
      }
      return stays('no key does this');
    }),
  });
  const scripts = walked.map(({ script, lines }) => ({ path: script.path, lines: lines.map(judge) }));
  const wishes = scripts.flatMap(({ lines }) =>
    lines.flatMap(({ verdicts }) =>
      verdicts.flatMap((verdict) => (verdict.kind === 'key' ? [verdict.wish] : [])),
    ),
  );
  return { scripts, wishes };
}

/** `systemctl stop a b` is two commands: each unit may come to something else. */
function oneUnitEach(command: Command): Command[] {
  if (command.name !== 'systemctl') return [command];
  const options: (string | undefined)[] = [];
  const words: (string | undefined)[] = [];
  const { args } = command;
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at];
    if (arg?.startsWith('-') !== true) words.push(arg);
    else if (WITH_VALUE.has(arg)) {
      options.push(`${arg}=${args[at + 1] ?? ''}`);
      at += 1;
    } else options.push(arg);
  }
  const [verb, ...units] = words;
  if (!/^(?:stop|start)$/.test(verb ?? '') || units.length === 0)
    return [{ ...command, args: [...options, ...words] }];
  return units.map((unit) => ({ ...command, args: [...options, verb, unit] }));
}

/** Options of systemctl(1) whose value is a word of its own. */
const WITH_VALUE = new Set(['-M', '-H', '-p', '-t', '-s', '-n', '-o', '--machine', '--host', '--job-mode']);

/** A wish that is no configuration stays a script. */
function taken(verdict: Verdict, takes: ImportInput['takes']): Verdict {
  if (verdict.kind !== 'key' || takes(configText([verdict.wish]).join('\n'))) return verdict;
  return stays(`the key ${verdict.wish.key} does not do that here`);
}

function walkOf({ guest, sourced }: ImportInput, script: ScriptFile): Parameters<typeof walk>[1] {
  const { moment, isHook, path } = script;
  const [operation, sub] = moment ?? (isHook === true ? [OPERATION, SUB_OPERATION] : []);
  const variables: Variables = new Map([
    ['1', guest],
    ['0', path],
    ...(operation === undefined ? [] : [['2', operation] as const]),
    ...(sub === undefined ? [] : [['3', sub] as const]),
  ]);
  const phase: Phase = moment
    ? phaseOf(moment[0])
    : isHook === true
      ? 'begin'
      : phaseOfName(path.slice(path.lastIndexOf('/') + 1));
  return { variables, phase, sourced };
}
