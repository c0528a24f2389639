const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** The shortest and the longest duration that a configuration may ask for, in milliseconds. */
export const durationBounds = { least: 100, most: 600_000 } as const;

/** What a duration looks like; the bounds are checked apart. */
export const DURATION = /^(\d{1,6})(ms|s|m)$/;

/**
 * Reads a duration such as `500ms`, `30s` or `2m`. Returns milliseconds, or undefined when the text is none
 * or lies outside of 100 ms to 10 minutes.
 */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (!match || unit === undefined) return undefined;
  const milliseconds = Number(match[1]) * unit;
  return milliseconds >= durationBounds.least && milliseconds <= durationBounds.most
    ? milliseconds
    : undefined;
}
