import { paste, type Hint } from '../hint.ts';
import { formatBarSize } from '../pci/bar.ts';
import type { BetweenEntry, DeviceRule } from './config.ts';
import { formatDeviceMatch } from './match.ts';

/** A rule in one line: `{match: "0000:03:00.0", bars: {2: 8MiB}}`. */
export function ruleInLine(rule: DeviceRule): string {
  const settings = settingsOf(rule).map(([key, value]) => `${key}: ${inLine(value)}`);
  return `{match: "${formatDeviceMatch(rule.match)}"${settings.map((text) => `, ${text}`).join('')}}`;
}

/** A rule as JSON, which is YAML as well: for a list in brackets. */
export function ruleAsJson(rule: DeviceRule): string {
  return JSON.stringify({ match: formatDeviceMatch(rule.match), ...Object.fromEntries(settingsOf(rule)) });
}

/** A whole configuration file for a guest that has none, ready to paste; in one line where it has a purpose to follow. */
export function wholeFile(path: string, rules: readonly DeviceRule[], purpose?: string): Hint {
  return purpose === undefined
    ? paste(path, ['devices:', ...rules.flatMap(ruleLines)].join('\n'))
    : paste(path, `devices: [${rules.map(ruleInLine).join(', ')}]`, purpose);
}

/** All that a rule says of a device, as far as the rule has them. */
function settingsOf({
  bars,
  driver,
  reset,
  power,
  d3cold,
  between,
  allow,
}: DeviceRule): [key: string, value: Value][] {
  const sizes = [...bars].map(([bar, size]) => [bar, formatBarSize(size).replace(' ', '')]);
  return [
    ...(bars.size > 0 ? [['bars', Object.fromEntries(sizes)] as [string, Value]] : []),
    ...(driver === undefined ? [] : [['driver', driver] as [string, Value]]),
    ...(reset === undefined ? [] : [['reset', reset.length > 0 ? reset : 'none'] as [string, Value]]),
    ...(power === undefined ? [] : [['power', power] as [string, Value]]),
    ...(d3cold === undefined ? [] : [['d3cold', d3cold] as [string, Value]]),
    ...(between === undefined ? [] : [['between', between.map(entryOf)] as [string, Value]]),
    ...(allow === undefined ? [] : [['allow', allow] as [string, Value]]),
  ];
}

type Value = string | boolean | readonly (string | Entry)[] | Sizes;
type Sizes = Readonly<Record<string, string>>;
type Entry = Readonly<Record<string, string | boolean | Sizes>>;

function entryOf(entry: BetweenEntry): Entry {
  switch (entry.do) {
    case 'reset':
      return { reset: true };
    case 'power':
      return { power: entry.to };
    case 'bars':
      return {
        bars: Object.fromEntries(
          entry.sizes.map(({ bar, size }) => [String(bar), formatBarSize(size).replace(' ', '')]),
        ),
      };
    case 'script':
      return { script: entry.name };
  }
}

function inLine(value: Value | Entry): string {
  if (typeof value === 'string') return plain(value);
  if (typeof value === 'boolean') return String(value);
  if (isList(value)) return `[${value.map(inLine).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([key, inner]) => `${key}: ${typeof inner === 'string' && SIZE.test(inner) ? inner : inLine(inner)}`)
    .join(', ')}}`;
}

/** No quotes where nothing else could be read. */
const SIZE = /^\d+[KMGT]iB$/;

function ruleLines(rule: DeviceRule): string[] {
  const settings = settingsOf(rule).flatMap(([key, value]) =>
    typeof value !== 'object' || isList(value)
      ? [`${key}: ${inLine(value)}`]
      : [`${key}:`, ...Object.entries(value).map(([name, text]) => `  ${name}: ${text}`)],
  );
  return [`  - match: "${formatDeviceMatch(rule.match)}"`, ...settings.map((line) => `    ${line}`)];
}

function isList(value: Value | Entry): value is readonly (string | Entry)[] {
  return Array.isArray(value);
}

/** Quotes keep YAML from reading a number or a truth value. */
function plain(text: string): string {
  const isPlain = /^[a-z][\w-]*$/i.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}
