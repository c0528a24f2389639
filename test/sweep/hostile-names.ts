import { claimKey, ownerPhrase } from '../../src/claim/owner.ts';
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Call, Command, Terminal } from '../../src/cli/command.ts';
import { errorText, forPeople, type Manner } from '../../src/cli/render/for-people.ts';
import { hostdevs } from '../../src/cli/commands/hostdevs.ts';
import { jsonText } from '../../src/cli/json.ts';
import { plan } from '../../src/cli/commands/plan.ts';
import { recover } from '../../src/cli/commands/recover.ts';
import { status } from '../../src/cli/commands/status.ts';
import type { Claim } from '../../src/claim/claim.ts';
import { loadConfig } from '../../src/engine/config-file.ts';
import { lockRun } from '../../src/engine/lock.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import { VfioHookError } from '../../src/errors.ts';
import type { LogEntry } from '../../src/log/log.ts';
import { logLine } from '../../src/log/line.ts';
import { pciNames } from '../../src/pci/names.ts';
import { errorLines } from '../../src/report.ts';
import { safeText } from '../../src/text.ts';
import { pci } from '../domain/documents.ts';
import { claimedBy, everyLock, openScenario, stateDirectory, type Scenario } from '../scenario.ts';
import { isSafeLine, staysInItsGroups } from './hostile.ts';
import { randomFor, type Random } from './random.ts';
import { NAME } from './stage.ts';
import { subjectOn } from './subjects.ts';
import type { Sweep } from './sweep.ts';
import { watch } from './watch.ts';

const SEED = 'sweep 1';
const NAMES = 10_000;
const PARTS = 4;
const GPU = '0000:03:00.0';

/** Names that nobody would give, through everything that a guest's name goes through. */
export const hostileNames: Sweep = {
  name: 'hostile name',
  parts: Array.from({ length: PARTS }, (_, part) => `seed "${SEED}", from ${(part * NAMES) / PARTS}`),
  run: async (part, tally) => {
    const from = Number(/from (\d+)/.exec(part)?.[1]);
    const directory = stateDirectory();
    const configured = stateDirectory();
    try {
      const s = openScenario(subjectOn('amd-rdna3-desktop'), directory);
      const claim = await aClaim(s);
      plantConfigurations(configured);
      for (let number = from; number < from + NAMES / PARTS; number += 1) {
        await tally.point(`name ${number}`, async () => {
          const name = hostileName(number);
          findsNoConfiguration(configured, name);
          staysInDirectories(s, { ...claim, owner: { ...claim.owner, name } as Claim['owner'] });
          isLogged(name);
          isSaid(name);
          if (number % 20 === 0)
            await isShown(s, { ...claim, owner: { ...claim.owner, name } as Claim['owner'] });
          if (number % 50 === 0) {
            const { uuid } = claim.owner;
            await staysInItsGroups(s, {
              name,
              uuid,
              hostdevs: [{ kind: 'pci', address: claim.devices[0]!.address, managed: false }],
            });
          }
        });
      }
    } finally {
      rmSync(directory, { recursive: true });
      rmSync(configured, { recursive: true });
    }
  },
};

/** The claim that the engine itself writes for a guest. */
async function aClaim(s: Scenario): Promise<Claim> {
  const address = subjectOn('amd-rdna3-desktop').devices[0];
  assert.equal(address, GPU);
  const { guest } = await import('../scenario.ts');
  await s.prepare(guest(NAME, GPU));
  const [claim] = s.claims();
  assert.ok(claim);
  await s.release(NAME);
  return claim;
}

/** Files inside the configuration that belong to others, and files outside that nobody may read. */
function plantConfigurations(directory: string): void {
  const etc = join(directory, 'etc');
  mkdirSync(join(etc, 'domains'), { recursive: true, mode: 0o755 });
  for (const path of [
    'secret.yaml',
    'etc/secret.yaml',
    'etc/domains/win11.yaml',
    'etc/domains/%2e%2e%2fsecret.yaml.yaml',
  ]) {
    writeFileSync(join(directory, path), 'log: { level: debug }\n', { mode: 0o644 });
  }
}

/** No name but that of a file in `domains` leads to a configuration, and none leads out of the directory. */
function findsNoConfiguration(directory: string, name: string): void {
  const configDir = join(directory, 'etc');
  const decoded: string[] = [];
  const seen = watch(() => {
    loadConfig({
      configDir,
      trustedUid: process.getuid?.() ?? 0,
      guest: { name, uuid: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11' },
      decoder: () => ({
        decodeConfigFile: (_, path) => {
          decoded.push(path);
          return {};
        },
      }),
    });
  });
  assert.deepEqual(decoded, own[name] === undefined ? [] : [join(configDir, 'domains', own[name])]);
  assert.deepEqual(seen.programs, []);
  const known = ['', '/domains', '/domains/win11.yaml', '/domains/%2e%2e%2fsecret.yaml.yaml'];
  for (const path of seen.paths) assert.ok(known.includes(path.slice(configDir.length)), path);
}

/** The planted files that do belong to a hostile name. */
const own: Readonly<Record<string, string | undefined>> = Object.assign(Object.create(null) as object, {
  win11: 'win11.yaml',
  '../secret.yaml': '%2e%2e%2fsecret.yaml.yaml',
});

/** Claims and locks: no path is made of the name, and it is the same when it is read back. */
function staysInDirectories(s: Scenario, claim: Claim): void {
  const engine = s.engine();
  const { store, stateDirectory: run } = engine;
  const seen = watch(() => {
    const locks = lockRun(engine, claim.owner, 0);
    locks.groups([16]);
    store.write(claim, locks);
    assert.deepEqual(
      store.all().claims.map(({ owner }) => owner),
      [claim.owner],
    );
    store.remove(claimKey(claim.owner), locks);
    locks.release();
  });
  assert.deepEqual([...new Set(seen.programs)], ['flock']);
  const file = `${claimKey(claim.owner)}.json`;
  const lock = `/locks/claim-${claimKey(claim.owner)}`;
  const known = ['', '/claims', `/claims/${file}`, `/claims/.${file}.new`, '/locks', lock, '/locks/group-16'];
  for (const path of seen.paths) assert.ok(known.includes(path.slice(run.length)), path);
  isSafeLine(ownerPhrase(claim.owner));
}

/** In every field of a log line. */
function isLogged(name: string): void {
  const entry: LogEntry = {
    severity: 'err',
    message: name,
    guest: name,
    device: name,
    step: name,
    result: name,
    durationMs: 1,
  };
  const line = logLine(entry);
  isSafeLine(line);
  assert.ok(line.length <= 1000);
}

/** In errors: of the parser that expected it, of the XML that holds it, of a refusal. */
function isSaid(name: string): void {
  const escaped = name.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const xml = `<domain><name>${escaped}</name><uuid>b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11</uuid></domain>`;
  for (const expected of [name, 'another']) {
    try {
      assert.equal(parseDomain(xml, { name: expected }).name, name);
    } catch (error) {
      assert.ok(error instanceof VfioHookError, String(error));
      for (const line of errorLines(error)) isSafeLine(line);
    }
  }
}

/** On the terminal and as JSON, by every command that shows a guest's name. */
async function isShown(s: Scenario, claim: Claim): Promise<void> {
  const { store } = s.engine();
  const file = join(s.directory, 'guest.xml');
  const escaped = claimedBy(claim).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const gpu = `<hostdev mode='subsystem' type='pci'><source><address ${pci(3)}/></source></hostdev>`;
  writeFileSync(
    file,
    `<domain><name>${escaped}</name><uuid>${claim.owner.uuid}</uuid><devices>${gpu}</devices></domain>`,
  );
  store.write(claim, everyLock);
  try {
    const dry = new Map<string, string | true>([['dry-run', true]]);
    const json: [string, true] = ['json', true];
    const calls: readonly (readonly [Command, Call])[] = [
      [status, { operands: [], options: new Map(), lists: new Map() }],
      [status, { operands: [], options: new Map([json]), lists: new Map() }],
      [recover, { operands: [], options: dry, lists: new Map() }],
      [recover, { operands: [], options: new Map([...dry, json]), lists: new Map() }],
      [hostdevs, { operands: [file], options: new Map(), lists: new Map() }],
      [hostdevs, { operands: [file], options: new Map([json]), lists: new Map() }],
      [plan, { operands: [file], options: new Map(), lists: new Map() }],
      [plan, { operands: [file], options: new Map([json]), lists: new Map() }],
      // As a guest that libvirt knows; `-` would be standard input.
      [hostdevs, { operands: [`${claimedBy(claim)}?`], options: new Map(), lists: new Map() }],
    ];
    for (const [command, call] of calls) await shows(s, command, call);
  } finally {
    store.remove(claimKey(claim.owner), everyLock);
    rmSync(file);
  }
}

async function shows(s: Scenario, command: Command, call: Call): Promise<void> {
  const printed: string[] = [];
  const manner: Manner = { colour: false, unicode: true, columns: undefined };
  const terminal: Terminal = {
    ...manner,
    print: (text) => printed.push(forPeople(text, manner)),
    redraw: (text) => printed.push(forPeople(text, manner)),
    data: (text) => printed.push(safeText(text, manner)),
    json: (value) => printed.push(jsonText(value)),
    gone: () => false,
    say: (text) => printed.push(forPeople(text, manner)),
    sayError: (error) => printed.push(errorText(error, manner)),
    watched: false,
    names: () => pciNames(undefined),
    openEngine: () => s.engine(),
    ownHost: () => s.machine.host(),
    locations: () => assert.fail('it looked for files'),
    parts: { launcher: '/nowhere', build: '', load: () => assert.fail('a part was loaded') },
  };
  try {
    await command.run(call, terminal);
  } catch (error) {
    assert.ok(error instanceof VfioHookError, error instanceof Error ? error.stack : String(error));
    printed.push(...errorLines(error));
  }
  for (const line of printed.join('\n').split('\n')) isSafeLine(line);
}

const pieces = [
  '..',
  '.',
  '/',
  '//',
  '../',
  '../../../etc/passwd',
  '../secret.yaml',
  '/etc/secret.yaml',
  'win11',
  'WIN11',
  'ｗin11',
  'win11 ',
  '%2e%2e%2f',
  '%',
  '%00',
  '\n',
  '\r',
  '\t',
  '\u001b[2J',
  '\u001b]0;x\u0007',
  '\u009b2J',
  '\u0085',
  '\u2028',
  '\u202e',
  '\u2066',
  '\u200f',
  '\ufeff',
  '\ud800',
  '\udc00',
  '\ud83d\ude00',
  'é',
  'e\u0301',
  '-',
  '--',
  '--help',
  '--simulated-machine',
  '-rf',
  '--config=/etc/shadow',
  '; reboot',
  '$(reboot)',
  '`reboot`',
  '| sh',
  '&&',
  '"',
  "'",
  '\\',
  '\\u{1b}',
  '<',
  '>',
  '&',
  ']]>',
  '<!--',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'null',
  'undefined',
  '{}',
  '[]',
  '0',
  '1e999',
  '~',
  '*',
  '?',
  '*.yaml',
  'config',
  'config.yaml',
  '.yaml',
  'CON',
  'x'.repeat(255),
  'y'.repeat(10_240),
  ' ',
  '\u00a0',
  '\u200b',
  '82eef905-a0c9-4093-ab06-790e7ebe014c',
  'guest "other" (pid 1)',
  'result=restored',
  '\u0000',
  '\u007f',
  '%s%n%x',
  '\u0627\u0644',
] as const;

/** A name of one to six pieces. */
export function hostileName(number: number): string {
  const random: Random = randomFor(`${SEED} name ${number}`);
  const single = pieces[number];
  if (single !== undefined) return single;
  return Array.from({ length: 1 + random.below(6) }, () =>
    random.once(4) ? String.fromCharCode(random.below(0x10000)) : random.pick(pieces),
  ).join('');
}
