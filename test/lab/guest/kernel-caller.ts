import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';

import { waitFor } from './wait.ts';

/** A process that is in the kernel for us, see guest/kernel-call.pl. */
interface Call {
  readonly process: ChildProcessWithoutNullStreams;
  /** The lines that it printed and nobody took yet. */
  readonly answers: string[];
  ended: boolean;
}

/** Makes calls that may never return, each in a process of its own, and keeps those that hold something. */
export class KernelCaller {
  readonly #holders = new Map<string, Call>();
  #blocked: Call[] = [];

  /** @returns `ok`, an errno, or `blocks` past so many milliseconds; the call then stays under way */
  async call(patience: number, operation: string, ...args: readonly string[]): Promise<string> {
    const call = start(operation, args);
    const answer = await nextAnswer(call, patience);
    if (answer === 'blocks') this.#blocked.push(call);
    return answer;
  }

  /** The same for a call that keeps something open under this name when it has succeeded. */
  async hold(name: string, operation: string, ...args: readonly string[]): Promise<string> {
    const call = start(operation, args);
    const answer = await nextAnswer(call, 5000);
    if (answer === 'ok') this.#holders.set(name, call);
    return answer;
  }

  /** Writes to what is open under this name. */
  async writeHeld(name: string, hex: string): Promise<string> {
    const call = this.#holders.get(name);
    if (!call) return 'EBADF';
    call.process.stdin.write(`${hex}\n`);
    return nextAnswer(call, 5000);
  }

  /** Ends the process that holds something; what waited for that goes on, and is waited for here. */
  async letGo(name: string): Promise<void> {
    const call = this.#holders.get(name);
    this.#holders.delete(name);
    if (call) await kill(call);
    await this.#settle();
  }

  /** SIGKILL for every call that is blocked. It does not end them: the kernel finishes what it was asked for. */
  killBlocked(): void {
    for (const { process } of this.#blocked) process.kill('SIGKILL');
  }

  /** Ends everything that is held and waits for everything that is blocked. */
  async close(): Promise<void> {
    for (const call of this.#holders.values()) await kill(call);
    this.#holders.clear();
    await this.#settle();
  }

  async #settle(): Promise<void> {
    const waiting = this.#blocked;
    this.#blocked = [];
    await waitFor('blocked calls to return', 40, () => waiting.every(({ ended }) => ended) || undefined);
  }
}

function start(operation: string, args: readonly string[]): Call {
  const process = spawn('perl', ['/share/kernel-call.pl', operation, ...args], { stdio: 'pipe' });
  const call: Call = { process, answers: [], ended: false };
  process.stdin.on('error', () => undefined);
  process.stdout.setEncoding('utf8').on('data', (text: string) => {
    call.answers.push(...text.split('\n').filter((line) => line !== ''));
  });
  process.stderr.resume();
  process.on('exit', () => {
    call.ended = true;
  });
  return call;
}

async function nextAnswer(call: Call, patience: number): Promise<string> {
  try {
    return await waitFor('an answer', patience / 1000, () => call.answers.shift());
  } catch {
    return 'blocks';
  }
}

async function kill(call: Call): Promise<void> {
  if (call.ended) return;
  const exit = once(call.process, 'exit');
  call.process.kill('SIGKILL');
  await exit;
}
