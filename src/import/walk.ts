import { commandsOf, type Command } from './commands.ts';
import { Flow } from './flow.ts';
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

/**
 * Goes through a script as the shell would, without running anything: conditions on the name of the guest and on libvirt's
 * operation are decided, all other branches count. Gives each line with the commands that remain; a line without any is
 * part of the frame (conditions, variables), or for other guests.
 */
export function walk(script: string, by: Walk): WalkedLine[] {
  const walker = new Walker(by);
  return linesOf(script).flatMap((line) => {
    const commands = walker.line(line);
    return commands.length > 0 ? [{ number: line.number, text: line.text, commands }] : [];
  });
}

const DECLARES = new Set(['export', 'local', 'readonly', 'declare', 'typeset']);

class Walker {
  readonly #variables: Variables;
  readonly #sourced: Walk['sourced'];
  readonly #flow: Flow;
  readonly #functions = new Set<string>();
  /** A function whose body is about to begin. */
  #named: string | undefined;
  /** The line that is read, and where. */
  #tokens: readonly Token[] = [];
  #at = 0;
  /** The pipeline that is read, a command each. */
  #parts: Token[][] = [[]];
  #commands: Command[] = [];

  constructor({ variables, phase, sourced }: Walk) {
    this.#variables = variables;
    this.#sourced = sourced;
    this.#flow = new Flow(variables, phase);
  }

  /** The commands of the next line that may run for the guest. */
  line({ tokens }: Line): readonly Command[] {
    this.#tokens = [...tokens, { kind: 'operator', text: '\n' }];
    this.#parts = [[]];
    this.#commands = [];
    for (this.#at = 0; this.#at < this.#tokens.length; this.#at += 1) {
      const token = this.#tokens[this.#at];
      if (token?.kind === 'operator') {
        if (this.#flow.openCase) this.#inPattern(token.text);
        else this.#operator(token.text);
      } else if (token && !this.#keyword(token)) this.#parts.at(-1)?.push(token);
    }
    return this.#commands;
  }

  #inPattern(operator: string): void {
    const frame = this.#flow.openCase;
    if (operator === '|') this.#parts.push([]);
    if (operator !== ')' || !frame) return;
    const truths = this.#parts.flat().map((token) => {
      const pattern = this.#text(token);
      return pattern === undefined || frame.subject === undefined ? UNKNOWN : compare(frame.subject, pattern);
    });
    frame.awaitsPattern = false;
    this.#flow.decide(frame, join(truths, 'or'));
    this.#parts = [[]];
  }

  #operator(text: string): void {
    if (text === '|' || text === '|&') this.#parts.push([]);
    else if (text === '(' && this.#beginsFunction()) this.#at += 1;
    else if (text === '{') this.#openBody();
    else if (text === '}') {
      this.#endPipeline(';');
      this.#flow.close();
    } else if (text.startsWith(';;') || text === ';&') {
      const { top } = this.#flow;
      this.#endPipeline(';');
      if (top?.kind === 'case') top.awaitsPattern = true;
    } else if (text !== '(' && text !== ')') this.#endPipeline(text);
  }

  /** `name ()`: with one word in front of the parenthesis, and an operator behind it. */
  #beginsFunction(): boolean {
    const current = this.#parts.at(-1);
    if (this.#tokens[this.#at + 1]?.kind !== 'operator' || current?.length !== 1) return false;
    this.#name(current[0]);
    this.#parts = [[]];
    return true;
  }

  #name(token: Token | undefined): void {
    this.#named = token?.kind === 'word' ? token.raw : undefined;
    if (this.#named !== undefined) this.#functions.add(this.#named);
  }

  #openBody(): void {
    if (this.#named === undefined) this.#flow.open('group');
    else this.#flow.open('function', { hidden: hide(this.#variables) });
    this.#named = undefined;
  }

  /** Whether a token is one of the shell's words, which it is at the beginning of a command only. */
  #keyword(token: Token): boolean {
    const isFirst = this.#parts.length === 1 && this.#parts[0]?.length === 0;
    if (token.kind !== 'word' || !isFirst) return false;
    const flow = this.#flow;
    const { top } = flow;
    if (flow.openCase) {
      if (token.raw === 'esac') flow.close();
      return token.raw === 'esac';
    }
    switch (token.raw) {
      case 'if':
        flow.open('if', { conditions: { truths: [], by: 'and' } });
        return true;
      case 'while':
      case 'until':
        flow.open('loop', { conditions: { truths: [], by: 'and' } });
        return true;
      case 'elif':
        if (top) top.conditions = { truths: [], by: 'and' };
        return top !== undefined;
      case 'then':
      case 'do':
        this.#beginBranch();
        return top !== undefined;
      case 'else':
        if (top) flow.decide(top, { truth: top.unclear && !top.taken ? undefined : !top.taken });
        return top !== undefined;
      case 'fi':
      case 'done':
      case 'esac':
        flow.close();
        return true;
      case 'for':
        this.#loop();
        return true;
      case 'case':
        flow.open('case', { subject: this.#text(this.#tokens[this.#at + 1]), awaitsPattern: true });
        this.#at += 2;
        return true;
      case 'function':
        this.#at += 1;
        this.#name(this.#tokens[this.#at]);
        return true;
      default:
        return token.raw === '!';
    }
  }

  #beginBranch(): void {
    const { top } = this.#flow;
    if (!top) return;
    const { conditions } = top;
    delete top.conditions;
    // A loop runs as often as only a run would tell.
    if (conditions && top.kind === 'if') this.#flow.decide(top, join(conditions.truths, conditions.by));
  }

  /** `for NAME in WORD…`: the variable is all of them at once. */
  #loop(): void {
    const end = this.#tokens.findIndex((each, index) => index > this.#at && each.kind === 'operator');
    const [name, , ...values] = this.#tokens.slice(this.#at + 1, end);
    const texts = values.map((value) => this.#text(value));
    const value = texts.includes(undefined) ? undefined : texts.join(' ');
    if (name?.kind === 'word') set(this.#variables, { name: name.raw, value });
    this.#flow.open('loop');
    this.#at = end - 1;
  }

  #endPipeline(then: string): void {
    this.#commands.push(...this.#pipeline(then));
    this.#parts = [[]];
    if (then !== '&&' && then !== '||') this.#flow.endList();
  }

  /** The commands of the pipeline that was read which may run for the guest. */
  #pipeline(then: string): readonly Command[] {
    const [first = []] = this.#parts;
    if (first.length === 0) return [];
    const test = testOf(first, this.#variables);
    const conditions = this.#flow.top?.conditions;
    if (conditions) {
      conditions.truths.push(test ?? UNKNOWN);
      if (then === '||') conditions.by = 'or';
      return [];
    }
    if (test) {
      this.#flow.guard(test, then);
      return [];
    }
    if (!this.#flow.isActive || this.#assigns(first)) return [];
    if (first[0]?.kind === 'word' && first[0].raw === 'exit' && this.#flow.isCertain) this.#flow.end();
    const bare = this.#parts.map(withoutAssignments);
    return commandsOf(bare, this.#variables, this.#flow.phase).filter((command) => !this.#isOwn(command));
  }

  /** Sets variables, where a pipeline does nothing else. */
  #assigns(first: readonly Token[]): boolean {
    const words = first.flatMap((token) => (token.kind === 'word' ? [token] : []));
    const own = DECLARES.has(words[0]?.raw ?? '') ? words.slice(1) : words;
    const assignments = own.flatMap((token) => assignment(token, this.#variables) ?? []);
    if (this.#parts.length > 1 || own.length === 0 || assignments.length < own.length) return false;
    for (const each of assignments) set(this.#variables, each);
    return true;
  }

  /** A function of the script, whose body is walked where it stands; or a file of variables, which are read. */
  #isOwn({ name, args }: Command): boolean {
    if (name !== 'source' && name !== '.') return this.#functions.has(name);
    const text = args[0] === undefined ? undefined : this.#sourced(args[0]);
    if (text !== undefined) assignmentsOf(text, this.#variables);
    return true;
  }

  #text(token: Token | undefined): string | undefined {
    return token?.kind === 'word' ? expand(token.parts, this.#variables)?.join(' ') : undefined;
  }
}

/** A command without variables in front of it that are for it alone. */
function withoutAssignments(tokens: readonly Token[]): readonly Token[] {
  const at = tokens.findIndex((token) => token.kind !== 'word' || !/^[A-Za-z_]\w*=/.test(token.raw));
  return at === -1 ? tokens : tokens.slice(at);
}

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
