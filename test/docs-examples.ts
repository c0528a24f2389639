import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDomain } from '../src/domain/parse.ts';
import { readDescription } from '../simulator/description.ts';
import { MACHINE_FILE } from '../simulator/entry.ts';
import { createMachineFile, openMachineFile } from '../simulator/machine.ts';
import type { FaultDescription, Operation } from '../simulator/operation.ts';
import type { MachineSpec } from '../simulator/spec.ts';
import { installedFacts, installedFiles } from './doctor/machine.ts';

/*
 * Examples in the documents that are run. A comment right above a fence says on which machine:
 *
 *   <!-- checked {"host": "amd-rdna3-desktop"} -->
 *   ```console
 *   $ vfio-hook plan examples/domains/windows-11-rx7900xtx.xml
 *   …
 *   refused: nothing would be changed, and the guest would not start
 *   ```
 *
 * - The first line is the command when it begins with `$ ` (vfio-hook, npm run demo, or qemu with the arguments
 *   that libvirt gives; a `sudo` in front is left out, as the machine belongs to whoever runs the tests); the rest is all that it prints, stderr after stdout. Without a command the text is what
 *   the start of the guest `domain` prints.
 * - `…` on a line of its own stands for any number of lines.
 * - Times, durations, process ids, names from pci.ids and the machine's directory are not compared.
 */

const repository = fileURLToPath(new URL('..', import.meta.url));

/** What the comment above a fence may say; all of it may be left out. */
export interface Setting {
  /** A machine of examples/hosts; `vfio-hook` then works on it. */
  readonly host?: string;
  /** Facts about the machine that are different from its description. */
  readonly facts?: Partial<MachineSpec>;
  /** Everything on the host is as install.sh leaves it, and libvirt runs. */
  readonly installed?: boolean;
  /** A guest of examples/domains. */
  readonly domain?: string;
  /** What is replaced in its XML, in order. */
  readonly replace?: readonly (readonly [text: string, by: string])[];
  /** Configuration: a file of examples/configs for the guest, or a text for all guests. */
  readonly config?: string;
  readonly mode?: string;
  /** Scripts of the guest, by their paths below its directory. */
  readonly scripts?: Readonly<Record<string, string>>;
  readonly faults?: readonly FaultDescription[];
  /** Guests of examples/domains that were started before; what came of it is not looked at. */
  readonly started?: readonly string[];
  /** What happened on the machine after that. */
  readonly then?: readonly Operation[];
  /** Faults that come only after that. */
  readonly later?: readonly FaultDescription[];
  /** Commands before the one that is shown. */
  readonly before?: readonly string[];
  /** UUID of a guest whose claim is torn: a file that ends in the middle. */
  readonly damaged?: string;
  /** Exit status; 1 for the start of a guest, else 0. */
  readonly status?: number;
}

/** A fence with a setting. */
export interface Example {
  readonly name: string;
  readonly setting: Setting;
  readonly command: string | undefined;
  readonly output: readonly string[];
}

const FENCE = /^<!-- checked(?<setting> \{.*\})? -->\n```\w+\n(?<text>[^]*?)\n```$/gm;

/** The checked fences of a document. */
export function examplesOf(document: string): Example[] {
  const text = readFileSync(join(repository, document), 'utf8');
  return [...text.matchAll(FENCE)].map((match, index) => {
    const lines = (match.groups?.['text'] ?? '').split('\n');
    const command = lines[0]?.startsWith('$ ') === true ? lines[0].slice(2) : undefined;
    return {
      name: `${document}, number ${index + 1}: ${command ?? lines[0] ?? ''}`,
      setting: JSON.parse(match.groups?.['setting'] ?? '{}') as Setting,
      command,
      output: command === undefined ? lines : lines.slice(1),
    };
  });
}

/** Runs an example. Throws an AssertionError when it prints anything else than the document says. */
export function check({ setting, command, output }: Example): void {
  onMachine(setting, (directory) => {
    const call = command ?? `qemu ${domainOf(setting).name} prepare begin -`;
    const ended = run(directory, call, setting);
    assert.deepEqual(shortened(lines(ended.stdout + ended.stderr, directory), output), output.map(plain));
    assert.equal(ended.status, setting.status ?? (command === undefined ? 1 : 0), 'exit status');
  });
}

/** What a command prints on stdout in a setting. */
export function printed(setting: Setting, command: string): string {
  return onMachine(setting, (directory) => run(directory, command, setting).stdout);
}

function onMachine<T>(setting: Setting, work: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-docs-'));
  try {
    prepareMachine(directory, setting);
    for (const earlier of setting.before ?? []) run(directory, earlier, setting);
    return work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function prepareMachine(directory: string, setting: Setting): void {
  const hooks = join(directory, 'hooks');
  mkdirSync(hooks);
  symlinkSync(join(repository, 'dist/vfio-hook'), join(hooks, 'qemu'));
  if (setting.host === undefined) return;
  const described = readDescription(join(repository, `examples/hosts/${setting.host}.yaml`));
  const spec = {
    ...described,
    ...(setting.installed && {
      files: { ...described.files, ...installedFiles },
      fileFacts: { ...described.fileFacts, ...installedFacts },
    }),
    ...setting.facts,
  };
  const machine = createMachineFile(join(directory, MACHINE_FILE), spec);
  if (setting.config !== undefined) configure(directory, setting.config, setting);
  for (const [name, text] of Object.entries(setting.scripts ?? {})) {
    const path = join(directory, 'qemu.d', domainOf(setting).name, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o755 });
  }
  for (const rule of setting.faults ?? []) machine.perform({ do: 'fault', rule });
  for (const domain of setting.started ?? []) {
    run(directory, `qemu ${domainOf({ domain }).name} prepare begin -`, { domain });
  }
  for (const operation of setting.then ?? [])
    openMachineFile(join(directory, MACHINE_FILE)).perform(operation);
  if (setting.damaged !== undefined) tearClaim(directory, setting.damaged);
  for (const rule of setting.later ?? []) machine.perform({ do: 'fault', rule });
}

function tearClaim(directory: string, uuid: string): void {
  mkdirSync(join(directory, 'run/claims'), { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, 'run/claims', `${uuid}.json`), '{ "version": 1, "bootId": "', {
    mode: 0o600,
  });
}

function configure(directory: string, config: string, setting: Setting): void {
  mkdirSync(join(directory, 'etc/domains'), { recursive: true, mode: 0o755 });
  const isFile = /^[\w-]+\.\w+$/.test(config);
  const guest = setting.domain ?? setting.started?.[0];
  const file = isFile
    ? join(
        directory,
        'etc/domains',
        domainOf({ ...(guest !== undefined && { domain: guest }) }).name + extname(config),
      )
    : join(directory, 'etc/config.yaml');
  if (isFile) copyFileSync(join(repository, 'examples/configs', config), file);
  else writeFileSync(file, config);
  chmodSync(file, parseInt(setting.mode ?? '644', 8));
}

function domainOf({ domain, replace = [] }: Setting): { readonly name: string; readonly xml: string } {
  assert.ok(domain !== undefined, 'the example names no guest');
  const original = readFileSync(join(repository, `examples/domains/${domain}.xml`), 'utf8');
  const xml = replace.reduce((text, [from, to]) => text.replace(from, to), original);
  return { name: parseDomain(original).name, xml };
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Only what the documents type: no shell, so that nothing else can run by accident. */
function run(directory: string, command: string, setting: Setting): Ended {
  const [program = '', ...args] =
    command === 'npm run demo' ? demo() : command.replace(/^sudo /, '').split(' ');
  const machine = setting.host === undefined && program !== 'qemu' ? [] : ['--simulated-machine', directory];
  const path = {
    qemu: join(directory, 'hooks/qemu'),
    'vfio-hook': join(repository, 'dist/vfio-hook'),
  }[basename(program)];
  assert.ok(path !== undefined, `the documents run only vfio-hook, not ${program}`);
  return spawnSync(path, [...args, ...machine], {
    cwd: repository,
    encoding: 'utf8',
    input: setting.domain === undefined ? '' : domainOf(setting).xml,
    env: { LC_ALL: 'C.UTF-8', PATH: `${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin` },
  });
}

/** The command at the end of the demo's script. */
function demo(): string[] {
  const script = readFileSync(join(repository, 'scripts/demo.sh'), 'utf8').replaceAll('\\\n', ' ');
  return /^exec (dist\/vfio-hook .*)$/m.exec(script)?.[1]?.split(/\s+/) ?? [];
}

function lines(text: string, directory: string): string[] {
  return text
    .replaceAll(`${directory}/etc`, '/etc/vfio-hook')
    .replaceAll(`${directory}/run`, '/run/vfio-hook')
    .trimEnd()
    .split('\n')
    .map(plain);
}

/** A line without what is different each time. */
function plain(line: string): string {
  return line
    .replace(/\d{4}-\d\d-\d\d(?:T[\d:.]+Z| [\d:]+ [+-]\d\d:\d\d)/g, 'TIME')
    .replace(/\b\d+ (ms|s ago)\b/g, 'N $1')
    .replace(/\((pid|process) \d+/g, '($1 N')
    .replace(/\bprocess \d+ /g, 'process N ')
    .replace(/(\[[0-9a-f]{4}\]: ).*( \[[0-9a-f]{4}:[0-9a-f]{4}\])/g, '$1NAME$2')
    .replace(/· board .* (\[[0-9a-f]{4}:[0-9a-f]{4}\])/g, '· board NAME $1')
    .replace(/ {2,}/g, '  ')
    .trimEnd();
}

/** What was printed, with `…` for what the document leaves out; the document's own line where it has another one. */
function shortened(printed: readonly string[], documented: readonly string[]): string[] {
  const shown: string[] = [];
  let at = 0;
  for (const [index, line] of documented.entries()) {
    if (line.trim() !== '…') {
      shown.push(printed[at] ?? '(nothing more is printed)');
      at += 1;
      continue;
    }
    const next = documented[index + 1];
    const found = next === undefined ? printed.length : printed.indexOf(plain(next), at);
    shown.push('…');
    if (found !== -1) at = found;
  }
  return [...shown, ...printed.slice(at)];
}
