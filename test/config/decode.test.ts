import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  existsSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hintText } from '../../src/hint.ts';
import fc from 'fast-check';
import type { PartialConfig } from '../../src/config/config.ts';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { VfioHookError } from '../../src/errors.ts';
import { offeredReasons } from '../../src/pci/use.ts';

const PATH = '/etc/vfio-hook/domains/win11.yaml';
const JSON_PATH = '/etc/vfio-hook/domains/win11.json';
const PREFIX = /^cannot use configuration \/etc\/vfio-hook\/domains\/win11\.(?:yaml|json): /;
const MIB = 2 ** 20;

/** The problems that a text is refused with, first the one in the message, then the hints. */
function problems(text: string, path = PATH): string[] {
  try {
    decodeConfigFile(text, path);
  } catch (error) {
    assert.ok(error instanceof VfioHookError, String(error));
    assert.equal(error.code, 'VH_CONFIG');
    assert.equal(error.path, path);
    assert.match(error.message, PREFIX);
    for (const line of [error.message, ...error.hints.map(hintText)]) {
      assert.doesNotMatch(line, /[\p{C}\p{Zl}\p{Zp}]/u, 'a message is one line without control characters');
      assert.doesNotMatch(line, /\.$/, 'a message has no final period');
    }
    return [error.message.replace(PREFIX, ''), ...error.hints.map(hintText)];
  }
  assert.fail(`accepted: ${JSON.stringify(text)}`);
}

describe('decodeConfigFile', () => {
  it('takes what endangers the whole host from the file of all guests, and refuses it in the file of one', () => {
    const text = 'log: {level: err}\nallowUnsafeInterrupts: true\n';
    assert.equal(decodeConfigFile(text, PATH, 'all').allowUnsafeInterrupts, true);
    assert.throws(
      () => decodeConfigFile(text, PATH),
      /: line 2: allowUnsafeInterrupts is not for one guest: it endangers the whole host, so it belongs into config.yaml$/,
    );
    const cards = 'sriov: [{pf: "02:00.0", vfs: 4}]\nallowUnsafeInterrupts: true';
    assert.deepEqual(problems(cards), [
      'line 1: vfs is not for one guest: a card has one number of virtual functions for all guests, so it belongs into config.yaml (first of 2 problems)',
      'line 2: allowUnsafeInterrupts is not for one guest: it endangers the whole host, so it belongs into config.yaml',
    ]);
    assert.throws(
      () => decodeConfigFile('allowUnsafeInterrupts: yes please', PATH, 'all'),
      /: line 1: allowUnsafeInterrupts: a text in place of true or false$/,
    );
  });

  describe('reads what is right', () => {
    const gpu = { by: 'address', address: '0000:03:00.0' };
    const none = new Map();
    const table: [sentence: string, text: string, config: unknown][] = [
      ['an empty file', '', {}],
      ['a file of comments', '# nothing yet\n', {}],
      ['an empty mapping', '{}', {}],
      [
        'every timeout',
        'timeouts: {kernelWrite: 30s, run: 5m, lock: 500ms}',
        { timeouts: { kernelWrite: 30_000, run: 300_000, lock: 500 } },
      ],
      ['one timeout in minutes', 'timeouts:\n  lock: 2m\n', { timeouts: { lock: 120_000 } }],
      [
        'the shortest and the longest duration',
        'timeouts: {kernelWrite: 100ms, lock: 10m}',
        { timeouts: { kernelWrite: 100, lock: 600_000 } },
      ],
      ['a log level', 'log: {level: warning}', { log: { level: 'warning' } }],
      ['an empty list of rules', 'devices: []', { devices: [] }],
      [
        'a whole rule',
        'devices: [{match: "0000:03:00.0", bars: {2: 8MiB, 0: 16 GiB}, driver: vfio-pci}]',
        {
          devices: [
            {
              match: gpu,
              bars: new Map([
                [0, 2 ** 34],
                [2, 8 * MIB],
              ]),
              driver: 'vfio-pci',
            },
          ],
        },
      ],
      [
        'what a device may be taken from',
        'devices: [{match: "0000:03:00.0", allow: [boot-vga, held, root-disk]}, {match: "10de:2204", allow: []}]',
        {
          devices: [
            { match: gpu, bars: none, allow: ['boot-vga', 'held', 'root-disk'] },
            { match: { by: 'id', vendor: '10de', device: '2204' }, bars: none, allow: [] },
          ],
        },
      ],
      ['a rule that only matches', 'devices: [{match: 03:00.0}]', { devices: [{ match: gpu, bars: none }] }],
      [
        "virsh's spelling of an address",
        'devices: [{match: pci_0000_03_00_0}]',
        { devices: [{ match: gpu, bars: none }] },
      ],
      [
        'vendor and device in capitals',
        'devices: [{match: "10DE:2204"}]',
        {
          devices: [{ match: { by: 'id', vendor: '10de', device: '2204' }, bars: none }],
        },
      ],
      [
        'a class word',
        'devices: [{match: 3d}]',
        { devices: [{ match: { by: 'class', word: '3d' }, bars: none }] },
      ],
      [
        'the smallest and the largest BAR',
        'devices: [{match: vga, bars: {0: 1M, 5: 128TB}}]',
        {
          devices: [
            {
              match: { by: 'class', word: 'vga' },
              bars: new Map([
                [0, MIB],
                [5, 2 ** 47],
              ]),
            },
          ],
        },
      ],
      [
        'an anchor and its alias',
        'devices:\n- {match: vga, bars: &b {0: 1MiB}}\n- {match: 3d, bars: *b}\n',
        {
          devices: [
            { match: { by: 'class', word: 'vga' }, bars: new Map([[0, MIB]]) },
            { match: { by: 'class', word: '3d' }, bars: new Map([[0, MIB]]) },
          ],
        },
      ],
      ['an exclamation mark in a comment', 'log: {level: info} # yes!\n', { log: { level: 'info' } }],
    ];
    for (const [sentence, text, config] of table) {
      it(sentence, () => {
        assert.deepEqual<PartialConfig>(decodeConfigFile(text, PATH), config as PartialConfig);
      });
    }
    it('JSON, with the schema that editors want named', () => {
      const text = '{"$schema": "x", "log": {"level": "err"}, "devices": [{"match": "vga"}]}';
      assert.deepEqual(
        decodeConfigFile(text, JSON_PATH),
        decodeConfigFile('log: {level: err}\ndevices: [{match: vga}]', PATH),
      );
    });
    it('an empty JSON file', () => {
      assert.deepEqual(decodeConfigFile(' \n', JSON_PATH), {});
    });
  });

  describe('refuses with the line and the reason', () => {
    const size = 'a power of two from 1MiB to 128TiB';
    const time = 'a number and ms, s or m, from 100ms to 10m';
    const device =
      'no device: an address "0000:03:00.0" or vendor and device "1002:744c", both in quotes, or ' +
      'vga, 3d, display, audio, network, nvme, storage, usb';
    const list = 'in place of a list (each entry begins with "-")';
    const mapping = 'in place of a mapping (lines of "key: value")';
    const table: [sentence: string, text: string, problem: string][] = [
      [
        'a size that is no power of two',
        'devices:\n- match: vga\n  bars:\n    2: 7MiB\n',
        `line 4: devices[0].bars.2: no BAR size: ${size}`,
      ],
      [
        'a size without a unit',
        'devices: [{match: vga, bars: {2: 8}}]',
        `line 1: devices[0].bars.2: no BAR size: ${size}`,
      ],
      [
        'a size above all',
        'devices: [{match: vga, bars: {2: 256T}}]',
        `line 1: devices[0].bars.2: no BAR size: ${size}`,
      ],
      [
        'a BAR that no device has',
        'devices:\n- match: vga\n  bars: {6: 8MiB}\n',
        'line 3: unknown key "6": known are 0, 1, 2, 3, 4, 5',
      ],
      ['a duration without a unit', 'timeouts: {lock: 30}', `line 1: timeouts.lock: no duration: ${time}`],
      ['a duration that is too long', 'timeouts: {lock: 11m}', `line 1: timeouts.lock: no duration: ${time}`],
      [
        'a duration that is too short',
        'timeouts: {lock: 99ms}',
        `line 1: timeouts.lock: no duration: ${time}`,
      ],
      ['a match that is nothing known', 'devices: [{match: gpu}]', `line 1: devices[0].match: ${device}`],
      [
        'a match that YAML 1.1 would take for a number',
        'devices: [{match: 10:20}]',
        `line 1: devices[0].match: ${device}`,
      ],
      ['a slot that cannot be', 'devices: [{match: "03:20.0"}]', `line 1: devices[0].match: ${device}`],
      [
        'a match in hexadecimal',
        'devices:\n\n- match: 0x10\n',
        'line 3: devices[0].match: it is read as another number than it looks like: put it in quotes',
      ],
      [
        'a match with a leading zero',
        'devices: [{match: 0010}]',
        'line 1: devices[0].match: it is read as another number than it looks like: put it in quotes',
      ],
      [
        'a driver with an exponent',
        'devices: [{match: vga, driver: 1e3}]',
        'line 1: devices[0].driver: it is read as another number than it looks like: put it in quotes',
      ],
      [
        'a driver that is a number',
        'devices: [{match: vga, driver: 8250}]',
        'line 1: devices[0].driver: no driver\'s name: letters, digits, "_" and "-", at most 64 of them, in quotes when it looks like a number',
      ],
      [
        'a driver with a line break',
        'devices: [{match: vga, driver: "a\\nb"}]',
        'line 1: devices[0].driver: no driver\'s name: letters, digits, "_" and "-", at most 64 of them, in quotes when it looks like a number',
      ],
      [
        'a rule without match',
        'devices:\n- driver: vfio-pci\n',
        'line 2: devices[0]: the key "match" is missing',
      ],
      [
        'an unknown reason',
        'devices:\n- match: "03:00.0"\n  allow:\n  - boot_vga\n',
        `line 4: devices[0].allow[0]: a text in place of one of ${offeredReasons.join(', ')}`,
      ],
      [
        'a reason that is no list',
        'devices: [{match: "03:00.0", allow: held}]',
        `line 1: devices[0].allow: a text in place of a list of ${offeredReasons.join(', ')}`,
      ],
      [
        'reasons for a class of devices',
        'devices:\n- match: vga\n  bars: {2: 8MiB}\n  allow: [boot-vga]\n',
        'line 4: devices[0].allow: not for the class vga: name the device, by its address "0000:03:00.0" or by vendor and device "1002:744c"',
      ],
      [
        'no reason at all for a class of devices',
        'devices: [{match: usb, allow: []}]',
        'line 1: devices[0].allow: not for the class usb: name the device, by its address "0000:03:00.0" or by vendor and device "1002:744c"',
      ],
      ['rules that are no list', 'devices: {match: vga}', `line 1: devices: a mapping ${list}`],
      [
        'a list that lost its entries',
        'log: {}\ndevices:\n#- match: vga\n',
        `line 2: devices: nothing ${list}`,
      ],
      ['a rule that is a word', 'devices: [vga]', `line 1: devices[0]: a text ${mapping}`],
      [
        'a rule that is a list',
        'devices:\n- match: vga\n  bars: []\n',
        `line 3: devices[0].bars: a list ${mapping}`,
      ],
      ['a document that is a list', '- vga\n', `line 1: a list ${mapping}`],
      ['an empty list as document', '[]', `line 1: a list ${mapping}`],
      ['a document that is a number', '5', `line 1: a number ${mapping}`],
      [
        'a log level of another program',
        'log: {level: warn}',
        'line 1: log.level: a text in place of one of err, warning, notice, info, debug',
      ],
      ['a mistyped key', 'log: {}\ntimeout: {}\n', 'line 2: unknown key "timeout": did you mean timeouts?'],
      [
        'a key like nothing known',
        'balloon: 4\n',
        'line 1: unknown key "balloon": known are timeouts, devices, log, hugepages, sriov, vgpu, mdev, services, modules, cpus, governor, latency, sleep, display, allowUnsafeInterrupts',
      ],
      [
        'a key that every JavaScript object has',
        'toString: 1',
        'line 1: unknown key "toString": known are timeouts, devices, log, hugepages, sriov, vgpu, mdev, services, modules, cpus, governor, latency, sleep, display, allowUnsafeInterrupts',
      ],
      [
        'a hostile key',
        '"\\e[2J\\u202e": 1',
        'line 1: unknown key (no word): known are timeouts, devices, log, hugepages, sriov, vgpu, mdev, services, modules, cpus, governor, latency, sleep, display, allowUnsafeInterrupts',
      ],
      ['__proto__', 'log:\n  __proto__: {level: debug}\n', 'line 2: the key __proto__ is not allowed'],
      [
        '$import at the top',
        '$import: ./x.cjs',
        'line 1: files cannot import others: write the settings here',
      ],
      [
        '$import further down',
        'log:\n  $import: ./x.cjs',
        'line 2: files cannot import others: write the settings here',
      ],
      [
        'a date',
        'log: {level: 2026-01-01}',
        'line 1: log.level: the value is read as a date: put it in quotes',
      ],
      ['a harmless tag', 'log: {level: !!str info}', 'line 1: tags (!…) are not allowed'],
      ['an unknown tag', 'log: !shell {}', 'line 1: no valid YAML: unknown tag'],
      [
        'a tag that once ran code',
        'log: !!js/function "function () {}"',
        'line 1: no valid YAML: unknown tag',
      ],
      [
        'a repeated key',
        'devices:\n  - match: vga\n\ndevices:\n  - match: 3d\n',
        'line 4: the key "devices" is there twice, in lines 1 and 4: merge the two',
      ],
      [
        'a repeated key further down, in quotes',
        'timeouts:\n  lock: 1s\n  "lock": 2s\n',
        'line 3: the key "lock" is there twice, in lines 2 and 3: merge the two',
      ],
      ['a repeated key in braces', '{log: {}, "log": {}}', 'line 1: the key "log" is there twice, in line 1'],
      [
        'a repeated key of several words',
        'a b: 1\na: 2\na b: 3\n',
        'line 3: the key (no word) is there twice, in lines 1 and 3: merge the two',
      ],
      [
        'a repeated key in its long form',
        'log: {}\n? log\n: {}\n',
        'line 2: no valid YAML: duplicated mapping key',
      ],
      [
        'a repeated key in front of what nobody could read',
        `log: {}\nlog: ${'['.repeat(20_000)}`,
        'line 2: no valid YAML: nesting exceeded maxDepth (100)',
      ],
      [
        'a bracket that stays open',
        'devices: [\n',
        'line 2: no valid YAML: unexpected end of the stream within a flow collection',
      ],
      [
        'two documents',
        'log: {}\n---\nlog: {}\n',
        'no valid YAML: expected a single document in the stream, but found more',
      ],
      ['a null byte', 'log: \0', 'line 1: no valid YAML: null byte is not allowed in input'],
    ];
    for (const [sentence, text, problem] of table) {
      it(sentence, () => {
        assert.deepEqual(problems(text), [problem]);
      });
    }
  });

  describe('refuses JSON with the line and the reason', () => {
    const table: [sentence: string, text: string, problem: RegExp][] = [
      ['a comma too many', '{\n  "log": {},\n}', /^line 3: no valid JSON: \S/],
      ['a word without quotes', '{\n  "log": {\n    "level": info\n  }\n}', /^line 3: no valid JSON: \S/],
      ['a comma before a bracket', '{\n  "devices": [\n    {},\n  ]\n}', /^line 4: no valid JSON: \S/],
      ['a comma that is missing', '{\n  "log": {}\n  "devices": []\n}', /^line 3: no valid JSON: \S/],
      ['a string that stays open', '{\n  "log\n}', /^line 2: no valid JSON: \S/],
      ['a number that stays open', '{\n  "log": -', /^line 2: no valid JSON: \S/],
      ['an escape that is none', '{\n\n  "\\x": 1}', /^line 3: no valid JSON: \S/],
      ['text after the end', '{}\n\n{}', /^line 3: no valid JSON: \S/],
      ['a comment', '// hello\n{}', /^line 1: no valid JSON: \S/],
      ['an object that stays open', '{', /^line 1: no valid JSON: \S/],
      [
        'a wrong value',
        '{\n  "log": {\n    "level": "loud"\n  }\n}',
        /^line 3: log\.level: a text in place of one of err/,
      ],
      [
        'a key that is there twice',
        '{"log": {"level": "err"},\n"log": {}}',
        /^line 2: the key "log" is there twice, in lines 1 and 2: merge the two$/,
      ],
      [
        'a key that is there twice further down',
        '{"devices": [{"match": "vga",\n"match": "3d"}]}',
        /^line 2: the key "match" is there twice, in lines 1 and 2: merge the two$/,
      ],
      ['__proto__', '{"log": {"__proto__": {"level": "err"}}}', /^line 1: the key __proto__ is not allowed$/],
      ['YAML under the name of JSON', 'log: {}', /^line 1: no valid JSON: \S/],
    ];
    for (const [sentence, text, problem] of table) {
      it(sentence, () => {
        const [first, ...others] = problems(text, JSON_PATH);
        assert.match(first!, problem);
        assert.deepEqual(others, []);
      });
    }
    it('but not strings that only look like keys', () => {
      const text = '{"$schema": "a \\"b\\": c\\\\", "devices": []}';
      assert.deepEqual(decodeConfigFile(text, JSON_PATH), { devices: [] });
    });
  });

  it('reports every problem of a file in the order of its lines', () => {
    const text = `devices:
  - match: vga
    bars:
      2: 7MiB
      9: 8MiB
    drivr: vfio-pci
  - bars: {0: 3M}
logg: {}
timeouts:
  lock: 1h
  kernelWrite: 0x10
`;
    assert.deepEqual(problems(text), [
      'line 4: devices[0].bars.2: no BAR size: a power of two from 1MiB to 128TiB (first of 8 problems)',
      'line 5: unknown key "9": known are 0, 1, 2, 3, 4, 5',
      'line 6: unknown key "drivr": did you mean driver?',
      'line 7: devices[1]: the key "match" is missing',
      'line 7: devices[1].bars.0: no BAR size: a power of two from 1MiB to 128TiB',
      'line 8: unknown key "logg": did you mean log?',
      'line 10: timeouts.lock: no duration: a number and ms, s or m, from 100ms to 10m',
      'line 11: timeouts.kernelWrite: it is read as another number than it looks like: put it in quotes',
    ]);
  });

  it('lists twenty problems and counts the others', () => {
    const listed = problems(`devices:\n${'- {match: vga, drver: x}\n'.repeat(50)}`);
    assert.equal(listed.length, 21);
    assert.match(listed[0]!, /\(first of 50 problems\)$/);
    assert.equal(listed[20], 'and 30 more problems');
  });

  describe('is bounded', () => {
    const letters = 'abcdefghi';
    const bomb = Array.from(letters, (name, index) => {
      const inner = index === 0 ? 'x' : `*${letters[index - 1]}`;
      return `${name}: &${name} [${Array.from({ length: 9 }, () => inner).join(', ')}]`;
    }).join('\n');
    const table: [sentence: string, text: string, path: string, problem: string][] = [
      ['an alias bomb', bomb, PATH, 'more than 10000 values'],
      ['a long list', `devices: [${'1,'.repeat(20_000)}]`, PATH, 'more than 10000 values'],
      ['deep YAML', '['.repeat(50) + ']'.repeat(50), PATH, 'nested more than 32 levels deep'],
      ['very deep YAML', '['.repeat(200_000), PATH, 'line 1: no valid YAML: nesting exceeded maxDepth (100)'],
      ['deep JSON', '['.repeat(50) + ']'.repeat(50), JSON_PATH, 'nested more than 32 levels deep'],
      [
        'very deep JSON',
        '['.repeat(200_000) + ']'.repeat(200_000),
        JSON_PATH,
        'nested more than 32 levels deep',
      ],
    ];
    for (const [sentence, text, path, problem] of table) {
      // The bound is for what grows without end.
      it(sentence, () => {
        assert.deepEqual(problems(text, path), [problem]);
      }).timeout(20_000);
    }
  });

  it('never pollutes a prototype and never throws anything but its own error', () => {
    const words = [
      'devices',
      'match',
      'bars',
      'log',
      'level',
      'vga',
      '__proto__',
      'constructor',
      'prototype',
      '8MiB',
      '2',
    ];
    const tokens = [
      ...words,
      ':',
      ': ',
      '- ',
      '\n',
      '\n  ',
      '{',
      '}',
      '[',
      ']',
      ',',
      '&a ',
      '*a',
      '!!',
      '|',
      '>',
      '"',
      "'",
      '#',
      '? ',
      '<<: ',
      '0x1',
      '~',
      '%',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokens), { maxLength: 30 }), fc.boolean(), (parts, json) => {
        try {
          decodeConfigFile(parts.join(''), json ? JSON_PATH : PATH);
        } catch (error) {
          assert.ok(error instanceof VfioHookError, String(error));
        }
        assert.equal(({} as Record<string, unknown>)['level'], undefined);
        assert.equal(Object.keys(Object.prototype).length, 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('runs nothing of what lies planted in the current directory', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
    const before = process.cwd();
    try {
      const flag = join(directory, 'ran');
      const code = `require('node:fs').writeFileSync(${JSON.stringify(flag)}, '')`;
      mkdirSync(join(directory, '.config'));
      for (const name of [
        '.config/config.js',
        '.config/config.cjs',
        '.vfio-hookrc.js',
        '.vfio-hookrc.cjs',
        'vfio-hook.config.js',
        'x.cjs',
      ]) {
        writeFileSync(join(directory, name), code);
      }
      writeFileSync(
        join(directory, 'package.json'),
        '{"cosmiconfig": {"$import": "./x.cjs"}, "vfio-hook": {"log": {"level": "debug"}}}',
      );
      process.chdir(directory);
      assert.deepEqual(decodeConfigFile('{}', PATH), {});
      assert.deepEqual(decodeConfigFile('{}', JSON_PATH), {});
      assert.throws(() => decodeConfigFile('$import: ./x.cjs', PATH), VfioHookError);
      assert.equal(existsSync(flag), false);
    } finally {
      process.chdir(before);
      rmSync(directory, { recursive: true });
    }
  });

  describe('every example', () => {
    const folder = new URL('../../examples/configs/', import.meta.url);
    for (const name of readdirSync(folder)) {
      it(`${name} loads and names the schema for editors`, () => {
        const text = readFileSync(new URL(name, folder), 'utf8');
        const decoded = decodeConfigFile(text, name, name.startsWith('config.') ? 'all' : 'guest');
        assert.notDeepEqual(decoded, {});
        const schema = '/usr/share/vfio-hook/vfio-hook.schema.json';
        if (name.endsWith('.json')) {
          assert.equal((JSON.parse(text) as { $schema?: unknown }).$schema, schema);
        } else {
          assert.equal(text.split('\n')[0], `# yaml-language-server: $schema=${schema}`);
        }
      });
    }
  });
});
