import type { Exploration, Violation } from './explore.ts';
import type { Bounds, Setting } from './world.ts';

const words: Readonly<Record<keyof Bounds, string>> = {
  daemonDeaths: 'death of libvirtd',
  deaths: 'killed run',
  hangs: 'hanging write',
  recoveries: 'recover',
  reboots: 'reboot',
  lockTimeouts: 'lock timeout',
};

/** `two guests, one group; up to 1 killed run, 1 recover`. */
export function nameOf({ name, bounds }: Setting): string {
  const kinds = Object.keys(words) as (keyof Bounds)[];
  const bound = kinds.filter((kind) => bounds[kind] > 0).map((kind) => `${bounds[kind]} ${words[kind]}`);
  return `${name}; ${bound.length > 0 ? `up to ${bound.join(', ')}` : 'nothing goes wrong'}`;
}

/** What was explored and how long it took, in one line. */
export function figures(exploration: Exploration): string {
  const { worlds, transitions, machines, executions, waysBack, milliseconds } = exploration;
  return (
    `${worlds} states, ${transitions} transitions (${machines} states of the machine, ` +
    `${waysBack} ways back tried, engine executed ${executions} times), ${(milliseconds / 1000).toFixed(1)} s`
  );
}

/** What went wrong, and each step on the way there. */
export function traceOf({ wrong, trace }: Violation): string {
  return [
    ...trace.map((sentence, index) => `${String(index + 1).padStart(3)}. ${sentence}`),
    `     => ${wrong}`,
  ].join('\n');
}
