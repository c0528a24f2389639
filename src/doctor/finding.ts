import type { Hint } from '../hint.ts';

/**
 * What a check comes to.
 *
 * - `ok`: nothing to do.
 * - `warning`: it works, or will for some guests; or it is about to fail.
 * - `failure`: guests with host devices do not start, or the host is at risk.
 * - `unknown`: it could not be looked at, mostly for want of permission.
 */
export type Verdict = (typeof verdicts)[number];

/** Every {@link Verdict}, the worst last. */
export const verdicts = ['ok', 'unknown', 'warning', 'failure'] as const;

/** What a check found about the host, or about one guest or device of several. */
export interface Found {
  readonly verdict: Verdict;
  /** A sentence without a capital and a period; names from outside are quoted in it. */
  readonly found: string;
  readonly fix: readonly Hint[];
  /** Which of several guests, devices or files it is about. */
  readonly subject?: string;
}

/** A {@link Found} and the check that found it. */
export interface Finding extends Found {
  /** Stable: docs/doctor.md explains each one. */
  readonly id: string;
  readonly title: string;
}

export function ok(found: string): Found {
  return { verdict: 'ok', found, fix: [] };
}

export function warning(found: string, ...fix: readonly Hint[]): Found {
  return { verdict: 'warning', found, fix };
}

export function failure(found: string, ...fix: readonly Hint[]): Found {
  return { verdict: 'failure', found, fix };
}

export function unknown(found: string, ...fix: readonly Hint[]): Found {
  return { verdict: 'unknown', found, fix };
}

/** The same finding, about one of several. */
export function about(subject: string, found: Found): Found {
  return { ...found, subject };
}

/** The worst of several; `ok` for none. */
export function worst(findings: readonly Pick<Found, 'verdict'>[]): Verdict {
  const ranks = findings.map(({ verdict }) => verdicts.indexOf(verdict));
  return verdicts[Math.max(0, ...ranks)] ?? 'ok';
}
