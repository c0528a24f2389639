import { plural } from '../count.ts';
import { escapeControl, quoteName, shownPath } from '../text.ts';
import { configText } from './config-text.ts';
import type { Imported, ImportedLine, ImportedScript } from './import.ts';
import type { Verdict } from './verdict.ts';

/** Longest text of a line that is shown; more of it is cut. */
const LONGEST = 60;

/**
 * A configuration file with what scripts come to: above the keys, as comments, each line of each script that does something,
 * and what becomes of it.
 */
export function importedText(guest: string, { scripts, wishes }: Imported): string {
  const config = configText(wishes);
  return [
    '# yaml-language-server: $schema=/usr/share/vfio-hook/vfio-hook.schema.json',
    '#',
    `# What the scripts of guest ${quoteName(guest)} do, line by line, and which key does the same. Nothing of them was run.`,
    ...scripts.flatMap((script) => ['#', ...scriptLines(script)]),
    '#',
    ...whatToDo(scripts).map((line) => `# ${line}`),
    '',
    ...(config.length === 0 ? ['# No line has a key that does the same.'] : config),
    '',
  ].join('\n');
}

function scriptLines({ path, lines }: ImportedScript): string[] {
  const shown = lines.filter(isShown);
  const width = Math.max(0, ...shown.map(({ text }) => cut(text).length));
  return [
    `# ${shownPath(path)}${shown.length === 0 ? ': nothing in it does anything' : ''}`,
    ...shown.map(
      (line) =>
        `# ${String(line.number).padStart(5)}  ${cut(line.text).padEnd(width)}  ${verdictsText(line.verdicts)}`,
    ),
  ];
}

function isShown({ verdicts }: ImportedLine): boolean {
  return verdicts.some(({ kind }) => kind !== 'frame');
}

function cut(text: string): string {
  const safe = escapeControl(text);
  return safe.length <= LONGEST ? safe : `${safe.slice(0, LONGEST - 1)}…`;
}

/** What stays is said first: it decides about the line. */
function verdictsText(verdicts: readonly Verdict[]): string {
  const ranks = ['stays', 'key', 'itself'];
  const texts = [...verdicts]
    .sort((a, b) => ranks.indexOf(a.kind) - ranks.indexOf(b.kind))
    .flatMap((verdict) => verdictText(verdict));
  return [...new Set(texts)].join('; ');
}

function verdictText(verdict: Verdict): string[] {
  switch (verdict.kind) {
    case 'key':
      return [`key ${verdict.wish.key}`];
    case 'itself':
      return [escapeControl(verdict.why)];
    case 'stays':
      return [`STAYS: ${escapeControl(verdict.why)}`];
    case 'frame':
      return [];
  }
}

/** Whether a line must stay in its script. */
export function staysIn({ lines }: ImportedScript): boolean {
  return lines.some(({ verdicts }) => verdicts.some(({ kind }) => kind === 'stays'));
}

function whatToDo(scripts: readonly ImportedScript[]): string[] {
  const done = scripts.filter((script) => !staysIn(script)).map(({ path }) => shownPath(path));
  const left = scripts.filter(staysIn).map(({ path }) => shownPath(path));
  return [
    ...(done.length === 0
      ? []
      : [
          `Nothing has to stay in ${plural(done.length, 'this script', 'these scripts')}; once the configuration is in force, keep ${plural(done.length, 'it', 'them')} from running:`,
          ...done.map((path) => `  chmod a-x ${path}`),
        ]),
    ...(left.length === 0
      ? []
      : [
          `Take the other lines out of the ${plural(left.length, 'script')} with lines that stay, and leave these:`,
          ...left.map((path) => `  ${path}`),
        ]),
    'Never both: what a key does, a script must not do as well.',
  ];
}
