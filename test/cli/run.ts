import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { callHook, installation, repository, type Ended } from '../hook/compiled.ts';
import { stage, steady, type Stage } from '../hook/stage.ts';
import { warmProcess, type WarmProcess } from './warm-process.ts';

const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { version: string };

/** The file of a guest of examples/domains. */
export const domain = (title: string): string => join(repository, 'examples/domains', `${title}.xml`);
/** The file of a machine of examples/hosts. */
export const host = (title: string): string => join(repository, 'examples/hosts', `${title}.yaml`);

/** Names that do not depend on what is installed where the tests run. */
const PCI_IDS = [
  '1002  Advanced Micro Devices, Inc. [AMD/ATI]',
  '\t744c  Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M]',
  '\tab30  Navi 31 HDMI/DP Audio',
  'C 03  Display controller',
  '\t00  VGA compatible controller',
  '',
].join('\n');

/** A machine of examples/hosts with names for its devices, and further files. */
export function machine(files: Readonly<Record<string, string>> = {}, title = 'amd-rdna3-desktop'): Stage {
  return stage(title, (spec) => ({
    ...spec,
    files: { ...spec.files, '/usr/share/misc/pci.ids': PCI_IDS, ...files },
  }));
}

/** What a call of the command gets besides its arguments. */
interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

let warm: WarmProcess | undefined;

/** Runs the command: in a process that has run it before, unless it gets an input or variables of its own. */
export function run(args: readonly string[], options: RunOptions = {}): Ended {
  if (Object.keys(options).length > 0) return runAlone(args, options);
  warm ??= warmProcess(installation());
  return warm(args);
}

/** Runs the command as a shell does: by its launcher, in a process of its own. */
export function runAlone(args: readonly string[], options: RunOptions = {}): Ended {
  return callHook(args, { program: installation().command, ...options });
}

/** Everything that a run shows, as it is in a golden file. */
export function shown(ended: Ended, on?: Stage): string {
  const text = `exit status ${String(ended.status)}\n--- stdout\n${ended.stdout}--- stderr\n${ended.stderr}`;
  return steady(
    text.replaceAll(repository, 'PROJECT/').replaceAll(version, 'VERSION'),
    on ?? { directory: installation().directory },
  );
}

/** No colour, no cursor, nothing but text. */
export function isPlain({ stdout, stderr }: Ended): void {
  // eslint-disable-next-line no-control-regex -- what it must not hold
  assert.doesNotMatch(stdout + stderr, /[\0-\x09\x0b-\x1f\x7f-\x9f]/);
}
