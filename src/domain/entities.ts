const NAMED: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** An ampersand that begins no reference; the numbers are as long as the largest code point needs, with zeros to spare. */
const STRAY = /&(?!(?:lt|gt|amp|quot|apos|#[0-9]{1,10}|#x[0-9a-fA-F]{1,8});)/;

/**
 * Whether each ampersand begins a reference of XML 1.0 (section 4.1): one of its own five entities, or the
 * number of a character. There are no others without a document type, and a document type is refused.
 * Makes no copy, since the text may be long.
 */
export function areReferencesKnown(text: string): boolean {
  if (!text.includes('&')) return true;
  if (STRAY.test(text)) return false;
  for (let at = text.indexOf('&#'); at !== -1; at = text.indexOf('&#', at + 2)) {
    if (!isXmlCharacter(numberAt(text, at + 2))) return false;
  }
  return true;
}

/** Decodes the references of a text for which {@link areReferencesKnown} holds. */
export function decodeReferences(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(#?)([^;]*);/g, (all, number: string, name: string) =>
    number === '' ? (NAMED.get(name) ?? all) : String.fromCodePoint(numberAt(name, 0)),
  );
}

/** Whether a code point is a Char of XML 1.0 (section 2.2): no NUL, no control but tab and line ends. */
export function isXmlCharacter(code: number): boolean {
  return (
    code === 0x9 ||
    code === 0xa ||
    code === 0xd ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff)
  );
}

/** The code point whose digits begin at `at`: `65;` or `x41;`. */
function numberAt(text: string, at: number): number {
  const digits = text.slice(at, at + 11);
  return digits.startsWith('x') ? parseInt(digits.slice(1), 16) : parseInt(digits, 10);
}
