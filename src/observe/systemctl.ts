import type { Host } from '../host/host.ts';
import { managerArguments } from '../pci/unit.ts';
import { quoteName } from '../text.ts';

/** A property of a unit by its name; undefined: systemctl has no line for it. */
export type Properties = (name: string) => string | undefined;

/** What came of a question: properties of each unit in the order in which they were asked for, or why there is none. */
export type Shown =
  | { readonly kind: 'shown'; readonly units: readonly Properties[] }
  | { readonly kind: 'stuck' }
  /** What systemctl says, quoted. */
  | { readonly kind: 'refused'; readonly said: string };

/** systemctl(1) show of units of the system's manager, or of that of a user: a paragraph for each. */
export async function showUnits(
  host: Host,
  names: readonly string[],
  properties: readonly string[],
  { user, deadlineMs }: { readonly user?: number | undefined; readonly deadlineMs: number },
): Promise<Shown> {
  const args = [
    ...managerArguments(user),
    'show',
    ...properties.map((name) => `--property=${name}`),
    '--',
    ...names,
  ];
  const result = await host.run('systemctl', args, deadlineMs);
  if (result.kind === 'stuck') return { kind: 'stuck' };
  if (result.status !== 0) {
    const said = result.stderr.trim().split('\n')[0] ?? '';
    return { kind: 'refused', said: quoteName(said.slice(0, 200)) };
  }
  const paragraphs = result.stdout.trim().split(/\n\s*\n/);
  const units = paragraphs.map(
    (paragraph): Properties =>
      (name) =>
        new RegExp(`^${name}=(.*)$`, 'm').exec(paragraph)?.[1],
  );
  return { kind: 'shown', units };
}
