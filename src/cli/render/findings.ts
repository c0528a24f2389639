import pc from 'picocolors';
import { plural } from '../../count.ts';
import { verdicts, worst, type Finding, type Verdict } from '../../doctor/finding.ts';
import type { Hint } from '../../hint.ts';
import { escapeControl } from '../../text.ts';
import { hanging } from './fit.ts';
import { hintForPeople, plain, type Manner } from './for-people.ts';

const WIDTH = Math.max(...verdicts.map((verdict) => verdict.length));

/** How findings are rendered for people. */
export interface FindingsManner extends Manner {
  /** Only what is not ok, worst first. */
  readonly quiet?: boolean;
}

/** Findings, each with what to do below. The verdict is a word, so that nothing hangs on colour. Fitted to the terminal. */
export function findingsText(findings: readonly Finding[], manner: FindingsManner): string {
  const shown = manner.quiet === true ? notOk(findings) : findings;
  const lines = shown.flatMap((finding) => findingLines(finding, manner));
  return [...lines, ...(lines.length > 0 ? [''] : []), countsText(findings)].join('\n');
}

/** What a person has to look at, worst first. */
export function notOk(findings: readonly Finding[]): readonly Finding[] {
  return [...verdicts]
    .reverse()
    .filter((verdict) => verdict !== 'ok')
    .flatMap((verdict) => findings.filter((finding) => finding.verdict === verdict));
}

function findingLines({ verdict, title, subject, found, fix }: Finding, manner: Manner): string[] {
  const paint = painter(manner.colour)(verdict);
  const about = subject === undefined ? title : `${title}, ${subject}`;
  const word = verdict.padEnd(WIDTH);
  const lines = hanging(`${word}  `, plain(escapeControl(`${about}: ${found}`), manner), manner.columns);
  return [
    ...lines.map((line, index) => (index === 0 ? paint(word) + line.slice(word.length) : line)),
    ...fix.flatMap((hint) => fixLines(hint, manner)),
  ];
}

/** Findings as data; docs/json.md describes it. */
export function findingsJson(findings: readonly Finding[], quiet = false): unknown {
  return {
    verdict: worst(findings),
    counts: Object.fromEntries(verdicts.map((verdict) => [verdict, count(findings, verdict)])),
    findings: (quiet ? notOk(findings) : findings).map(({ id, title, subject, verdict, found, fix }) => ({
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

const INDENT = ' '.repeat(WIDTH + 2);

function fixLines(fix: Hint, manner: Manner): string[] {
  switch (fix.kind) {
    case 'command':
      return hintForPeople(`${INDENT}type: `, fix, manner);
    case 'advice':
      return hintForPeople(`${INDENT}do:   `, fix, manner);
    case 'paste': {
      const purpose = fix.purpose === undefined ? '' : `${fix.purpose}, `;
      const where = plain(escapeControl(`${purpose}paste into ${fix.into}:`), manner);
      // As it is, however long: what is pasted must not be broken.
      return [
        ...hanging(INDENT, where, manner.columns),
        ...fix.text.split('\n').map((line) => `${INDENT}  ${plain(line, manner)}`),
      ];
    }
  }
}

function countsText(findings: readonly Finding[]): string {
  const words: Readonly<Record<Verdict, readonly [one: string, several: string]>> = {
    ok: ['ok', 'ok'],
    unknown: ['not seen', 'not seen'],
    warning: ['warning', 'warnings'],
    failure: ['failure', 'failures'],
  };
  const counts = [...verdicts]
    .reverse()
    .map((verdict) => {
      const number = count(findings, verdict);
      return `${number} ${plural(number, ...words[verdict])}`;
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
