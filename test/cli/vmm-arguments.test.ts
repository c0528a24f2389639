import assert from 'node:assert/strict';
import {
  cloudHypervisorArguments,
  libvirtXml,
  qemuArguments,
  type Assignment,
} from '../../src/cli/vmm-arguments.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import { audio, device, gpu } from '../plan/snapshots.ts';

const MIB = 2 ** 20;
const MEMORY32 = 0x40200;

const card: Assignment = { devices: [gpu(), audio()], cliques: new Map() };
const lines = ({ options }: ReturnType<typeof qemuArguments>): string[] =>
  options.map((words) => words.join(' '));

describe('arguments for Cloud Hypervisor', () => {
  it('are one --device with every function', () => {
    assert.deepEqual(lines(cloudHypervisorArguments(card)), [
      '--device path=/sys/bus/pci/devices/0000:03:00.0/ path=/sys/bus/pci/devices/0000:03:00.1/',
    ]);
  });

  it('name cliques, and segments where there are more devices than slots', () => {
    const devices = Array.from({ length: 25 }, (_, index) =>
      device(`${(0x10 + index).toString(16)}:00.0`, {
        bars: [{ index: 0, size: 16 * MIB, flags: MEMORY32 }],
      }),
    );
    const [platform, segments, given] = cloudHypervisorArguments({
      devices,
      cliques: new Map([[devices[24]!.address, 0]]),
    }).options;
    assert.deepEqual(platform, ['--platform', 'num_pci_segments=2']);
    assert.deepEqual(segments, [
      '--pci-segment',
      'pci_segment=0,mmio32_aperture_weight=400',
      'pci_segment=1,mmio32_aperture_weight=17',
    ]);
    assert.equal(given?.length, 26);
    assert.equal(
      given.at(-1),
      'path=/sys/bus/pci/devices/0000:28:00.0/,pci_segment=1,x_nv_gpudirect_clique=0',
    );
  });

  it('say when the 32-bit BARs cannot all be mapped, and count no BAR of 64 bits', () => {
    const large = (flags: number): Assignment => ({
      devices: [0, 1, 2].map((bus) =>
        device(`0${bus}:00.0`, { bars: [{ index: 0, size: 256 * MIB, flags }] }),
      ),
      cliques: new Map(),
    });
    assert.equal(cloudHypervisorArguments(large(MEMORY32)).warnings.length, 1);
    assert.deepEqual(cloudHypervisorArguments(large(0x14220c)).warnings, []);
  });

  it('of nothing are nothing', () => {
    assert.deepEqual(cloudHypervisorArguments({ devices: [], cliques: new Map() }).options, []);
  });
});

describe('arguments for QEMU', () => {
  it('keep the functions of a card in one slot behind a port of its own', () => {
    assert.deepEqual(lines(qemuArguments({ ...card, cliques: new Map([[gpu().address, 3]]) })), [
      '-device pcie-root-port,id=vfio-hook-0,chassis=100',
      '-device vfio-pci,host=0000:03:00.0,bus=vfio-hook-0,addr=00.0,multifunction=on,x-nv-gpudirect-clique=3',
      '-device vfio-pci,host=0000:03:00.1,bus=vfio-hook-0,addr=00.1',
    ]);
  });

  it('give a card without its function 0 one, and each card a port', () => {
    const devices = [audio(), device('03:00.3'), device('05:00.0')];
    assert.deepEqual(lines(qemuArguments({ devices, cliques: new Map() })), [
      '-device pcie-root-port,id=vfio-hook-0,chassis=100',
      '-device vfio-pci,host=0000:03:00.1,bus=vfio-hook-0,addr=00.0,multifunction=on',
      '-device vfio-pci,host=0000:03:00.3,bus=vfio-hook-0,addr=00.1',
      '-device pcie-root-port,id=vfio-hook-1,chassis=101',
      '-device vfio-pci,host=0000:05:00.0,bus=vfio-hook-1,addr=00.0',
    ]);
  });
});

describe('XML for libvirt', () => {
  it('assigns what the hook then reads out of it', () => {
    const devices = [...card.devices, device('10000:e1:1f.7')];
    const xml = `<domain><name>x</name><uuid>82eef905-a0c9-4093-ab06-790e7ebe014c</uuid><devices>${libvirtXml({ devices, cliques: new Map() })}</devices></domain>`;
    assert.deepEqual(
      parseDomain(xml).hostdevs,
      devices.map(({ address }) => ({ kind: 'pci', address, managed: true })),
    );
  });

  it('keeps functions together in the guest', () => {
    assert.deepEqual(libvirtXml(card).match(/<address type=.*\/>/g), [
      "<address type='pci' domain='0x0000' bus='0x10' slot='0x00' function='0x0' multifunction='on'/>",
      "<address type='pci' domain='0x0000' bus='0x10' slot='0x00' function='0x1'/>",
    ]);
  });
});
