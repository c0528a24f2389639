import assert from 'node:assert/strict';
import { parseDomain } from '../../src/domain/parse.ts';

const UUID = '6e9d6d4c-6b1b-4a0c-8f0a-0d6f9c1f2b3a';

function cpus(inside: string): readonly number[] | undefined {
  return parseDomain(`<domain><name>x</name><uuid>${UUID}</uuid>${inside}</domain>`).cpus;
}

const vcpus = (count: number, attributes = ''): string =>
  `<vcpu placement='static' ${attributes}>${count}</vcpu>`;
const pin = (vcpu: number, cpuset: string): string => `<vcpupin vcpu='${vcpu}' cpuset='${cpuset}'/>`;
const tune = (...pins: readonly string[]): string => `<cputune>${pins.join('')}</cputune>`;

describe('the CPUs of the host that a guest runs on', () => {
  const table: readonly (readonly [sentence: string, inside: string, cpus: readonly number[] | undefined])[] =
    [
      ['any, where nothing is said', vcpus(4), undefined],
      ['those of <vcpu>', vcpus(4, "cpuset='0-3,^2,8'"), [0, 1, 3, 8]],
      ['those of each <vcpupin>', vcpus(2) + tune(pin(0, '6'), pin(1, '2,14')), [2, 6, 14]],
      ['one virtual CPU, where the XML has no number', tune(pin(0, '5')), [5]],
      [
        'a pin before <vcpu>, and <vcpu> for those that have none',
        vcpus(3, "cpuset='0-1'") + tune(pin(0, '8'), pin(1, '9')),
        [0, 1, 8, 9],
      ],
      ['<vcpu> not at all where all have a pin', vcpus(1, "cpuset='0-1'") + tune(pin(0, '8')), [8]],
      ['any, where one has no pin', vcpus(2) + tune(pin(0, '8')), undefined],
      [
        'those that can be added later are not waited for',
        vcpus(4, "current='2'") + tune(pin(0, '8'), pin(1, '9')),
        [8, 9],
      ],
      [
        'and those of its emulator and its I/O threads',
        vcpus(1) + tune(pin(0, '8'), "<emulatorpin cpuset='0-1'/>", "<iothreadpin iothread='1' cpuset='3'/>"),
        [0, 1, 3, 8],
      ],
      [
        'any, where only the emulator has a pin',
        vcpus(1) + tune("<emulatorpin cpuset='0-1'/><vcpusched vcpus='0'/>"),
        undefined,
      ],
      [
        'those of <vcpu> and of the emulator',
        vcpus(4, "cpuset='2-3'") + tune("<emulatorpin cpuset='0'/>"),
        [0, 2, 3],
      ],
      ['any, where numad chooses', "<vcpu placement='auto' cpuset='0-3'>4</vcpu>", undefined],
      ['blanks and a comma at the end, as libvirt', vcpus(1, "cpuset=' 0 - 2 , ^1 ,'"), [0, 2]],
      ['an exclusion is of what stands before it', vcpus(1, "cpuset='^1,0-2'"), [0, 1, 2]],
      [
        'nothing of metadata, of another namespace or of a comment',
        `${vcpus(1)}<metadata><vcpu cpuset='1'>1</vcpu></metadata><x:cputune xmlns:x='urn:x'>${pin(0, '8')}</x:cputune><!--${tune(pin(0, '9'))}-->`,
        undefined,
      ],
    ];
  for (const [sentence, inside, expected] of table) {
    it(sentence, () => {
      assert.deepEqual(cpus(inside), expected);
    });
  }

  const refused = [
    '',
    ' ',
    ',',
    '0,,1',
    'x',
    '3-1',
    '^0-1',
    '0-',
    '-1',
    '0;1',
    '16384',
    '0-99999999',
    '1,^1',
    '0x1',
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const message = `cannot read the domain XML: <vcpupin> has the cpuset ${JSON.stringify(text)}, expected CPUs of the host such as "0-3,^2,8"`;
      assert.throws(() => cpus(vcpus(1) + tune(pin(0, text))), { code: 'VH_XML', message });
    });
  }

  it('refuses a pin without CPUs, and a <vcpu> with none that could be read', () => {
    assert.throws(() => cpus(`${vcpus(1, "cpuset='0'")}<cputune><emulatorpin/></cputune>`), {
      message: /<emulatorpin> has the cpuset "", expected/,
    });
    assert.throws(() => cpus(vcpus(1, "cpuset='all'")), { message: /<vcpu> has the cpuset "all", expected/ });
  });

  it('says nothing hostile, and never takes long', () => {
    assert.throws(
      () => cpus(vcpus(1, "cpuset='&#x1b;[2J&#x202e;'")),
      (error: Error) => {
        for (const hostile of ['\u001b', '\u202e']) assert.ok(!error.message.includes(hostile));
        return true;
      },
    );
    const most = vcpus(1, `cpuset='${'0-16383,'.repeat(100_000)}'`);
    assert.equal(cpus(most)?.length, 16_384);
    const pins = Array.from({ length: 4000 }, (_, vcpu) => pin(vcpu, '0-16383'));
    assert.equal(cpus(vcpus(4000) + tune(...pins))?.length, 16_384);
  });
});
