import type { Errno } from './errno.ts';
import type { MachineState } from './state.ts';
import { matchesPattern } from './text.ts';
import type { Work } from './work.ts';

/** A rule that makes something go wrong. It lives in the machine's state and counts what it has seen. */
export interface FaultRule {
  /** Unique; names the fault when it is released. */
  readonly id: string;
  readonly on: FaultPoint;
  /**
   * What it applies to; `*` stands for any characters. For write, load and unload the attribute's path or the
   * module's name; for run the program, whose arguments are the value; for read the path of whatever is looked at; for probe and remove `driver/address`, such as `vfio-pci/0000:03:00.0`, and `vfio_mdev/UUID`.
   */
  readonly path: string;
  /** Applies only to this value, without the newline at its end; `*` as above. */
  readonly value?: string;
  /** The first match that it applies to, counted from 1. */
  readonly nth: number;
  /** How many matches it applies to; absent: all from then on. */
  readonly times?: number;
  readonly effect: FaultEffect;
  /** Matches so far. */
  seen: number;
  /** Set when a hang was released. */
  released: boolean;
}

/** `write`, `read`, `load`, `unload` and `run` are calls of a process; `probe` and `remove` are those of a driver inside a call. */
export type FaultPoint = 'write' | 'read' | 'load' | 'unload' | 'run' | 'probe' | 'remove';

export type FaultEffect =
  | { readonly kind: 'fail'; readonly errno: Errno }
  /** Success is reported, nothing happens. */
  | { readonly kind: 'lie' }
  /** The call does not return until the fault is released; then it takes effect, also without its caller. */
  | { readonly kind: 'hang' }
  | { readonly kind: 'slow'; readonly ms: number }
  /** The calling process dies of SIGKILL, before the call is made or right after it was. */
  | { readonly kind: 'kill'; readonly when: 'before' | 'after' };

/** What is being done, for the rules to look at. */
export interface FaultCall {
  readonly on: FaultPoint;
  readonly path: string;
  readonly value?: string;
}

/** Counts a call in every rule that fits it; returns the first rule that applies to it now. */
export function nextFault(state: MachineState, call: FaultCall): FaultRule | undefined {
  let hit: FaultRule | undefined;
  for (const rule of state.faults) {
    if (!fits(rule, call)) continue;
    rule.seen += 1;
    const last = rule.times === undefined ? Infinity : rule.nth + rule.times - 1;
    if (rule.seen >= rule.nth && rule.seen <= last) hit ??= rule;
  }
  return hit;
}

/** What a rule puts in front of a call that it lets happen: a wait until it is released, or for some time. */
export function faultDelay(state: MachineState, rule: FaultRule | undefined): readonly Work[] {
  if (rule?.effect.kind === 'hang') return [{ do: 'hang', fault: rule.id }];
  if (rule?.effect.kind === 'slow') return [{ do: 'sleep', until: state.clock + rule.effect.ms }];
  return [];
}

function fits(rule: FaultRule, call: FaultCall): boolean {
  if (rule.on !== call.on || !matchesPattern(rule.path, call.path)) return false;
  return rule.value === undefined || matchesPattern(rule.value, (call.value ?? '').replace(/\n$/, ''));
}
