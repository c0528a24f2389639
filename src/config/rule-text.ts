import { paste, type Hint } from '../hint.ts';
import { formatBarSize } from '../pci/bar.ts';
import type { DeviceRule } from './config.ts';
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
  allow,
}: DeviceRule): [key: string, value: Value][] {
  const sizes = [...bars].map(([bar, size]) => [bar, formatBarSize(size).replace(' ', '')]);
  return [
    ...(bars.size > 0 ? [['bars', Object.fromEntries(sizes)] as [string, Value]] : []),
    ...(driver === undefined ? [] : [['driver', driver] as [string, Value]]),
    ...(reset === undefined ? [] : [['reset', reset.length > 0 ? reset : 'none'] as [string, Value]]),
    ...(power === undefined ? [] : [['power', power] as [string, Value]]),
    ...(d3cold === undefined ? [] : [['d3cold', d3cold] as [string, Value]]),
    ...(allow === undefined ? [] : [['allow', allow] as [string, Value]]),
  ];
}

type Value = string | boolean | readonly string[] | Readonly<Record<string, string>>;

function inLine(value: Value): string {
  if (typeof value === 'string') return plain(value);
  if (typeof value === 'boolean') return String(value);
  if (isList(value)) return `[${value.join(', ')}]`;
  return `{${Object.entries(value)
    .map(([key, text]) => `${key}: ${text}`)
    .join(', ')}}`;
}

function ruleLines(rule: DeviceRule): string[] {
  const settings = settingsOf(rule).flatMap(([key, value]) =>
    typeof value !== 'object' || isList(value)
      ? [`${key}: ${inLine(value)}`]
      : [`${key}:`, ...Object.entries(value).map(([name, text]) => `  ${name}: ${text}`)],
  );
  return [`  - match: "${formatDeviceMatch(rule.match)}"`, ...settings.map((line) => `    ${line}`)];
}

function isList(value: Value): value is readonly string[] {
  return Array.isArray(value);
}

/** Quotes keep YAML from reading a number or a truth value. */
function plain(text: string): string {
  const isPlain = /^[a-z][\w-]*$/i.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}
