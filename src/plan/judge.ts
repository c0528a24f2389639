import { count } from '../count.ts';
import { advice, uniqueHints } from '../hint.ts';
import { isHeld, type BarSize, type Claim } from '../claim/claim.ts';
import { ownerPhrase } from '../claim/owner.ts';
import type { IommuGroup } from '../pci/device.ts';
import { isDriverName } from '../pci/driver-name.ts';
import { groupOf, type Snapshot } from '../pci/snapshot.ts';
import { isStub } from '../pci/stub.ts';
import { quoteName } from '../text.ts';
import { barChanges } from './bars.ts';
import { barsBetween, planBetween } from './between.ts';
import { bridgeMayStay, isChipsetFunction, slotHint } from './board.ts';
import { chooseDriver, driverNote, driverRefusal } from './driver.ts';
import { judgeParent, judgeVgpu } from './judge-slices.ts';
import { leave, refuse, type Case, type Judgement } from './judgement.ts';
import { pinChanges, pinsAfter, pinsBefore } from './pins.ts';
import { SILENT, silentHints } from './vfio-ready.ts';
import { reasonsOf, sortUses } from './use.ts';

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
  const parent = judgeParent(current);
  if (parent) return parent;
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
  const pinned = pinChanges(current);
  if (pinned.kind === 'refused') return refuse(current, 'setting', pinned.reason, [pinned.hint]);
  const { pins } = pinned;
  const owner = current.guest === undefined ? undefined : { ...current, guest: current.guest };
  const planned = planBetween(device, rule, owner);
  if (planned.kind === 'refused') return refuse(current, 'setting', planned.reason, planned.hints);
  const between = isDoneBetween(current) ? [] : planned.between;
  // Both are done while no driver has it, so that a device which could stay moves as well.
  const isChanged = bars.length > 0 || between.length > 0;

  if (
    hostdev?.kind === 'interface' &&
    hostdev.managed &&
    !isChanged &&
    rule.driver === undefined &&
    !current.earlier
  ) {
    if (rule.power !== undefined) {
      return refuse(
        current,
        'setting',
        `its power control cannot stay ${rule.power}: libvirt binds it to vfio-pci after this hook, which sets it`,
        [advice("take power out of the rule for it, or assign it with managed='no'")],
      );
    }
    // libvirt reads the function's MAC address and VLAN from its network driver after this hook
    // (src/hypervisor/virhostdev.c:virHostdevSaveNetConfig), so it must still be there.
    return {
      ...leave(
        current,
        'libvirt',
        'libvirt itself detaches a managed network function, after saving its MAC address',
      ),
      pins,
    };
  }
  if (!hostdev && isStub(device.driver) && !isChanged) {
    return leave(current, 'stub', `${device.driver ?? ''} keeps it from the host already`);
  }
  const asked = rule.driver ?? hostdev?.model;
  const known = snapshot.asked.find(({ name }) => name === asked);
  const unfit = known && driverRefusal(known, { for: current.for, assigned: hostdev !== undefined });
  if (unfit) return refuse(current, 'driver', unfit.reason, [unfit.hint]);
  const driver = chooseDriver(device, snapshot, { configured: rule.driver, model: hostdev?.model });
  const settled = device.driver === driver || (device.onVfio && asked === undefined);
  const isAsked = !isChanged && pinsBefore(device, pins).length + pinsAfter(device, pins, false).length === 0;
  if (current.detached && current.for === 'manual' && !(settled && isAsked)) {
    return refuse(current, 'claimed', 'it is detached by hand already, but not as asked for now', [
      advice(`give it back first: vfio-hook reattach ${device.address}`),
    ]);
  }
  if (settled && !isChanged) {
    const by = current.detached ? ', detached by hand' : '';
    return { ...leave(current, 'on-vfio', `already on ${device.driver ?? driver}${by}`), pins };
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
    pins,
    between,
  };
}

/**
 * What is done between was done when the device was detached, or when the guest's start began: at `start/begin` libvirt has
 * moved what it has chosen, and the rest is the guest's already.
 */
function isDoneBetween(current: Case): boolean {
  const { hostdev, earlier } = current;
  if (current.for === 'manual') return current.detached !== undefined;
  return hostdev?.kind === 'network' || (current.hasBegun === true && earlier !== undefined);
}

/** The rule's sizes; for a BAR that an earlier, unfinished run of this guest left changed, the original one. */
function wishedSizes(current: Case): BarSize[] {
  const wished = new Map(current.earlier?.original.bars.map(({ bar, size }) => [bar, size]));
  for (const [bar, size] of current.rule.bars) wished.set(bar, size);
  for (const { bar, size } of barsBetween(current.rule.between)) wished.set(bar, size);
  return [...wished].map(([bar, size]) => ({ bar, size })).sort((a, b) => a.bar - b.bar);
}
