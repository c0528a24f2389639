import { advice, command, uniqueHints } from '../hint.ts';
import { claimKey, guestOwner } from '../claim/owner.ts';
import { count, plural } from '../count.ts';
import { mdevHostdevs, pciHostdevs } from '../domain/domain.ts';
import { readFeatures } from '../domain/features.ts';
import { parseDomain } from '../domain/parse.ts';
import { blockedDevices } from '../engine/blocked.ts';
import type { Engine } from '../engine/engine.ts';
import { knownGuests, readKnownGuest } from '../engine/guests.ts';
import { decideStart } from '../engine/plan-start.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { describeHolders } from '../observe/describe-holders.ts';
import type { Host } from '../host/host.ts';
import { presentGroups } from '../observe/take-snapshot.ts';
import { silentDevices } from '../observe/silent-devices.ts';
import { refusals } from '../plan/plan.ts';
import { holdWords } from '../resource/hold-input.ts';
import { SILENT, silentHints } from '../plan/vfio-ready.ts';
import { sysfs } from '../pci/sysfs.ts';
import { quoteName } from '../text.ts';
import type { Check, Examination, Guest, GuestXml } from './examination.ts';
import { fromError } from './examine.ts';
import { about, failure, ok, unknown, warning, type Found } from './finding.ts';
import { word } from './files.ts';

/** The text of a guest's definition; bounded by the parser. Throws VH_XML. */
export function readGuestXml(xml: string): GuestXml {
  return { domain: parseDomain(xml), features: readFeatures(xml) };
}

/** Every guest that libvirt has a file for, also those that run without a definition; in the order of {@link knownGuests}. */
export function libvirtGuests(host: Host): Guest[] {
  return knownGuests(host).flatMap((known): Guest[] => {
    try {
      const read = readKnownGuest(known, host);
      if (!read) return [];
      return [{ ...known, name: read.domain.name, xml: readGuestXml(read.xml) }];
    } catch (error) {
      if (error instanceof VfioHookError) return [{ ...known, problem: error }];
      throw error;
    }
  });
}

/** Each guest with host devices could start now, by the plan that the hook would make. */
export const guestPlans: Check = {
  title: 'guests with host devices',
  run: async (on) => {
    const findings: Found[] = [];
    for (const guest of on.guests()) {
      if (guest.problem) {
        const found = failure(
          guest.problem.message,
          command(`virsh ${guest.transient ? 'dumpxml' : 'edit'} ${word(guest.name)}`),
        );
        findings.push(about(quoteName(guest.name), found));
      }
      if (guest.xml && guest.xml.domain.hostdevs.length > 0) {
        findings.push(about(quoteName(guest.name), await judgeGuest(on, guest.xml)));
      }
    }
    return findings.length > 0 ? findings : ok('no guest of libvirt is assigned a host device');
  },
};

async function judgeGuest(on: Examination, { domain }: GuestXml): Promise<Found> {
  const engine = { ...on.engine, host: on.host };
  try {
    const [own] = engine.store.one(claimKey(guestOwner(domain))).claims;
    if (own?.state === 'held') return ok(`it holds ${count(own.devices.length, 'device')} now`);
    const planned = await decideStart(engine, domain);
    if (!planned) return ok('it has mediated devices only: nothing is moved for it');
    const { plan, holds } = planned;
    const refused = refusals(plan);
    const besides = holds.refusals;
    if (refused.length === 0 && besides.length > 0) {
      // Somebody else has what it needs, or will have given it back another time.
      return warning(
        `it cannot start now: ${besides.map((each) => `${holdWords(each)}: ${each.reason}`).join('; ')}`,
        ...uniqueHints(besides.flatMap(({ hints }) => hints)),
        command(`vfio-hook plan ${word(domain.name)}`),
      );
    }
    if (refused.length === 0) {
      const moved = plan.verdicts.filter(({ kind }) => kind === 'bind').length;
      const what =
        plan.verdicts.length === 0
          ? 'no PCI device is moved'
          : `${count(moved, 'device is', 'devices are')} moved, of IOMMU ${list('group', plan.groups)}`;
      return holds.notes.length === 0
        ? ok(`it can start: ${what}`)
        : warning(`it can start: ${what}`, ...holds.notes.map(advice));
    }
    const found = refused.map(({ device, reason }) => `${device}: ${reason}`).join('; ');
    const fix = uniqueHints(refused.flatMap(({ hints }) => hints));
    // Somebody else has them at the moment: another time it starts.
    const momentary = refused.every(
      ({ code, uses }) =>
        code === 'claimed' || code === 'in-use' || uses?.every(({ reason }) => reason === 'held'),
    );
    return momentary
      ? warning(`it cannot start now: ${found}`, ...fix)
      : failure(
          `its start would be refused: ${found}`,
          ...fix,
          command(`vfio-hook plan ${word(domain.name)}`),
        );
  } catch (error) {
    if (error instanceof VfioHookError && error.code === 'VH_STUCK' && isBlocked(engine)) {
      return unknown('not judged while a kernel write for one of its devices has not returned');
    }
    if (error instanceof VfioHookError && error.errno === undefined) return fromError(error);
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return unknown(`cannot make its plan: ${errno}`, advice('run the same command as root'));
  }
}

/** Whether {@link blockedWrites} has something to say. */
function isBlocked({ host, store }: Engine): boolean {
  return blockedDevices(host, store.all().claims).length > 0;
}

function list(noun: string, numbers: readonly number[]): string {
  return `${plural(numbers.length, noun)} ${numbers.join(', ')}`;
}

/** No two guests want devices of one IOMMU group: only one of them can run at a time. */
export const guestConflicts: Check = {
  title: 'devices that guests share',
  run: (on) => {
    const guests = on.guests().flatMap(({ xml, autostart, name }) => {
      const addresses = xml ? pciHostdevs(xml.domain).map(({ address }) => address) : [];
      const groups = presentGroups(on.host, addresses);
      const uuids = xml ? mdevHostdevs(xml.domain).map(({ uuid }) => uuid) : [];
      return groups.length + uuids.length > 0 ? [{ name, autostart, groups, uuids }] : [];
    });
    const findings = guests.flatMap((guest, index) =>
      guests.slice(index + 1).flatMap((other): Found[] => {
        const shared = guest.groups.filter((group) => other.groups.includes(group));
        const slices = guest.uuids.filter((uuid) => other.uuids.includes(uuid));
        if (shared.length + slices.length === 0) return [];
        const pair = `${quoteName(guest.name)} and ${quoteName(other.name)}`;
        const groups = [
          ...(shared.length > 0 ? [`IOMMU ${list('group', shared)}`] : []),
          ...(slices.length > 0 ? [`mediated device ${slices.join(', ')}`] : []),
        ].join(' and ');
        return [
          guest.autostart && other.autostart
            ? failure(
                `${pair} both start with the host and want ${groups}: one of them will be refused`,
                command(`virsh autostart --disable ${word(other.name)}`),
              )
            : warning(
                `${pair} both want ${groups}: only one of them can run at a time`,
                advice('give one of them another device, or never run them together'),
              ),
        ];
      }),
    );
    return findings.length > 0 ? findings : ok('no two guests want the same group');
  },
};

/** No kernel write of an earlier run still waits. */
export const blockedWrites: Check = {
  title: 'kernel writes that wait',
  run: ({ host, engine }) => {
    const { claims } = engine.store.all();
    const blocked = blockedDevices(host, claims);
    if (blocked.length === 0) return ok('none');
    return blocked.map(({ device, what, writer }) => {
      const known = claims.flatMap(({ stuck }) => stuck).find((write) => write.writer.pid === writer.pid);
      const holders = host.holders(known?.nodes ?? []);
      const open = holders.length > 0 ? `, and the device is open in ${describeHolders(holders)}` : '';
      return about(
        device,
        failure(
          `${what} has not returned: process ${writer.pid} waits in the kernel, and the device is touched by nobody until it does${open}`,
          advice(
            holders.length > 0
              ? 'end the program that has the device open, then: vfio-hook recover'
              : 'nobody is known who has the device open: if the write does not return by itself, restart the host',
          ),
        ),
      );
    });
  },
};

/** How long all cards together may take to answer. */
const ANSWER_MS = 5000;

/** A card that fell off the bus answers every read with ones. */
export const deviceAnswers: Check = {
  title: 'assigned devices answer',
  run: async (on) => {
    const addresses = assignedAddresses(on);
    const silent = await silentDevices(on.host, addresses, ANSWER_MS);
    if (silent.length === 0) return ok(addresses.length === 0 ? 'there are none' : 'all of them');
    return silent.map((address) => about(address, failure(SILENT, ...silentHints(address))));
  },
};

/** The PCI devices that guests are assigned and that this host has, each once. */
export function assignedAddresses({ host, guests }: Examination) {
  const all = guests().flatMap(({ xml }) => (xml ? pciHostdevs(xml.domain) : []));
  return [...new Set(all.map(({ address }) => address))].filter(
    (address) => host.list(sysfs.device(address)) !== undefined,
  );
}
