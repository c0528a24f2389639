import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** A lock of flock(2) that another process holds. */
export interface HeldLock {
  /** Resolves when somebody waits for it. */
  readonly wanted: () => Promise<void>;
  readonly release: () => Promise<void>;
}

/** Polls of /proc/locks, 10 ms apart, after which nobody will come. */
const MOST_POLLS = 1500;

/** Takes the lock of a file, which is made if need be. The holder does not keep the tests from ending. */
export async function holdLock(file: string): Promise<HeldLock> {
  const holder = spawn('flock', ['-x', file, 'sh', '-c', 'echo held; read line'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(holder.stdout, 'data');
  holder.unref();
  holder.stdout.destroy();
  // A waiter's line has an arrow; the inode is the last number of the device's triple (fs/locks.c:lock_get_status).
  const waiter = new RegExp(`-> FLOCK .*:${statSync(file).ino} `);
  return {
    wanted: async () => {
      for (let poll = 0; !waiter.test(readFileSync('/proc/locks', 'utf8')); poll += 1) {
        if (poll === MOST_POLLS) throw new Error(`nobody waits for ${file}`);
        await setTimeout(10);
      }
    },
    release: async () => {
      holder.ref();
      holder.stdin.end('\n');
      await once(holder, 'exit');
    },
  };
}
