import { escapeControl } from '../../text.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * A text from outside as it may stand in XML and HTML, between tags and in a quoted attribute. What XML 1.0 does
 * not allow at all (control characters, lone surrogates, U+FFFE, U+FFFF) is shown as `\u{…}`.
 */
export function escapeMarkup(text: string): string {
  return escapeControl(text).replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '');
}
