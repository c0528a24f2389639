import { quoteName } from '../text.ts';
import { areReferencesKnown } from './entities.ts';
import { refuse } from './refuse.ts';

/** A well-formed document, cut into its root's start tag, its root's children, and theirs. */
export interface Outline {
  /** Name of the root element as written, with its prefix. */
  readonly root: string;
  /** The root's start tag as written, `<domain …>`. */
  readonly startTag: string;
  /** In document order. */
  readonly children: readonly OutlineChild[];
}

/** An element inside of the root. */
export interface OutlineElement {
  /** As written, with its prefix. */
  readonly name: string;
  /** The element's whole text, from its `<` to its last `>`. */
  readonly xml: string;
}

/** A child element of the root. */
export interface OutlineChild extends OutlineElement {
  /** Its start tag, that of an empty element without the slash. */
  readonly startTag: string;
  /** In document order. */
  readonly children: readonly OutlineElement[];
}

/** The longest text that libvirt takes for one string of its protocol (REMOTE_STRING_MAX), in characters. */
export const LONGEST_DOCUMENT = 4 * 2 ** 20;
/** A guest with a thousand devices has about 10,000. */
export const MOST_ELEMENTS = 100_000;
/** libxml2's own limit (xmlParserMaxDepth). A disk's chain of backing stores nests one level for each image. */
export const DEEPEST_NESTING = 256;
/** libvirt's own elements have fewer than 20. */
export const MOST_ATTRIBUTES = 256;

/**
 * A name, somewhat wider than XML 1.0 section 2.3 has it: libvirt's own are ASCII, and those in metadata were
 * judged by libxml2. White space of Unicode is left out on purpose, since fast-xml-parser ends a name at it.
 */
const LETTER =
  ':A-Z_a-z\\u{c0}-\\u{167f}\\u{1681}-\\u{1fff}\\u{200b}-\\u{2027}\\u{2030}-\\u{205e}\\u{2060}-\\u{2fff}' +
  '\\u{3001}-\\u{fefe}\\u{ff00}-\\u{10ffff}';
const NAME = `[${LETTER}][-.0-9\\u{b7}${LETTER}]*`;

/** The same within ASCII, as nearly every document is: patterns over all of Unicode take longer to make than to use. */
const ASCII_NAME = '[:A-Z_a-z][-.0-9:A-Z_a-z]*';

/** XML 1.0 section 2.2: what is no character of XML; half a surrogate pair is no character at all. */
// eslint-disable-next-line no-control-regex -- these characters are what is looked for
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\u{d800}-\u{dfff}]/u;
// eslint-disable-next-line no-control-regex -- as above
const FORBIDDEN_ASCII = /[\0-\x08\x0b\x0c\x0e-\x1f]/;

interface Scan {
  readonly xml: string;
  readonly patterns: Patterns;
  /** Index of the next character to read. */
  at: number;
  /** Names of the elements that are open, the root first. */
  readonly open: string[];
  elements: number;
  root: { readonly name: string; readonly startTag: string } | undefined;
  /** The child of the root that is open, and where it begins. */
  child: { readonly start: number; readonly startTag: string; readonly children: OutlineElement[] };
  /** Where the open element in it begins. */
  innerStart: number;
  readonly children: OutlineChild[];
}

interface Patterns {
  readonly name: RegExp;
  readonly attribute: RegExp;
  readonly tagEnd: RegExp;
  readonly forbidden: RegExp;
}

/**
 * Checks that `xml` is one well-formed XML 1.0 document within the limits above, and cuts it.
 *
 * It comes before fast-xml-parser, which reads text that is cut off, has two roots or no root at all without
 * a word; its validator still lets a repeated empty root, text after the root, an unclosed comment and any
 * `&name;` pass. A cut-off document must be an error: it would read as "no devices".
 *
 * - A document type is refused, so that no entity can be declared.
 * - A processing instruction is refused outside `<metadata>`: libvirt prints none, and fast-xml-parser takes
 *   a quote in one for the beginning of a value.
 * - Time and memory grow with the length alone. Each pattern reads forward and stops at the first deviation.
 *
 * Throws VH_XML with the line of the deviation.
 */
export function outlineXml(xml: string): Outline {
  if (xml.length > LONGEST_DOCUMENT) {
    refuse(`it has ${xml.length} characters, expected at most ${LONGEST_DOCUMENT}`);
  }
  const scan: Scan = {
    xml,
    patterns: patternsFor(xml),
    at: declarationLength(xml),
    open: [],
    elements: 0,
    root: undefined,
    child: { start: 0, startTag: '', children: [] },
    innerStart: 0,
    children: [],
  };
  refuseCharacters(scan);
  while (scan.at < xml.length) {
    readText(scan);
    if (scan.at < xml.length) readMarkup(scan);
  }
  const unclosed = scan.open.at(-1);
  if (unclosed !== undefined) refuse(`it ends inside <${unclosed}>, expected </${unclosed}>`);
  if (!scan.root) refuse('it is empty, expected <domain>');
  return { root: scan.root.name, startTag: scan.root.startTag, children: scan.children };
}

function patternsFor(xml: string): Patterns {
  const ascii = /^[\0-\x7f]*$/.test(xml);
  const name = ascii ? ASCII_NAME : NAME;
  const flags = ascii ? 'y' : 'uy';
  return {
    name: new RegExp(name, flags),
    attribute: new RegExp(
      `[ \\t\\r\\n]+(${name})[ \\t\\r\\n]*=[ \\t\\r\\n]*(?:"([^<"]*)"|'([^<']*)')`,
      flags,
    ),
    tagEnd: /[ \t\r\n]*(\/?)>/y,
    forbidden: ascii ? FORBIDDEN_ASCII : FORBIDDEN,
  };
}

/** Length of the XML declaration, 0 when there is none. Text in another encoding cannot have been decoded right. */
function declarationLength(xml: string): number {
  const match =
    /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(["'])1\.[0-9]{1,3}\1(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(["'])([-\w.]{1,40})\2)?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*["'](?:yes|no)["'])?[ \t\r\n]*\?>/.exec(
      xml,
    );
  const encoding = match?.[3];
  if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8') {
    refuse(`its encoding is ${quoteName(encoding)}, expected "UTF-8"`);
  }
  return match?.[0].length ?? 0;
}

function refuseCharacters(scan: Scan): void {
  const match = scan.patterns.forbidden.exec(scan.xml);
  if (match) deviation(scan, match.index, `${quoteName(match[0])} is no character of XML`);
}

/** Character data up to the next markup. */
function readText(scan: Scan): void {
  const { xml, at, open } = scan;
  const next = xml.indexOf('<', at);
  const end = next === -1 ? xml.length : next;
  if (end === at) return;
  const text = xml.slice(at, end);
  if (open.length === 0) {
    if (/[^ \t\r\n]/.test(text)) {
      deviation(scan, at, 'found text outside the root element, expected <domain>');
    }
  } else if (text.includes(']]>') || !areReferencesKnown(text)) {
    deviation(
      scan,
      at,
      `the text in <${open.at(-1) ?? ''}> has a reference that XML does not know, or "]]>"`,
    );
  }
  scan.at = end;
}

function readMarkup(scan: Scan): void {
  const { xml, at } = scan;
  if (xml.startsWith('<!--', at)) readComment(scan);
  else if (xml.startsWith('<![CDATA[', at)) readCdata(scan);
  else if (/^<!DOCTYPE/i.test(xml.slice(at, at + 9)))
    deviation(scan, at, 'it has a document type (<!DOCTYPE …)');
  else if (xml.startsWith('<?', at)) readInstruction(scan);
  else if (xml.startsWith('</', at)) readEndTag(scan);
  else readStartTag(scan);
}

function readComment(scan: Scan): void {
  const dashes = scan.xml.indexOf('--', scan.at + 4);
  if (dashes === -1) deviation(scan, scan.at, 'it ends inside a comment');
  if (scan.xml[dashes + 2] !== '>') deviation(scan, dashes, 'found "--" inside a comment');
  scan.at = dashes + 3;
}

function readCdata(scan: Scan): void {
  const end = scan.xml.indexOf(']]>', scan.at);
  if (end === -1) deviation(scan, scan.at, 'it ends inside a CDATA section');
  if (scan.open.length === 0) deviation(scan, scan.at, 'found CDATA outside the root element');
  scan.at = end + 3;
}

function readInstruction(scan: Scan): void {
  const end = scan.xml.indexOf('?>', scan.at);
  if (end === -1) deviation(scan, scan.at, 'it ends inside a processing instruction');
  if (scan.open[1] !== 'metadata') {
    deviation(scan, scan.at, 'found a processing instruction (<?…?>) outside <metadata>');
  }
  scan.at = end + 2;
}

function readEndTag(scan: Scan): void {
  const start = scan.at;
  scan.at += 2;
  const name = readName(scan);
  const end = match(scan, scan.patterns.tagEnd);
  const expected = scan.open.pop();
  if (end?.[1] !== '') deviation(scan, start, `the end tag </${name}> is not closed`);
  if (expected === undefined) deviation(scan, start, `found </${name}> without <${name}>`);
  if (expected !== name) deviation(scan, start, `found </${name}>, expected </${expected}>`);
  close(scan, name);
}

function readStartTag(scan: Scan): void {
  const { xml, open, at: start } = scan;
  scan.at += 1;
  const name = readName(scan);
  scan.elements += 1;
  if (scan.elements > MOST_ELEMENTS) refuse(`it has more than ${MOST_ELEMENTS} elements`);
  if (open.length >= DEEPEST_NESTING) {
    deviation(scan, start, `elements are nested deeper than ${DEEPEST_NESTING} levels`);
  }
  if (open.length === 0 && scan.root) {
    deviation(scan, start, `found a second root element <${name}> after <${scan.root.name}>`);
  }
  readAttributes(scan, name);
  const end = match(scan, scan.patterns.tagEnd);
  if (!end) deviation(scan, start, `the tag <${name}> is malformed after its attributes`);
  const empty = end[1] === '/';
  const tag = empty ? `${xml.slice(start, scan.at - 2)}>` : xml.slice(start, scan.at);
  if (open.length === 0) scan.root = { name, startTag: tag };
  else if (open.length === 1) scan.child = { start, startTag: tag, children: [] };
  else if (open.length === 2) scan.innerStart = start;
  if (empty) close(scan, name);
  else open.push(name);
}

function readAttributes(scan: Scan, element: string): void {
  const names = new Set<string>();
  for (;;) {
    const start = scan.at;
    const attribute = match(scan, scan.patterns.attribute);
    if (!attribute) return;
    const [, name = '', double, single] = attribute;
    if (names.has(name)) deviation(scan, start, `<${element}> has the attribute ${name} twice`);
    if (!areReferencesKnown(double ?? single ?? '')) {
      deviation(scan, start, `the attribute ${name} of <${element}> has a reference that XML does not know`);
    }
    names.add(name);
    if (names.size > MOST_ATTRIBUTES) {
      deviation(scan, start, `<${element}> has more than ${MOST_ATTRIBUTES} attributes`);
    }
  }
}

/** An element has ended; those that it is in are open. */
function close({ xml, at, open, child, innerStart, children }: Scan, name: string): void {
  if (open.length === 1) {
    children.push({
      name,
      xml: xml.slice(child.start, at),
      startTag: child.startTag,
      children: child.children,
    });
  } else if (open.length === 2) {
    child.children.push({ name, xml: xml.slice(innerStart, at) });
  }
}

function readName(scan: Scan): string {
  const name = match(scan, scan.patterns.name)?.[0];
  return name ?? deviation(scan, scan.at, 'found no name after "<"');
}

/** Matches a sticky pattern at the present place and moves behind it. */
function match(scan: Scan, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = scan.at;
  const found = pattern.exec(scan.xml);
  if (found) scan.at = pattern.lastIndex;
  return found;
}

function deviation(scan: Scan, index: number, problem: string): never {
  const line = scan.xml.slice(0, index).split('\n').length;
  return refuse(`${problem} (line ${line})`);
}
