import assert from 'node:assert/strict';
import type { MachineEvent } from './machines.ts';
import { openOf, returned, type Program } from './questions.ts';
import type { Runs } from './runs.ts';
import { aging } from './steps.ts';
import { programOf, type Setting, type World } from './world.ts';

/** More than any setting has runs, so that these have pids of their own. */
const FRESH = 9;

/** Whether a program is one of those that ways back are tried with. */
export function isOfWayBack({ name }: Program): boolean {
  return name.endsWith(` (${FRESH})`) || name.endsWith(` (${FRESH + 1})`);
}

/**
 * Ways to the original machine without any claim, from every world in which nothing is in progress and after
 * all guests have ended: `recover`, also when it was run once in vain while a driver hung; the releases of both
 * guests; a reboot.
 */
export class WaysBack {
  readonly #setting: Setting;
  readonly #runs: Runs;
  readonly #known = new Map<string, string | undefined>();

  constructor(setting: Setting, runs: Runs) {
    this.#setting = setting;
    this.#runs = runs;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Which way does not lead back, and what is left there; undefined when all do. */
  async missing(world: World): Promise<string | undefined> {
    const key = `${world.machine} ${world.claims}`;
    if (!this.#known.has(key)) this.#known.set(key, await this.#search(world));
    return this.#known.get(key);
  }

  async #search(world: World): Promise<string | undefined> {
    let still = aging(this.#runs, world);
    for (const { name } of world.guests) still = this.#happen(still, { do: 'close-group', guest: name });
    const recovery = programOf(this.#setting, 'recover', { count: FRESH });
    const again = programOf(this.#setting, 'recover', { count: FRESH + 1 });
    const releases = world.guests.map(({ name }) =>
      programOf(this.#setting, 'release', { guest: name, count: FRESH }),
    );
    const hung = this.#runs.machines.state(still.machine).faults.length > 0;
    const free = this.#happen(still, { do: 'unhang' });
    const rebooted = this.#happen(still, { do: 'reboot' });
    return (
      (await this.#leads('recover', free, [recovery], true)) ??
      (await this.#leads('the releases of all guests', free, releases, false)) ??
      (await this.#leads('recover after a reboot', rebooted, [recovery], true)) ??
      (hung ? await this.#leadsLater(still, recovery, again) : undefined)
    );
  }

  async #leadsLater(world: World, first: Program, second: Program): Promise<string | undefined> {
    const tried = await this.#alone(world, first);
    const free = this.#happen(tried, { do: 'unhang' });
    return this.#leads('recover, run while the driver hung and again afterwards', free, [second], true);
  }

  async #leads(
    way: string,
    from: World,
    programs: readonly Program[],
    clean: boolean,
  ): Promise<string | undefined> {
    let world = from;
    for (const program of programs) world = await this.#alone(world, program);
    const drift = this.#runs.machines.drift(world.machine);
    const { claims, damaged, outdated } = this.#runs.stored(world);
    const left = [
      ...drift,
      ...[...claims, ...damaged].map(() => 'a claim is left'),
      ...(clean ? outdated.map(() => 'a claim of an earlier boot is left') : []),
    ];
    return left.length === 0 ? undefined : `${way} does not lead back: ${left.join(', ')}`;
  }

  #happen(world: World, event: MachineEvent): World {
    return { ...world, machine: this.#runs.machines.change(world.machine, event).machine };
  }

  /** A program from its beginning to its end, with nothing else going on. */
  async #alone(world: World, program: Program): Promise<World> {
    const alive = [program.pid];
    let around = { machine: world.machine, claims: world.claims, alive };
    let point = await this.#runs.begin(program, around);
    while (point.question.ask !== 'end') {
      const [first] = openOf(point.question);
      assert.ok(first);
      const done = this.#runs.act(first.action, around);
      around = { machine: done.machine, claims: done.claims, alive };
      point = await this.#runs.proceed(point, returned(point.question, first, done.answer), around);
    }
    return { ...world, machine: around.machine, claims: around.claims };
  }
}
