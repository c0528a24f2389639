import { uniqueHints } from '../../hint.ts';
import pc from 'picocolors';
import { count } from '../../count.ts';
import type { InspectedDevice, InspectedGroup } from '../../engine/inspect.ts';
import { formatBarSize, type Bar } from '../../pci/bar.ts';
import { isDisplay } from '../../pci/class.ts';
import type { PciDevice } from '../../pci/device.ts';
import { isMdevUuid } from '../../pci/mdev.ts';
import type { PciNames } from '../../pci/names.ts';
import { acsHints } from '../../plan/group-verdict.ts';
import { escapeControl } from '../../text.ts';
import { columnsOf, wrap } from './fit.ts';
import { hintForPeople, plain } from './for-people.ts';
import { verdictWords, vgpuFacts } from './group-words.ts';
import type { RenderOptions } from './plan.ts';

/** The groups to show in full, and those to count only. */
export interface GroupsToRender {
  readonly shown: readonly InspectedGroup[];
  readonly rest: readonly InspectedGroup[];
}

/** A tree for each group, then a line about the rest. Words, not colour alone, carry the meaning. */
export function groupsText({ shown, rest }: GroupsToRender, options: RenderOptions): string {
  const paint = pc.createColors(options.colour);
  const hints = new Set(shown.flatMap(({ verdict }) => verdict.reasons.flatMap((reason) => reason.hints)));
  const blocks = shown.map((group) => groupTree(group, options).join('\n'));
  const notes = acsHints.filter((hint) => hints.has(hint));
  if (notes.length > 0) {
    blocks.push(notes.flatMap((note) => hintForPeople('note: ', note, options)).join('\n'));
  }
  if (rest.length > 0) {
    const numbers = ranges(rest.map(({ group }) => group.number));
    const what = count(rest.length, 'more group has', 'more groups have');
    const line = `${what} only bridges and parts of the chipset: ${numbers} (vfio-hook groups --all)`;
    blocks.push(wrap(line, options.columns).map(paint.dim).join('\n'));
  }
  return blocks.join('\n\n');
}

/**
 * A line for each device in the form of the scripts that go over /sys/kernel/iommu_groups with `lspci -nns`; lspci
 * leaves out domain 0 when there is no other.
 */
export function groupLines(groups: readonly InspectedGroup[], names: PciNames): string[] {
  const all = groups.flatMap(({ group, devices }) => devices.map(({ device }) => ({ group, device })));
  const short = all.every(({ device }) => device.address.startsWith('0000:'));
  return all.map(({ group, device }) => {
    const address = short ? device.address.slice('0000:'.length) : device.address;
    return escapeControl(`IOMMU Group ${group.number} ${address} ${names.describe(device)}`);
  });
}

function groupTree(inspected: InspectedGroup, options: RenderOptions): string[] {
  const { group, devices, verdict } = inspected;
  const paint = pc.createColors(options.colour);
  const strangers = group.otherMembers.map((name) => ({ stranger: name }));
  const members = [...devices, ...strangers];
  // How to end a guest that runs as it should is no news.
  const reasons = verdict.kind === 'refused' ? verdict.reasons : [];
  const hints = uniqueHints(
    reasons.flatMap((reason) => reason.hints).filter((hint) => !acsHints.includes(hint)),
  );
  return [
    `${paint.bold(`IOMMU group ${group.number}`)}: ${verdictColour(inspected, options)(verdictWords(inspected))}`,
    ...members.flatMap((member, index) => {
      const last = index === members.length - 1;
      const [head, stem] = last ? ['└─', '  '] : ['├─', '│ '];
      if ('stranger' in member)
        return [`${head}  ${escapeControl(member.stranger)}  ${strangerWords(member.stranger)}`];
      return deviceBranch(member, inspected, { ...options, head, stem });
    }),
    ...hints.flatMap((hint) => hintForPeople('  hint: ', hint, options)),
  ];
}

/** What a member of a group is that is no PCI device. */
export function strangerWords(name: string): string {
  return isMdevUuid(name) ? 'mediated device' : 'no PCI device';
}

function verdictColour({ verdict }: InspectedGroup, { colour }: RenderOptions): (text: string) => string {
  const paint = pc.createColors(colour);
  switch (verdict.kind) {
    case 'possible':
      return paint.green;
    case 'held':
    case 'unknown':
      return paint.yellow;
    case 'refused':
      return paint.red;
    case 'nothing':
      return paint.dim;
  }
}

interface BranchOptions extends RenderOptions {
  readonly head: string;
  readonly stem: string;
}

function deviceBranch(
  member: InspectedDevice,
  { verdict }: InspectedGroup,
  options: BranchOptions,
): string[] {
  const { names, columns, head, stem } = options;
  const { device } = member;
  const paint = pc.createColors(options.colour);
  const reasons =
    verdict.kind === 'refused' ? verdict.reasons.filter((each) => each.device === device.address) : [];
  const mark = reasons.length > 0 ? '! ' : ' ';
  const start = `${head}${mark.padEnd(2)}`;
  const indent = `${stem}${' '.repeat(device.address.length + 4)}`;
  const room = columns === undefined ? undefined : columns - indent.length;
  const broken = (text: string): string[] => wrap(plain(escapeControl(text), options), room);
  const below = (text: string): string[] => broken(text).map((line) => `${indent}${line}`);
  const [name = '', ...more] = broken(describe(device, names, room)).map(
    reasons.length > 0 ? paint.red : (line) => line,
  );
  return [
    `${start}${device.address}  ${name}`,
    ...more.map((line) => `${indent}${line}`),
    ...below(deviceFacts(member, names).join(' · ')).map(paint.dim),
    ...reasons.flatMap(({ reason }) => below(`! ${reason}`)).map(paint.red),
  ];
}

/** As lspci -nn prints it; without the maker where there is too little room for all of it. */
function describe(device: PciDevice, names: PciNames, columns: number | undefined): string {
  const text = names.describe(device);
  if (columns === undefined || columnsOf(text) <= columns) return text;
  const [, before = '', name = '', after = ''] = PARTS.exec(text) ?? [];
  return before === '' ? text : `${before}${names.device(device.vendor, device.device) ?? name}${after}`;
}

const PARTS = /^(.*? \[[0-9a-f]{4}\]: )(.*)( \[[0-9a-f]{4}:[0-9a-f]{4}\].*)$/;

/** What there is to know about a device for somebody who wants to hand it over, most telling first. */
export function deviceFacts(inspected: InspectedDevice, names: PciNames): string[] {
  const { device, verdict, hostDriver, promisedFunctions: promised } = inspected;
  const { driver, driverOverride, sriov } = device;
  const would = hostDriver === undefined ? '' : ` (on the host: ${hostDriver})`;
  const stays = verdict?.kind === 'leave' && !device.onVfio;
  const board = isDisplay(device.class) ? names.describeSubsystem(device) : undefined;
  return [
    `${driver === undefined ? 'no driver' : `driver ${driver}`}${would}`,
    ...(driverOverride === undefined || driverOverride === driver ? [] : [`override ${driverOverride}`]),
    ...(stays ? ['stays where it is'] : []),
    ...(device.bootVga === true ? ['boot VGA'] : []),
    ...(sriov ? [`${sriov.numVfs} of ${sriov.totalVfs} virtual functions`] : []),
    ...(sriov?.numVfs === 0 && promised !== undefined ? [`${promised} when a guest needs one`] : []),
    ...(device.physicalFunction === undefined ? [] : [`virtual function of ${device.physicalFunction}`]),
    ...vgpuFacts(inspected),
    ...(device.mdevs ?? []).map((uuid) => `mediated device ${uuid}`),
    ...(device.resetMethods ? [`reset ${device.resetMethods.join(' ')}`] : stays ? [] : ['no reset']),
    ...device.bars.flatMap((bar) => barFact(bar)),
    ...(board === undefined ? [] : [`board ${board}`]),
  ];
}

function barFact({ index, size, sizes = [] }: Bar): string[] {
  const [least, most] = [sizes[0], sizes[sizes.length - 1]];
  if (least === undefined || most === undefined) return [];
  const steps = sizes.every((each, at) => at === 0 || each === (sizes[at - 1] ?? 0) * 2);
  const possible =
    sizes.length > 2 && steps
      ? `${formatBarSize(least)} to ${formatBarSize(most)}`
      : sizes.map(formatBarSize).join(', ');
  return [`BAR ${index} ${formatBarSize(size)} (${possible})`];
}

/** Numbers as people write many of them: `0-3, 7`. */
export function ranges(numbers: readonly number[]): string {
  const runs: { first: number; last: number }[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const run = runs[runs.length - 1];
    if (run?.last === number - 1) run.last = number;
    else runs.push({ first: number, last: number });
  }
  return runs
    .map(({ first, last }) =>
      first === last ? String(first) : `${first}${last === first + 1 ? ', ' : '-'}${last}`,
    )
    .join(', ');
}
