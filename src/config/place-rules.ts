import { plural } from '../count.ts';
import { advice, paste, type Hint } from '../hint.ts';
import { parseBarSize } from '../pci/bar.ts';
import { shownPath } from '../text.ts';
import type { DeviceRule } from './config.ts';
import { examineConfigFile } from './decode.ts';
import { formatDeviceMatch } from './match.ts';
import { findRuleList, type RuleList, type Span } from './rule-list.ts';
import { ruleAsJson, ruleInLine, wholeFile } from './rule-text.ts';

/** A configuration file that rules are to be put into. */
interface File {
  readonly text: string;
  readonly path: string;
  readonly list: RuleList;
  /** What it says about devices now. */
  readonly devices: readonly DeviceRule[];
}

/** What to do to a file, and what it is like then. */
interface Placed {
  readonly hint: Hint;
  readonly text: string;
}

/**
 * How to put rules into a configuration file that is there: lines to take the `# ` away from, as `vfio-hook init`
 * writes them, else lines to add, each by its number in the file as it is. What is at the bottom comes first, so that
 * numbers still hold for the next. A file that would not be valid with them, or that is not as it stands, gets them
 * described.
 */
export function placeRules(
  text: string,
  path: string,
  rules: readonly DeviceRule[],
  purpose?: string,
): readonly Hint[] {
  const examined = examineConfigFile(text, path);
  if (examined.kind === 'broken')
    return [advice(`mend ${shownPath(path)} first: vfio-hook validate says where`)];
  const file: File = { text, path, list: findRuleList(text), devices: examined.config.devices ?? [] };
  const uncommented = rules.map((rule) => ({ rule, lines: commentsFor(file, rule) }));
  const added = uncommented.flatMap(({ rule, lines }) => (lines ? [] : [rule]));
  return [
    ...(added.length > 0 ? additions(file, added, purpose) : []),
    ...uncommented
      .flatMap(({ lines }) => (lines ? [lines] : []))
      .sort((a, b) => (b[0] ?? 0) - (a[0] ?? 0))
      .map((lines) => uncomment(file, lines, purpose).hint),
  ];
}

/** The lines of the rule for the same device that say the same behind a `#`; undefined when it is not all there. */
function commentsFor(file: File, rule: DeviceRule): readonly number[] | undefined {
  const { list, devices } = file;
  if (list.kind !== 'lines') return undefined;
  const match = formatDeviceMatch(rule.match);
  const index = devices.map((each) => formatDeviceMatch(each.match)).lastIndexOf(match);
  const span = list.rules[index];
  if (!span) return undefined;
  const lines = commentLines(file.text, span).flatMap(({ line, text }) => (asks(rule, text) ? [line] : []));
  if (lines.length === 0) return undefined;
  return says(uncomment(file, lines).text, file.path, rule) ? lines : undefined;
}

function commentLines(
  text: string,
  { first, last }: Span,
): { readonly line: number; readonly text: string }[] {
  return text
    .split('\n')
    .slice(first - 1, last)
    .flatMap((each, index) => {
      const comment = COMMENT.exec(each)?.[2];
      return comment === undefined ? [] : [{ line: first + index, text: comment }];
    });
}

const COMMENT = /^( *)# ?( *\S.*?)\r?$/;

/** Whether a line without its `# ` is part of what a rule says. */
function asks({ bars, driver, allow }: DeviceRule, line: string): boolean {
  const [, key = '', value = ''] = /^ *(\w+): *(.*?) *$/.exec(line) ?? [];
  if (key === 'bars') return bars.size > 0 && value === '';
  if (/^[0-5]$/.test(key)) return bars.has(Number(key)) && bars.get(Number(key)) === parseBarSize(value);
  if (key === 'driver') return driver === value.replace(/^["']|["']$/g, '');
  if (key === 'allow' && allow) {
    const words =
      /^\[(.*)\]$/
        .exec(value)?.[1]
        ?.split(',')
        .map((word) => word.trim()) ?? [];
    return words.length === allow.length && allow.every((word) => words.includes(word));
  }
  return false;
}

function uncomment({ text, path }: File, numbers: readonly number[], purpose?: string): Placed {
  const lines = text.split('\n');
  const shown = numbers.map((line) => (COMMENT.exec(lines[line - 1] ?? '')?.[2] ?? '').trim());
  const where = `${plural(numbers.length, 'line')} ${numbers.join(' and ')}`;
  const sentence = `take the "# " away from ${where} of ${shownPath(path)}: ${shown.join(' ')}`;
  return {
    hint: advice(purpose === undefined ? sentence : `${purpose}: ${sentence}`),
    text: lines
      .map((line, index) => (numbers.includes(index + 1) ? line.replace(/^( *)# ?/, '$1') : line))
      .join('\n'),
  };
}

/** Whether a file comes to what a rule asks for its device; rules for models and classes are left out of it. */
function says(text: string, path: string, rule: DeviceRule): boolean {
  const examined = examineConfigFile(text, path);
  if (examined.kind === 'broken') return false;
  const match = formatDeviceMatch(rule.match);
  const own = (examined.config.devices ?? []).filter((each) => formatDeviceMatch(each.match) === match);
  const bars = new Map(own.flatMap((each) => [...each.bars]));
  const driver = own.flatMap((each) => each.driver ?? []).at(-1);
  const allow = own.flatMap((each) => (each.allow ? [each.allow] : [])).at(-1);
  return (
    [...rule.bars].every(([bar, size]) => bars.get(bar) === size) &&
    (rule.driver === undefined || rule.driver === driver) &&
    (rule.allow?.every((reason) => allow?.includes(reason)) ?? true)
  );
}

/** Lines to add; a later rule wins, so they go to the end of the list. */
function additions(file: File, rules: readonly DeviceRule[], purpose?: string): readonly Hint[] {
  const placed = placements(file, rules, purpose);
  const last = placed.at(-1);
  if (last && rules.every((rule) => says(last.text, file.path, rule))) return placed.map(({ hint }) => hint);
  const shown = rules.map(ruleInLine).join(', ');
  return [advice(`${purpose ?? 'add'}: ${shown} in the list devices of ${shownPath(file.path)}`)];
}

function placements({ text, path, list }: File, rules: readonly DeviceRule[], purpose?: string): Placed[] {
  switch (list.kind) {
    case 'none':
      return [
        {
          hint: wholeFile(`${path}, at the end`, rules, purpose),
          text: `${text.replace(/\n*$/, '\n')}devices: [${rules.map(ruleAsJson).join(', ')}]\n`,
        },
      ];
    case 'lines': {
      const { indent } = list;
      const below = list.rules.at(-1)?.last ?? 0;
      const lines = text.split('\n');
      return rules.map((rule, index) => {
        const added = rules.slice(0, index + 1).map((each) => `${indent}- ${ruleInLine(each)}`);
        return {
          hint: paste(`${path}, below line ${below}`, `${indent}- ${ruleInLine(rule)}`, purpose),
          text: [...lines.slice(0, below), ...added, ...lines.slice(below)].join('\n'),
        };
      });
    }
    case 'brackets':
    case 'braces': {
      const { line, column } = list.at;
      const json = rules.map(ruleAsJson).join(', ');
      const inside = `${list.isEmpty ? '' : ', '}${list.kind === 'brackets' ? json : `"devices": [${json}]`}`;
      const lines = text.split('\n');
      const own = lines[line - 1] ?? '';
      const changed = own.slice(0, column - 1) + inside + own.slice(column - 1);
      return [
        {
          hint: paste(`${path}, in line ${line} before column ${column}`, inside, purpose),
          text: [...lines.slice(0, line - 1), changed, ...lines.slice(line)].join('\n'),
        },
      ];
    }
    case 'other':
      return [];
  }
}
