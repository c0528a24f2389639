import { spawn, spawnSync } from 'node:child_process';

/** Runs a program to its end. Throws with what it said when it fails. */
export function run(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')}: ${stderr}`);
}

/** The same while this process goes on, since the program asks it something. */
export async function runBeside(command: string, ...args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const status = await new Promise((resolve) => child.on('close', resolve));
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} failed`);
}

/** Starts a script of perl that prints something when it is ready, and ends with its standard input: with this process. */
export async function runPerl(script: string, ...args: readonly string[]): Promise<void> {
  const child = spawn('perl', ['-MSocket', '-e', script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => {
      resolve();
    });
    child.on('close', () => {
      reject(new Error('perl ended'));
    });
  });
}
