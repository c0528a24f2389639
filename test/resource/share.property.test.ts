import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Claim } from '../../src/claim/claim.ts';
import type { Hold, HoldKind, Stated } from '../../src/claim/hold.ts';
import { guestOwner } from '../../src/claim/owner.ts';
import type { Wish } from '../../src/resource/kind.ts';
import { kindOf, kinds } from '../../src/resource/kinds.ts';
import type { HoldChange, HoldInput } from '../../src/resource/hold-input.ts';
import { planHolds } from '../../src/resource/plan-holds.ts';
import { planHoldsBack } from '../../src/resource/plan-holds-back.ts';
import { isSame } from '../../src/resource/share.ts';
import { claimOf } from '../plan/snapshots.ts';
import { generatedOf } from './generators.ts';

/*
 * Three guests and one thing that they share. Each run of the program begins when another one has ended, as the lock of
 * the thing has it, and may die before any of its actions, also in the middle of a change that the kernel makes bit by bit.
 */

/** What a guest does next. A start of one that has a claim is a repeated one; `wish` is the number of its wish. */
interface Event {
  readonly guest: 0 | 1 | 2;
  readonly does: 'start' | 'end';
  readonly wish: 0 | 1 | 2;
  /** The action before which the run dies; with fewer actions it does not. */
  readonly dies: number;
  /** How far the change comes that it dies in, from 0 to 1. */
  readonly part: number;
}

class Died extends Error {}

class World {
  readonly #kind: HoldKind;
  readonly #original: Stated;
  readonly #claims = new Map<number, Claim>();
  #now: Stated;
  #actionsLeft = Infinity;
  #part = 0;

  constructor(kind: HoldKind, original: Stated) {
    this.#kind = kind;
    this.#original = original;
    this.#now = original;
  }

  run({ guest, does, dies, part }: Event, wish: Stated): void {
    this.#actionsLeft = dies;
    this.#part = part;
    try {
      if (does === 'start') this.#start(guest, wish);
      else this.#end(guest);
    } catch (error) {
      if (!(error instanceof Died)) throw error;
    }
    this.#actionsLeft = Infinity;
    this.#check();
  }

  /** Every guest is gone, and whoever died is cleared up after. */
  endAll(): void {
    for (const guest of [...this.#claims.keys()]) this.#end(guest);
    assert.deepEqual(this.#now, this.#original, 'it is not as it was');
  }

  #start(guest: number, wish: Stated): void {
    const { key } = generatedOf(this.#kind);
    const wanted = { kind: this.#kind, key, wish } as unknown as Wish;
    const first = planHolds(this.#input(guest), [wanted]);
    const rivals = [...this.#claims].filter(([each, { holds }]) => each !== guest && holds.length > 0);
    const hasRival = generatedOf(this.#kind).exclusive === true && rivals.length > 0;
    if (hasRival) {
      assert.equal(first.refusals.length, 1, 'two have it');
      return;
    }
    const { dropped } = first;
    if (dropped.length > 0) this.#giveBack(guest, dropped);
    const planned = planHolds(this.#input(guest), [wanted]);
    assert.deepEqual(planned.refusals, [], 'it was refused');
    assert.deepEqual(planned.dropped, []);
    this.#record(guest, 'preparing', planned.holds);
    for (const change of planned.changes) this.#change(change);
    this.#record(guest, 'held', planned.holds);
  }

  #end(guest: number): void {
    const holds = this.#claims.get(guest)?.holds ?? [];
    this.#giveBack(guest, holds);
    this.#act(() => this.#claims.delete(guest));
  }

  #giveBack(guest: number, holds: readonly Hold[]): void {
    const claim = this.#claims.get(guest);
    if (!claim) return;
    this.#record(guest, 'restoring', claim.holds);
    const back = planHoldsBack(this.#input(guest), holds);
    assert.deepEqual([back.notes, back.left], [[], []], 'it was left alone');
    for (const change of back.changes) this.#change(change);
    this.#record(
      guest,
      'restoring',
      claim.holds.filter((hold) => !holds.includes(hold)),
    );
  }

  /** The kernel does one write after the other. */
  #change({ steps }: HoldChange): void {
    const generator = generatedOf(this.#kind);
    for (const step of steps) {
      const after = generator.apply(this.#now, step);
      if (this.#actionsLeft === 0) this.#now = this.#onTheWay(after);
      this.#act(() => {
        this.#now = after;
      });
    }
  }

  #onTheWay(after: Stated): Stated {
    const { gradual } = generatedOf(this.#kind);
    const between = (name: string, value: Stated[string]): Stated[string] => {
      if (!gradual.includes(name)) return value;
      return Math.round(Number(value) + (Number(after[name]) - Number(value)) * this.#part);
    };
    return Object.fromEntries(Object.entries(this.#now).map(([name, value]) => [name, between(name, value)]));
  }

  #record(guest: number, state: Claim['state'], holds: readonly Hold[]): void {
    this.#act(() => this.#claims.set(guest, claimOf([], { owner: ownerOf(guest), state, holds })));
  }

  #act(action: () => void): void {
    if (this.#actionsLeft === 0) throw new Died();
    this.#actionsLeft -= 1;
    action();
  }

  #input(guest: number): HoldInput {
    const seen = { state: this.#now, facts: generatedOf(this.#kind).facts };
    return { owner: ownerOf(guest), seen: () => seen, claims: [...this.#claims.values()] };
  }

  /** Every original on disk is the true one; where no run has died, exactly what all want is in force. */
  #check(): void {
    const holds = [...this.#claims.values()].flatMap((claim) => claim.holds);
    for (const hold of holds) assert.deepEqual(hold.original, this.#original, 'another original');
    if ([...this.#claims.values()].some(({ state }) => state !== 'held')) return;
    // What was wanted for a moment only may be otherwise by now.
    if (kindOf(this.#kind).momentary) return;
    const target = kindOf(this.#kind).target(
      this.#original,
      holds.map(({ wish }) => wish),
    );
    assert.deepEqual(this.#now, target, 'not what is wanted is in force');
  }
}

function ownerOf(guest: number): Claim['owner'] {
  return guestOwner({ name: `guest${guest}`, uuid: `uuid${guest}` });
}

const event = fc.record<Event>({
  guest: fc.constantFrom(0, 1, 2),
  does: fc.constantFrom('start', 'start', 'end'),
  wish: fc.constantFrom(0, 0, 0, 1, 2),
  dies: fc.oneof(fc.constant(Infinity), fc.nat(12)),
  part: fc.double({ min: 0, max: 1, noNaN: true }),
});

describe('the law of what is shared', () => {
  for (const kind of Object.keys(kinds) as HoldKind[]) {
    describe(kind, () => {
      const { original, wishes } = generatedOf(kind);
      const rule = kindOf(kind);

      it('whatever guests start, end and die, it is always known what is whose, and at the end all is as it was', () => {
        fc.assert(
          fc.property(original, wishes, fc.array(event, { maxLength: 14 }), (before, all, events) => {
            const world = new World(kind, before);
            for (const each of events) world.run(each, all[(each.guest + each.wish) % 3]!);
            world.endAll();
          }),
          { numRuns: 500 },
        );
      });

      it('what it must be does not depend on the order of wishes, and without any it is the original', () => {
        fc.assert(
          fc.property(original, wishes, fc.nat(3), fc.boolean(), (before, all, number, reversed) => {
            const some = all.slice(0, number);
            const turned = reversed ? [...some].reverse() : [...some.slice(1), ...some.slice(0, 1)];
            assert.deepEqual(rule.target(before, turned), rule.target(before, some));
            if (number === 0) assert.deepEqual(rule.target(before, some), before);
          }),
        );
      });

      it('its steps lead from anything to anything, and are none where nothing is to be done', () => {
        fc.assert(
          fc.property(original, original, (from, to) => {
            const generator = generatedOf(kind);
            const { key, facts } = generator;
            const steps = rule.steps({ key, seen: { state: from, facts }, to });
            const reached = steps.reduce((state, step) => generator.apply(state, step), from);
            assert.deepEqual(reached, to);
            assert.equal(steps.length === 0, isSame(from, to));
          }),
        );
      });
    });
  }
});
