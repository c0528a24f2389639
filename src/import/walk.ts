import { commandsOf, type Command } from './commands.ts';
import type { Phase } from './moment.ts';
import { compare, evaluate, join, UNKNOWN, type Truth } from './test-command.ts';
import { linesOf, type Line, type Token } from './tokens.ts';
import { assignment, assignmentsOf, expand, set, type Variables } from './variables.ts';

/** A line of a script with the commands on it that may run for the guest. */
export interface WalkedLine extends Pick<Line, 'number' | 'text'> {
  readonly commands: readonly Command[];
}

/** What a walk goes by. */
export interface Walk {
  readonly variables: Variables;
  readonly phase: Phase;
  /** The text of a file that the script reads with `source`; undefined where it is not to be read. */
  readonly sourced: (path: string) => string | undefined;
}

/** An `if`, `case`, loop, function or group that is open. */
interface Frame {
  readonly kind: 'if' | 'case' | 'loop' | 'function' | 'group';
  /** Whether what is in it may run for the guest. */
  active: boolean;
  /** This branch, or one before it, runs for certain. */
  taken: boolean;
  /** Whether a branch before this one runs cannot be told. */
  unclear: boolean;
  phase: Phase;
  /** The condition that is being read. */
  conditions?: { truths: Truth[]; by: 'and' | 'or' };
  /** Of a `case`: what is compared, while a pattern is awaited. */
  subject?: string | undefined;
  awaitsPattern?: boolean;
  /** Arguments of the script, which a function has others in place of. */
  hidden?: readonly (readonly [string, string])[];
}

/**
 * Goes through a script as the shell would, without running anything: conditions on the name of the guest and on libvirt's
 * operation are decided, all other branches count. Gives each line with the commands that remain; a line without any is
 * part of the frame (conditions, variables), or for other guests.
 */
export function walk(script: string, { variables, phase, sourced }: Walk): WalkedLine[] {
  const frames: Frame[] = [];
  const functions = new Set<string>();
  let named: string | undefined;
  /** What `[ … ] &&` in front lets through, up to the end of the list. */
  let guard: Truth = { truth: true };
  const found: WalkedLine[] = [];
  /** The script has ended for this guest. */
  let isOver = false;

  const top = (): Frame | undefined => frames.at(-1);
  const isActive = (): boolean => !isOver && frames.every(({ active }) => active) && guard.truth !== false;
  const phaseNow = (): Phase => guard.phase ?? top()?.phase ?? phase;
  const open = (kind: Frame['kind'], facts: Partial<Frame> = {}): void => {
    frames.push({ kind, active: true, taken: false, unclear: false, phase: phaseNow(), ...facts });
  };
  const close = (): void => {
    const frame = frames.pop();
    for (const [name, value] of frame?.hidden ?? []) variables.set(name, value);
    guard = { truth: true };
  };
  const decide = (frame: Frame, { truth, phase: asked }: Truth): void => {
    frame.active = !frame.taken && truth !== false;
    frame.taken ||= truth === true && !frame.unclear;
    frame.unclear ||= truth === undefined;
    frame.phase = asked ?? frames.at(-2)?.phase ?? phase;
  };

  /** One pipeline; returns its commands that may run for the guest. */
  const pipeline = (parts: readonly (readonly Token[])[], then: string): readonly Command[] => {
    const [first = []] = parts;
    const words = first.flatMap((token) => (token.kind === 'word' ? [token] : []));
    if (words.length === 0 && first.length === 0) return [];
    const frame = top();
    const test = testOf(first, variables);
    if (frame?.conditions) {
      frame.conditions.truths.push(test ?? UNKNOWN);
      if (then === '||') frame.conditions.by = 'or';
      return [];
    }
    if (test) {
      if (then === '&&') guard = join([guard, test], 'and');
      if (then === '||') guard = { truth: test.truth === undefined ? undefined : !test.truth };
      return [];
    }
    if (!isActive()) return [];
    const own = DECLARES.has(words[0]?.raw ?? '') ? words.slice(1) : words;
    const assignments = own.flatMap((token) => assignment(token, variables) ?? []);
    if (parts.length === 1 && assignments.length === own.length && own.length > 0) {
      for (const each of assignments) set(variables, each);
      return [];
    }
    const isCertain =
      guard.truth === true && frames.every(({ kind, taken }) => taken && (kind === 'if' || kind === 'case'));
    if (words[0]?.raw === 'exit' && isCertain) isOver = true;
    // Variables for one command only, in front of it.
    const bare = parts.map((tokens) => {
      const at = tokens.findIndex((token) => token.kind !== 'word' || !/^[A-Za-z_]\w*=/.test(token.raw));
      return at === -1 ? tokens : tokens.slice(at);
    });
    return commandsOf(bare, variables, phaseNow()).filter(({ name, args }) => {
      if (name === 'source' || name === '.') {
        const text = args[0] === undefined ? undefined : sourced(args[0]);
        if (text !== undefined) assignmentsOf(text, variables);
        return false;
      }
      return !functions.has(name);
    });
  };

  for (const line of linesOf(script)) {
    const commands: Command[] = [];
    let parts: Token[][] = [[]];
    const flush = (then = ''): void => {
      commands.push(...pipeline(parts, then));
      parts = [[]];
      if (then !== '&&' && then !== '||') guard = { truth: true };
    };
    const tokens = [...line.tokens, { kind: 'operator', text: '\n' } as const];
    for (let at = 0; at < tokens.length; at += 1) {
      const token = tokens[at];
      if (!token) continue;
      const current = parts.at(-1);
      const isFirst = parts.length === 1 && current?.length === 0;
      if (token.kind === 'operator') {
        const frame = top();
        if (frame?.kind === 'case' && frame.awaitsPattern === true) {
          if (token.text === ')') {
            const patterns = parts
              .flat()
              .map((each) => (each.kind === 'word' ? expand(each.parts, variables)?.join(' ') : undefined));
            const truths = patterns.map((pattern) =>
              pattern === undefined || frame.subject === undefined
                ? UNKNOWN
                : compare(frame.subject, pattern),
            );
            frame.awaitsPattern = false;
            decide(frame, join(truths, 'or'));
            parts = [[]];
          } else if (token.text === '|') parts.push([]);
          continue;
        }
        if (token.text === '|' || token.text === '|&') parts.push([]);
        else if (token.text === '(' && tokens[at + 1]?.kind === 'operator' && current?.length === 1) {
          named = current[0]?.kind === 'word' ? current[0].raw : undefined;
          if (named !== undefined) functions.add(named);
          parts = [[]];
          at += 1;
        } else if (token.text === '{') {
          open(
            named === undefined ? 'group' : 'function',
            named === undefined ? {} : { hidden: hide(variables) },
          );
          named = undefined;
        } else if (token.text === '}') {
          flush(';');
          close();
        } else if (token.text.startsWith(';;') || token.text === ';&') {
          flush(';');
          if (frame?.kind === 'case') frame.awaitsPattern = true;
        } else if (token.text !== '(' && token.text !== ')') flush(token.text);
        continue;
      }
      const word = token.kind === 'word' && isFirst ? token.raw : '';
      const frame = top();
      if (frame?.kind === 'case' && frame.awaitsPattern === true && word === 'esac') close();
      else if (frame?.kind === 'case' && frame.awaitsPattern === true) current?.push(token);
      else if (word === 'if') open('if', { conditions: { truths: [], by: 'and' } });
      else if (word === 'elif' && frame) frame.conditions = { truths: [], by: 'and' };
      else if (word === 'while' || word === 'until') open('loop', { conditions: { truths: [], by: 'and' } });
      else if ((word === 'then' || word === 'do') && frame) {
        const { conditions } = frame;
        delete frame.conditions;
        // A loop runs as often as only a run would tell.
        if (conditions && frame.kind === 'if') decide(frame, join(conditions.truths, conditions.by));
      } else if (word === 'else' && frame)
        decide(frame, { truth: frame.unclear && !frame.taken ? undefined : !frame.taken });
      else if (word === 'fi' || word === 'done' || word === 'esac') close();
      else if (word === 'for') {
        const end = tokens.findIndex((each, index) => index > at && each.kind === 'operator');
        const [name, , ...values] = tokens.slice(at + 1, end);
        const each = values.map((value) =>
          value.kind === 'word' ? expand(value.parts, variables)?.join(' ') : undefined,
        );
        if (name?.kind === 'word') {
          set(variables, { name: name.raw, value: each.includes(undefined) ? undefined : each.join(' ') });
        }
        open('loop');
        at = end - 1;
      } else if (word === 'case') {
        const subject = tokens[at + 1];
        open('case', {
          subject: subject?.kind === 'word' ? expand(subject.parts, variables)?.join(' ') : undefined,
          awaitsPattern: true,
        });
        at += 2;
      } else if (word === 'function') {
        const name = tokens[at + 1];
        named = name?.kind === 'word' ? name.raw : undefined;
        if (named !== undefined) functions.add(named);
        at += 1;
      } else if (word === '!') continue;
      else current?.push(token);
    }
    if (commands.length > 0) found.push({ number: line.number, text: line.text, commands });
  }
  return found;
}

const DECLARES = new Set(['export', 'local', 'readonly', 'declare', 'typeset']);

/** What a pipeline tests; undefined for one that does something. Both ends of `[[ … && … ]]` are tests. */
function testOf(tokens: readonly Token[], variables: Variables): Truth | undefined {
  const raw = tokens.map((token) => (token.kind === 'word' ? token.raw : ''));
  const [first = ''] = raw;
  const opens = first === '[' || first === '[[' || first === 'test';
  const closes = raw.at(-1) === ']' || raw.at(-1) === ']]';
  if (!opens && !closes) return undefined;
  const words = tokens
    .slice(opens ? 1 : 0, closes ? -1 : undefined)
    .map((token) => (token.kind === 'word' ? expand(token.parts, variables)?.join(' ') : undefined));
  return evaluate(words);
}

function hide(variables: Variables): readonly (readonly [string, string])[] {
  const own = [...variables].filter(([name]) => /^\d$/.test(name));
  for (const [name] of own) variables.delete(name);
  return own;
}
