import { errnoOf, VfioHookError } from '../errors.ts';
import { escapeControl } from '../text.ts';
import type { Check } from './examination.ts';
import { failure, unknown, type Finding, type Found } from './finding.ts';
import { advice, type Hint } from '../hint.ts';

/** Runs checks one after the other. A check that cannot look or that trips over a broken file is a finding as well. */
export async function examine<On>(
  checks: Readonly<Record<string, Check<On>>>,
  on: On,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [id, check] of Object.entries(checks)) {
    for (const found of await outcome(check, on)) {
      findings.push({ id, title: check.title, ...printable(found) });
    }
  }
  return findings;
}

/** Sentences repeat names and texts of the host and of the XML, which may be anything. */
function printable({ verdict, found, fix, subject }: Found): Found {
  return {
    verdict,
    found: escapeControl(found),
    ...(subject !== undefined && { subject: escapeControl(subject) }),
    fix: fix.map((each): Hint => {
      const text = each.text.split('\n').map(escapeControl).join('\n');
      return each.kind === 'paste' ? { ...each, into: escapeControl(each.into), text } : { ...each, text };
    }),
  };
}

async function outcome<On>(check: Check<On>, on: On): Promise<readonly Found[]> {
  try {
    const result = await check.run(on);
    return Array.isArray(result) ? (result as readonly Found[]) : [result as Found];
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EACCES' || errno === 'EPERM') {
      const path = pathOf(error);
      return [
        unknown(
          `cannot look${path === undefined ? '' : ` at ${path}`}: ${errno}`,
          advice('run the same command as root'),
        ),
      ];
    }
    if (error instanceof VfioHookError) return [fromError(error)];
    if (errno !== undefined) return [unknown(`cannot look at ${pathOf(error) ?? 'it'}: ${errno}`)];
    throw error;
  }
}

/** What an error of the engine comes to as a finding: its sentence, and its hints as what to do. */
export function fromError(error: VfioHookError): Found {
  return failure(error.message, ...error.hints);
}

function pathOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('path' in error)) return undefined;
  return typeof error.path === 'string' ? error.path : undefined;
}
