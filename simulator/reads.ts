import type { ExclusiveOpening, Host, LockedRead, Opening, StuckRead } from '../src/host/host.ts';
import { errnoOf } from '../src/errors.ts';
import { mustBeAbsence, exclusiveAfter, openingAfter, orAbsent } from '../src/host/reading.ts';
import { errnoError } from './errno.ts';
import { nextFault, type FaultRule } from './faults.ts';
import { isDue } from './kernel.ts';
import { claimNode, listNames, readBytes, readLinkText, readStatus, readText, tryNode } from './read.ts';
import type { MachineState } from './state.ts';
import type { Store } from './store.ts';

/** Looks at the machine, as long as the process is alive. */
export type Look = <T>(see: (state: MachineState) => T) => T;

/** Longest time between two looks at a call that has not returned. */
const POLL_MS = 20;

/** Lets time pass until the next look, and what waits for it go on. */
export async function passTime(store: Store, left: number): Promise<void> {
  await store.pause(Math.min(left, POLL_MS));
  if (store.read((state) => isDue(state, store.now()))) store.update(() => undefined);
}

/** The part of the port that reads files. */
type Reads = Pick<
  Host,
  | 'read'
  | 'readBytes'
  | 'readLink'
  | 'list'
  | 'status'
  | 'tryOpen'
  | 'openExclusive'
  | 'readLocked'
  | 'readSlow'
>;

/**
 * Reads of a simulated machine. A fault on the path, of kind `fail` or `hang`, is for all of them alike. Where the
 * real port would make the process itself wait in the kernel, from which nothing could free it, it is EDEADLK here.
 */
export function simulatedReads(store: Store, look: Look): Reads {
  const atOnce = <T>(path: string, see: (state: MachineState) => T): T => {
    const fault = readFault(store, look, path);
    if (fault) throw errnoError('EDEADLK', 'read would wait for ever', path);
    return look(see);
  };
  const bounded = async <T>(
    path: string,
    deadline: number,
    see: (state: MachineState) => T | 'blocked' | undefined,
  ): Promise<{ readonly kind: 'read'; readonly value?: T } | StuckRead> => {
    const hang = readFault(store, look, path)?.id;
    for (;;) {
      const isHung = look((state) => state.faults.some((rule) => rule.id === hang && !rule.released));
      const value = isHung ? 'blocked' : look(see);
      if (value === undefined) return { kind: 'read' };
      if (value !== 'blocked') return { kind: 'read', value };
      const left = deadline - store.now();
      if (left <= 0) return { kind: 'stuck', path };
      await passTime(store, left);
    }
  };
  return {
    read: (path) =>
      orAbsent(path, () => {
        const result = atOnce(path, (state) => readText(state, path));
        if (result.kind === 'blocked') throw errnoError('EDEADLK', 'read would wait for a lock', path);
        return result.kind === 'text' ? result.text : undefined;
      }),
    readBytes: (path, length) =>
      orAbsent(path, () => atOnce(path, (state) => readBytes(state, path, length))),
    readLink: (path) => orAbsent(path, () => atOnce(path, (state) => readLinkText(state, path)), 'EINVAL'),
    list: (path) => orAbsent(path, () => atOnce(path, (state) => listNames(state, path))),
    status: (path) => orAbsent(path, () => atOnce(path, (state) => readStatus(state, path))),
    tryOpen: (path) => {
      try {
        return atOnce(path, (state) => tryNode(state, path));
      } catch (error) {
        return openingAfter(path, error);
      }
    },
    openExclusive: async (paths, deadlineMs): Promise<ExclusiveOpening> => {
      const deadline = store.now() + deadlineMs;
      const answers = new Map<string, Opening>();
      for (const path of paths) {
        const opened = await bounded(path, deadline, (state) => claimNode(state, path)).catch(
          (error: unknown) => ({ kind: 'read', value: exclusiveAfter(errnoOf(error) ?? '') }) as const,
        );
        if (opened.kind === 'stuck') return opened;
        answers.set(path, opened.value ?? 'absent');
      }
      return { kind: 'opened', answers };
    },
    readLocked: async (paths, deadlineMs): Promise<LockedRead> => {
      const deadline = store.now() + deadlineMs;
      const texts = new Map<string, string>();
      for (const path of paths) {
        const read = await bounded(path, deadline, (state) => {
          const result = readText(state, path);
          if (result.kind === 'blocked') return 'blocked';
          return result.kind === 'text' ? { text: result.text } : undefined;
        }).catch(absence(path));
        if (read.kind === 'stuck') return read;
        if (read.value) texts.set(path, read.value.text);
      }
      return { kind: 'read', texts };
    },
    readSlow: async (path, length, deadlineMs) => {
      const deadline = store.now() + deadlineMs;
      const read = await bounded(path, deadline, (state) => readBytes(state, path, length)).catch(
        absence(path),
      );
      if (read.kind === 'stuck') return read;
      return { kind: 'read', ...(read.value && { bytes: read.value }) };
    },
  };
}

/**
 * Looks for a fault of this read, in an update since rules count what they see. Throws what a fault says;
 * returns the rule of one that hangs.
 */
function readFault(store: Store, look: Look, path: string): FaultRule | undefined {
  if (!look((state) => state.faults.some((rule) => rule.on === 'read'))) return undefined;
  const fault = store.update((state) => nextFault(state, { on: 'read', path }));
  if (fault?.effect.kind === 'fail') throw errnoError(fault.effect.errno, 'read', path);
  return fault?.effect.kind === 'hang' ? fault : undefined;
}

function absence(path: string): (error: unknown) => { readonly kind: 'read'; readonly value?: never } {
  return (error) => {
    mustBeAbsence(path, error);
    return { kind: 'read' };
  };
}
