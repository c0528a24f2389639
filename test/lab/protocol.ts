/**
 * What the runner on the outside and the program in the lab say to each other, through files in the shared
 * directory: the order (`order.json`) and one line of JSON per event (`events.jsonl`), written as it happens, so
 * that a lab that dies still names the case that killed it.
 */
export interface Order {
  readonly suite: string;
  /** Which list of cases, see cases/index.ts. */
  readonly series: string;
  /** Only cases whose name has this in it. */
  readonly only?: string;
  /** Cases that have run already, in a boot that the emulator has stopped. */
  readonly done: readonly string[];
  /** Of the cases that suites share between them this one runs every so many, from one of them on; else all. */
  readonly turn?: { readonly first: number; readonly every: number };
  /** How often the endurance case repeats start and destroy. */
  readonly cycles: number;
  /** How many random sequences are compared, and what they are made from. */
  readonly sequences: number;
  readonly seed: number;
  /** Write golden texts in place of comparing them. */
  readonly updateGolden: boolean;
}

export type LabEvent = Versions | CaseBegins | CaseEnds;

/** What runs in the lab; the first line. */
export interface Versions {
  readonly event: 'versions';
  readonly kernel: string;
  readonly libvirt: string;
  readonly qemu: string;
  readonly node: string;
  readonly cases: number;
}

export interface CaseBegins {
  readonly event: 'begin';
  readonly name: string;
}

export interface CaseEnds {
  readonly event: 'end';
  readonly name: string;
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly milliseconds: number;
  /** Why it failed or was skipped. */
  readonly reason?: string;
  /** What a passed case found worth telling, such as a figure. */
  readonly notes: readonly string[];
}
