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
import { deviceAt } from '../../pci/snapshot.ts';
import { stateAfter, type After } from '../../plan/after.ts';
import { refusals } from '../../plan/plan.ts';
import { allowance } from '../../engine/allowance.ts';
import type { Verdict } from '../../plan/verdict.ts';
import { escapeControl, safeLine } from '../../text.ts';
import { hintForPeople, type Manner } from './for-people.ts';
import { planHeading } from '../owner.ts';
import { stepLines, stepsJson } from './steps.ts';

/** How text about devices is rendered for people. */
export interface RenderOptions extends Manner {
  readonly names: PciNames;
}

/** A plan in words: groups with a verdict on each member, then the writes in order. Glyphs, not colour alone, carry the meaning. */
export function planText(
  { plan, snapshot }: PlannedStart,
  options: RenderOptions & { readonly place?: PlaceRules | undefined },
): string {
  const { names, place } = options;
  const paint = pc.createColors(options.colour);
  const lines = [planHeading(plan.owner)];
  for (const group of snapshot.groups) {
    lines.push(`IOMMU group ${group.number}`);
    for (const verdict of plan.verdicts.filter(({ device }) => group.members.includes(device))) {
      const device = deviceAt(snapshot, verdict.device);
      const shown = `  ${glyph(verdict)} ${verdict.device} ${device ? names.describe(device) : ''}`;
      lines.push(verdict.kind === 'refuse' ? paint.red(shown) : shown);
      lines.push(paint.dim(`      ${device?.driver ?? 'no driver'} → ${words(verdict)}`));
      for (const words of furtherUses(verdict)) lines.push(paint.dim(`        ${words}`));
    }
  }
  const refused = refusals(plan);
  if (refused.length > 0) {
    const also = plan.owner.kind === 'guest' ? ', and the guest would not start' : '';
    lines.push('', paint.red(`refused: nothing would be changed${also}`));
    const hints = uniqueHints([...refused.flatMap((verdict) => verdict.hints), ...allowance(plan, place)]);
    for (const hint of hints) lines.push(...hintForPeople('  hint: ', hint, options));
    return lines.map(safeLine).join('\n');
  }
  lines.push(
    '',
    plan.steps.length === 0
      ? 'nothing to do'
      : `${count(plan.steps.length, 'step')}, undone in full when one fails:`,
    ...stepLines(plan.steps, options),
  );
  if (plan.verdicts.length > 0)
    lines.push('', 'then:', ...stateAfter(plan, snapshot).map((after) => `  ${afterText(after)}`));
  return lines.map(safeLine).join('\n');
}

/** A plan as data; docs/json.md describes it. */
export function planJson({ plan, snapshot, own }: PlannedStart & Partial<Planned>): unknown {
  const { owner } = plan;
  return {
    ...(owner.kind === 'guest' ? { guest: guestOf(owner) } : { owner: { kind: owner.kind } }),
    running: own !== undefined && snapshot.groups.some(({ open }) => open),
    ready: refusals(plan).length === 0,
    groups: snapshot.groups.map(({ number, type, members }) => ({ number, type, members })),
    verdicts: plan.verdicts,
    steps: stepsJson(plan.steps),
    after: refusals(plan).length > 0 ? [] : stateAfter(plan, snapshot),
  };
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
    steps: [],
    after: [],
  };
}

function afterText({ device, driver, driverOverride, bars }: After): string {
  return [
    `${device} on ${driver ?? 'no driver'}`,
    ...(driverOverride === undefined ? [] : [`override ${driverOverride}`]),
    ...bars.map(({ bar, size }) => `BAR ${bar} ${formatBarSize(size)}`),
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
