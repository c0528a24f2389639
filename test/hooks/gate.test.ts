import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { parseDomain } from '../../src/domain/parse.ts';
import { captures, commandline, examples, guest, hostdev, pci, QEMU } from '../domain/documents.ts';
import { BARE_ENVIRONMENT } from '../hook/compiled.ts';
import { launcher } from './launched.ts';

/** Exit status of the script in Node's place. */
const STARTED = 42;
const { hook, node } = launcher();
writeFileSync(node, `#!/bin/sh\nexit ${STARTED}\n`);

/** Whether sh starts Node for the start of a guest with this XML. */
function passes(xml: string | Uint8Array): boolean {
  const { status } = spawnSync(hook, ['vm1', 'prepare', 'begin', '-'], {
    cwd: '/',
    env: BARE_ENVIRONMENT,
    input: xml,
  });
  assert.ok(status === 0 || status === STARTED, `status ${String(status)}`);
  return status === STARTED;
}

/** How many devices the parser finds, or that it refuses. */
function found(xml: string): number | 'refused' {
  try {
    return parseDomain(xml).hostdevs.length;
  } catch {
    return 'refused';
  }
}

/** A text of which any character may be written as a reference. */
function referenced(text: string): fc.Arbitrary<string> {
  return spelled(text, (code) => [
    `&#${code};`,
    `&#x${code.toString(16)};`,
    `&#x00${code.toString(16).toUpperCase()};`,
  ]);
}

/** A text of which any character may be written as JSON does. */
function escaped(text: string): fc.Arbitrary<string> {
  return spelled(text, (code) => [`\\u${code.toString(16).padStart(4, '0')}`]);
}

function spelled(text: string, ways: (code: number) => readonly string[]): fc.Arbitrary<string> {
  const characters = Array.from(text).map((char) => fc.constantFrom(char, char, ...ways(char.charCodeAt(0))));
  return fc.tuple(...characters).map((parts) => parts.join(''));
}

/** A guest with one host device, in a form and a spelling that libvirt and QEMU take. */
const oneDevice: fc.Arbitrary<string> = fc.oneof(
  referenced('pci').map((type) => guest(hostdev(pci(3), `type='${type}'`))),
  referenced('hostdev').map((type) =>
    guest(`<interface type='${type}'><source><address type='pci' ${pci(3)}/></source></interface>`),
  ),
  referenced('nvme').map((type) =>
    guest(`<disk type='${type}'><source type='pci' namespace='1'><address ${pci(3)}/></source></disk>`),
  ),
  referenced('vfio-pci').map((driver) =>
    guest('', {
      attributes: QEMU,
      tail: commandline('-device', 'DRIVER,host=03:00.0').replace('DRIVER', driver),
    }),
  ),
  fc.tuple(escaped('driver'), escaped('vfio-pci'), escaped('host')).map(([key, driver, host]) =>
    guest('', {
      attributes: QEMU,
      tail: commandline('-device', `{"${key}":"${driver}","${host}":"03:00.0"}`),
    }),
  ),
);

describe('the gate in sh', () => {
  for (const { title, xml } of [...examples(), ...captures()]) {
    it(`${title}: Node is started when the parser finds a host device`, () => {
      if (found(xml) !== 0) assert.equal(passes(xml), true);
      // The rest holds the words by chance or not at all: either answer is right.
      else assert.equal(passes(xml), /hostdev|nvme|vfio|&#|<!|<\?/.test(xml));
    });
  }

  it('lets every spelling of a host device through', () => {
    let devices = 0;
    fc.assert(
      fc.property(oneDevice, (xml) => {
        assert.equal(found(xml), 1, xml);
        devices += 1;
        assert.equal(passes(xml), true, xml);
      }),
      {
        numRuns: 150,
        examples: [
          [
            guest('', {
              attributes: QEMU,
              tail: commandline('-device', '{"driver":"\\u0076fi\\u006f-pci","host":"03:00.0"}'),
            }),
          ],
        ],
      },
    );
    assert.ok(devices >= 150);
  });

  it('lets every mutation through in which the parser still finds a host device', () => {
    const plain = guest("<disk type='file'/>");
    const piece = fc.constantFrom(
      '',
      '<',
      '>',
      "'",
      '&',
      '<!--',
      '-->',
      '\\',
      'host',
      'dev',
      'nv',
      'me',
      'vf',
      'io',
      '\n',
      '\u00e4',
    );
    const edit = fc.record({ at: fc.nat(), remove: fc.nat(6), insert: piece });
    fc.assert(
      fc.property(fc.oneof(oneDevice, fc.constant(plain)), fc.array(edit, { maxLength: 2 }), (xml, edits) => {
        let changed = xml;
        for (const { at, remove, insert } of edits) {
          const place = at % changed.length;
          changed = changed.slice(0, place) + insert + changed.slice(place + remove);
        }
        const devices = found(changed);
        if (devices === 'refused' || devices === 0) return;
        assert.equal(passes(changed), true, changed);
      }),
      { numRuns: 300 },
    );
  });

  it('ends only what is a whole document: cut off anywhere it is for Node to refuse', () => {
    const xml = guest("<disk type='file'/>");
    assert.equal(passes(xml), false);
    for (let length = 0; length < xml.length; length += 3) {
      assert.equal(found(xml.slice(0, length)), 'refused');
      assert.equal(passes(xml.slice(0, length)), true, xml.slice(0, length));
    }
  });

  const refused: Readonly<Record<string, string | Uint8Array>> = {
    'an XML declaration': `<?xml version='1.0'?>${guest('')}`,
    'a document type': `<!DOCTYPE domain [<!ENTITY h "hostd">]>${guest('')}`,
    'a document type inside': guest('<!DOCTYPE x>'),
    'a byte order mark': `\ufeff${guest('')}`,
    'UTF-16 with its mark': Buffer.from(`\ufeff${guest(hostdev(pci(3)))}`, 'utf16le'),
    'UTF-16 without a host device, with its mark': Buffer.from(`\ufeff${guest('')}`, 'utf16le'),
    'UTF-16 without its mark': Buffer.from(guest(hostdev(pci(3))), 'utf16le'),
    'another root': '<network><name>x</name></network>',
    'text before it': `x${guest('')}`,
    'text after it': `${guest('')}x`,
    'a comment after it': `${guest('')}<!-- -->`,
    'two roots, the second with a device': `${guest('')}${guest(hostdev(pci(3)))}`,
    'a NUL in a name that matters': guest(hostdev(pci(3)).replaceAll('hostdev', 'host\0dev')),
    'blanks only': ' \n ',
  };
  for (const [title, xml] of Object.entries(refused)) {
    it(`${title}: for Node`, () => {
      assert.equal(passes(xml), true);
    });
  }

  it('ends the start of a guest without host devices, however it is laid out', () => {
    for (const xml of [
      guest(''),
      `${guest('')}\n`,
      `${guest('')}\n\n\n`,
      guest('\n\t\r\n'),
      guest("<disk type='file'><source file='/ä'/></disk>"),
    ]) {
      assert.equal(found(xml), 0);
      assert.equal(passes(xml), false, xml);
    }
  });
});
