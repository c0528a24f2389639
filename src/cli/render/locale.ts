/** The environment that the command was called with. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Whether the terminal takes more than ASCII, by the rule of setlocale(3): LC_ALL, else LC_CTYPE, else LANG. Where
 * none is set, nobody has chosen one, and terminals of today take UTF-8.
 */
export function takesUnicode(env: Environment): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find(
    (value) => value !== undefined && value !== '',
  );
  return locale === undefined || /utf-?8/i.test(locale);
}

/** Fewest columns that anything is fitted to. */
const LEAST = 40;

/**
 * Columns that there are: COLUMNS where it is set, which watch(1) does and whoever wants it, else those of the
 * terminal. Undefined where there is none, and lines may have any length.
 */
export function columnsFor(env: Environment, stream: { readonly columns?: number }): number | undefined {
  const wished = /^[1-9]\d{0,3}$/.test(env['COLUMNS'] ?? '') ? Number(env['COLUMNS']) : undefined;
  const columns = wished ?? stream.columns ?? 0;
  // A terminal that does not say its size has 0 columns.
  return columns === 0 ? undefined : Math.max(columns, LEAST);
}

const SIGNS: Readonly<Record<string, string>> = {
  '→': '->',
  '…': '...',
  '·': '-',
  '–': '-',
  '—': '-',
  '×': 'x',
  '≥': '>=',
  '≤': '<=',
  '‘': "'",
  '’': "'",
  '“': '"',
  '”': '"',
  '├': '|',
  '└': '`',
  '│': '|',
  '─': '-',
  '\u00a0': ' ',
};

/** A text in ASCII: our own signs as what stands for them, everything else as `\u{…}`. */
export function toAscii(text: string): string {
  return text.replace(
    /[^\0-\x7f]/gu,
    (sign) => SIGNS[sign] ?? `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
