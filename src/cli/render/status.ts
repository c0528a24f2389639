import { plural } from '../../count.ts';
import { describeHolders } from '../../observe/describe-holders.ts';
import { kindOf } from '../../resource/kinds.ts';
import { escapeControl } from '../../text.ts';
import { ageText } from './age.ts';
import { heldLines, heldWords } from './holds.ts';
import { ownerHeading } from '../owner.ts';
import type { ClaimReport, StatusReport, StuckReport, UnclaimedDevice } from '../status-report.ts';

/** A status in words, one fact a line; `!` marks what needs somebody. */
export function statusText({ claims, damaged, outdated, unclaimed }: StatusReport): string {
  return [
    ...claims.flatMap(claimLines),
    ...damaged.flatMap(({ path, reason }) => [
      `! ${escapeControl(path)} cannot be trusted: ${escapeControl(reason)}`,
      '  until it is gone no guest with host devices starts: put its devices back by hand, then remove it',
    ]),
    ...(claims.length + damaged.length === 0 ? ['no guest holds a device'] : []),
    ...(outdated.length === 0
      ? []
      : [
          `${outdated.length} of an earlier boot, which ${plural(outdated.length, 'means', 'mean')} nothing any more: vfio-hook recover removes ${plural(outdated.length, 'it', 'them')}`,
        ]),
    ...(unclaimed.length === 0
      ? []
      : ['on a vfio driver, but not by vfio-hook (since boot, by hand, or by libvirt itself):']),
    ...unclaimed.map((device) => `  ${unclaimedText(device)}`),
  ].join('\n');
}

function claimLines(claim: ClaimReport): string[] {
  const age = claim.ageMs === undefined ? `since ${claim.claimedAt}` : sinceText(claim, claim.ageMs);
  return [
    `${escapeControl(ownerHeading(claim.owner))} (${claim.owner.uuid}): ${claim.state} ${age}`,
    ...claim.devices.map(
      ({ address, group, now, original }) =>
        `  ${address} (IOMMU group ${group}) on ${now ?? 'no driver'}, before: ${original.driver ?? 'no driver'}`,
    ),
    ...heldLines(
      claim.holds.map((hold) => ({
        ...hold,
        lead: '  ',
        words: `${heldWords(hold)}, before: ${kindOf(hold.kind).words(hold.key, hold.original)}`,
      })),
    ),
    ...claim.stuck.map((write) => `  ! ${stuckText(write)}`),
    ...claim.leftovers
      .filter((leftover) => !claim.stuck.some(({ step }) => leftover.endsWith(`: ${step}`)))
      .map((leftover) => `  ! ${escapeControl(leftover)}`),
    ...outcomeLines(claim),
  ];
}

function sinceText({ owner, state, claimedAt }: ClaimReport, ageMs: number): string {
  return state === 'held'
    ? `for ${ageText(ageMs)}, since ${claimedAt}`
    : `(${owner.kind === 'guest' ? 'its guest was prepared' : 'it was begun'} ${ageText(ageMs)} ago, at ${claimedAt})`;
}

/** Why nobody will give the devices of such an owner back by itself. */
const gone: Readonly<Record<ClaimReport['owner']['kind'], string>> = {
  guest: 'its guest is gone',
  manual: 'its run did not come to its end',
  run: 'its program is gone',
};

function outcomeLines({ owner, left, stuck }: ClaimReport): string[] {
  if (left === undefined) {
    return [`  ! ${gone[owner.kind]}: ${whatHelps(stuck.filter(({ waiting }) => waiting))}`];
  }
  return [`  ${escapeControl(left)}`];
}

/** While a write waits, recover cannot do more than it has done. */
function whatHelps(waiting: readonly StuckReport[]): string {
  if (waiting.length === 0) return 'vfio-hook recover gives its devices back';
  return waiting.every(({ holders }) => holders.length > 0)
    ? 'end the program that the kernel waits for, then: vfio-hook recover'
    : 'nobody is known whom the kernel waits for; once it has returned: vfio-hook recover; if it never does, restart the host';
}

function stuckText({ step, writer, waiting, waitingMs, holders }: StuckReport): string {
  if (!waiting) return `has returned since: ${escapeControl(step)}`;
  const long = waitingMs === undefined ? '' : ` for ${ageText(waitingMs)}`;
  return `waits in the kernel${long}: ${escapeControl(step)} (process ${writer.pid})${
    holders.length > 0 ? `, and the device is open in ${describeHolders(holders)}` : ''
  }`;
}

function unclaimedText({ address, group, driver, driverOverride, holders }: UnclaimedDevice): string {
  return [
    `${address} (${group === undefined ? 'no IOMMU group' : `IOMMU group ${group}`}) on ${driver}`,
    ...(driverOverride === undefined ? [] : [`override ${escapeControl(driverOverride)}`]),
    ...(holders.length > 0 ? [`open in ${describeHolders(holders)}`] : []),
  ].join(', ');
}
