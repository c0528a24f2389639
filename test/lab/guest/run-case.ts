import type { CaseEnds } from '../protocol.ts';
import { type LabCase, Skipped } from './case.ts';
import { differences, repair, type Snapshot, takeSnapshot } from './snapshot.ts';

/** What came of a case, and what the machine is like now. */
interface CaseRun {
  readonly end: CaseEnds;
  readonly after: Snapshot;
}

/** Runs one case, then what it asked for afterwards, then compares the machine with what it was before. */
export async function runCase(labCase: LabCase, before: Snapshot): Promise<CaseRun> {
  const started = performance.now();
  const notes: string[] = [];
  const undo: (() => Promise<void> | void)[] = [];
  const reasons: string[] = [];
  let skipped: string | undefined;
  const context = {
    note: (text: string) => void notes.push(text),
    afterwards: (action: () => Promise<void> | void) => void undo.push(action),
  };

  try {
    await within(labCase.limit ?? 120, async () => labCase.run(context));
  } catch (error) {
    if (error instanceof Skipped) skipped = error.message;
    else reasons.push(describe(error));
  }
  for (const action of undo.reverse()) {
    try {
      await within(60, async () => action());
    } catch (error) {
      reasons.push(`afterwards: ${describe(error)}`);
    }
  }
  let after = takeSnapshot();
  const left = differences(before, after);
  if (left.length > 0) {
    reasons.push('the machine is not as it was:', ...left.map((line) => `  ${line}`));
    reasons.push(...repair(before).map((line) => `  not repaired: ${line}`));
    after = takeSnapshot();
  }
  const end: CaseEnds = {
    event: 'end',
    name: labCase.name,
    result: reasons.length > 0 ? 'failed' : skipped === undefined ? 'passed' : 'skipped',
    milliseconds: Math.round(performance.now() - started),
    ...(reasons.length > 0
      ? { reason: reasons.join('\n') }
      : skipped === undefined
        ? {}
        : { reason: skipped }),
    notes,
  };
  return { end, after };
}

/** @throws Error when the action has not ended after so many seconds; the action itself is left behind */
async function within(seconds: number, action: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`did not end within ${seconds} s`));
    }, seconds * 1000);
  });
  try {
    await Promise.race([action(), limit]);
  } finally {
    clearTimeout(timer);
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = /\((?:.*\/)?(cases\/[\w.-]+:\d+)/.exec(error.stack ?? '')?.[1];
  return place === undefined ? error.message : `${error.message}\n  at ${place}`;
}
