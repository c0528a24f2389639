import { asFailure } from '../failure.ts';
import type { Log } from '../log/log.ts';
import { errorLines } from '../report.ts';

/** Says an error to libvirt, whose log has what is on stderr, and writes it to ours. */
export function reportFailure(
  error: unknown,
  {
    guest,
    log,
    say,
  }: { readonly guest: string; readonly log: Log | undefined; readonly say: (line: string) => void },
): void {
  for (const line of errorLines(error)) say(line);
  const failure = asFailure(error);
  log?.write({
    severity: 'err',
    message: failure?.message ?? String(error),
    guest,
    result: failure?.code ?? 'VH_INTERNAL',
  });
}
