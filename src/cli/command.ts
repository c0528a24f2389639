import type { Engine } from '../engine/engine.ts';
import type { Locations } from '../hook/engine.ts';
import type { Host } from '../host/host.ts';
import type { Parts } from '../parts.ts';
import type { PciNames } from '../pci/names.ts';
import type { Manner } from './render/for-people.ts';

/** An option of a sub-command; {@link https://nodejs.org/api/util.html#utilparseargsconfig util.parseArgs} reads it. */
export interface OptionSpec {
  /** `--json` has the name `json`. */
  readonly name: string;
  readonly short?: string;
  /** Placeholder of its value, such as `FILE`; absent for a switch. */
  readonly value?: string;
  readonly about: string;
  /** The words that its value may be one of, as far as they are offered. */
  readonly words?: readonly string[];
  /** It may be given several times: see {@link Call.lists}. */
  readonly repeated?: boolean;
  /** Left out of the help: for tests and the demo. */
  readonly hidden?: boolean;
}

/** What a sub-command was called with. */
export interface Call {
  readonly operands: readonly string[];
  /** Values of the options that were given: the text, or true for a switch. */
  readonly options: ReadonlyMap<string, string | true>;
  /** Values of the options that may be given several times; those that were not given are left out. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
}

/** What every sub-command works with. */
export interface Terminal extends Manner {
  /** Writes text for people to stdout, a newline added. Lines that are not fitted to the terminal yet are broken at blanks. */
  readonly print: (text: string, isFitted?: boolean) => void;
  /** Writes what programs read, or what becomes a file, to stdout: as it is but for characters that drive terminals. */
  readonly data: (text: string) => void;
  /** Writes text for people in the place of what was written before: a terminal is cleared, elsewhere an empty line parts it from that. */
  readonly redraw: (text: string, isFirst: boolean) => void;
  /** Writes JSON to stdout. */
  readonly json: (value: unknown) => void;
  /** Whether whoever read stdout has gone. */
  readonly gone: () => boolean;
  /** Talks to the person on stderr. */
  readonly say: (text: string) => void;
  /** Says an error with its hints. */
  readonly sayError: (error: unknown) => void;
  /** Whether somebody waits at a terminal for what {@link say} says. */
  readonly watched: boolean;
  /** Names of devices, from the pci.ids of the machine that is looked at. */
  readonly names: (host: Host) => PciNames;
  /**
   * The engine over this machine, over a simulated one (`--simulated-machine`), or over one that a file
   * describes (`--host`): that one is in memory, freshly booted, without a claim and without a configuration.
   * With `--config` its file stands in for the guest's own.
   */
  readonly openEngine: (call: Call, interrupted?: Engine['interrupted']) => Engine;
  /** The machine whose guests a name means: this one or a simulated one, whatever `--host` says. */
  readonly ownHost: (call: Call) => Host;
  /** Where configuration, claims and log of that machine are. */
  readonly locations: (call: Call) => Locations;
  readonly parts: Parts;
}

/** One sub-command. The help, the man page and the completions are made from the same table of these. */
export interface Command {
  readonly name: string;
  /** Other words for it, which vfio-manage has. */
  readonly aliases?: readonly string[];
  /** One line. */
  readonly about: string;
  /** What it does and what it never touches. */
  readonly details: string;
  /** Operands as in `vfio-hook plan FILE`. */
  readonly operands: readonly {
    readonly name: string;
    readonly about: string;
    readonly optional?: boolean;
    /** The last one may be given more than once. */
    readonly repeated?: boolean;
    /** It is written behind `--`, since it and what follows may begin with a dash. */
    readonly behindDashes?: boolean;
  }[];
  readonly options: readonly OptionSpec[];
  /** Whether only root can do it, also as a dry run: it changes devices, or reads claims. */
  readonly onlyRoot?: boolean;
  /** Exit statuses other than 0 done, 1 failed, 2 wrong usage. */
  readonly statuses?: Readonly<Record<string, string>>;
  readonly examples: readonly string[];
  /** Exit statuses of the command itself for a failure, for wrong usage and for a refusal, where they are not 1, 2 and 1. */
  readonly ownStatuses?: { readonly failure?: number; readonly usage?: number; readonly refused?: number };
  /** Runs it and returns the exit status. Throws VfioHookError. */
  run(call: Call, terminal: Terminal): number | Promise<number>;
}

/** The option that every listing has. */
export const jsonOption: OptionSpec = { name: 'json', about: 'print JSON instead of text' };

/** The option that puts a simulated machine in the place of this one. */
export const machineOption: OptionSpec = {
  name: 'simulated-machine',
  value: 'DIRECTORY',
  about: 'work on a simulated machine',
  hidden: true,
};

/** The option of commands that only look: the machine is one in memory, made from a description. */
export const hostOption: OptionSpec = {
  name: 'host',
  value: 'FILE',
  about: 'look at the machine that FILE describes (see vfio-hook snapshot), not at this one',
};

/** The option of commands that show what a configuration comes to. */
export const configOption: OptionSpec = {
  name: 'config',
  value: 'FILE',
  about: 'take FILE for the configuration of the guest',
};

/** The operand that names a guest; {@link readGuest} reads it. */
export const guestOperand = {
  name: 'GUEST',
  about: 'name or UUID; or a file with the XML (has a slash or ends in .xml); or - for standard input',
} as const;

/** The option that shows what a command would do. */
export const dryRunOption: OptionSpec = {
  name: 'dry-run',
  short: 'n',
  about: 'only say what would be done',
};

/** The option of every command that changes something. */
export const verboseOption: OptionSpec = {
  name: 'verbose',
  short: 'v',
  about: 'say each step on stderr',
};
