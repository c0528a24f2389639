import assert from 'node:assert/strict';
import type { Hostdev } from '../../src/domain/domain.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import { commandline, guest, QEMU, refusalOf } from './documents.ts';

const GPU = '0000:01:00.0';
const MDEV = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
const found = (xml: string): readonly Hostdev[] => parseDomain(xml).hostdevs;

describe('<qemu:commandline> assigns', () => {
  const one = [{ kind: 'commandline', address: GPU, managed: false }];
  const far = [{ kind: 'commandline', address: '10000:e1:00.0', managed: false }];
  const rows: readonly (readonly [title: string, args: readonly string[], found: readonly object[]])[] = [
    ['vfio-pci by host', ['-device', 'vfio-pci,host=01:00.0'], one],
    ['with the domain', ['-device', 'vfio-pci,host=0000:01:00.0,id=gpu,x-vga=on'], one],
    ['with host in another place', ['-device', 'vfio-pci,id=gpu,host=01:00.0'], one],
    ['with two dashes', ['--device', 'vfio-pci,host=01:00.0'], one],
    ['with driver= written out', ['-device', 'driver=vfio-pci,host=01:00.0'], one],
    ['without leading zeros', ['-device', 'vfio-pci,host=1:0.0'], one],
    ['a domain of five digits', ['-device', 'vfio-pci,host=10000:e1:00.0'], far],
    ['the model without hot-plug', ['-device', 'vfio-pci-nohotplug,host=01:00.0'], one],
    ['JSON', ['-device', '{"driver":"vfio-pci","host":"0000:01:00.0","multifunction":true}'], one],
    ['JSON after a blank', ['-device', ' {"driver":"vfio-pci","host":"0000:01:00.0"}'], one],
    ['a sysfs path', ['-device', 'vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:01:00.0'], one],
    [
      'a resolved sysfs path',
      ['-device', 'vfio-pci,sysfsdev=/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/'],
      one,
    ],
    [
      'a mediated device by its sysfs path',
      ['-device', `vfio-pci,sysfsdev=/sys/bus/mdev/devices/${MDEV}`],
      [{ kind: 'mdev', uuid: MDEV, model: 'vfio-pci', managed: false }],
    ],
    [
      'two devices',
      ['-device', 'vfio-pci,host=01:00.0', '-m', '1G', '-device', 'vfio-pci,host=01:00.1'],
      [...one, { kind: 'commandline', address: '0000:01:00.1', managed: false }],
    ],
    ['nothing by another model', ['-device', 'virtio-net-pci,host=01:00.0'], []],
    ['nothing by a model whose name begins alike', ['-device', 'vfio-pci-igd-lpc-bridge,host=01:00.0'], []],
    ['nothing by an argument of another option', ['-name', 'vfio-pci,host=01:00.0'], []],
    ['nothing by an option without argument', ['-device'], []],
    ['nothing by one argument that holds both', ['-device vfio-pci,host=01:00.0'], []],
    ['nothing by a value with an escaped comma', ['-device', 'vfio-pci,id=a,,host=01:00.0'], []],
    ['nothing by an open descriptor', ['-device', 'vfio-pci,fd=27'], []],
    ['nothing by JSON of another device', ['-device', '{"driver":"e1000e","host":"0000:01:00.0"}'], []],
    ['nothing by what QEMU alone can judge', ['-device', '{broken'], []],
    ['nothing by a path that names no device', ['-device', 'vfio-pci,sysfsdev=/sys/bus/pci'], []],
  ];
  for (const [title, args, expected] of rows) {
    it(title, () => {
      assert.deepEqual(found(guest('', { attributes: QEMU, tail: commandline(...args) })), expected);
    });
  }

  const tail = commandline('-device', 'vfio-pci,host=01:00.0');
  const uri = 'http://libvirt.org/schemas/domain/qemu/1.0';
  const namespaces: readonly (readonly [title: string, xml: string, count: number])[] = [
    [
      'another prefix',
      guest('', { attributes: ` xmlns:q='${uri}'`, tail: tail.replaceAll('qemu:', 'q:') }),
      1,
    ],
    [
      'a prefix that the element itself binds',
      guest('', { tail: tail.replace('line>', `line xmlns:qemu='${uri}'>`) }),
      1,
    ],
    [
      'a default namespace',
      guest('', { tail: tail.replaceAll('qemu:', '').replace('line>', `line xmlns='${uri}'>`) }),
      1,
    ],
    [
      'another default namespace',
      guest('', { tail: tail.replaceAll('qemu:', '').replace('line>', "line xmlns='urn:x'>") }),
      0,
    ],
    ['no namespace', guest('', { tail: tail.replaceAll('qemu:', '') }), 0],
    ['a prefix that nothing binds', guest('', { tail }), 0],
    ['a prefix that is bound to something else', guest('', { attributes: " xmlns:qemu='urn:x'", tail }), 0],
    [
      'a prefix that is bound anew further in',
      guest('', { attributes: QEMU, tail: tail.replace('<qemu:arg', "<qemu:arg xmlns:qemu='urn:x'") }),
      0,
    ],
    ['metadata', guest('', { attributes: QEMU, tail: `<metadata>${tail}</metadata>` }), 0],
    ['devices', guest(tail, { attributes: QEMU }), 0],
  ];
  for (const [title, xml, count] of namespaces) {
    it(`${count === 0 ? 'nothing' : 'a device'} in ${title}`, () => {
      assert.equal(found(xml).length, count);
    });
  }

  it('nothing that it cannot read: a host that is no address', () => {
    const xml = guest('', { attributes: QEMU, tail: commandline('-device', 'vfio-pci,host=gpu') });
    assert.equal(
      refusalOf(() => found(xml)),
      'host="gpu" in -device "vfio-pci,host=gpu" is no PCI address',
    );
  });
  it('nothing that it cannot read: JSON that is cut off', () => {
    const xml = guest('', { attributes: QEMU, tail: commandline('-device', '{"driver":"vfio-pci"') });
    assert.equal(
      refusalOf(() => found(xml)),
      '-device "{\\"driver\\":\\"vfio-pci\\"" is no JSON',
    );
  });
});
