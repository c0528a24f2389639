import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import type { Claim } from '../../src/claim/claim.ts';
import type { IommuGroup, PciDevice } from '../../src/pci/device.ts';
import { acsHints, judgeGroup, type JudgedGroup } from '../../src/plan/group-verdict.ts';
import type { DeviceWishes } from '../../src/plan/judgement.ts';
import { at, audio, barWish, claimOf, device, gpu, MIB, noWishes, snapshot } from './snapshots.ts';

const port = device('00:01.0', { class: '060400', headerType: 'bridge', driver: 'pcieport' });
const isa = device('00:1f.0', { class: '060100' });
const smbus = device('00:1f.4', { class: '0c0500', driver: 'i801_smbus' });
const hostBridge = device('00:00.0', { class: '060000' });

interface Given {
  readonly devices: readonly PciDevice[];
  readonly group?: Partial<IommuGroup>;
  readonly claims?: readonly Claim[];
  readonly wishesFor?: (device: PciDevice) => DeviceWishes;
}

function judged({ devices, group, claims = [], wishesFor = () => noWishes }: Given): JudgedGroup {
  const all = snapshot([...devices, device('08:00.0', { iommuGroup: 2, driver: 'nvme' })]);
  const own = { ...all.groups[0]!, ...group };
  return judgeGroup({
    group: own,
    snapshot: { ...all, groups: [own, ...all.groups.slice(1)] },
    claims,
    wishesFor,
  });
}

/** A verdict in a line: its kind, then code and device of each reason. */
function line(given: Given): string {
  const { verdict } = judged(given);
  return [verdict.kind, ...verdict.reasons.map(({ code, device: where }) => `${code} ${where}`)].join(', ');
}

describe('judgeGroup', () => {
  const held = claimOf([
    { address: at('03:00.0'), group: 1, vendor: '1002', device: '744c', original: { bars: [] } },
  ]);
  const cases: Readonly<Record<string, readonly [Given, string]>> = {
    'a card with its audio function': [{ devices: [gpu(), audio()] }, 'possible'],
    'the port above it, which stays': [{ devices: [port, gpu(), audio()] }, 'possible'],
    'a chipset function without a driver, which stays': [{ devices: [isa, audio()] }, 'possible'],
    'a card that is on vfio-pci already': [{ devices: [gpu({ driver: 'vfio-pci' })] }, 'possible'],
    'a chipset function with a driver keeps the sound card from guests': [
      { devices: [isa, smbus, device('00:1f.3', { class: '040300', driver: 'snd_hda_intel' })] },
      'refused, system-device 0000:00:1f.4',
    ],
    'a bridge on another driver keeps the card from guests': [
      { devices: [{ ...port, driver: 'shpchp_other' }, gpu()] },
      'refused, bridge-driver 0000:00:01.0',
    ],
    'a member that is no PCI device': [
      { devices: [gpu()], group: { otherMembers: ['ACPI0001:00'] } },
      'refused, other-bus 0000:03:00.0',
    ],
    'virtual functions': [
      { devices: [gpu({ sriov: { totalVfs: 4, numVfs: 2 } })] },
      'refused, virtual-functions 0000:03:00.0',
    ],
    'a size that the configuration asks for and the card has not': [
      { devices: [gpu()], wishesFor: barWish(2, 64 * MIB) },
      'refused, bar 0000:03:00.0',
    ],
    'a guest has claimed it': [{ devices: [gpu(), audio()], claims: [held] }, 'held, claimed 0000:03:00.0'],
    'a process has it open': [
      { devices: [gpu({ driver: 'vfio-pci' })], group: { open: true } },
      'held, in-use 0000:03:00.0',
    ],
    'a guest has claimed it, and another thing is in the way, too': [
      { devices: [gpu(), smbus], claims: [held] },
      'held, claimed 0000:03:00.0, system-device 0000:00:1f.4',
    ],
    'a bridge alone': [{ devices: [port] }, 'nothing'],
    'a host bridge, which is an endpoint': [{ devices: [hostBridge] }, 'nothing'],
    'chipset functions, also with a driver': [{ devices: [isa, smbus] }, 'nothing'],
    'no PCI device at all: the group of a mediated device': [
      { devices: [gpu()], group: { members: [], otherMembers: ['4b20d080-1b54-4048-85b3-a6a62d165c01'] } },
      'nothing',
    ],
  };
  for (const [sentence, [given, expected]] of Object.entries(cases)) {
    it(`${sentence}: ${expected}`, () => {
      assert.equal(line(given), expected);
    });
  }

  it('has a verdict on each member of the group, and on no other device', () => {
    const { members } = judged({ devices: [port, gpu(), audio()] });
    assert.deepEqual(
      members.map(({ kind, device: address }) => `${kind} ${address}`),
      ['leave 0000:00:01.0', 'bind 0000:03:00.0', 'bind 0000:03:00.1'],
    );
  });

  it('tells what ACS is, and the danger of pretending, only where a companion is in the way', () => {
    const [explained, danger] = acsHints;
    assert.match(hintText(explained!), /ACS/);
    assert.match(hintText(danger!), /pcie_acs_override .* memory .* of the host$/);
    const hints = (given: Given): boolean =>
      judged(given).verdict.reasons.some((reason) => acsHints.every((hint) => reason.hints.includes(hint)));
    assert.equal(hints({ devices: [smbus, audio()] }), true);
    assert.equal(hints({ devices: [gpu({ sriov: { totalVfs: 4, numVfs: 2 } }), device('05:00.0')] }), false);
    assert.equal(hints({ devices: [gpu()], claims: [held] }), false);
  });
});
