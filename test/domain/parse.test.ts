import assert from 'node:assert/strict';
import { MOST_HOSTDEVS, parseDomain } from '../../src/domain/parse.ts';
import { expectGolden } from '../golden.ts';
import {
  captures,
  commandline,
  examples,
  guest,
  hostdev,
  NAME,
  pci,
  QEMU,
  refusalOf,
  UUID,
} from './documents.ts';

const nvme = (address: string, attributes: string): string =>
  `<disk type='nvme' device='disk'><source type='pci' ${attributes}><address ${address}/></source></disk>`;

describe('parseDomain', () => {
  describe('reads who the guest is', () => {
    const names: readonly (readonly [title: string, written: string, name: string])[] = [
      ['a plain name', 'win11', 'win11'],
      ['a name of digits, which stays text', '007', '007'],
      ['a name that looks like a number', '1e5', '1e5'],
      ['a name that looks like a truth value', 'true', 'true'],
      ['white space around a name', '  a b  ', '  a b  '],
      ['the five entities', '&lt;a&gt;&amp;&quot;&apos;', '<a>&"\''],
      ['an entity that decodes to another, once', '&amp;lt;', '&lt;'],
      ['numeric references', 'a&#10;b&#x41;&#128512;', 'a\nbA😀'],
      ['other scripts and a full-width letter', 'ｗin日本', 'ｗin日本'],
      ['a comment inside', 'a<!-- x -->b', 'ab'],
      ['CDATA, where references are text', '<![CDATA[a&amp;<b>]]>c', 'a&amp;<b>c'],
      ['names that JavaScript knows', '__proto__', '__proto__'],
    ];
    for (const [title, written, name] of names) {
      it(title, () => {
        const domain = parseDomain(guest('', { name: written }), { name });
        assert.deepEqual(domain, { name, uuid: UUID, hostdevs: [] });
      });
    }

    it('a UUID in capitals, which it prints in lower case', () => {
      assert.equal(parseDomain(guest('', { uuid: UUID.toUpperCase() })).uuid, UUID);
    });

    it('without an expected name', () => {
      assert.equal(parseDomain(guest('')).name, NAME);
    });

    it('without a UUID, as virsh define takes it, where no hook has been given it', () => {
      const xml = guest(hostdev(pci(1))).replace(/<uuid>.*<\/uuid>/, '');
      const { name, hostdevs } = parseDomain(guest(hostdev(pci(1))));
      assert.deepEqual(parseDomain(xml), { name, hostdevs });
      assert.equal(
        refusalOf(() => parseDomain(xml, { name })),
        '<domain> has no <uuid>, expected exactly one',
      );
    });

    it('a document with a declaration and line ends of another system', () => {
      const xml = `<?xml version='1.0' encoding='UTF-8'?>\r\n${guest(hostdev(pci(1))).replaceAll('><', '>\r\n<')}`;
      assert.deepEqual(parseDomain(xml), parseDomain(guest(hostdev(pci(1)))));
    });
  });

  describe('refuses a document that is of no guest or of another', () => {
    const cases: readonly (readonly [title: string, xml: string, message: string])[] = [
      ['no name', `<domain><uuid>${UUID}</uuid></domain>`, '<domain> has no <name>, expected exactly one'],
      ['two names', guest('', { tail: '<name>b</name>' }), '<domain> has 2 <name>, expected exactly one'],
      ['an empty name', guest('', { name: '' }), '<name> is empty'],
      ['an element in the name', guest('', { name: 'a<b/>' }), '<name> has an element in it, expected text'],
      [
        'two uuids',
        guest('', { tail: `<uuid>${UUID}</uuid>` }),
        '<domain> has 2 <uuid>, expected at most one',
      ],
      [
        'a uuid that is none',
        guest('', { uuid: 'x\u001b'.slice(0, 1) }),
        'its <uuid> is "x", expected 8-4-4-4-12 digits',
      ],
      [
        'a uuid with blanks',
        guest('', { uuid: ` ${UUID}` }),
        `its <uuid> is " ${UUID}", expected 8-4-4-4-12 digits`,
      ],
      [
        'another root',
        '<network><name>vm1</name></network>',
        'its root element is <network>, expected <domain>',
      ],
      [
        'the status XML of the daemon',
        '<domstatus><domain/></domstatus>',
        'its root element is <domstatus>, expected <domain>',
      ],
      ['a root with a prefix', '<x:domain/>', 'its root element is <x:domain>, expected <domain>'],
      [
        'a root in a namespace',
        guest('', { attributes: " xmlns='urn:x'" }),
        '<domain> is in the namespace "urn:x", expected none',
      ],
      [
        'a name in a foreign namespace only',
        `<domain><name xmlns='urn:x'>vm1</name><uuid>${UUID}</uuid></domain>`,
        '<domain> has no <name>, expected exactly one',
      ],
    ];
    for (const [title, xml, message] of cases)
      it(title, () => {
        assert.equal(
          refusalOf(() => parseDomain(xml)),
          message,
        );
      });

    const others: readonly (readonly [title: string, written: string, expected: string, message: string])[] =
      [
        ['another name', 'a', 'b', 'its <name> is "a", expected "b"'],
        ['another case', 'VM1', 'vm1', 'its <name> is "VM1", expected "vm1"'],
        [
          'another spelling of the same letter',
          'u\u0308',
          '\u00fc',
          'its <name> is "u\u0308", expected "\u00fc"',
        ],
        ['a blank more', 'vm1 ', 'vm1', 'its <name> is "vm1 ", expected "vm1"'],
        [
          'a name that would write to a terminal',
          'a&#10;b',
          'a\u001b[2Jb',
          'its <name> is "a\\u{a}b", expected "a\\u{1b}[2Jb"',
        ],
        ['a name that is not decoded twice', 'a&amp;amp;b', 'a&b', 'its <name> is "a&amp;b", expected "a&b"'],
      ];
    for (const [title, written, expected, message] of others) {
      it(title, () => {
        assert.equal(
          refusalOf(() => parseDomain(guest('', { name: written }), { name: expected })),
          message,
        );
      });
    }
  });

  describe('finds devices only where libvirt defines them', () => {
    const decoy = hostdev(pci(9));
    const decoys: readonly (readonly [title: string, xml: string])[] = [
      ['in metadata', guest('', { tail: `<metadata>${decoy}<devices>${decoy}</devices></metadata>` })],
      ['in a comment', guest(`<!-- ${decoy} -->`)],
      ['in CDATA', guest(`<![CDATA[${decoy}]]>`)],
      ['as escaped text', guest(decoy.replaceAll('<', '&lt;'))],
      ['beside <devices>', guest('', { tail: decoy })],
      ['deeper in <devices>', guest(`<controller>${decoy}</controller>`)],
      [
        'in a foreign namespace by prefix',
        guest(decoy.replaceAll('hostdev', 'x:hostdev'), { attributes: " xmlns:x='urn:x'" }),
      ],
      ['with a prefix that nothing binds', guest(decoy.replaceAll('hostdev', 'x:hostdev'))],
      ['in a foreign default namespace', guest(decoy.replace('<hostdev', "<hostdev xmlns='urn:x'"))],
      ['in a foreign <devices>', guest('', { tail: `<devices xmlns='urn:x'>${decoy}</devices>` })],
      [
        'as a guest-side address',
        guest("<controller type='pci'><address type='pci' bus='0x01' slot='0x02'/></controller>"),
      ],
    ];
    for (const [title, xml] of decoys)
      it(`not ${title}`, () => {
        assert.deepEqual(parseDomain(xml).hostdevs, []);
      });

    it('in each <devices> when there are two', () => {
      const xml = guest(hostdev(pci(1)), { tail: `<devices>${hostdev(pci(2))}</devices>` });
      assert.deepEqual(
        parseDomain(xml).hostdevs.map((each) => each.kind !== 'mdev' && each.address),
        ['0000:01:00.0', '0000:02:00.0'],
      );
    });

    it('in document order across the forms', () => {
      const xml = guest(
        `${hostdev(pci(4))}<interface type='hostdev'><source><address type='pci' ${pci(3)}/></source></interface>` +
          `${nvme(pci(2), '')}${hostdev(pci(1))}`,
        { attributes: QEMU, tail: commandline('-device', 'vfio-pci,host=00:1f.3') },
      );
      assert.deepEqual(
        parseDomain(xml).hostdevs.map((each) => each.kind),
        ['pci', 'interface', 'nvme', 'pci', 'commandline'],
      );
    });
  });

  describe('knows a device that is named more than once', () => {
    const twice: readonly (readonly [title: string, xml: string, message: string])[] = [
      [
        'by two hostdevs',
        guest(hostdev(pci(1)) + hostdev("bus='1'")),
        '0000:01:00.0 is assigned twice, by <hostdev> 1 and by <hostdev> 2',
      ],
      [
        'by a hostdev and an interface',
        guest(
          `${hostdev(pci(1))}<interface type='hostdev'><source><address ${pci(1)}/></source></interface>`,
        ),
        '0000:01:00.0 is assigned twice, by <hostdev> 1 and by <interface> 1',
      ],
      [
        'by a hostdev and a disk',
        guest(nvme(pci(1), '') + hostdev(pci(1))),
        '0000:01:00.0 is assigned twice, by <disk> 1 and by <hostdev> 1',
      ],
      [
        "by a hostdev and QEMU's command line",
        guest(hostdev(pci(1)), { attributes: QEMU, tail: commandline('-device', 'vfio-pci,host=01:00.0') }),
        '0000:01:00.0 is assigned twice, by <hostdev> 1 and by <qemu:commandline>',
      ],
      [
        'as a mediated device',
        guest(hostdev(`uuid='${UUID}'`, "type='mdev'").repeat(2)),
        `${UUID} is assigned twice, by <hostdev> 1 and by <hostdev> 2`,
      ],
    ];
    for (const [title, xml, message] of twice)
      it(`refused ${title}`, () => {
        assert.equal(
          refusalOf(() => parseDomain(xml)),
          message,
        );
      });

    it('two namespaces of one NVMe controller are one device, with what the first says', () => {
      const xml = guest(
        nvme(pci(2), "managed='yes' namespace='3'") + nvme(pci(2), "managed='no' namespace='1'"),
      );
      assert.deepEqual(parseDomain(xml).hostdevs, [
        { kind: 'nvme', address: '0000:02:00.0', managed: true, namespace: 3 },
      ]);
    });

    it('two functions of one device are two', () => {
      assert.equal(parseDomain(guest(hostdev(pci(1, 0, 0)) + hostdev(pci(1, 0, 1)))).hostdevs.length, 2);
    });
  });

  describe('bounds the number of host devices', () => {
    const many = (count: number): string =>
      guest(Array.from({ length: count }, (_, i) => hostdev(pci(1 + (i >> 5), i & 31))).join(''));

    it(`reads ${MOST_HOSTDEVS}`, () => {
      assert.equal(parseDomain(many(MOST_HOSTDEVS)).hostdevs.length, MOST_HOSTDEVS);
    });
    it('refuses one more', () => {
      assert.equal(
        refusalOf(() => parseDomain(many(MOST_HOSTDEVS + 1))),
        'it assigns 257 host devices, expected at most 256',
      );
    });
  });

  describe('every example', () => {
    for (const { title, xml } of examples()) {
      it(title, () => {
        expectGolden(`domain/golden/${title}.json`, `${JSON.stringify(parseDomain(xml), null, 2)}\n`);
      });
    }
    it('is there', () => {
      assert.equal(examples().length, 16);
    });
  });

  describe('every recording of a real libvirt', () => {
    /** Guest `a` has two functions with managed='no', guest `y` one device with managed='yes'. */
    const assigned: Readonly<Record<string, readonly string[]>> = {
      a: ['0000:01:00.0 false', '0000:01:00.1 false'],
      y: ['0000:07:00.0 true'],
    };
    for (const { title, xml } of captures()) {
      it(title, () => {
        const name = /-([ay])-/.exec(title)?.[1] ?? '';
        const { hostdevs } = parseDomain(xml, { name });
        assert.deepEqual(
          hostdevs.map((each) => each.kind === 'pci' && `${each.address} ${each.managed}`),
          assigned[name],
        );
      });
    }
    it('is there', () => {
      assert.equal(captures().length, 28);
    });
  });
});
