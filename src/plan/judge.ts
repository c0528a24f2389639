import { count } from '../count.ts';
import { advice, command, uniqueHints, type Hint } from '../hint.ts';
import { isHeld, type BarSize, type Claim, type ClaimedDevice, type ClaimOwner } from '../claim/claim.ts';
import { ownerPhrase } from '../claim/owner.ts';
import type { PciHostdev } from '../domain/domain.ts';
import type { IommuGroup, PciDevice } from '../pci/device.ts';
import { isDisplay } from '../pci/class.ts';
import { isDriverName } from '../pci/driver-name.ts';
import { groupOf, type Snapshot } from '../pci/snapshot.ts';
import { isStub } from '../pci/stub.ts';
import type { DeviceUse, UseReason } from '../pci/use.ts';
import { quoteName } from '../text.ts';
import { barChanges, type BarChange } from './bars.ts';
import { bridgeMayStay, isChipsetFunction, slotHint } from './board.ts';
import { chooseDriver, driverNote, driverRefusal } from './driver.ts';
import { SILENT, silentHints } from './vfio-ready.ts';
import { reasonsOf, sortUses } from './use.ts';
import type { LeaveCode, RefuseCode, RefuseVerdict, Verdict } from './verdict.ts';

/** What is known about one device when its verdict is given. */
export interface Case {
  readonly device: PciDevice;
  /** `functions`: a device that only shares the group is none of our business. */
  readonly scope: 'groups' | 'functions';
  /** For whom it is. */
  readonly for: ClaimOwner['kind'];
  /** How the XML or the command line assigns it; absent for a device that only shares the group. */
  readonly hostdev?: PciHostdev | undefined;
  readonly rule: DeviceWishes;
  /** What this guest's earlier, unfinished claim says of the device. */
  readonly earlier?: ClaimedDevice | undefined;
  /** Who has which of its virtual functions: `guest "a" has 0000:02:10.0`. */
  readonly functionUsers: readonly string[];
  /** The claim on it of another guest, or of `vfio-hook run`. */
  readonly rival?: Claim | undefined;
  /** The mediated devices that were made of it, each with who has it; absent: none. */
  readonly mdevs?: readonly MdevUse[];
  /** What the host uses it for. */
  readonly uses: readonly DeviceUse[];
  /** The claim of the `vfio-hook detach` that has put it where it is. */
  readonly detached?: Claim | undefined;
}

/** A mediated device, and the claim that holds it; absent: nobody's that is known. */
export interface MdevUse {
  readonly uuid: string;
  readonly claim?: Claim | undefined;
}

/** What the configuration asks for a device. */
export interface DeviceWishes {
  /** Sizes in bytes by BAR index. */
  readonly bars: ReadonlyMap<number, number>;
  readonly driver?: string;
  /** What the device may be taken from although the host uses it for that. */
  readonly allow?: readonly UseReason[];
}

/** A verdict and the BARs that change with it. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly bars: readonly BarChange[];
}

/**
 * Decides what happens to one member of an IOMMU group. The order is the order of harm: what belongs to
 * others first, then what must never be touched, then what the host uses, then what need not be touched.
 */
export function judge(current: Case, snapshot: Snapshot): Judgement {
  const group = groupOf(snapshot, current.device);
  if (current.scope === 'functions' && !current.hostdev) {
    return leave(current, 'not-asked', 'only the functions that were named are moved');
  }
  return (
    judgeOwnership(current, group) ??
    judgeNature(current, snapshot) ??
    judgeUse(current, judgeNeed(current, snapshot))
  );
}

function judgeOwnership(current: Case, group: IommuGroup | undefined): Judgement | undefined {
  const { device, rival } = current;
  if (rival) {
    const whose = rival.owner.kind === 'guest' ? 'guest' : 'program';
    return refuse(current, 'claimed', `${ownerPhrase(rival.owner)} holds it`, [
      advice(`shut that ${whose} down first; if it is not running, vfio-hook recover gives its devices back`),
    ]);
  }
  if (group?.open) {
    return refuse(
      current,
      'in-use',
      `IOMMU group ${group.number} is open in ${group.openBy ?? 'another process'}`,
      [advice(`end the guest or program that uses ${device.address} first`)],
    );
  }
  const slices = current.mdevs ?? [];
  const slice = slices.find(({ claim }) => claim) ?? slices[0];
  if (slice) return refuse(current, ...madeOfIt(slice));
  if (current.detached && !isReadyForUse(current, current.detached)) {
    return refuse(current, 'claimed', `it is detached by hand and on ${device.driver ?? 'no driver'}`, [
      advice(`give it back first: vfio-hook reattach ${device.address}`),
    ]);
  }
  const stranger = group?.otherMembers[0];
  if (group && stranger !== undefined) {
    return refuse(
      current,
      'other-bus',
      `its IOMMU group ${group.number} has a member that is no PCI device: ${stranger}`,
      [],
    );
  }
  return undefined;
}

/** Its driver would take them along, and wait for whoever has one open (drivers/vfio/mdev/mdev_core.c:mdev_unregister_parent). */
function madeOfIt({ uuid, claim }: MdevUse): [RefuseCode, string, Hint[]] {
  const made = `mediated device ${uuid} was made of it`;
  return claim
    ? [
        'claimed',
        `${made}, which ${ownerPhrase(claim.owner)} has`,
        [advice('shut that one down first; if it is not running, vfio-hook recover gives back what it had')],
      ]
    : [
        'mediated-devices',
        made,
        [advice(`once nobody uses it, remove it: echo 1 > /sys/bus/mdev/devices/${uuid}/remove`)],
      ];
}

/**
 * A device that a person has detached is for whatever they start next: it stays where it is when that ends,
 * since the originals belong to the detach. What is on another driver, or half on its way, is not.
 */
function isReadyForUse({ device, hostdev, ...current }: Case, detached: Claim): boolean {
  const claimed = detached.devices.find(({ address }) => address === device.address);
  if (!claimed || !isHeld(detached, claimed)) return false;
  if (current.scope === 'functions') return device.driver === claimed.driver;
  return device.onVfio || (!hostdev && isStub(device.driver));
}

function judgeNature(current: Case, snapshot: Snapshot): Judgement | undefined {
  const { device, hostdev } = current;
  if (snapshot.silent.includes(device.address)) {
    return refuse(current, 'no-answer', SILENT, silentHints(device.address));
  }
  if (device.headerType !== 'endpoint') {
    if (hostdev)
      return refuse(current, 'not-assignable', 'it is a bridge', [
        advice('assign the devices behind it instead'),
      ]);
    if (bridgeMayStay(device, snapshot))
      return leave(current, 'bridge', `a bridge stays on ${device.driver ?? 'no driver'}`);
    return refuse(
      current,
      'bridge-driver',
      `the bridge's driver ${JSON.stringify(device.driver)} makes IOMMU group ${device.iommuGroup ?? '?'} unusable for a guest`,
      [advice('blacklist that driver, or move the card to another slot')],
    );
  }
  if (isChipsetFunction(device, hostdev !== undefined)) {
    if (hostdev)
      return refuse(current, 'not-assignable', 'it is a function of the chipset that the host needs', []);
    if (device.driver === undefined || isStub(device.driver) || device.onVfio) {
      return leave(current, 'system', 'a chipset function without a host driver is never touched');
    }
    return refuse(
      current,
      'system-device',
      `the chipset function stays with ${JSON.stringify(device.driver)}, which keeps the whole IOMMU group ${device.iommuGroup ?? '?'} from a guest`,
      [slotHint(device, snapshot)],
    );
  }
  const unnamed = [device.driver, device.driverModule].find(
    (name) => name !== undefined && !isDriverName(name),
  );
  if (unnamed !== undefined) {
    return refuse(current, 'driver', `it is bound to ${quoteName(unnamed)}, which is no driver's name`, []);
  }
  return judgeVgpu(current);
}

/**
 * A virtual function of NVIDIA's own VFIO framework: its driver is a VFIO driver, and forgets the function for good when
 * it is taken off, until the card makes all of them again. So it is never bound to another one, by nobody.
 */
function judgeVgpu(current: Case): Judgement | undefined {
  const { device, hostdev } = current;
  if (device.vgpuType === undefined) return judgeLostFunction(current);
  const driver = device.driver ?? 'its driver';
  if (hostdev?.managed === true) {
    return refuse(
      current,
      'vgpu',
      `its XML says managed='yes': libvirt would take it from ${driver}, which breaks its vGPU until the card makes all its virtual functions again`,
      [advice(`write managed='no' into the <hostdev> of ${device.address}`)],
    );
  }
  if (device.vgpuType > 0) {
    return leave(current, 'vgpu', `vGPU type ${device.vgpuType} lives on it, so it stays with ${driver}`);
  }
  if (!hostdev) return leave(current, 'vgpu', `it has no vGPU, and stays with ${driver}`);
  return refuse(
    current,
    'vgpu',
    `there is no vGPU on it, and no configuration says which: it stays with ${driver}, and would be nothing for a guest`,
    [
      current.for === 'guest'
        ? advice(`name its type in the configuration: vgpu: [{ vf: "${device.address}", type: … }]`)
        : advice('name its type: --vgpu TYPE'),
      command('vfio-hook vgpu'),
    ],
  );
}

/** No other driver than NVIDIA's can do anything with a virtual function of its cards: vfio-pci's answer is EINVAL. */
function judgeLostFunction(current: Case): Judgement | undefined {
  const { device, hostdev } = current;
  const { vendor, physicalFunction, driver } = device;
  if (vendor !== NVIDIA || physicalFunction === undefined || !isDisplay(device.class)) return undefined;
  if (!hostdev) return leave(current, 'vgpu', 'only its own driver can hand it to a guest');
  const again = `/usr/lib/nvidia/sriov-manage -d ${physicalFunction} && /usr/lib/nvidia/sriov-manage -e ${physicalFunction}`;
  return driver === 'nvidia'
    ? refuse(
        current,
        'vgpu',
        'this driver gives no virtual function to a guest, but mediated devices on it',
        [advice("assign a mediated device of it: <hostdev type='mdev'>")],
      )
    : refuse(
        current,
        'vgpu',
        `it is on ${driver ?? 'no driver'}, and only NVIDIA's own can hand a virtual function of its cards to a guest`,
        [advice('let its card make all of them again, once no guest has one'), command(again)],
      );
}

const NVIDIA = '10de';

/**
 * A device that is about to be taken from the host, by this program or by libvirt, while the host uses it. That
 * comes before what else stands in the way: to mend the other first would be work for nothing.
 */
function judgeUse(current: Case, need: Judgement): Judgement {
  const { verdict } = need;
  const stays = verdict.kind === 'leave' && verdict.code !== 'libvirt';
  if (stays || current.uses.length === 0) return need;
  const { refused, allowed, yielding } = sortUses(current.uses, current.rule.allow ?? []);
  const [first] = refused;
  const marked = { ...(allowed.length > 0 && { allowed }), ...(yielding.length > 0 && { yielding }) };
  if (first) {
    // What to do about the rest of the disk that the host runs from would be work for nothing.
    const isRoot = first.reason === 'root-disk';
    const about = isRoot ? refused.filter(({ reason }) => reason === 'root-disk') : refused;
    const hints = uniqueHints(about.flatMap((use) => use.hints));
    const reason = isRoot ? first.detail : `the host uses it: ${first.detail}`;
    const refusal = refuse(current, 'host-use', reason, hints);
    return { ...refusal, verdict: { ...refusal.verdict, uses: refused, ...marked } };
  }
  if (verdict.kind === 'refuse') return need;
  const purpose =
    allowed.length > 0 ? `; taken from the host on purpose (${reasonsOf(allowed).join(', ')})` : '';
  return { ...need, verdict: { ...verdict, reason: `${verdict.reason}${purpose}`, ...marked } };
}

function judgeNeed(current: Case, snapshot: Snapshot): Judgement {
  const { device, hostdev, rule } = current;
  if ((device.sriov?.numVfs ?? 0) > 0 && !device.onVfio) {
    const number = count(device.sriov?.numVfs ?? 0, 'virtual function');
    const [first, ...others] = current.functionUsers;
    const used = first && `: ${first}${others.length > 0 ? `, and ${count(others.length, 'more')}` : ''}`;
    return refuse(
      current,
      'virtual-functions',
      `it has ${number}, which go with it${used ?? ''}`,
      first
        ? [
            advice(
              'end whoever has them first: a card is for one guest, or its virtual functions are for many',
            ),
          ]
        : [
            device.driver === 'nvidia'
              ? advice(`remove them first: /usr/lib/nvidia/sriov-manage -d ${device.address}`)
              : advice(`remove them first: echo 0 > /sys/bus/pci/devices/${device.address}/sriov_numvfs`),
          ],
    );
  }
  const sizes = barChanges(device, wishedSizes(current));
  if (sizes.kind === 'refused') return refuse(current, 'bar', sizes.reason, [sizes.hint]);
  const bars = sizes.changes;

  if (
    hostdev?.kind === 'interface' &&
    hostdev.managed &&
    bars.length === 0 &&
    rule.driver === undefined &&
    !current.earlier
  ) {
    // libvirt reads the function's MAC address and VLAN from its network driver after this hook
    // (src/hypervisor/virhostdev.c:virHostdevSaveNetConfig), so it must still be there.
    return leave(
      current,
      'libvirt',
      'libvirt itself detaches a managed network function, after saving its MAC address',
    );
  }
  if (!hostdev && isStub(device.driver) && bars.length === 0) {
    return leave(current, 'stub', `${device.driver ?? ''} keeps it from the host already`);
  }
  const asked = rule.driver ?? hostdev?.model;
  const known = snapshot.asked.find(({ name }) => name === asked);
  const unfit = known && driverRefusal(known, { for: current.for, assigned: hostdev !== undefined });
  if (unfit) return refuse(current, 'driver', unfit.reason, [unfit.hint]);
  const driver = chooseDriver(device, snapshot, { configured: rule.driver, model: hostdev?.model });
  const settled = device.driver === driver || (device.onVfio && asked === undefined);
  if (settled && bars.length === 0) {
    const by = current.detached ? ', detached by hand' : '';
    return leave(current, 'on-vfio', `already on ${device.driver ?? driver}${by}`);
  }
  if (current.detached && current.for === 'manual') {
    return refuse(current, 'claimed', 'it is detached by hand already, but not as asked for now', [
      advice(`give it back first: vfio-hook reattach ${device.address}`),
    ]);
  }
  const why = hostdev
    ? current.for === 'guest'
      ? 'the guest is assigned it'
      : 'it was asked for'
    : `it shares IOMMU group ${device.iommuGroup ?? '?'} with ${current.for === 'guest' ? 'an assigned device' : 'a device that was asked for'}`;
  const note = known && current.for !== 'manual' ? driverNote(known) : undefined;
  return {
    verdict: {
      kind: 'bind',
      device: device.address,
      driver: settled ? (device.driver ?? driver) : driver,
      assigned: hostdev !== undefined,
      reason: note === undefined ? why : `${why}; ${note}`,
    },
    bars,
  };
}

/** The rule's sizes; for a BAR that an earlier, unfinished run of this guest left changed, the original one. */
function wishedSizes(current: Case): BarSize[] {
  const wished = new Map(current.earlier?.original.bars.map(({ bar, size }) => [bar, size]));
  for (const [bar, size] of current.rule.bars) wished.set(bar, size);
  return [...wished].map(([bar, size]) => ({ bar, size })).sort((a, b) => a.bar - b.bar);
}

function leave(current: Case, code: LeaveCode, reason: string): Judgement {
  const { device, hostdev } = current;
  return {
    verdict: { kind: 'leave', device: device.address, code, assigned: hostdev !== undefined, reason },
    bars: [],
  };
}

function refuse(
  current: Case,
  code: RefuseCode,
  reason: string,
  hints: readonly Hint[],
): Judgement & { readonly verdict: RefuseVerdict } {
  const { device, hostdev } = current;
  return {
    verdict: { kind: 'refuse', device: device.address, code, assigned: hostdev !== undefined, reason, hints },
    bars: [],
  };
}
