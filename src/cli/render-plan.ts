import pc from 'picocolors';
import type { PlannedStart } from '../engine/make-plan.ts';
import type { PciNames } from '../pci/names.ts';
import type { DeviceUse } from '../pci/use.ts';
import { deviceAt } from '../pci/snapshot.ts';
import { refusals } from '../plan/plan.ts';
import { allowance } from '../plan/use.ts';
import type { Verdict } from '../plan/verdict.ts';
import { describeStep, stepCommand } from '../steps/index.ts';
import { escapeControl } from '../text.ts';

/** How text is rendered for people. */
export interface RenderOptions {
  readonly names: PciNames;
  readonly colour: boolean;
}

/** A plan in words: groups with a verdict on each member, then the writes in order. Glyphs, not colour alone, carry the meaning. */
export function planText({ plan, snapshot }: PlannedStart, { names, colour }: RenderOptions): string {
  const paint = pc.createColors(colour);
  const lines = [escapeControl(`guest ${plan.guest.name}`)];
  for (const group of snapshot.groups) {
    lines.push(`IOMMU group ${group.number}`);
    for (const verdict of plan.verdicts.filter(({ device }) => group.members.includes(device))) {
      const device = deviceAt(snapshot, verdict.device);
      const shown = escapeControl(
        `  ${glyph(verdict)} ${verdict.device} ${device ? names.describe(device) : ''}`,
      );
      lines.push(verdict.kind === 'refuse' ? paint.red(shown) : shown);
      lines.push(paint.dim(escapeControl(`      ${device?.driver ?? 'no driver'} → ${words(verdict)}`)));
      for (const use of furtherUses(verdict)) lines.push(paint.dim(escapeControl(`        ${use}`)));
    }
  }
  const refused = refusals(plan);
  if (refused.length > 0) {
    lines.push('', paint.red('refused: nothing would be changed, and the guest would not start'));
    const hints = [...refused.flatMap((verdict) => verdict.hints), allowance(plan)];
    for (const hint of new Set(hints)) if (hint !== undefined) lines.push(escapeControl(`  hint: ${hint}`));
    return lines.join('\n');
  }
  lines.push(
    '',
    plan.steps.length === 0 ? 'nothing to do' : `${plan.steps.length} steps, undone in full when one fails:`,
  );
  plan.steps.forEach((step, index) => {
    lines.push(`  ${String(index + 1).padStart(2)}. ${describeStep(step)}`);
    lines.push(paint.dim(`      ${stepCommand(step)}`));
  });
  return lines.join('\n');
}

/** A plan as data; docs/json.md describes it. */
export function planJson({ plan, snapshot }: PlannedStart): unknown {
  return {
    guest: plan.guest,
    ready: refusals(plan).length === 0,
    groups: snapshot.groups.map(({ number, type, members }) => ({ number, type, members })),
    verdicts: plan.verdicts,
    steps: plan.steps.map((step) => ({
      ...step,
      description: describeStep(step),
      command: stepCommand(step),
    })),
  };
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
  return verdict.kind === 'refuse' ? say('and', verdict.uses?.slice(1)) : say('although', verdict.allowed);
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
