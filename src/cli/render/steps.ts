import pc from 'picocolors';
import { parameterOf, shareOf } from '../../steps/attributes.ts';
import { describeStep, stepCommand } from '../../steps/index.ts';
import type { SetAttribute, Step } from '../../steps/step.ts';
import { wrapCommand } from './fit.ts';
import type { Manner } from './for-people.ts';

/** Steps with their numbers, each with the write that it makes. */
export function stepLines(steps: readonly Step[], { colour, columns }: Manner): string[] {
  const paint = pc.createColors(colour);
  return steps.flatMap((step, index) => [
    `  ${String(index + 1).padStart(2)}. ${describeStep(step)}`,
    ...wrapCommand('      ', stepCommand(step), columns).map(paint.dim),
  ]);
}

/** Steps as data; docs/json.md describes them. */
export function stepsJson(steps: readonly Step[]): unknown[] {
  return steps.map((step) => ({
    ...(step.kind === 'set' ? setJson(step) : step),
    description: describeStep(step),
    command: stepCommand(step),
  }));
}

/** Each attribute is a kind of its own for readers, and is written as it was before all of them were one step. */
function setJson({ attribute, key, to }: SetAttribute): object {
  const kind = `set-${attribute}`;
  switch (attribute) {
    case 'driver-override':
      return { kind, device: key, ...(to !== '' && { to }) };
    case 'power-control':
      return { kind, device: key, to };
    case 'reset-methods':
      return { kind, device: key, to: to.split(' ').filter(Boolean) };
    case 'd3cold-allowed':
      return { kind, device: key, to: to === '1' };
    case 'module-parameter':
      return { kind, ...parameterOf(key), to };
    case 'hugepages':
      return { kind, pool: key, to: Number(to) };
    case 'console-bound':
      return { kind, console: key, to: to === '1' };
    case 'governor':
    case 'energy-preference':
      return { kind, policy: key, to };
    case 'irq-affinity':
      return { kind, irq: Number(key), to };
    case 'default-irq-affinity':
      return { kind, to };
    case 'vfs':
      return { kind, device: key, to: Number(to) };
    case 'vf-resource':
      return { kind, ...shareOf(key), to };
    case 'vfs-autoprobe':
      return { kind, device: key, to: to === '1' };
    case 'vgpu-type':
      return { kind, device: key, to: Number(to) };
    case 'vgpu-params':
      return { kind, device: key, to };
    case 'unbind-lock':
      return { kind, device: key, to: to === '1' };
  }
}
