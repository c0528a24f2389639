import { claimedBy } from '../scenario.ts';
import { claimKey } from '../../src/claim/owner.ts';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withChecksum } from '../../src/claim/checksum.ts';
import { encodeClaim } from '../../src/claim/decode.ts';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { VfioHookError } from '../../src/errors.ts';
import { errorLines } from '../../src/report.ts';
import { isSafeLine } from './hostile.ts';
import { randomFor, type Random } from './random.ts';
import { NAME, onStage, type Stage } from './stage.ts';
import type { Sweep } from './sweep.ts';
import { watch } from './watch.ts';

const SEED = 'sweep 1';
const CONFIGURATIONS = 5000;
const CLAIMS = 2000;

/** Milliseconds that one file may take at most, also when the machine is busy. */
const PATIENCE_MS = 3000;

const folder = fileURLToPath(new URL('../../examples/configs/', import.meta.url));
const bases = readdirSync(folder).map((name) => readFileSync(folder + name, 'utf8'));

/** Configurations that nobody would write: what they say, or an error for people; nothing is read, nothing executed. */
export const hostileConfigurations: Sweep = {
  name: 'hostile configuration',
  parts: [`seed "${SEED}"`],
  run: async (_, tally) => {
    // What is loaded when it is first needed is not what the files ask for.
    for (const ending of ['yaml', 'json']) decode('a: [1', `/etc/vfio-hook/config.${ending}`);
    decode('devices: !!js/function x', '/etc/vfio-hook/config.yaml');
    for (let number = 1; number <= CONFIGURATIONS; number += 1) {
      await tally.point(`file ${number}`, () => {
        const random = randomFor(`${SEED} configuration ${number}`);
        const text = mutatedConfiguration(random);
        const path = `/etc/vfio-hook/${random.pick(['config.yaml', 'config.yml', 'config.json'])}`;
        const began = performance.now();
        const seen = watch(() => {
          decode(text, path);
        });
        const took = performance.now() - began;
        tally.measure('slowest configuration, ms', took);
        assert.ok(took < PATIENCE_MS, `it took ${took} ms`);
        assert.deepEqual(seen, { paths: [], programs: [] });
        const world = globalThis as { executed?: unknown };
        assert.equal(world.executed, undefined, 'something was executed');
        assert.equal(({} as { polluted?: unknown }).polluted, undefined);
      });
    }
  },
};

function decode(text: string, path: string): void {
  try {
    decodeConfigFile(text, path);
  } catch (error) {
    assert.ok(error instanceof VfioHookError, error instanceof Error ? error.stack : String(error));
    assert.equal(error.code, 'VH_CONFIG');
    for (const line of errorLines(error)) isSafeLine(line);
  }
}

const pieces = [
  '!!js/function "function () { globalThis.executed = 1 }"',
  '!!js/regexp /x/',
  '!!js/undefined x',
  '!<tag:yaml.org,2002:js/function> x',
  '!!binary aGVsbG8=',
  '!!python/object/apply:os.system [reboot]',
  '$import: /etc/shadow',
  '$ref: /etc/shadow',
  'extends: ../x.js',
  '<<: *a',
  '&a',
  '*a',
  '*b',
  '__proto__: { polluted: 1 }',
  'constructor: { prototype: { polluted: 1 } }',
  '"__proto__":{"polluted":1},',
  '? [a, b] : c',
  '---',
  '...',
  '%YAML 1.1',
  '%TAG ! tag:x,2000:',
  '|',
  '>',
  '|2',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '- ',
  '\t',
  '\0',
  '\u001b[2J',
  '\u202e',
  '\ufeff',
  '\u2028',
  '\ud800',
  '#',
  '"',
  "'",
  '\\',
  '\\u0000',
  '~',
  'null',
  'yes',
  '0x1f',
  '010',
  '1e999',
  '.inf',
  '.nan',
  '-.5',
  '2026-01-01',
  '12:30:45',
  '9'.repeat(400),
  'a'.repeat(3000),
  '../../etc/passwd',
  '$(reboot)',
  '`reboot`',
  'devices:',
  'timeouts:',
  'log:',
  'match:',
  'bars:',
  'driver:',
  '{ 0: 16GiB }',
  'match: "0000:03:00.0"',
] as const;

function mutatedConfiguration(random: Random): string {
  let text = random.once(10) ? '' : random.pick(bases);
  for (let count = 1 + random.below(5); count > 0; count -= 1) {
    const at = random.below(text.length + 1);
    const piece = random.pick(pieces);
    switch (random.below(10)) {
      case 0:
        text = text.slice(0, at);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(at + random.below(100));
        break;
      case 2: {
        const bytes = Buffer.from(text);
        if (bytes.length > 0) bytes[at % bytes.length]! ^= 1 << random.below(8);
        text = bytes.toString();
        break;
      }
      case 3:
        text = `${text}\n${piece}\n`;
        break;
      case 4: {
        const values = [...text.matchAll(/: (\S+)$/gm)];
        if (values.length === 0) break;
        const { index, 0: found } = random.pick(values);
        text = `${text.slice(0, index)}: ${piece}${text.slice(index + found.length)}`;
        break;
      }
      case 5:
        text = text.slice(0, at) + text.slice(Math.max(0, at - random.below(300)));
        break;
      case 6:
        if (random.once(10)) text += aliasBomb(random.below(30));
        break;
      case 7:
        if (random.once(10)) text += random.pick(['[', '{a: ', '- ', '"', '&a [']).repeat(random.below(5000));
        break;
      default:
        text = text.slice(0, at) + piece + text.slice(at);
    }
  }
  return text;
}

function aliasBomb(levels: number): string {
  const lines = Array.from({ length: levels }, (_, n) => `b${n}: &b${n} [${`*b${n - 1},`.repeat(9)}]`);
  return `\nb: &b-1 [x]\n${lines.join('\n')}\n`;
}

/**
 * Claims that say what no run has written, under a checksum that is right: refused as a whole, or acted on
 * within the kernel's own files for the devices that it names, by names that cannot lead elsewhere.
 */
export const hostileClaims: Sweep = {
  name: 'hostile claim',
  parts: [`seed "${SEED}"`],
  run: async (_, tally) => {
    await onStage('amd-rdna3-desktop', async (stage) => {
      const { s } = stage;
      await s.prepare(stage.domain);
      const [claim] = s.claims();
      assert.ok(claim);
      const file = `${claimKey(claim.owner)}.json`;
      const back = s.save();
      for (let number = 1; number <= CLAIMS; number += 1) {
        await tally.point(`claim ${number}`, async () => {
          back();
          s.writes();
          const random = randomFor(`${SEED} claim ${number}`);
          const json = JSON.parse(encodeClaim(claim)) as Json;
          for (let count = 1 + random.below(3); count > 0; count -= 1) mutate(json, random);
          s.damage(file, withChecksum(`${JSON.stringify(json, null, 1)}\n`));
          const [read] = s.claims();
          await actsOn(stage, read ? claimedBy(read) : NAME);
          const allowed = read?.devices.map(({ address }): string => address) ?? [];
          for (const write of s.writes()) {
            const match = WRITE.exec(write);
            assert.ok(match, `not one of the kernel's own files: ${write}`);
            const device = match[1] ?? match[2];
            assert.ok(device === undefined || allowed.includes(device), `another device: ${write}`);
          }
          const files = readdirSync(join(s.directory, 'run/claims'));
          assert.ok(
            files.every((name) => name === file || name === `.${file}.new`),
            files.join(' '),
          );
        });
      }
      back();
      rmSync(join(s.directory, 'run/claims', file));
    });
  },
};

/** `device/attribute < …`, `driver/bind < device` or `load module`. */
const ADDRESS = '([0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7])';
const WRITE = new RegExp(
  `^(?:${ADDRESS}/(?:driver_override|power/control|reset_method|resource[0-5]_resize) < |[\\w+ ][\\w+ .-]*/(?:un)?bind < ${ADDRESS}(?: |$)|load [\\w+ ][\\w+ .-]*)`,
);

async function actsOn({ s }: Stage, name: string): Promise<void> {
  s.time.now += 120_000;
  for (const run of [() => s.release(name), () => s.recover()]) {
    try {
      await run();
    } catch (error) {
      assert.ok(error instanceof VfioHookError, error instanceof Error ? error.stack : String(error));
      for (const line of errorLines(error)) isSafeLine(line);
    }
  }
}

type Json = Record<string, unknown> | unknown[];

const values: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  1e300,
  2 ** 53,
  '',
  ' ',
  '.',
  '..',
  '../../../etc',
  '/etc/passwd',
  '-r',
  '--remove',
  'a/b',
  'amdgpu',
  'nosuch',
  'vfio-pci',
  'snd_hda_intel',
  'amdgpu\nx',
  'x'.repeat(5000),
  '\u001b[2J',
  '\u202e',
  '\0',
  '__proto__',
  [],
  {},
  [null],
  [[]],
  '0000:00:00.0',
  '0000:04:00.0',
  '0000:03:00.1',
  '0000:03:00.7',
  'ffffffff:ff:1f.7',
  '0000:ff:00.0',
  16,
  17,
  99,
  'preparing',
  'restoring',
  'stuck',
  'incomplete',
  'auto',
  'on',
  ['flr', 'bus'],
  ['../x'],
  [{ bar: 0, size: 2 ** 28 }],
  [{ bar: 2, size: 3 }],
  [{ bar: 5, size: -1 }],
  { pid: 1, startTime: 1 },
  '2026-01-01T00:00:00Z',
  'never',
];

/** Puts another value somewhere. */
function mutate(json: Json, random: Random): void {
  let at = json as Record<string, unknown>;
  for (;;) {
    const keys = Object.keys(at);
    if (keys.length === 0) return;
    const key = random.pick(keys);
    const inner = at[key];
    if (typeof inner === 'object' && inner !== null && !random.once(4)) {
      at = inner as Record<string, unknown>;
      continue;
    }
    if (random.once(8)) Reflect.deleteProperty(at, key);
    else at[key] = random.pick(values);
    return;
  }
}
