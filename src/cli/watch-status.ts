import { join } from 'node:path';
import { safeJson } from '../text.ts';
import { statusText } from './render/status.ts';
import { listenForSignals, type Signals } from './signals.ts';
import { statusReport, type StatusReport } from './status-report.ts';
import type { Call, Terminal } from './command.ts';
import type { Followed } from './log-follow.ts';
import { watchDirectory } from './watch-directory.ts';

/** How often a look is taken without a change of claims: how long devices are held, and whether a guest still runs, is in none. */
const REFRESH_MS = 10_000;

/**
 * Shows who holds what, again each time that it changes, until ^C or until nobody reads. A terminal is cleared for each; elsewhere they
 * come one after the other, with an empty line between, or as a line of JSON each.
 */
export async function watchStatus(call: Call, terminal: Terminal): Promise<number> {
  const engine = terminal.openEngine(call);
  const isJson = call.options.has('json');
  let shown: string | undefined;
  const show = (report: StatusReport): void => {
    const text = isJson ? jsonLine(report) : statusText(report);
    if (text === shown) return;
    if (isJson) terminal.data(text);
    else terminal.redraw(text, shown === undefined);
    shown = text;
  };
  const ending: { signals?: Signals; watched?: Followed; timer?: NodeJS.Timeout } = {};
  try {
    await new Promise<void>((resolve, reject) => {
      let looks = Promise.resolve();
      let isDue = false;
      const look = (): void => {
        // One claim that is written is several changes of its directory.
        if (isDue) return;
        isDue = true;
        looks = looks
          .then(async () => {
            isDue = false;
            show(await statusReport(engine));
            if (terminal.gone()) resolve();
          })
          .catch(reject);
      };
      ending.signals = listenForSignals(() => {
        resolve();
      });
      ending.watched = watchDirectory(join(terminal.locations(call).stateDirectory, 'claims'), look);
      ending.timer = setInterval(look, REFRESH_MS);
      look();
    });
    return 0;
  } finally {
    ending.signals?.stop();
    ending.watched?.stop();
    clearInterval(ending.timer);
  }
}

/** Ages change all the time: a program computes them from `claimedAt`. */
function jsonLine({ claims, ...report }: StatusReport): string {
  const withoutAges = claims.map((claim) =>
    Object.fromEntries(Object.entries(claim).filter(([key]) => key !== 'ageMs')),
  );
  return safeJson(JSON.stringify({ ...report, claims: withoutAges }));
}
