import { XMLParser } from 'fast-xml-parser';
import { decodeReferences } from './entities.ts';
import { DEEPEST_NESTING } from './outline.ts';
import { refuse } from './refuse.ts';

/** An element of the document. Values are text as XML means it: references decoded, nothing trimmed or converted. */
export interface Element {
  /** Without a bound prefix. A prefix that nothing binds stays, so that `x:hostdev` is never `hostdev`. */
  readonly name: string;
  /** Namespace URI; empty for libvirt's own elements, which have none. */
  readonly namespace: string;
  /** By name as written. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly Element[];
  /** Character data directly inside the element, comments left out. */
  readonly text: string;
}

/** fast-xml-parser's own names for what is no element, in its ordered form. */
const TEXT = '#text';
const CDATA = '#cdata';
const ATTRIBUTES = ':@';
const PREFIX = '@';

/** Namespace bindings by prefix, from an element outwards. */
type Scope = { readonly own: ReadonlyMap<string, string>; readonly outer: Scope } | undefined;

/**
 * Reads a document that {@link outlineXml} has found well-formed.
 *
 * References are decoded here, not by fast-xml-parser: it leaves numeric ones alone unless it also takes the
 * names of HTML, and gives up after a number of them.
 * Throws VH_XML for what fast-xml-parser refuses, such as an element named `__proto__`.
 */
export function readElement(xml: string): Element {
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: PREFIX,
    textNodeName: TEXT,
    cdataPropName: CDATA,
    parseTagValue: false,
    parseAttributeValue: false,
    trimValues: false,
    processEntities: false,
    maxNestedTags: DEEPEST_NESTING,
  });
  let nodes: unknown;
  try {
    nodes = parser.parse(xml);
  } catch (error) {
    refuse(error instanceof Error ? error.message : 'fast-xml-parser refused it', error);
  }
  const [root] = Array.isArray(nodes) ? nodes.map((node) => element(node, undefined)) : [];
  return root ?? refuse('it has no root element');
}

/** The child elements of that name; without a namespace unless one is given. */
export function childrenNamed(parent: Element, name: string, namespace = ''): readonly Element[] {
  return parent.children.filter((child) => child.name === name && child.namespace === namespace);
}

/** The only child element of that name. Throws VH_XML when there is none or more than one; `where` names `parent`. */
export function onlyChild(parent: Element, name: string, where: string): Element {
  const found = childrenNamed(parent, name);
  const [child] = found;
  if (!child || found.length > 1) {
    refuse(`${where} has ${found.length === 0 ? 'no' : found.length} <${name}>, expected exactly one`);
  }
  return child;
}

/** The child element of that name, undefined when there is none. Throws VH_XML when there is more than one. */
export function optionalChild(parent: Element, name: string, where: string): Element | undefined {
  const found = childrenNamed(parent, name);
  if (found.length > 1) refuse(`${where} has ${found.length} <${name}>, expected at most one`);
  return found[0];
}

function element(node: unknown, outer: Scope): Element {
  const [tag, content] = entryOf(node);
  const attributes = attributesOf(node);
  const scope = bindings(attributes, outer);
  const { name, namespace } = resolve(tag, scope);
  const children: Element[] = [];
  let text = '';
  for (const child of Array.isArray(content) ? content : []) {
    const [childTag, value] = entryOf(child);
    if (childTag === TEXT) text += decodeReferences(String(value));
    else if (childTag === CDATA) text += cdataText(value);
    else children.push(element(child, scope));
  }
  return { name, namespace, attributes, children, text };
}

/** A node of the ordered form is `{ tag: content, ':@': { attributes } }`. */
function entryOf(node: unknown): readonly [tag: string, content: unknown] {
  for (const entry of Object.entries(node ?? {})) if (entry[0] !== ATTRIBUTES) return entry;
  return ['', undefined];
}

function attributesOf(node: unknown): ReadonlyMap<string, string> {
  const raw = Object.entries(node ?? {}).find(([key]) => key === ATTRIBUTES)?.[1] as unknown;
  const attributes = new Map<string, string>();
  for (const [key, value] of Object.entries(raw ?? {})) {
    // XML 1.0 section 3.3.3: white space as written is a space, white space by reference stays.
    attributes.set(key.slice(PREFIX.length), decodeReferences(String(value).replace(/[\t\r\n]/g, ' ')));
  }
  return attributes;
}

/** A CDATA section is a node of its own whose content is `[{ '#text': … }]`. */
function cdataText(content: unknown): string {
  return (Array.isArray(content) ? content : []).map((part) => String(entryOf(part)[1])).join('');
}

/** The bindings of an element's own attributes, when it has any. A chain, not a copy: each element may add some. */
function bindings(attributes: ReadonlyMap<string, string>, outer: Scope): Scope {
  let own: Map<string, string> | undefined;
  for (const [name, value] of attributes) {
    if (name !== 'xmlns' && !name.startsWith('xmlns:')) continue;
    own ??= new Map();
    own.set(name.slice('xmlns:'.length), value);
  }
  return own ? { own, outer } : outer;
}

/** Namespaces in XML 1.0, section 5: the innermost binding counts; the empty prefix is the default namespace. */
function namespaceOf(prefix: string, innermost: Scope): string {
  for (let scope = innermost; scope; scope = scope.outer) {
    const namespace = scope.own.get(prefix);
    if (namespace !== undefined) return namespace;
  }
  return '';
}

function resolve(tag: string, scope: Scope): { readonly name: string; readonly namespace: string } {
  const colon = tag.indexOf(':');
  const namespace = namespaceOf(tag.slice(0, Math.max(colon, 0)), scope);
  return { name: namespace === '' ? tag : tag.slice(colon + 1), namespace };
}
