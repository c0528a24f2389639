import assert from 'node:assert/strict';
import fc from 'fast-check';
import { examineConfigFile } from '../../src/config/decode.ts';
import { editConfig, type ConfigEdit } from '../../src/config/edit.ts';

const CARD = '0000:03:00.0';
const bar2 = (value: string | undefined): ConfigEdit => ({ device: CARD, path: ['bars', '2'], value });

interface Case {
  readonly title: string;
  readonly before: string;
  readonly edits: readonly ConfigEdit[];
  readonly after: string;
}

const cases: readonly Case[] = [
  {
    title: 'begins a file',
    before: '',
    edits: [bar2('8MiB'), { path: ['governor'], value: 'performance' }],
    after: 'devices:\n  - match: "0000:03:00.0"\n    bars:\n      2: 8MiB\ngovernor: performance\n',
  },
  {
    title: 'comes behind the comments of a file that has nothing else',
    before: '# mine\n# devices:\n',
    edits: [bar2('8MiB')],
    after: '# mine\n# devices:\n\ndevices:\n  - match: "0000:03:00.0"\n    bars:\n      2: 8MiB\n',
  },
  {
    title: 'changes one value, and leaves comments, order, quotes and braces',
    before:
      "# top\nlog: { level: 'debug' } # loud\n\ndevices:\n  # the card\n  - bars: { 2: 256MiB } # old\n    match: 03:00.0\n",
    edits: [bar2('8MiB')],
    after:
      "# top\nlog: { level: 'debug' } # loud\n\ndevices:\n  # the card\n  - bars: { 2: 8MiB } # old\n    match: 03:00.0\n",
  },
  {
    title: 'takes the last of several rules for a device, which is the one that holds',
    before: `devices:\n  - match: "${CARD}"\n    bars: { 2: 1GiB }\n  - match: "${CARD}"\n    power: on\n`,
    edits: [bar2('8MiB')],
    after: `devices:\n  - match: "${CARD}"\n    bars: { 2: 1GiB }\n  - match: "${CARD}"\n    power: on\n    bars:\n      2: 8MiB\n`,
  },
  {
    title: 'gives a device a rule behind those for its model, so that it holds',
    before: 'devices:\n  - match: 1002:744c\n    bars: { 2: 1GiB }\n',
    edits: [bar2('8MiB')],
    after: `devices:\n  - match: 1002:744c\n    bars: { 2: 1GiB }\n  - match: "${CARD}"\n    bars:\n      2: 8MiB\n`,
  },
  {
    title: 'writes a key that is the number 0 as it is, also in braces',
    before: `{ devices: [ { match: "${CARD}" } ] }\n`,
    edits: [{ device: CARD, path: ['bars', '0'], value: '16GiB' }],
    after: `{ devices: [ { match: "${CARD}", bars: { 0: 16GiB } } ] }\n`,
  },
  {
    title: 'replaces a list and a map as a whole',
    before: `devices:\n  - match: "${CARD}"\n    allow: [ boot-vga ]\nhugepages:\n  size: 2MiB\n  count: 7\n`,
    edits: [
      { device: CARD, path: ['allow'], value: ['console', 'held'] },
      { path: ['hugepages'], value: { size: '1GiB', count: 'auto' } },
    ],
    after: `devices:\n  - match: "${CARD}"\n    allow:\n      - console\n      - held\nhugepages:\n  size: 1GiB\n  count: auto\n`,
  },
  {
    title: 'takes out what is empty then, up to the list',
    before: `devices:\n  - match: "${CARD}"\n    bars: { 2: 8MiB }\ngovernor: performance # fast\n`,
    edits: [bar2(undefined)],
    after: 'governor: performance # fast\n',
  },
  {
    title: 'leaves a rule that says more, and other rules',
    before: `devices:\n  - match: "${CARD}"\n    bars: { 2: 8MiB, 0: 1GiB }\n  - match: vga\n    power: on\n`,
    edits: [bar2(undefined)],
    after: `devices:\n  - match: "${CARD}"\n    bars: { 0: 1GiB }\n  - match: vga\n    power: on\n`,
  },
  {
    title: 'keeps the comments of a file that has nothing else then',
    before: '# mine\n\ngovernor: performance\n# end\n',
    edits: [{ path: ['governor'], value: undefined }],
    after: '# mine\n# end\n',
  },
  {
    title: 'takes out what is not there without a change',
    before: `# mine\ndevices:\n  - match:   vga\n    power: on\n`,
    edits: [bar2(undefined), { path: ['display', 'release'], value: undefined }],
    after: `# mine\ndevices:\n  - match:   vga\n    power: on\n`,
  },
];

describe('editConfig', () => {
  for (const { title, before, edits, after } of cases) {
    it(title, () => {
      assert.equal(editConfig(before, edits), after);
      if (before !== after && after.includes(':')) assert.equal(editConfig(after, edits), after);
    });
  }

  it('comes to what was set, by the configuration’s own reader, and setting and taking out again to what was before', () => {
    const sizes = fc.constantFrom('1MiB', '8MiB', '16GiB');
    const text = fc.constantFrom(
      '',
      '# a\n',
      'log: { level: debug }\n',
      'devices:\n  - match: vga\n    bars: { 2: 2MiB }\n',
      `devices:\n  - match: "0000:04:00.0"\n    power: on\n`,
    );
    fc.assert(
      fc.property(text, fc.nat(5), sizes, (before, index, size) => {
        const edit: ConfigEdit = { device: CARD, path: ['bars', String(index)], value: size };
        const examined = examineConfigFile(editConfig(before, [edit]), 'x.yaml');
        assert.equal(examined.kind, 'fits', JSON.stringify(examined));
        const back = editConfig(editConfig(before, [edit]), [{ ...edit, value: undefined }]);
        const read = (file: string): unknown => examineConfigFile(file, 'x.yaml');
        assert.deepEqual(read(back), read(before));
      }),
      { numRuns: 60 },
    );
  });
});
