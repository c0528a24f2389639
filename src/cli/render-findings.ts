import pc from 'picocolors';
import { verdicts, worst, type Finding, type Verdict } from '../doctor/finding.ts';
import type { Hint } from '../hint.ts';

const WIDTH = Math.max(...verdicts.map((verdict) => verdict.length));

/** Findings a line each, with what to do below. The verdict is a word, so that nothing hangs on colour. */
export function findingsText(findings: readonly Finding[], { colour }: { readonly colour: boolean }): string {
  const paint = painter(colour);
  const lines = findings.flatMap((finding) => {
    const { verdict, title, subject, found, fix } = finding;
    const about = subject === undefined ? title : `${title}, ${subject}`;
    return [
      `${paint(verdict)(verdict.padEnd(WIDTH))}  ${about}: ${found}`,
      ...fix.flatMap(fixLines).map((line) => `${' '.repeat(WIDTH + 2)}${line}`),
    ];
  });
  return [...lines, '', countsText(findings)].join('\n');
}

/** Findings as data; docs/json.md describes it. */
export function findingsJson(findings: readonly Finding[]): unknown {
  return {
    verdict: worst(findings),
    counts: Object.fromEntries(verdicts.map((verdict) => [verdict, count(findings, verdict)])),
    findings: findings.map(({ id, title, subject, verdict, found, fix }) => ({
      id,
      title,
      ...(subject !== undefined && { subject }),
      verdict,
      found,
      fix,
    })),
  };
}

/** 0 all is well, 1 warnings, 2 something is broken. What could not be seen does not count. */
export function findingsStatus(findings: readonly Finding[]): number {
  switch (worst(findings)) {
    case 'ok':
    case 'unknown':
      return 0;
    case 'warning':
      return 1;
    case 'failure':
      return 2;
  }
}

function fixLines(fix: Hint): string[] {
  switch (fix.kind) {
    case 'command':
      return [`type: ${fix.text}`];
    case 'advice':
      return [`do:   ${fix.text}`];
    case 'paste':
      return [
        `${fix.purpose === undefined ? '' : `${fix.purpose}, `}paste into ${fix.into}:`,
        ...fix.text.split('\n').map((line) => `  ${line}`),
      ];
  }
}

function countsText(findings: readonly Finding[]): string {
  const words: Readonly<Record<Verdict, string>> = {
    ok: 'ok',
    unknown: 'not seen',
    warning: 'warning',
    failure: 'failure',
  };
  const counts = [...verdicts]
    .reverse()
    .map((verdict) => {
      const number = count(findings, verdict);
      const plural = number !== 1 && (verdict === 'warning' || verdict === 'failure') ? 's' : '';
      return `${number} ${words[verdict]}${plural}`;
    })
    .join(', ');
  return worst(findings) === 'ok' ? `${counts}: all is well` : counts;
}

function count(findings: readonly Finding[], verdict: Verdict): number {
  return findings.filter((finding) => finding.verdict === verdict).length;
}

function painter(colour: boolean): (verdict: Verdict) => (text: string) => string {
  const { green, dim, yellow, red } = pc.createColors(colour);
  const paints = { ok: green, unknown: dim, warning: yellow, failure: red };
  return (verdict) => paints[verdict];
}
