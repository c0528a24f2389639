import { spawn } from 'node:child_process';

/** What came of a program. */
export interface Execution {
  /** Exit status; undefined when a signal ended it. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
}

export interface ExecuteOptions {
  /** Seconds until it is killed with all that it started in its process group; default 90. */
  readonly limit?: number;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end. Never throws for what the program does; past its limit it throws. */
export async function execute(
  program: string,
  args: readonly string[],
  { limit = 90, stdin, env }: ExecuteOptions = {},
): Promise<Execution> {
  const started = performance.now();
  const child = spawn(program, args, { detached: true, stdio: 'pipe', ...(env ? { env } : {}) });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  child.stdin.on('error', () => undefined).end(stdin ?? '');

  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      reject(
        new Error(`${program} ${args.join(' ')} did not end within ${limit} s; stderr: ${output.stderr}`),
      );
    }, limit * 1000);
    const finish = (status: number | null): void => {
      clearTimeout(timer);
      const milliseconds = performance.now() - started;
      resolve({ status: status ?? undefined, ...output, milliseconds });
    };
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', finish);
    // A daemon that the program left behind may hold its pipes: what was printed until then is what counts.
    child.on('exit', (status) => setTimeout(finish, 2000, status).unref());
  });
}

/** Runs a program that must succeed and gives its standard output. */
export async function must(
  program: string,
  args: readonly string[],
  options?: ExecuteOptions,
): Promise<string> {
  const { status, stdout, stderr } = await execute(program, args, options);
  if (status === 0) return stdout;
  throw new Error(
    `${program} ${args.join(' ')}: status ${status ?? 'none'}: ${stderr.trim() || stdout.trim()}`,
  );
}
