import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { DeviceRule, PartialConfig } from '../../src/config/config.ts';
import { examineConfigFile } from '../../src/config/decode.ts';
import { placeRules } from '../../src/config/place-rules.ts';
import { ruleFor } from '../../src/config/rules.ts';
import { hintText, type Hint } from '../../src/hint.ts';
import type { UseReason } from '../../src/pci/use.ts';
import { pci } from '../scenario.ts';
import { applyHint } from './apply-hint.ts';

const PATH = '/etc/vfio-hook/domains/win11.yaml';
const MIB = 2 ** 20;
const GPU = pci('0000:03:00.0');
const SOUND = pci('0000:03:00.1');

const small: DeviceRule = { match: { by: 'address', address: GPU }, bars: new Map([[2, 8 * MIB]]) };
const held = (address = GPU, ...allow: readonly UseReason[]): DeviceRule => ({
  match: { by: 'address', address },
  bars: new Map(),
  allow: allow.length > 0 ? allow : ['held'],
});

function fits(text: string, path = PATH): PartialConfig {
  const examined = examineConfigFile(text, path);
  assert.equal(examined.kind, 'fits', `${JSON.stringify(examined)}\n${text}`);
  return examined.config;
}

/** Does what the hints say and checks that the file says what was asked for, and still all that it said. */
function apply(text: string, rules: readonly DeviceRule[], path = PATH): Hint[] {
  const hints = placeRules(text, path, rules);
  const config = fits(
    hints.reduce((each, hint) => applyHint(each, hint, path), text),
    path,
  );
  const before = fits(text, path);
  for (const { match, ...asked } of rules) {
    assert.equal(match.by, 'address');
    const device = { address: match.address, vendor: '1002', device: '744c', class: '030000' };
    const { bars, driver, allow, ...pins } = ruleFor({ devices: config.devices ?? [] }, device);
    for (const [bar, size] of asked.bars) assert.equal(bars.get(bar), size);
    if (asked.driver !== undefined) assert.equal(driver, asked.driver);
    const { reset, power, d3cold } = asked;
    if (reset) assert.deepEqual(pins, { reset, power, d3cold });
    if (asked.between) assert.deepEqual(pins.between, asked.between);
    if (asked.allow) assert.deepEqual(new Set(allow), new Set(asked.allow));
  }
  assert.deepEqual({ ...config, devices: [] }, { ...before, devices: [] });
  assert.ok((config.devices ?? []).length >= (before.devices ?? []).length);
  return [...hints];
}

/** What `vfio-hook init` writes for a card with two resizable BARs that the host uses. */
const INIT = [
  '# yaml-language-server: …',
  '',
  'devices:',
  '  # Navi 31',
  '  # BAR 0 is 16 GiB now and can be 256 MiB, 16 GiB.',
  '  - match: "0000:03:00.0"',
  '    # bars:',
  '    #   0: 16GiB',
  '    #   2: 8MiB',
  '    # driver: other-vfio-pci',
  '    # allow: [boot-vga, held]',
  '  # HDMI Audio',
  '  - match: "0000:03:00.1"',
  '    # allow: [held]',
  '',
].join('\n');

describe('placeRules', () => {
  const rows: Readonly<
    Record<string, readonly [text: string, rules: readonly DeviceRule[], hints: readonly string[]]>
  > = {
    'a size that init has as a comment': [
      INIT,
      [small],
      [`take the "# " away from lines 7 and 9 of ${PATH}: bars: 2: 8MiB`],
    ],
    'reasons that init has as comments, the lowest line first': [
      INIT,
      [held(GPU, 'held', 'boot-vga'), held(SOUND)],
      [
        `take the "# " away from line 14 of ${PATH}: allow: [held]`,
        `take the "# " away from line 11 of ${PATH}: allow: [boot-vga, held]`,
      ],
    ],
    'a driver that init has as a comment': [
      INIT,
      [{ match: { by: 'address', address: GPU }, bars: new Map(), driver: 'other-vfio-pci' }],
      [`take the "# " away from line 10 of ${PATH}: driver: other-vfio-pci`],
    ],
    'other reasons than init has: a rule at the end of the list': [
      INIT,
      [held(GPU, 'console')],
      [`paste:   - {match: "0000:03:00.0", allow: [console]} in ${PATH}, below line 14`],
    ],
    'a comment of a rule that another one would still overrule': [
      `${INIT}  - match: "0000:03:00.1"\n    allow: []\n`,
      [held(SOUND)],
      [`paste:   - {match: "0000:03:00.1", allow: [held]} in ${PATH}, below line 16`],
    ],
    'sizes of which some are taken in already': [
      INIT.replace('# bars:', 'bars:').replace('#   0: 16GiB', '  0: 16GiB'),
      [small],
      [`take the "# " away from line 9 of ${PATH}: 2: 8MiB`],
    ],
    'how a device is reset and whether it sleeps': [
      INIT,
      [
        {
          match: { by: 'address', address: GPU },
          bars: new Map(),
          reset: ['flr', 'bus'],
          power: 'on',
          d3cold: false,
        },
      ],
      [
        `paste:   - {match: "0000:03:00.0", reset: [flr, bus], power: "on", d3cold: false} in ${PATH}, below line 14`,
      ],
    ],
    'that a device is not reset, in a file without rules': [
      '# nothing yet\n',
      [{ match: { by: 'address', address: GPU }, bars: new Map(), reset: [], power: 'auto', d3cold: true }],
      [
        `paste: devices:   - match: "0000:03:00.0"     reset: none     power: auto     d3cold: true in ${PATH}, at the end`,
      ],
    ],
    'what is done between unbind and bind': [
      INIT,
      [
        {
          match: { by: 'address', address: GPU },
          bars: new Map(),
          between: [
            { do: 'power', to: 'on' },
            { do: 'script', name: 'true' },
            { do: 'reset' },
            { do: 'bars', sizes: [{ bar: 2, size: 8 * MIB }] },
          ],
        },
      ],
      [
        `paste:   - {match: "0000:03:00.0", between: [{power: "on"}, {script: "true"}, {reset: true}, {bars: {2: 8MiB}}]} in ${PATH}, below line 14`,
      ],
    ],
    'a file without rules': [
      '# nothing yet\nlog: { level: debug }\n',
      [small],
      [`paste: devices:   - match: "0000:03:00.0"     bars:       2: 8MiB in ${PATH}, at the end`],
    ],
    'an empty file': [
      '',
      [held()],
      [`paste: devices:   - match: "0000:03:00.0"     allow: [held] in ${PATH}, at the end`],
    ],
    'a list that is not indented, with more below it': [
      'devices:\n- match: vga\n  bars:\n    2: 8MiB\n# of the log\nlog: { level: debug }\n',
      [held()],
      [`paste: - {match: "0000:03:00.0", allow: [held]} in ${PATH}, below line 4`],
    ],
    'a list in brackets': [
      'devices: [{ match: vga }]\n',
      [small],
      [`paste: , {"match":"0000:03:00.0","bars":{"2":"8MiB"}} in ${PATH}, in line 1 before column 25`],
    ],
    'an empty list in brackets': [
      'devices: []\n',
      [small, held(SOUND)],
      [
        `paste: {"match":"0000:03:00.0","bars":{"2":"8MiB"}}, {"match":"0000:03:00.1","allow":["held"]} in ${PATH}, in line 1 before column 11`,
      ],
    ],
    'braces without a list': [
      '{ log: { level: debug } }\n',
      [held()],
      [
        `paste: , "devices": [{"match":"0000:03:00.0","allow":["held"]}] in ${PATH}, in line 1 before column 25`,
      ],
    ],
  };
  for (const [title, [text, rules, hints]] of Object.entries(rows)) {
    it(title, () => {
      assert.deepEqual(apply(text, rules).map(hintText), hints);
    });
  }

  it('JSON', () => {
    const path = '/etc/vfio-hook/domains/win11.json';
    for (const text of [
      '{}',
      '{"devices": []}',
      '{\n  "devices": [\n    { "match": "vga" }\n  ]\n}\n',
      '{"log":{}}',
    ])
      assert.equal(apply(text, [small, held(SOUND)], path).length, 1);
  });

  it('a file that ends before its end is told in words', () => {
    const [hint] = placeRules('log: {}\n...\n', PATH, [small], 'to resize it');
    const text = `to resize it: {match: "0000:03:00.0", bars: {2: 8MiB}} in the list devices of ${PATH}`;
    assert.deepEqual(hint, { kind: 'advice', text });
  });

  it('a file that is broken has to be mended first', () => {
    const [hint] = placeRules('devices:\n', PATH, [small]);
    assert.deepEqual(hint, { kind: 'advice', text: `mend ${PATH} first: vfio-hook validate says where` });
  });

  it('a purpose stands in front of each, and each is one line', () => {
    for (const text of ['', INIT, 'devices: []', '{}', 'devices:\n  - match: vga\n']) {
      for (const hint of placeRules(text, PATH, [small, held(SOUND)], 'to allow it'))
        assert.match(hintText(hint), /^to allow it: [^\n]+$/);
    }
  });

  it('any file with any rules: what the hints say makes it valid and true', () => {
    const address = fc.constantFrom(GPU, SOUND, pci('10000:e1:00.0'));
    const reasons = fc.uniqueArray(fc.constantFrom<UseReason>('held', 'boot-vga', 'console'), {
      minLength: 1,
    });
    const bars = fc.dictionary(fc.constantFrom('0', '2', '5'), fc.constantFrom('8MiB', '16GiB'), {
      maxKeys: 2,
    });
    const rule = fc.record(
      { match: fc.oneof(address, fc.constantFrom('vga' as const)), bars },
      { requiredKeys: ['match'], noNullPrototype: true },
    );
    const wish = fc
      .record({
        address,
        allow: reasons,
        bar: fc.constantFrom(0, 2),
        size: fc.constantFrom(8 * MIB, 2 ** 34),
      })
      .map(({ address: at, allow, bar, size }): DeviceRule => ({
        match: { by: 'address', address: at },
        bars: new Map([[bar, size]]),
        allow,
      }));
    const wishes = fc.uniqueArray(wish, {
      minLength: 1,
      maxLength: 3,
      selector: ({ match }) => JSON.stringify(match),
    });
    const written = fc
      .record({
        rules: fc.array(rule, { maxLength: 4 }),
        form: fc.constantFrom('json', 'lines', 'comments', 'log'),
        indent: fc.constantFrom('', '  '),
      })
      .map(({ rules, form, indent }) => {
        if (form === 'json' || rules.length === 0) return JSON.stringify({ devices: rules }, null, 2);
        const lines = rules.flatMap(({ match, bars: sizes }) => [
          `${indent}- match: "${match}"`,
          ...(form === 'comments'
            ? [`${indent}  # allow: [held]`, `${indent}  # bars:`, `${indent}  #   2: 8MiB`]
            : []),
          ...(sizes === undefined ? [] : [`${indent}  bars: ${JSON.stringify(sizes)}`]),
          '',
        ]);
        return ['devices:', ...lines, ...(form === 'log' ? ['log:', '  level: debug'] : [])].join('\n');
      });
    fc.assert(
      fc.property(written, wishes, (text, rules) => {
        apply(text, rules);
      }),
      { numRuns: 300 },
    );
  });
});
