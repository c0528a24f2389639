import { openMachineFile } from '../../simulator/machine.ts';

/**
 * One process of the tests of the shared file: `store-child.cjs FILE write PATH VALUE DEADLINE [TIMES]` writes and
 * prints the answers; `store-child.cjs FILE die` dies of SIGKILL in the middle of a change, with the lock held.
 */
async function main([
  file = '',
  what,
  path = '',
  value = '',
  deadline = '0',
  times = '1',
]: string[]): Promise<void> {
  const machine = openMachineFile(file);
  if (what === 'die') {
    machine.store.update(() => {
      process.kill(process.pid, 'SIGKILL');
      // The signal comes asynchronously: nothing may be written before it does.
      for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    });
  }
  const host = machine.host();
  const answers: string[] = [];
  for (let count = 0; count < Number(times); count += 1) {
    const result = await host.write(path, value, Number(deadline));
    answers.push(result.kind);
  }
  process.stdout.write(JSON.stringify({ answers, self: host.self() }));
}

void main(process.argv.slice(2));
