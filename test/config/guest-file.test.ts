import assert from 'node:assert/strict';
import fc from 'fast-check';
import { defaultsFiles, guestFileName, guestFilePath, guestFiles } from '../../src/config/guest-file.ts';

const UUID = '2c4b0ae6-52b6-4a43-b8f6-8a6d0ef15fb2';
const OTHER = 'ffffffff-52b6-4a43-b8f6-8a6d0ef15fb2';

function found(name: string, entries: readonly string[], uuid = UUID): string[] {
  const bytes = entries.map((entry) => Buffer.from(entry));
  return guestFiles(bytes, { name, uuid }).map((entry) => Buffer.from(entry).toString());
}

describe('guestFiles', () => {
  const table: [sentence: string, name: string, entries: string[], expected: string[]][] = [
    ['finds nothing in an empty directory', 'win11', [], []],
    ['finds the file by name', 'win11', ['win10.yaml', 'win11.yaml'], ['win11.yaml']],
    ['finds each of the three endings', 'a', ['a.json', 'a.yaml', 'a.yml'], ['a.json', 'a.yaml', 'a.yml']],
    [
      'ignores other endings',
      'a',
      ['a', 'a.yaml.bak', 'a.yaml~', 'a.js', 'a.toml', '.a.yaml.swp', 'a.YAML', 'ayaml'],
      [],
    ],
    ['compares bytes, so case matters', 'Win11', ['win11.yaml'], []],
    ['compares bytes, so look-alikes are others', 'win11', ['\uff57in11.yaml'], []],
    ['does not normalise', 'b\u00fcro', ['bu\u0308ro.yaml'], []],
    ['takes names that are not ASCII', 'büro 日本', ['büro 日本.yaml'], ['büro 日本.yaml']],
    ['takes dots in names', 'v1.2.yaml', ['v1.2.yaml', 'v1.2.yaml.yaml'], ['v1.2.yaml.yaml']],
    ['decodes percent signs', 'a/b', ['a%2Fb.yaml', 'a%2fb.yml'], ['a%2Fb.yaml', 'a%2fb.yml']],
    ['decodes line breaks', 'a\nb', ['a%0Ab.yaml'], ['a%0Ab.yaml']],
    ['decodes bytes of UTF-8', 'ü', ['%C3%BC.yaml'], ['%C3%BC.yaml']],
    ['decodes once', 'a%2Fb', ['a%2Fb.yaml', 'a%252Fb.yaml'], ['a%252Fb.yaml']],
    ['leaves a percent sign without digits alone', '100%', ['100%.yaml'], ['100%.yaml']],
    ['has no file for a guest without a name', '', ['.yaml', 'config.yaml'], []],
    ['keeps .. in the directory', '..', ['...yaml', '%2e%2e.yml', '..', '.'], ['...yaml', '%2e%2e.yml']],
    ['keeps . in the directory', '.', ['..yaml', '.'], ['..yaml']],
    ['finds nothing for a path', '../config', ['config.yaml'], []],
    ['finds the file by UUID', 'win11', [`${UUID}.yaml`, `${OTHER}.yaml`], [`${UUID}.yaml`]],
    [
      'finds the file by UUID in capitals',
      'win11',
      [`${UUID.toUpperCase()}.json`],
      [`${UUID.toUpperCase()}.json`],
    ],
    [
      'finds both by name and by UUID',
      'win11',
      ['win11.yaml', `${UUID}.yaml`],
      ['win11.yaml', `${UUID}.yaml`],
    ],
    ["does not give away another guest's file to a guest named like its UUID", OTHER, [`${OTHER}.yaml`], []],
    ['takes a guest that is named like its own UUID', UUID, [`${UUID}.yaml`], [`${UUID}.yaml`]],
    ['takes __proto__ for a name', '__proto__', ['__proto__.yaml'], ['__proto__.yaml']],
  ];
  for (const [sentence, name, entries, expected] of table) {
    it(sentence, () => {
      assert.deepEqual(found(name, entries), expected);
    });
  }

  it('tells a name that is no UTF-8 from the character that stands for such bytes', () => {
    const entry = Buffer.concat([Buffer.from([0xff]), Buffer.from('.yaml')]);
    assert.deepEqual(guestFiles([entry], { name: '\ufffd', uuid: UUID }), []);
  });

  it('finds the percent-encoded file of any guest, and no other', () => {
    const name = fc
      .string({ unit: 'binary', minLength: 1 })
      .filter((text) => text.trim() !== '' && !/[\ud800-\udfff]/.test(text));
    fc.assert(
      fc.property(name, name, (guest, other) => {
        const encoded = (text: string): string =>
          `${Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')}.yaml`;
        const entries = [encoded(guest), encoded(other)];
        assert.deepEqual(found(guest, entries), guest === other ? entries : [encoded(guest)]);
      }),
    );
  });

  it('returns nothing but entries, whatever the name', () => {
    const entries = ['win11.yaml', '..yaml', `${UUID}.json`, 'a%2F..%2Fb.yaml'];
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.constantFrom('..', '.', '/', '../..', 'a/../b', '-rf', '\0'),
        ),
        (name) => {
          for (const entry of found(name, entries)) assert.ok(entries.includes(entry));
        },
      ),
    );
  });
});

describe('defaultsFiles', () => {
  it('finds config with each ending and nothing else', () => {
    const entries = [
      'config.json',
      'config.yaml',
      'config.yml',
      'config',
      'config.js',
      'Config.yaml',
      'config.yaml.dpkg-old',
      'domains',
      '%63onfig.yaml',
    ];
    const found = defaultsFiles(entries.map((entry) => Buffer.from(entry)));
    const names = found.map((name) => Buffer.from(name).toString());
    assert.deepEqual(names, ['config.json', 'config.yaml', 'config.yml']);
  });
});

describe('guestFileName', () => {
  const table: [sentence: string, name: string, file: string][] = [
    ['is the guest’s name', 'win11', 'win11.yaml'],
    ['keeps what is harmless', 'win_11-2.vm@home', 'win_11-2.vm@home.yaml'],
    ['encodes a slash', 'a/b', 'a%2fb.yaml'],
    ['encodes a blank, which would be two words in a shell', 'my guest', 'my%20guest.yaml'],
    ['encodes what drives a terminal', '\u001b[2J', '%1b%5b2J.yaml'],
    ['encodes a percent sign', '100%', '100%25.yaml'],
    ['encodes letters that are not ASCII', 'bü', 'b%c3%bc.yaml'],
    ['makes no hidden file', '.hidden', '%2ehidden.yaml'],
    ['is no option of a command', '-rf', '%2drf.yaml'],
    ['is the UUID for a guest that is named like one', OTHER, `${UUID}.yaml`],
    ['is the UUID for a name that no file can have', 'x'.repeat(201), `${UUID}.yaml`],
    ['is the UUID for a guest without a name', '', `${UUID}.yaml`],
  ];
  for (const [sentence, name, file] of table) {
    it(sentence, () => {
      assert.equal(guestFileName({ name, uuid: UUID }), file);
    });
  }

  it('is none for a guest without a UUID where only that would do', () => {
    assert.equal(guestFileName({ name: OTHER }), undefined);
    assert.equal(guestFileName({ name: 'win11' }), 'win11.yaml');
    assert.equal(guestFilePath({ name: 'x'.repeat(201) }), '/etc/vfio-hook/domains/UUID.yaml');
    assert.equal(guestFilePath({ name: 'my guest', uuid: UUID }), '/etc/vfio-hook/domains/my%20guest.yaml');
  });

  it('is a file of that guest, whatever its name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (name) => {
        const file = guestFileName({ name, uuid: UUID });
        assert.match(file, /^[\w%][\w.%+@:,=-]*\.yaml$/);
        assert.deepEqual(found(name, [file]), [file]);
      }),
    );
  });
});
