import { count } from '../../count.ts';
import { uniqueHints } from '../../hint.ts';
import pc from 'picocolors';
import { guestOf } from '../../claim/owner.ts';
import type { PlaceRules } from '../../config/config.ts';
import type { Domain } from '../../domain/domain.ts';
import type { PlannedStart } from '../../engine/make-plan.ts';
import type { Planned } from '../../engine/plan-start.ts';
import { formatBarSize } from '../../pci/bar.ts';
import type { PciNames } from '../../pci/names.ts';
import type { DeviceUse } from '../../pci/use.ts';
import type { PciAddress } from '../../pci/address.ts';
import { deviceAt, type Snapshot } from '../../pci/snapshot.ts';
import { stateAfter, type After } from '../../plan/after.ts';
import { refusals } from '../../plan/plan.ts';
import { allowance } from '../../engine/allowance.ts';
import type { Verdict } from '../../plan/verdict.ts';
import { holdSteps, type HoldPlan } from '../../resource/plan-holds.ts';
import { escapeControl, safeLine } from '../../text.ts';
import { hintForPeople, type Manner } from './for-people.ts';
import { holdLines, holdsJson } from './holds.ts';
import { planHeading } from '../owner.ts';
import { stepLines, stepsJson } from './steps.ts';

/** How text about devices is rendered for people. */
export interface RenderOptions extends Manner {
  readonly names: PciNames;
}

/** A plan in words: groups with a verdict on each member, then the writes in order. Glyphs, not colour alone, carry the meaning. */
export function planText(
  { plan, snapshot, holds, awaited, isExpected = false }: PlannedStart & Partial<Planned>,
  options: RenderOptions & { readonly place?: PlaceRules | undefined },
): string {
  const { names, place } = options;
  const paint = pc.createColors(options.colour);
  const lines = [planHeading(plan.owner), ...(holds ? holdLines(holds, options) : [])];
  for (const group of shownGroups(snapshot)) {
    lines.push(
      group.number === null
        ? 'an IOMMU group of its own, known once it is there'
        : `IOMMU group ${group.number}`,
    );
    for (const verdict of plan.verdicts.filter(({ device }) => group.members.includes(device))) {
      const device = deviceAt(snapshot, verdict.device);
      const shown = `  ${glyph(verdict)} ${verdict.device} ${device ? names.describe(device) : ''}`;
      lines.push(verdict.kind === 'refuse' ? paint.red(shown) : shown);
      lines.push(paint.dim(`      ${device?.driver ?? 'no driver'} → ${words(verdict)}`));
      for (const words of furtherUses(verdict)) lines.push(paint.dim(`        ${words}`));
    }
  }
  const refused = refusals(plan);
  const refusedHolds = holds?.refusals ?? [];
  if (refused.length + refusedHolds.length > 0) {
    const also = plan.owner.kind === 'guest' ? ', and the guest would not start' : '';
    lines.push('', paint.red(`refused: nothing would be changed${also}`));
    const hints = uniqueHints([
      ...refusedHolds.flatMap((refusal) => refusal.hints),
      ...refused.flatMap((verdict) => verdict.hints),
      ...allowance(plan, place),
    ]);
    for (const hint of hints) lines.push(...hintForPeople('  hint: ', hint, options));
    return lines.map(safeLine).join('\n');
  }
  const first = holds ? holdSteps(holds, awaited) : [];
  const second = [...(holds?.later ?? []).flatMap(({ steps }) => steps), ...plan.steps];
  const all = [...first, ...second];
  const shown = stepLines(all, options);
  const expected = stepLines(first, options).length;
  lines.push(
    '',
    all.length === 0 ? 'nothing to do' : `${count(all.length, 'step')}, undone in full when one fails:`,
    ...shown.slice(0, expected),
    ...(isExpected
      ? [
          `  then it looks again at what is there, and is expected to do ${second.length > 0 ? 'this:' : 'no more'}`,
        ]
      : []),
    ...shown.slice(expected),
  );
  if (plan.verdicts.length > 0)
    lines.push('', 'then:', ...stateAfter(plan, snapshot).map((after) => `  ${afterText(after)}`));
  return lines.map(safeLine).join('\n');
}

/** A plan as data; docs/json.md describes it. */
export function planJson({
  plan,
  snapshot,
  isRunning = false,
  holds,
  awaited,
  isExpected = false,
}: PlannedStart & Partial<Planned>): unknown {
  const { owner } = plan;
  const first = holds ? [...holdSteps(holds, awaited), ...holds.later.flatMap(({ steps }) => steps)] : [];
  return {
    ...(owner.kind === 'guest' ? { guest: guestOf(owner) } : { owner: { kind: owner.kind } }),
    running: isRunning,
    ready: !isRefused({ plan, holds }),
    groups: shownGroups(snapshot),
    verdicts: plan.verdicts,
    ...(holds && { holds: holdsJson(holds), expected: isExpected }),
    steps: [...stepsJson(first), ...stepsJson(plan.steps)],
    after: isRefused({ plan, holds }) ? [] : stateAfter(plan, snapshot),
  };
}

/** Whether a start is refused, for its devices or for what it needs besides. */
export function isRefused({
  plan,
  holds,
}: Pick<PlannedStart, 'plan'> & { readonly holds?: HoldPlan | undefined }): boolean {
  return refusals(plan).length + (holds?.refusals.length ?? 0) > 0;
}

/** The groups, and one without a number for each device that is only expected. */
function shownGroups({ groups, devices }: Snapshot): {
  readonly number: number | null;
  readonly type?: string | undefined;
  readonly members: readonly PciAddress[];
}[] {
  return [
    ...groups.map(({ number, type, members }) => ({ number, type, members })),
    ...devices
      .filter(({ expected }) => expected === true)
      .map(({ address }) => ({ number: null, members: [address] })),
  ];
}

/** The text for a guest that is none of our business. */
export function noPlanText({ name }: Domain): string {
  return `guest ${escapeControl(name)}\n\nit is assigned no PCI device of the host: nothing to do`;
}

/** The same as data, with every key of a plan. */
export function noPlanJson({ name, uuid }: Domain): unknown {
  return {
    guest: { name, uuid },
    running: false,
    ready: true,
    groups: [],
    verdicts: [],
    holds: [],
    expected: false,
    steps: [],
    after: [],
  };
}

function afterText(after: After): string {
  const { device, driver, driverOverride, bars, resetMethods, powerControl, d3coldAllowed } = after;
  return [
    `${device} on ${driver ?? 'no driver'}`,
    ...(driverOverride === undefined ? [] : [`override ${driverOverride}`]),
    ...bars.map(({ bar, size }) => `BAR ${bar} ${formatBarSize(size)}`),
    ...(resetMethods ? [resetMethods.length > 0 ? `reset ${resetMethods.join(' ')}` : 'no reset'] : []),
    ...(powerControl === undefined ? [] : [powerControl === 'on' ? 'kept awake' : 'may sleep']),
    ...(d3coldAllowed === undefined ? [] : [d3coldAllowed ? 'may lose power' : 'never without power']),
  ].join(', ');
}

function glyph(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'bind':
      return '~';
    case 'leave':
      return '=';
    case 'refuse':
      return '!';
  }
}

/** What a verdict's reason does not say: further uses of a refused device, every use of one that may be taken. */
function furtherUses(verdict: Verdict): readonly string[] {
  const say = (word: string, uses: readonly DeviceUse[] = []): string[] =>
    uses.map(({ detail }) => `${word} ${detail}`);
  if (verdict.kind === 'refuse') return say('and', verdict.uses?.slice(1));
  return [...say('although', verdict.allowed), ...say('and', verdict.yielding)];
}

function words(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'bind':
      return `${verdict.driver}: ${verdict.reason}`;
    case 'leave':
      return `stays: ${verdict.reason}`;
    case 'refuse':
      return `refused: ${verdict.reason}`;
  }
}
