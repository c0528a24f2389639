import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import type { Emulator } from './emulator.ts';

/** One start of the emulated machine and what happens until it is off. */
export interface BootOptions {
  readonly emulator: Emulator;
  /** QEMU's arguments, after those of the emulator. */
  readonly args: readonly string[];
  /** File for what appears on the serial console. */
  readonly console: string;
  /** File that the machine writes every five seconds. */
  readonly beat: string;
  /** Seconds after which a boot that has not reached its first script is taken for hung. */
  readonly bootLimit: number;
  /** Seconds after which the machine is switched off, whatever it does. */
  readonly limit: number;
  /** Called about twice a second while the lab runs, and once when it has ended. */
  readonly progress: () => void;
}

/** How a lab ended. */
export interface BootResult {
  /**
   * `failed`: the program in the lab ended with an error of its own, outside of any case. `stalled`: the emulator lost
   * the timer of a processor, or the machine does not even run its idle loop; neither is the doing of what ran on it.
   */
  readonly end: 'finished' | 'failed' | 'died' | 'time limit' | 'never booted' | 'stalled';
  /** Boots that did not reach the first script; each one is worth a line, since it may be more than the emulator. */
  readonly hangs: number;
}

const tries = 3;

/** The kernel's words for it, 21 seconds later (kernel/rcu/tree_stall.h:rcu_check_gp_kthread_expired_fqs_timer). */
const stall = 'Possible timer handling issue on cpu=';

/** Seconds without a sign of life after which the whole machine has stopped; a busy one gives one at least every 20. */
const silence = 90;

function isStalled({ console, beat }: BootOptions, since: number): boolean {
  const last = Math.max(since, statSync(beat).mtimeMs);
  return consoleHas(console, stall) || Date.now() - last > silence * 1000;
}

/** Boots the lab and waits until it is off. The boot is tried again when it hangs. */
export async function boot(options: BootOptions): Promise<BootResult> {
  for (let hangs = 0; hangs < tries; hangs += 1) {
    const output = openSync(options.console, 'w');
    const machine = spawn(options.emulator.program, [...options.emulator.args, ...options.args], {
      env: { ...process.env, ...options.emulator.env },
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    const stop = (): void => void machine.kill('SIGKILL');
    const release = stopWithThisProcess(stop);
    try {
      const started = await waitUntil(machine, options.bootLimit, () =>
        consoleHas(options.console, 'LAB: init'),
      );
      if (!started) continue;
      const since = Date.now();
      const ended = await waitUntil(
        machine,
        options.limit,
        () => {
          options.progress();
          return isStalled(options, since);
        },
        500,
      );
      if (isStalled(options, since)) return { end: 'stalled', hangs };
      if (!ended && isRunning(machine)) return { end: 'time limit', hangs };
      const status = /LAB: ended with status (\d+)/.exec(readFileSync(options.console, 'latin1'))?.[1];
      return { end: status === undefined ? 'died' : status === '0' ? 'finished' : 'failed', hangs };
    } finally {
      stop();
      release();
      await waitUntil(machine, 10, () => false);
      options.progress();
    }
  }
  return { end: 'never booted', hangs: tries };
}

/**
 * Has the machine end when this process does, by a signal too: nobody else would end it.
 * @returns what undoes it
 */
function stopWithThisProcess(stop: () => void): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    stop();
    // The handler is gone by now, so that this is the end.
    process.kill(process.pid, signal);
  };
  process.once('exit', stop).once('SIGINT', onSignal).once('SIGTERM', onSignal);
  return () => {
    process.off('exit', stop).off('SIGINT', onSignal).off('SIGTERM', onSignal);
  };
}

function isRunning(machine: ChildProcess): boolean {
  return machine.exitCode === null && machine.signalCode === null;
}

function consoleHas(file: string, text: string): boolean {
  return readFileSync(file, 'latin1').includes(text);
}

/** Waits for the condition, the end of the machine or the limit in seconds; tells whether the condition came true. */
async function waitUntil(
  machine: ChildProcess,
  limit: number,
  condition: () => boolean,
  interval = 100,
): Promise<boolean> {
  const deadline = performance.now() + limit * 1000;
  while (performance.now() < deadline) {
    if (condition()) return true;
    if (!isRunning(machine)) return false;
    await pause(interval);
  }
  return false;
}
