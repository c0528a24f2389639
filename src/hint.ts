/**
 * One thing to do about an error, a refusal or a finding. Whoever knows what helps says of which kind it is; how it
 * is shown is for whoever prints it.
 */
export type Hint =
  /** To be typed in a shell, as root unless it says otherwise. */
  | { readonly kind: 'command'; readonly text: string }
  /** To be pasted into the place that `into` names. May have several lines; `purpose` says what for: `to allow it`. */
  | { readonly kind: 'paste'; readonly into: string; readonly text: string; readonly purpose?: string }
  /** What no single command does, a sentence without a capital and a period. */
  | { readonly kind: 'advice'; readonly text: string };

/** A command to type. */
export function command(text: string): Hint {
  return { kind: 'command', text };
}

/** A text to paste into a place, and what for. */
export function paste(into: string, text: string, purpose?: string): Hint {
  return { kind: 'paste', into, text, ...(purpose !== undefined && { purpose }) };
}

/** A sentence. */
export function advice(text: string): Hint {
  return { kind: 'advice', text };
}

/** A hint in one line, as `vfio-hook: hint: …` shows it. */
export function hintText(hint: Hint): string {
  if (hint.kind !== 'paste') return hint.text;
  return `${hint.purpose ?? 'paste'}: ${hint.text.replaceAll('\n', ' ')} in ${hint.into}`;
}

/** Each hint once: several devices are often refused for one cause. */
export function uniqueHints(hints: readonly Hint[]): Hint[] {
  const seen = new Map(hints.map((hint) => [JSON.stringify(hint), hint]));
  return [...seen.values()];
}
