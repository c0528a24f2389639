import type { Claim } from '../claim/claim.ts';
import type { HoldId, HoldKind, Stated, StateOf, WishOf } from '../claim/hold.ts';
import type { Hint } from '../hint.ts';
import type { PciAddress } from '../pci/address.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import type { AttributeName, Step } from '../steps/step.ts';
import type { Facts } from './facts.ts';

/** The order of a start; a way back goes through it backwards. */
export const stages = ['services', 'display', 'modules', 'make', 'tune'] as const;

export type Stage = (typeof stages)[number];

/** Facts of any kind. */
export type AnyFacts = Readonly<Record<string, unknown>>;

/** What was seen of one thing at one moment. */
export interface Seen<State extends Stated = Stated, Known extends AnyFacts = AnyFacts> {
  /** What would come back. */
  readonly state: State;
  /** See src/resource/facts.ts. */
  readonly facts: Known;
}

/** Why something cannot be had. */
export interface Refusal {
  /** A sentence without a capital and a period. */
  readonly reason: string;
  readonly hints: readonly Hint[];
}

/** What an owner wants, before anybody has looked at what there is. */
export type Wish<K extends HoldKind = HoldKind> = {
  readonly [Kind in K]: { readonly kind: Kind; readonly key: string; readonly wish: WishOf<Kind> };
}[K];

/** What another owner wants of the same thing. */
export interface OthersWish<Wanted extends Stated = Stated> {
  readonly wish: Wanted;
  /** Its claim says that it has it, and it may be in use. */
  readonly settled: boolean;
  /** `guest "win11"`. */
  readonly owner: string;
}

/** A change that is planned, of whatever kind. */
export interface Change extends Ahead {
  readonly kind: HoldKind;
}

/** A wish, and what it meets. */
export interface Meeting<
  State extends Stated = Stated,
  Wanted extends Stated = Stated,
  Known extends AnyFacts = AnyFacts,
> {
  readonly key: string;
  readonly original: State;
  readonly wish: Wanted;
  readonly others: readonly OthersWish<Wanted>[];
  readonly facts: Known;
  /** Those of others. */
  readonly claims: readonly Claim[];
}

/** A change that is about to be planned. */
export interface Ahead<State extends Stated = Stated, Known extends AnyFacts = AnyFacts> {
  readonly key: string;
  readonly seen: Seen<State, Known>;
  readonly to: State;
  /** What the owner wants, of the kind; absent on a way back. */
  readonly wish?: Stated;
}

/** A wish that may leave something open, and what it can be made definite from. */
export interface Unsettled<
  State extends Stated = Stated,
  Wanted extends Stated = Stated,
  Known extends AnyFacts = AnyFacts,
> {
  readonly key: string;
  readonly wish: Wanted;
  readonly seen: Seen<State, Known>;
  /** What the owner's earlier, unfinished claim has of it. */
  readonly own: { readonly original: State; readonly wish: Wanted } | undefined;
  /** What the same start makes of this kind, as far as it was made definite before. */
  readonly taken: readonly Wanted[];
  /** Every claim on this host. */
  readonly claims: readonly Claim[];
}

/** A definite wish, or why there is none. */
export type Settled<Wanted extends Stated = Stated> =
  { readonly wish: Wanted } | { readonly refusal: Refusal };

/** A write of this program, as far as it is known. */
export interface KnownWrite {
  readonly path: string;
  /** Absent: it is not known any more. */
  readonly value?: string;
}

/**
 * What can be held besides devices, one object for each kind. Pure: what it is like on the host is read by
 * src/resource/readers.ts.
 */
export interface ResourceKind<
  State extends Stated = Stated,
  Wanted extends Stated = Stated,
  Known extends AnyFacts = AnyFacts,
> {
  readonly stage: Stage;
  /** A start plans its devices anew after a change of this kind: it makes, frees or renames devices. */
  readonly changesDevices: boolean;
  /** Devices are only free of it: it goes back also where they have not. */
  readonly freesDevices?: true;
  /** What is written to change it, by the rows of src/steps/attributes.ts. */
  readonly attributes: readonly AttributeName[];
  /** Whether something else that was written, or a program that was run, is about this key as well. */
  writes?(key: string, write: KnownWrite): boolean;
  /**
   * Who changes it does so in the order in which it is told: what it was told before, and has not done, takes no effect behind
   * the back of whoever tells it after.
   */
  readonly obeysLast?: true;
  /** How far an unfinished start came with it cannot be seen: it is given back before the next one begins. */
  readonly startsOver?: true;
  /** Makes a wish definite that names what only the host can tell, under the lock; absent: each is. The same when it is asked again. */
  settle?(unsettled: Unsettled<State, Wanted, Known>): Settled<Wanted>;
  /** Fields that the kernel changes bit by bit: a change that was cut short leaves any number on the way. */
  readonly gradual?: readonly string[];
  /**
   * Values that a change passes through on its way from one to another, by the wishes that count: a change that was cut
   * short leaves them.
   */
  passing?(wishes: readonly Wanted[]): Partial<State>;
  /** Fields that guests and libvirt change as well: whatever they read is nothing that somebody else meant. */
  readonly fleeting?: readonly string[];
  /**
   * What an owner wants is for the moment at which its devices are taken: a way back goes by the original alone, whoever else
   * has wanted the same.
   */
  readonly momentary?: true;
  /** Others change it all the time: a start changes it from whatever they have made of it. A way back still leaves that. */
  readonly overrules?: true;
  /** It may be gone by itself, which is no news. */
  readonly comesAndGoes?: true;
  /** Whether what a way back finds, and this program cannot have left, is nothing to speak of. */
  isUsual?(seen: Seen<State, Known>, original: State): boolean;
  /** What comes of a way back cannot be read: that its steps have succeeded is all that there is to know. */
  readonly isBlind?: true;
  /** One for all keys that must not be changed side by side, as a person would name what it is about. */
  lock(key: string): string;
  /** Whether another key is about the same thing in another way, so that both cannot be held at once. */
  overlaps?(key: string, other: string): boolean;
  /** Why there is none of a key that is wanted; absent: the host has none. */
  absent?(key: string): Refusal;
  /** What something will be like that is not there, once these changes of the same start are done; undefined: not there. */
  promised?(key: string, changes: readonly Change[]): Seen<State, Known> | undefined;
  /** What it is a part of: where a way back takes that away, it goes along, and nothing of it is put back. */
  partOf?(key: string): HoldId | undefined;
  /** Whether a state is that there is none of it. */
  isNone?(state: State): boolean;
  /** Whether it is there only once what it is a part of is made: then it is planned again when that is done. */
  isYetToCome?(seen: Seen<State, Known>): boolean;
  /** What ip(8) sets to change it, by the device whose interface it is, in the words behind the interface's name. */
  link?(key: string): { readonly card: PciAddress; readonly vf: number; readonly setting: string };
  /** What it was before anybody changed it, where the host does not show that; absent: what is seen. */
  original?(key: string, state: State, wish: Wanted, claims: readonly Claim[]): State;
  /** What it must be. No wishes: the original. Whatever the order of the wishes is. */
  target(original: State, wishes: readonly Wanted[]): State;
  /** Why a wish cannot be had with these others; undefined when it can. */
  conflict?(meeting: Meeting<State, Wanted, Known>): Refusal | undefined;
  /** Why the kernel would refuse a change, or what the host would lose by it. */
  guard?(ahead: Ahead<State, Known>, claims: readonly Claim[]): readonly Refusal[];
  /**
   * On the way back, with the claims of others: how far it can go now, and what is in the way of the rest. Absent, or
   * undefined: all the way.
   */
  reach?(
    ahead: Ahead<State, Known>,
    claims: readonly Claim[],
  ): { readonly to: State; readonly left: string } | undefined;
  /** What a person should know of a change though nothing is in its way, a sentence each; `changes` are all of the start. */
  notes?(ahead: Ahead<State, Known>, changes: readonly Change[]): readonly string[];
  /** Whether a way back leaves it as it is, without a word. */
  stays?(now: State, to: State): boolean;
  /** From what is seen to what it must be, in order; empty when they are the same. */
  steps(ahead: Ahead<State, Known>): readonly Step[];
  /**
   * What else an owner wants of the thing once it is as it must be. It is not put back: it goes with the state that the
   * thing had not before.
   */
  settings?(key: string, wish: Wanted, original: State): readonly Step[];
  /** What the snapshot will be like after a change, as far as it concerns the devices that are asked for. */
  expect?(snapshot: Snapshot, ahead: Ahead<State, Known>, asked: readonly PciAddress[]): Snapshot;
  /** A state in a sentence: `4 virtual functions`, `4352 pages`. */
  words(key: string, state: State): string;
  /** What it is a state of: `huge pages of 2 MiB on node 0`. */
  subject(key: string): string;
  /** What several are called that are in the same state; absent: each by itself. */
  subjects?(keys: readonly string[]): string;
}

/** A kind with its own types. */
export type KindOf<K extends HoldKind> = ResourceKind<StateOf<K>, WishOf<K>, Facts[K]>;

/** What was seen of something of a kind. */
export type SeenOf<K extends HoldKind> = Seen<StateOf<K>, Facts[K]>;
