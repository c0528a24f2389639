import { linesOf, type Part, type Token } from './tokens.ts';

/** What a word comes to: several where a variable has several; undefined: only the shell could tell. */
export type Expanded = readonly string[] | undefined;

/** What is known of the variables of a script, by their names; an argument by its number. */
export type Variables = Map<string, string>;

/** Stands for the operation and the sub-operation that libvirt calls a hook with, where a script asks for them. */
export const OPERATION = '\u0001operation';
export const SUB_OPERATION = '\u0001sub';

/** The words that a word becomes; a variable that was never set is unknown, and not empty. */
export function expand(parts: readonly Part[], variables: Variables): Expanded {
  let words = [''];
  for (const part of parts) {
    if (part.kind === 'unknown') return undefined;
    const text = part.kind === 'text' ? part.text : variables.get(part.name);
    if (text === undefined) return undefined;
    const split = part.kind === 'variable' && !part.quoted ? text.split(/\s+/) : [text];
    words = [...words.slice(0, -1), `${words.at(-1) ?? ''}${split[0] ?? ''}`, ...split.slice(1)];
  }
  return words;
}

const ASSIGNMENT = /^([A-Za-z_]\w*)=/;

/** The name of the variable that a word assigns to, and the value; undefined for any other word. */
export function assignment(
  token: Token,
  variables: Variables,
): { readonly name: string; readonly value: string | undefined } | undefined {
  if (token.kind !== 'word') return undefined;
  const name = ASSIGNMENT.exec(token.raw)?.[1];
  const [first, ...others] = token.parts;
  if (name === undefined || first?.kind !== 'text') return undefined;
  const value = first.text.slice(name.length + 1);
  // What is assigned is one word, whatever is in it.
  const parts = [{ kind: 'text', text: value } as const, ...others].map((part) =>
    part.kind === 'variable' ? { ...part, quoted: true } : part,
  );
  return { name, value: expand(parts, variables)?.join(' ') };
}

/** The simple assignments of a file that a script reads with `source`, such as the kvm.conf of many guides. */
export function assignmentsOf(text: string, variables: Variables): void {
  for (const { tokens } of linesOf(text)) {
    for (const token of tokens) {
      const found = assignment(token, variables);
      if (found) set(variables, found);
    }
  }
}

/** What is not known is not what it was before either. */
export function set(
  variables: Variables,
  { name, value }: { readonly name: string; readonly value: string | undefined },
): void {
  if (value === undefined) variables.delete(name);
  else variables.set(name, value);
}
