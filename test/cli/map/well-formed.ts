import { outlineXml } from '../../../src/domain/outline.ts';

/** Asserts that a text is one well-formed XML document, by the strict reader that domain XML goes through. */
export function isWellFormed(text: string): void {
  outlineXml(text.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, ''));
}
