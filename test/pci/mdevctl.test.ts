import assert from 'node:assert/strict';
import { parseMdevctl } from '../../src/pci/mdevctl.ts';

describe('a definition of mdevctl', () => {
  it('is a type, with attributes in their order', () => {
    // As mdevctl 1.4 writes it: no newline at its end.
    const text = `{
  "mdev_type": "vfio_ap-passthrough",
  "start": "auto",
  "attrs": [
    { "assign_adapter": "5" },
    { "assign_domain": "4" },
    { "assign_adapter": "6" }
  ]
}`;
    assert.deepEqual(parseMdevctl(text), {
      type: 'vfio_ap-passthrough',
      start: 'auto',
      attributes: [
        ['assign_adapter', '5'],
        ['assign_domain', '4'],
        ['assign_adapter', '6'],
      ],
    });
    assert.deepEqual(parseMdevctl('{"mdev_type":"i915-GVTg_V5_4","start":"manual","x":1}'), {
      type: 'i915-GVTg_V5_4',
      start: 'manual',
      attributes: [],
    });
    assert.deepEqual(parseMdevctl('{"mdev_type":"a-1"}'), { type: 'a-1', start: 'manual', attributes: [] });
  });

  const broken: readonly (readonly [text: string, reason: string])[] = [
    ['', 'it is no JSON'],
    ['mdev_type: a-1', 'it is no JSON'],
    ['[]', 'it is no JSON object'],
    ['null', 'it is no JSON object'],
    ['{}', 'its "mdev_type" is no type of mediated devices'],
    ['{"mdev_type":1}', 'its "mdev_type" is no type of mediated devices'],
    ['{"mdev_type":"a/../b"}', 'its "mdev_type" is no type of mediated devices'],
    ['{"mdev_type":"a-1","start":"now"}', 'its "start" is neither "auto" nor "manual"'],
    ['{"mdev_type":"a-1","attrs":{}}', 'its "attrs" are no list'],
    ...[
      '{}',
      '"x"',
      '{"a":"1","b":"2"}',
      '{"a":1}',
      '{"a":""}',
      '{"a":"1\\n2"}',
      '{"../a":"1"}',
      '{"/a":"1"}',
      '{"driver/unbind":"1"}',
      '{"remove":"1"}',
      '{"uevent":"add"}',
    ].map((attribute): readonly [string, string] => [
      `{"mdev_type":"a-1","attrs":[{"b":"1"},${attribute}]}`,
      'number 2 of its "attrs" is not one file of the device with a text to write to it',
    ]),
    [`{"mdev_type":"a-1","attrs":[${'{"a":"1"},'.repeat(300)}{"a":"1"}]}`, 'its "attrs" are no list'],
    [' '.repeat(70_000), 'it is longer than 64 KiB'],
  ];
  for (const [text, reason] of broken) {
    it(`is not ${text.slice(0, 60).trim()}`, () => {
      assert.equal(parseMdevctl(text), reason);
    });
  }
});
