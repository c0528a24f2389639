import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const source = fileURLToPath(new URL('../engine/processes/hold-lock.ts', import.meta.url));

/** Compiles the program of {@link Locker} into a directory: without a compiler on the way it starts much faster. */
export function buildLocker(directory: string): string {
  const program = join(directory, 'hold-lock.mjs');
  buildSync({ entryPoints: [source], outfile: program, bundle: true, platform: 'node', format: 'esm' });
  return program;
}

/** A process of its own that takes the locks of groups: test/engine/processes/hold-lock.ts. */
export class Locker {
  readonly guest: string;
  readonly process: ChildProcess;
  /** What it has said so far, and when (milliseconds of performance.now). */
  readonly said: { readonly line: string; readonly at: number }[] = [];
  readonly #heard = new Set<() => void>();

  constructor(
    program: string,
    directory: string,
    guest: string,
    timeoutMs: number,
    groups: readonly number[],
  ) {
    this.guest = guest;
    const args = [program, join(directory, 'run'), guest, String(timeoutMs), ...groups.map(String)];
    this.process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.process.stdout! }).on('line', (line) => {
      this.said.push({ line, at: performance.now() });
      for (const hear of this.#heard) hear();
    });
  }

  /** When it said something that begins so. Fails when that takes ten seconds. */
  async says(beginning: string): Promise<number> {
    for (const end = performance.now() + 10_000; ;) {
      const found = this.said.find(({ line }) => line.startsWith(beginning));
      if (found) return found.at;
      if (performance.now() > end) {
        throw new Error(`${this.guest} did not say "${beginning}": ${JSON.stringify(this.said)}`);
      }
      await this.#next(end - performance.now());
    }
  }

  /** Whether it has said something that begins so. */
  hasSaid(beginning: string): boolean {
    return this.said.some(({ line }) => line.startsWith(beginning));
  }

  /** Lets it give up what it holds, and end. */
  letGo(): void {
    this.process.stdin!.end();
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }

  async #next(withinMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const hear = (): void => {
        clearTimeout(timer);
        this.#heard.delete(hear);
        resolve();
      };
      const timer = setTimeout(hear, withinMs);
      this.#heard.add(hear);
    });
  }
}
