import { asFailure } from '../failure.ts';
import type { Host, LockedRead } from '../host/host.ts';
import { lockedRead } from '../steps/index.ts';
import type { Step } from '../steps/step.ts';

/**
 * The host, which knows already what the attributes of these steps read now whose reading takes a child process: one
 * child for all. Its answers do for the next look at each and must not be kept for longer. An attribute that was not
 * read, since another one kept the child waiting or cannot be read, is read when it is asked for.
 */
export async function readAhead(host: Host, steps: readonly Step[], deadlineMs: number): Promise<Host> {
  const paths = steps.flatMap((step) => lockedRead(step) ?? []);
  if (paths.length < 2) return host;
  const known = new Map(await answers(host, paths, deadlineMs));
  return {
    ...host,
    readLocked: (asked, deadline) => {
      const [path = '', ...others] = asked;
      const answer = others.length === 0 ? known.get(path) : undefined;
      return answer ? Promise.resolve(answer) : host.readLocked(asked, deadline);
    },
  };
}

async function answers(
  host: Host,
  paths: readonly string[],
  deadlineMs: number,
): Promise<readonly (readonly [path: string, answer: LockedRead])[]> {
  try {
    const read = await host.readLocked(paths, deadlineMs);
    if (read.kind === 'stuck') return [[read.path, read]];
    return paths.map((path) => {
      const text = read.texts.get(path);
      return [path, { kind: 'read', texts: new Map(text === undefined ? [] : [[path, text]]) }];
    });
  } catch (error) {
    // Which of them cannot be read, and why, is told by the step that it is about.
    if (asFailure(error)) return [];
    throw error;
  }
}
