import { look, type Reader, sight } from './facts.ts';
import type { Action, Facts, Sequence, Sight } from './sequence.ts';

/** The kernel that is held against the prediction. */
export interface ComparedKernel extends Reader {
  /** Does it and gives `ok` or the name of an errno. */
  perform(action: Action): Promise<string>;
}

/** Where a sequence first went another way than predicted. */
export interface Difference {
  /** Index of the step; the length of the sequence when only the look at everything at its end found it. */
  readonly step: number;
  /** Each a line: what, the prediction, what was seen. */
  readonly lines: readonly string[];
}

/** Does a sequence, comparing after each step what the step can have changed, and everything at the end. */
export async function compare(
  kernel: ComparedKernel,
  start: Sight,
  sequence: Sequence,
): Promise<Difference | undefined> {
  const expected = new Map(Object.entries(start));
  for (const [step, { action, answer, changes, look: names }] of sequence.entries()) {
    const given = await kernel.perform(action);
    for (const [name, facts] of Object.entries(changes)) expected.set(name, facts);
    const lines = given === answer ? [] : [`answer: simulated ${answer}, real ${given}`];
    lines.push(...unlike(expected, look(kernel, names)));
    if (lines.length > 0) return { step, lines };
  }
  const lines = unlike(expected, sight(kernel));
  return lines.length > 0 ? { step: sequence.length, lines } : undefined;
}

/** What is seen otherwise than expected, a line for each fact. */
export function unlike(expected: ReadonlyMap<string, Facts>, seen: Sight): string[] {
  return Object.entries(seen).flatMap(([name, facts]) => {
    const wanted = expected.get(name) ?? {};
    const keys = [...new Set([...Object.keys(wanted), ...Object.keys(facts)])];
    return keys
      .filter((key) => wanted[key] !== facts[key])
      .map((key) => `${name} ${key}: simulated ${quote(wanted[key])}, real ${quote(facts[key])}`);
  });
}

/**
 * A difference as a person reads it: the steps that may have to do with it, then what is not alike. Steps on other
 * devices are left out, and counted.
 */
export function explain(sequence: Sequence, difference: Difference): string {
  const { step, lines } = difference;
  const concerned = concernedDevices(sequence, difference);
  const led = sequence.slice(0, step).filter(({ action }) => mayMatter(action, concerned));
  const others = step - led.length;
  const told = led.map(({ action, answer }) => `    ${words(action)}: ${answer}`);
  const last = sequence[step];
  return [
    ...(others > 0 ? [`    (${others} operations on other devices)`] : []),
    ...told,
    last ? `  > ${words(last.action)}: ${last.answer}` : '  > (at the end of the sequence)',
    ...lines.map((line) => `      ${line}`),
  ].join('\n');
}

const anyAddress = /[0-9a-f]{4}(?::[0-9a-f]{2}){2}\.[0-7]/g;

/** The devices that differ, and those that the last operation was about. */
function concernedDevices(sequence: Sequence, { step, lines }: Difference): readonly string[] {
  const last = sequence[step];
  const text = [...lines, ...(last ? [JSON.stringify(last.action)] : [])].join(' ');
  return [...text.matchAll(anyAddress)].map(([address]) => address);
}

/** Modules and rescans matter to all devices, a write to those that it names. */
function mayMatter(action: Action, concerned: readonly string[]): boolean {
  if (!('write' in action) || /\/(?:remove|rescan)$/.test(action.write)) return true;
  const named = `${action.write} ${action.data}`;
  return concerned.length === 0 || concerned.some((address) => named.includes(address));
}

/** An operation in one line. */
export function words(action: Action): string {
  if ('load' in action) return `modprobe ${action.load}`;
  if ('unload' in action) return `delete_module ${action.unload}`;
  const { data } = action;
  const shown =
    data.length > 60 ? `${JSON.stringify(data.slice(0, 8))}… (${data.length} bytes)` : JSON.stringify(data);
  return `${shown} to ${action.write.replace('/sys/bus/pci/', '')}`;
}

function quote(text: string | undefined): string {
  return text === undefined ? 'absent' : JSON.stringify(text);
}
