import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../hook/compiled.ts';
import { configure, drivers, guestWith, stageOf, succeeds } from '../hook/stage.ts';
import { run } from './run.ts';

/** A machine with Intel VMD: its disks are in a domain of their own, whose number has five digits. */
const VMD = `
name: vmd
kernel: '6.12'
commandLine: root=/dev/sda1 intel_iommu=on
devices:
  - { address: '0000:00:00.0', id: '8086:4641', class: '060000', group: 0 }
  - { address: '0000:00:0e.0', id: '8086:467f', class: '010400', group: 1, driver: vmd }
  - { address: '10000:e0:06.0', id: '8086:464d', class: '060400', group: 1, driver: pcieport }
  - { address: '10000:e1:00.0', id: '144d:a80a', class: '010802', behind: '10000:e0:06.0', group: 2, driver: nvme, bars: { '0': { size: 16K, kind: mem64 } }, reset: [flr] }
  - { address: '2000:e1:00.0', id: '144d:a80a', class: '010802', group: 3, driver: nvme, bars: { '0': { size: 16K, kind: mem64 } }, reset: [flr] }
`;

/** A machine of s390x: the first device has an address of zeros, and it is an endpoint. */
const S390X = `
name: s390x
kernel: '6.12'
commandLine: root=/dev/dasda1
devices:
  - { address: '0000:00:00.0', id: '15b3:1016', class: '020000', group: 0, driver: mlx5_core, bars: { '0': { size: 1M, kind: pref64 } }, reset: [flr] }
  - { address: '0000:00:00.1', id: '15b3:1016', class: '020000', group: 1, driver: mlx5_core, bars: { '0': { size: 1M, kind: pref64 } }, reset: [flr] }
`;

const DISK = '10000:e1:00.0';

function described(text: string): string {
  const file = join(temporaryDirectory(), 'machine.yaml');
  writeFileSync(file, text);
  return file;
}

describe('a PCI domain above ffff', () => {
  const on = stageOf(described(VMD));
  const guest = guestWith([DISK], {
    name: 'vmd-guest',
    uuid: '1f3b0a52-7ff8-4a3b-9a43-4e1a2b9f0c11',
  });
  const said = (args: readonly string[], input = guest.xml): string => {
    const ended = run([...args, ...on.option], { input });
    assert.equal(ended.stderr, '', args.join(' '));
    return ended.stdout;
  };

  it('is read from XML and shown by every listing', () => {
    assert.equal(said(['hostdevs', '-']), `${DISK} pci managed=no\n`);
    assert.match(said(['groups']), /^└─ {2}10000:e1:00\.0 {2}/m);
    assert.match(said(['groups', 'pci_10000_e1_00_0', '--lines']), /^IOMMU Group 2 10000:e1:00\.0 /);
    assert.match(said(['map']), /10000:e1:00\.0/);
    assert.match(said(['plan', '-']), /unbind 10000:e1:00\.0 from nvme/);
    assert.match(said(['init', '-', '--output', '-']), /10000:e1:00\.0/);
    assert.match(said(['lint', '-', '--json']), /"id"/);
  });

  it('is written for every monitor, and read back', () => {
    assert.match(said(['devices', DISK, '--format', 'qemu']), /vfio-pci,host=10000:e1:00\.0,/);
    assert.match(
      said(['devices', DISK, '--format', 'cloud-hypervisor']),
      /path=\/sys\/bus\/pci\/devices\/10000:e1:00\.0\//,
    );
    const xml = said(['devices', DISK, '--format', 'libvirt']);
    assert.match(xml, /<address domain='0x10000' bus='0xe1' slot='0x00' function='0x0'\/>/);
    const back = `<domain><name>a</name><devices>${xml}</devices></domain>`;
    assert.equal(said(['hostdevs', '-'], back), `${DISK} pci managed=yes\n`);
  });

  it('is matched by the configuration, in either form', () => {
    for (const match of [DISK, 'pci_10000_E1_00_0']) {
      configure(on, 'config.yaml', `devices: [{ match: "${match}", allow: [held] }]\n`);
      assert.match(said(['validate']), /^1 file, no problems, no warnings$/m);
    }
  });

  it('is sorted by number where the text of a smaller one comes after it', () => {
    const { steps } = JSON.parse(said(['detach', '2000:e1:00.0', DISK, '--dry-run', '--json'])) as {
      steps: { kind: string; device: string }[];
    };
    assert.deepEqual(
      steps.filter(({ kind }) => kind === 'unbind').map(({ device }) => device),
      [DISK, '2000:e1:00.0'],
    );
  });

  it('is handed over and given back', () => {
    succeeds(on, guest, 'prepare');
    assert.deepEqual(drivers(on, [DISK]), ['vfio-pci']);
    assert.match(said(['status']), /10000:e1:00\.0/);
    succeeds(on, guest, 'release');
    assert.deepEqual(drivers(on, [DISK]), ['nvme']);
  });
});

describe('the PCI address of zeros', () => {
  it('is a device like another where it is one', () => {
    const on = stageOf(described(S390X));
    const guest = guestWith(['0000:00:00.0'], {
      name: 's390x-guest',
      uuid: '1f3b0a52-7ff8-4a3b-9a43-4e1a2b9f0c11',
    });
    configure(on, 'config.yaml', 'devices: [{ match: "0000:00:00.0", allow: [default-route] }]\n');
    succeeds(on, guest, 'prepare');
    assert.deepEqual(drivers(on, ['0000:00:00.0', '0000:00:00.1']), ['vfio-pci', 'mlx5_core']);
    succeeds(on, guest, 'release');
    assert.equal(run(['detach', '00:00.1', '--dry-run', ...on.option]).status, 0);
    const noNumbers = guest.xml.replace(/<address [^>]*>/, "<address function='0x1'/>");
    assert.equal(run(['hostdevs', '-'], { input: noNumbers }).stdout, '0000:00:00.1 pci managed=no\n');
  });

  it('is the host’s own bridge on a PC, and refused', () => {
    const on = stageOf(described(VMD));
    const ended = run(['plan', '-', ...on.option], { input: guestWith(['0000:00:00.0']).xml });
    assert.equal(ended.status, 2);
    assert.match(ended.stdout, /0000:00:00\.0/);
  });
});
