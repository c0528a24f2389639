import type { Host, WriteResult } from '../host/host.ts';
import { attributes, type Attribute } from './attributes.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';
import type { AttributeKey, AttributeName, SetAttribute } from './step.ts';

/** Gives an attribute a value, by its row in src/steps/attributes.ts. */
export const set: StepDefinition<SetAttribute> = {
  describe: (step) => {
    const { what, unset } = rowOf(step);
    if (step.to !== '') return `set ${what} to ${step.to}`;
    return unset === undefined ? `set ${what} to none` : `clear ${what}`;
  },
  command: (step) => {
    const { path, list } = rowOf(step);
    const value = list ? `"${step.to}" ` : step.to && `${step.to} `;
    return `echo ${value}> ${path}`;
  },
  already: async (step, host, deadlineMs) => (await readBack(step, host, deadlineMs)).kind === 'as-wished',
  apply: async (step, host, deadlineMs) => {
    const { path, absent, errnos, pardoned = [], hint } = rowOf(step);
    const result = await write(step, host, deadlineMs);
    if ('reason' in result) return { kind: 'failed', reason: result.reason };
    const sentences = { ENOENT: absent, ENODEV: absent, ...errnos };
    const outcome = outcomeOf(result, path, sentences);
    if (result.kind === 'refused' && pardoned.includes(result.errno) && outcome.kind === 'failed')
      return { kind: 'skipped', remark: outcome.reason };
    return outcome.kind === 'failed' && hint ? { ...outcome, hints: [hint] } : outcome;
  },
  // What has a hindrance is looked at right before the write, and in between nothing else is written.
  lockedRead: (step) => {
    const row = attributes[step.attribute];
    return row.locked && row.hindrance === undefined ? rowOf(step).path : undefined;
  },
  verify: async (step, host, deadlineMs) => {
    const { name, absent, otherwise, belied } = rowOf(step);
    const now = await readBack(step, host, deadlineMs);
    switch (now.kind) {
      case 'as-wished':
        return belied(host, step.to);
      case 'other':
        return otherwise?.(now.text, step.to) ?? `${name} reads ${JSON.stringify(now.text)} afterwards`;
      case 'absent':
        return absent;
      case 'busy':
        return 'the kernel does not answer: it is busy adding or removing the device';
    }
  },
};

/** As many times a write is made whose refusal passes by itself, and as long is waited in between. */
const MOST_TIMES = 10;
const BETWEEN_MS = 1000;

/** What the kernel answers in the end, or why it is not asked: that is looked at right before each write. */
async function write(
  step: SetAttribute,
  host: Host,
  deadlineMs: number,
): Promise<WriteResult | { readonly reason: string }> {
  const { path, hindrance, passing = [] } = rowOf(step);
  const end = host.now() + deadlineMs;
  for (let time = 1; ; time += 1) {
    const reason = hindrance(host, step.to);
    if (reason !== undefined) return { reason };
    const result = await host.write(path, step.to, Math.max(0, end - host.now()));
    const passes = result.kind === 'refused' && passing.includes(result.errno);
    if (!passes || time === MOST_TIMES || host.now() + BETWEEN_MS >= end) return result;
    await host.pause(BETWEEN_MS);
  }
}

/** The row of a step's attribute, filled in with its key. */
function rowOf<A extends AttributeName>({ attribute, key }: SetAttribute<A>): Row {
  const row: Attribute<AttributeKey<A>> = attributes[attribute];
  const path = row.path(key);
  return {
    ...row,
    path,
    what: row.describe(key),
    absent: row.absent(key),
    value: (host) => (row.value ? row.value(host, key) : host.read(path)),
    hindrance: (host, to) => row.hindrance?.(host, key, to),
    belied: (host, to) => row.belied?.(host, key, to),
  };
}

type Plain = 'name' | 'locked' | 'unset' | 'list' | 'errnos' | 'otherwise' | 'passing' | 'pardoned' | 'hint';

interface Row extends Pick<Attribute<string>, Plain> {
  readonly path: string;
  readonly what: string;
  readonly absent: string;
  readonly value: (host: Host) => string | undefined;
  readonly hindrance: (host: Host, to: string) => string | undefined;
  readonly belied: (host: Host, to: string) => string | undefined;
}

/** What an attribute reads now; `busy` when the kernel did not tell in time. */
type Now =
  { readonly kind: 'as-wished' | 'absent' | 'busy' } | { readonly kind: 'other'; readonly text: string };

async function readBack(step: SetAttribute, host: Host, deadlineMs: number): Promise<Now> {
  const { path, locked, unset = '', value } = rowOf(step);
  let whole;
  if (locked) {
    const read = await host.readLocked([path], deadlineMs);
    if (read.kind === 'stuck') return { kind: 'busy' };
    whole = read.texts.get(path);
  } else whole = value(host);
  const text = whole?.split('\n')[0];
  if (text === undefined) return { kind: 'absent' };
  return text === step.to || (step.to === '' && text === unset)
    ? { kind: 'as-wished' }
    : { kind: 'other', text };
}
