import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callHook, install, temporaryDirectory, type CallOptions, type Ended } from '../hook/compiled.ts';

/** The built file with a Node that only takes notes, and with a directory of claims of its own. */
export interface Launcher {
  readonly hook: string;
  readonly command: string;
  /** The chosen Node, a script. */
  readonly node: string;
  /** Where it looks for Node after the chosen one: nothing is there. */
  readonly absentNode: string;
  readonly claims: string;
  /** Calls the hook, through another shell when one is given. */
  call(args: readonly string[], options?: CallOptions & { readonly shell?: string }): Launched;
}

/** A call, and what Node was given when it was started. */
export interface Launched extends Ended {
  readonly node?: Notes | undefined;
}

export interface Notes {
  /** Arguments of Node: the program's path first. */
  readonly args: readonly string[];
  readonly stdin: Buffer;
  readonly env: string;
}

/** Where a launcher finds Node. */
export interface LauncherOptions {
  /** False: the installer chose none. */
  readonly chosen?: boolean;
  /** Whether the first place of the fixed list has it. */
  readonly listed?: boolean;
}

const FIXED = '/usr/bin/node /bin/node /usr/local/bin/node /usr/bin/nodejs /opt/node/bin/node';

/** Makes one. */
export function launcher({ chosen = true, listed = false }: LauncherOptions = {}): Launcher {
  const work = temporaryDirectory();
  // Everybody may write here: a call may be another user's.
  chmodSync(work, 0o777);
  const notes = join(work, 'notes');
  const node = join(work, 'a node');
  mkdirSync(notes);
  chmodSync(notes, 0o777);
  const script = `#!/bin/sh\nprintf '%s\\0' "$@" >'${notes}/args'\nenv >'${notes}/env'\ncat >'${notes}/stdin' 2>&1 || :\n`;
  writeFileSync(node, script, { mode: 0o755 });
  const absentNode = join(work, 'absent');
  const claims = join(work, 'claims');
  const list = join(work, 'listed-node');
  if (listed) writeFileSync(list, script, { mode: 0o755 });
  const { hook, command, directory } = install((text) => {
    if (!text.includes(` ${FIXED};`) || !text.includes('/run/vfio-hook/claims/'))
      throw new Error('the launcher has other paths than this test replaces');
    return text
      .replace("chosen_node=''", `chosen_node='${chosen ? node : ''}'`)
      .replace(FIXED, `${absentNode} ${list}`)
      .replaceAll('/run/vfio-hook/claims/', `${claims}/`);
  });
  chmodSync(directory, 0o755);
  return {
    hook,
    command,
    node,
    absentNode,
    claims,
    call: (args, { shell, ...options } = {}) => {
      for (const name of readdirSync(notes)) rmSync(join(notes, name));
      const program = options.program ?? hook;
      const ended = callHook(shell === undefined ? args : [program, ...args], {
        ...options,
        program: shell ?? program,
      });
      return { ...ended, node: read(notes) };
    },
  };
}

function read(notes: string): Notes | undefined {
  if (!existsSync(join(notes, 'args'))) return undefined;
  return {
    args: readFileSync(join(notes, 'args'), 'utf8').split('\0').slice(0, -1),
    stdin: readFileSync(join(notes, 'stdin')),
    env: readFileSync(join(notes, 'env'), 'utf8'),
  };
}
