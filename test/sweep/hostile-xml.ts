import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import type { Domain } from '../../src/domain/domain.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import { VfioHookError } from '../../src/errors.ts';
import { errorLines } from '../../src/report.ts';
import { captures, examples } from '../domain/documents.ts';
import { openScenario, stateDirectory, type Scenario } from '../scenario.ts';
import { isSafeLine, staysInItsGroups } from './hostile.ts';
import { randomFor, type Random } from './random.ts';
import { exampleHosts } from './subjects.ts';
import type { Sweep } from './sweep.ts';

/** From which all mutations follow; another one makes 100,000 other documents. */
export const SEED = 'sweep 1';

const DOCUMENTS = 100_000;
const PARTS = 10;

/** Milliseconds that one document may take at most, also when the machine is busy. */
const PATIENCE_MS = 3000;

const bases = [...examples(), ...captures()];

/** Documents that nobody would write, and what comes of them: an error for people, or a start within its groups. */
export const hostileXml: Sweep = {
  name: 'hostile XML',
  parts: Array.from({ length: PARTS }, (_, part) => `seed "${SEED}", from ${(part * DOCUMENTS) / PARTS}`),
  run: async (part, tally) => {
    const from = Number(/from (\d+)/.exec(part)?.[1]);
    const known = new Set<string>();
    for (let number = from; number < from + DOCUMENTS / PARTS; number += 1) {
      await tally.point(`document ${number}`, async () => {
        const xml = mutated(number);
        const began = performance.now();
        const domain = parsed(xml);
        const took = performance.now() - began;
        tally.measure('slowest document, ms', took);
        assert.ok(took < PATIENCE_MS, `it took ${took} ms`);
        assert.equal(({} as { polluted?: unknown }).polluted, undefined);
        if (!domain) return;
        // What is done with a guest depends on its devices alone; names have a sweep of their own.
        const devices = JSON.stringify(domain.hostdevs);
        if (known.has(devices) || domain.hostdevs.length === 0) return;
        known.add(devices);
        tally.measure('different lists of devices in one part', known.size);
        await staysInItsGroups(scenarioFor(domain), domain);
      });
    }
    for (const { directory } of opened.values()) rmSync(directory, { recursive: true });
    opened.clear();
  },
};

/** What the parser makes of it; undefined when it refuses, which it must do in a sentence that is safe to show. */
function parsed(xml: string): Domain | undefined {
  try {
    return parseDomain(xml);
  } catch (error) {
    assert.ok(error instanceof VfioHookError, error instanceof Error ? error.stack : String(error));
    assert.equal(error.code, 'VH_XML');
    for (const line of errorLines(error)) isSafeLine(line);
    return undefined;
  }
}

const opened = new Map<string, Scenario>();

/** The example machine that has most of a guest's devices, as it is after it booted. */
function scenarioFor(domain: Domain): Scenario {
  const addresses = domain.hostdevs.flatMap((each) => (each.kind === 'mdev' ? [] : [each.address]));
  const [best = ''] = exampleHosts()
    .map((host) => ({ host, has: countOn(host, addresses) }))
    .sort((a, b) => b.has - a.has)
    .map(({ host }) => host);
  return scenarioOn(best);
}

function scenarioOn(host: string): Scenario {
  let s = opened.get(host);
  if (!s) opened.set(host, (s = openScenario({ host }, stateDirectory())));
  return s;
}

function countOn(host: string, addresses: readonly string[]): number {
  return addresses.filter((address) => scenarioOn(host).driver(address) !== 'absent').length;
}

/** A document of examples/domains or a recorded one, changed in one to four places. */
export function mutated(number: number): string {
  const random = randomFor(`${SEED} ${number}`);
  let xml = random.pick(bases).xml;
  for (let count = 1 + random.below(4); count > 0; count -= 1) xml = random.pick(mutations)(xml, random);
  return xml;
}

type Mutation = (xml: string, random: Random) => string;

const hex = (value: number): string => `0x${value.toString(16)}`;

/** Numbers that fit nowhere, or only just. */
const numbers = [
  '-1',
  '0',
  '0x',
  '0x0',
  '0x1f',
  '0x20',
  '0xff',
  '0x100',
  '0xffff',
  '0x10000',
  '0xffffffff',
  '0x100000000',
  '99999999999999999999',
  '1e3',
  '1e999',
  'NaN',
  'Infinity',
  '08',
  '010',
  '٣',
  '１',
  ' 0x03 ',
  '0x03;',
  "0x03' x='",
  '../../../etc/shadow',
  '$(reboot)',
  '`reboot`',
  '%s%n',
  '',
  '0x3'.repeat(2000),
] as const;

const pieces = [
  '<',
  '>',
  '&',
  "'",
  '"',
  '/',
  '</',
  '<!--',
  '-->',
  '<![CDATA[',
  ']]>',
  '<?',
  '?>',
  '\0',
  '\u001b[2J',
  '\u202e',
  '\ufeff',
  '\ud800',
  '\r',
  '&#0;',
  '&#x1b;',
  '&lol;',
  '&amp;',
  '&#x110000;',
  'xmlns=',
  "xmlns='urn:x'",
  '<x:',
  '</domain>',
  '<domain>',
  '</devices>',
  '<devices>',
  '<hostdev>',
  '</hostdev>',
  "type='pci'",
  "managed='yes'",
  "<__proto__ polluted='1'/>",
  "<constructor><prototype polluted='1'/></constructor>",
  "__proto__='1'",
] as const;

const hostdevOf = (random: Random): string =>
  `<hostdev mode='subsystem' type='pci' managed='${random.pick(['yes', 'no', 'maybe'])}'><source><address domain='${random.pick(['0x0000', '0x0001', '0xffff'])}' bus='${hex(random.below(0x20))}' slot='${hex(random.below(4))}' function='${hex(random.below(9))}'/></source></hostdev>`;

const mutations: readonly Mutation[] = [
  // A flipped bit of a byte, as text again.
  (xml, random) => {
    const bytes = Buffer.from(xml);
    if (bytes.length === 0) return xml;
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    return bytes.toString();
  },
  (xml, random) => xml.slice(0, random.below(xml.length + 1)),
  (xml, random) => xml.slice(random.below(xml.length + 1)),
  (xml, random) => {
    const at = random.below(xml.length + 1);
    return xml.slice(0, at) + xml.slice(at + random.below(200));
  },
  // A part twice: of any length, or a whole element.
  (xml, random) => {
    const at = random.below(xml.length + 1);
    const end = at + random.below(500);
    return xml.slice(0, end) + xml.slice(at);
  },
  (xml, random) => {
    const elements = [
      ...xml.matchAll(/<(hostdev|interface|disk|devices|name|uuid|address|domain)\b[^]*?<\/\1>/g),
    ];
    if (elements.length === 0) return xml;
    const { 0: text, index } = random.pick(elements);
    return xml.slice(0, index) + text.repeat(1 + random.below(3)) + xml.slice(index);
  },
  (xml, random) => insert(xml, random, random.pick(pieces)),
  (xml, random) => insert(xml, random, random.pick(pieces).repeat(1 + random.below(50))),
  // Another value for an attribute, or a text.
  (xml, random) => replaceOne(xml, random, /='([^']*)'/g, () => `='${random.pick(numbers)}'`),
  (xml, random) =>
    replaceOne(
      xml,
      random,
      /(domain|bus|slot|function)='([^']*)'/g,
      (name) => `${name}='${random.pick(numbers)}'`,
    ),
  (xml, random) => replaceOne(xml, random, />([^<>]+)</g, () => `>${random.pick([...numbers, ...pieces])}<`),
  (xml, random) =>
    replaceOne(
      xml,
      random,
      / (\w+)='/g,
      (name) => ` ${random.pick([name, `x:${name}`, name.toUpperCase(), '__proto__', 'type'])}='`,
    ),
  // Another address that is one.
  (xml, random) => replaceOne(xml, random, /bus='([^']*)'/g, () => `bus='${hex(random.below(0x20))}'`),
  (xml, random) => xml.replace('</devices>', `${hostdevOf(random).repeat(1 + random.below(3))}</devices>`),
  (xml, random) =>
    xml.replace(
      '</devices>',
      `${Array.from({ length: random.below(12) }, () => hostdevOf(random)).join('')}</devices>`,
    ),
  (xml, random) => insert(xml, random, hostdevOf(random)),
  (xml, random) => insert(xml, random, `<!--${hostdevOf(random)}-->`),
  (xml, random) => insert(xml, random, `<![CDATA[${hostdevOf(random)}]]>`),
  (xml, random) =>
    xml.replace('</domain>', `<metadata><x:y xmlns:x='urn:x'>${hostdevOf(random)}</x:y></metadata></domain>`),
  // Declarations, bombs, depth, width.
  (xml, random) =>
    random.once(4)
      ? `<!DOCTYPE domain [<!ENTITY a "${'x'.repeat(500)}">${bomb()}]>${xml.replace('<name>', '<name>&j;')}`
      : xml,
  (xml, random) => (random.once(4) ? `<!DOCTYPE domain SYSTEM "file:///etc/shadow">${xml}` : xml),
  (xml, random) =>
    random.once(4)
      ? `<?xml version='1.0' encoding='${random.pick(['UTF-16', 'utf-8', 'EBCDIC', '../x'])}'?>${xml}`
      : xml,
  (xml, random) => (random.once(20) ? nested(xml, random.pick([90, 255, 256, 257, 1000, 20_000])) : xml),
  (xml, random) =>
    random.once(20)
      ? xml.replace('<devices>', `<devices>${"<hostdev type='usb'/>".repeat(random.below(3000))}`)
      : xml,
  (xml, random) =>
    random.once(20)
      ? xml.replace(
          '<devices',
          `<devices ${Array.from({ length: random.below(2000) }, (_, i) => `a${i}='${i}'`).join(' ')}`,
        )
      : xml,
  (xml, random) =>
    random.once(20) ? xml.replace('<devices', `<devices ${"x='1' ".repeat(random.below(3000))}`) : xml,
  (xml, random) =>
    random.once(20)
      ? insert(
          xml,
          random,
          random.pick(['&#65;', '&amp;', ' ', 'x', '<', '<!--', '&']).repeat(random.below(20_000)),
        )
      : xml,
];

function insert(xml: string, random: Random, text: string): string {
  const at = random.below(xml.length + 1);
  return xml.slice(0, at) + text + xml.slice(at);
}

function replaceOne(xml: string, random: Random, pattern: RegExp, by: (found: string) => string): string {
  const places = [...xml.matchAll(pattern)];
  if (places.length === 0) return xml;
  const { 0: text, 1: found = '', index } = random.pick(places);
  return xml.slice(0, index) + by(found) + xml.slice(index + text.length);
}

/** Ten entities, each of ten of the one before. */
function bomb(): string {
  const names = Array.from('abcdefghij');
  return names
    .slice(1)
    .map((name, index) => `<!ENTITY ${name} "${`&${names[index] ?? ''};`.repeat(10)}">`)
    .join('');
}

function nested(xml: string, levels: number): string {
  return xml.replace('<devices>', `<devices>${'<a>'.repeat(levels)}${'</a>'.repeat(levels)}`);
}
