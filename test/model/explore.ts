import { ClaimDirectories } from './claims.ts';
import { Invariants } from './invariants.ts';
import { Machines } from './machines.ts';
import { Runs, type Tamper } from './runs.ts';
import { stepsFrom } from './steps.ts';
import { WaysBack } from './way-back.ts';
import { keyOf, type Setting, type World } from './world.ts';

/** What an exploration came to. */
export interface Exploration {
  readonly worlds: number;
  readonly transitions: number;
  /** Distinct states of the machine, contents of the claims' directory, and points of runs. */
  readonly machines: number;
  readonly claims: number;
  readonly points: number;
  /** How often the engine was executed. */
  readonly executions: number;
  /** Pairs of machine and claims from which each way back was gone. */
  readonly waysBack: number;
  readonly milliseconds: number;
  /** The first thing that went wrong, with the shortest way there. */
  readonly violation?: Violation;
}

export interface Violation {
  readonly wrong: string;
  /** What happened, from the beginning. */
  readonly trace: readonly string[];
}

/** How far an exploration goes before it gives up: reaching it is an error. */
export interface ExploreOptions {
  readonly tamper?: Tamper;
  readonly mostWorlds?: number;
}

/**
 * Visits every world that a setting can come to, breadth first, so that the first violation that is found is
 * one that needs the fewest steps.
 */
export async function explore(setting: Setting, options: ExploreOptions = {}): Promise<Exploration> {
  const began = performance.now();
  const machines = new Machines(setting.machine);
  const directories = new ClaimDirectories();
  const runs = new Runs(machines, directories, options.tamper);
  const invariants = new Invariants(setting, runs);
  const waysBack = new WaysBack(setting, runs);
  const visited = new Visited();
  let transitions = 0;

  const result = (violation?: Violation): Exploration => ({
    worlds: visited.size,
    transitions,
    machines: machines.size,
    claims: directories.size,
    points: runs.counts.points,
    executions: runs.counts.executions,
    waysBack: waysBack.size,
    milliseconds: Math.round(performance.now() - began),
    ...(violation && { violation }),
  });

  const first: World = {
    machine: machines.booted,
    claims: directories.empty,
    runs: [],
    guests: Object.keys(setting.guests).map((name) => ({ name, phase: 'off', starts: 0 })),
    left: setting.bounds,
  };
  visited.add(keyOf(first), -1, '');
  // Worlds of one distance at a time: the ones before are not needed any more.
  for (let level: Level = [{ world: first, at: 0 }]; level.length > 0;) {
    const next: { world: World; at: number }[] = [];
    for (const { world, at } of level) {
      const back = world.runs.length === 0 ? await waysBack.missing(world) : undefined;
      if (back !== undefined) return result({ wrong: back, trace: visited.trace(at) });
      for (const step of await stepsFrom(setting, runs, world)) {
        transitions += 1;
        const wrong = step.wrong ?? invariants.wrong(step.world);
        if (wrong !== undefined) return result({ wrong, trace: [...visited.trace(at), step.sentence] });
        const index = visited.add(keyOf(step.world), at, step.sentence);
        if (index !== undefined) next.push({ world: step.world, at: index });
      }
      if (visited.size > (options.mostWorlds ?? Infinity)) {
        throw new Error(`"${setting.name}" has more than ${options.mostWorlds ?? 0} worlds`);
      }
    }
    level = next;
  }
  return result();
}

type Level = readonly { readonly world: World; readonly at: number }[];

/** The worlds that were met, and how each was met first. */
class Visited {
  readonly #indexes = new Map<string, number>();
  readonly #from: number[] = [];
  readonly #sentences: number[] = [];
  readonly #texts: string[] = [];
  readonly #textIndexes = new Map<string, number>();

  get size(): number {
    return this.#from.length;
  }

  /** Undefined when the world was met before. */
  add(key: string, from: number, sentence: string): number | undefined {
    if (this.#indexes.has(key)) return undefined;
    const index = this.#from.push(from) - 1;
    this.#indexes.set(key, index);
    let text = this.#textIndexes.get(sentence);
    if (text === undefined) {
      text = this.#texts.push(sentence) - 1;
      this.#textIndexes.set(sentence, text);
    }
    this.#sentences.push(text);
    return index;
  }

  /** The sentences from the beginning to a world. */
  trace(index: number): string[] {
    const sentences: string[] = [];
    for (let at = index; at > 0; at = this.#from[at]!) sentences.push(this.#texts[this.#sentences[at]!]!);
    return sentences.reverse();
  }
}
