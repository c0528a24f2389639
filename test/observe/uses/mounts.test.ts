import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseMountinfo, parseSwaps, readFileSystems } from '../../../src/observe/uses/mounts.ts';
import { fakeHost } from '../../host/fake-host.ts';

describe('parseMountinfo', () => {
  const rows = [
    [
      'a line with optional fields',
      '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue',
      [
        {
          number: '98:0',
          mountPoint: '/mnt2',
          type: 'ext3',
          source: '/dev/root',
          options: 'rw,errors=continue',
        },
      ],
    ],
    [
      'a line without',
      '36 35 0:44 /@home /home rw - btrfs /dev/sda1 rw',
      [{ number: '0:44', mountPoint: '/home', type: 'btrfs', source: '/dev/sda1', options: 'rw' }],
    ],
    [
      'blanks, tabs, newlines, backslashes and number signs',
      String.raw`36 35 8:1 / /a\040b\011c\012d\134e\043 rw - fuse.x\040y a\134b rw`,
      [{ number: '8:1', mountPoint: '/a b\tc\nd\\e#', type: 'fuse.x y', source: 'a\\b', options: 'rw' }],
    ],
    [
      'a mount point that is a dash',
      '36 35 8:1 / - rw - ext4 x rw',
      [{ number: '8:1', mountPoint: '-', type: 'ext4', source: 'x', options: 'rw' }],
    ],
    [
      'a source that is empty',
      '36 35 0:5 / /x rw - tmpfs  rw',
      [{ number: '0:5', mountPoint: '/x', type: 'tmpfs', source: '', options: 'rw' }],
    ],
    [
      'the options of an overlay as they are',
      String.raw`36 35 0:5 / /x rw - overlay overlay rw,lowerdir=/a\134:b\054c`,
      [
        {
          number: '0:5',
          mountPoint: '/x',
          type: 'overlay',
          source: 'overlay',
          options: String.raw`rw,lowerdir=/a\134:b\054c`,
        },
      ],
    ],
    ['nothing', '', []],
    ['a line that ends in the middle', '36 35 8:1 / /mnt', []],
    ['a line without a device number', '36 35 8 / /mnt rw - ext4 x rw', []],
  ] as const;
  for (const [name, text, expected] of rows) {
    it(`reads ${name}`, () => {
      assert.deepEqual(parseMountinfo(`${text}\n`), expected);
    });
  }

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(' ', '\n', '-', '\\', '0', '4', '7', ':', '/', 'a') }),
        (text) => {
          for (const { number } of parseMountinfo(text)) assert.match(number, /^\d+:\d+$/);
          parseSwaps(text);
        },
      ),
    );
  });
});

describe('parseSwaps', () => {
  it('is the nodes, without files and without nodes that are gone', () => {
    const text = [
      'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority',
      '/dev/nvme0n1p3                          partition\t8388604\t\t0\t\t-2',
      '/swap\\040file                           file\t\t8388604\t\t0\t\t-3',
      '/dev/sdb1\\040(deleted)                  partition\t8388604\t\t0\t\t-4',
      '/dev/dm-1\t\t\t\tpartition\t8388604\t\t0\t\t-5',
      '',
    ].join('\n');
    assert.deepEqual(parseSwaps(text), ['/dev/nvme0n1p3', '/dev/dm-1']);
  });
});

describe('readFileSystems', () => {
  it('is each file system once, with every place of both tables', () => {
    const line = (point: string, source = '/dev/sda1'): string =>
      `36 35 8:1 / ${point} rw - ext4 ${source} rw\n`;
    const host = fakeHost({
      files: {
        '/proc/self/mountinfo': line('/srv') + line('/home') + line('/srv'),
        '/proc/1/mountinfo': line('/home') + line('/host/srv', '/dev/root'),
      },
    });
    assert.deepEqual(readFileSystems(host), [
      {
        number: '8:1',
        type: 'ext4',
        options: 'rw',
        sources: ['/dev/sda1', '/dev/root'],
        mountPoints: ['/srv', '/home', '/host/srv'],
      },
    ]);
  });
});
