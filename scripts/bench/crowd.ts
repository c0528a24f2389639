import { spawn } from 'node:child_process';
import type { PlainHost } from './files/plain-host.ts';

/** Descriptors of one process, as many as a usual one of a desktop has. */
const EACH = 250;

/** perl forks what has them open: a hundred processes of Node would need gigabytes. */
const HOLD = `
my ($each, $processes) = @ARGV;
open(my $first, '<', '/dev/null');
open($files[$_], '<', '/dev/null') for 2 .. $each;
for (2 .. $processes) {
  my $pid = fork();
  if (!$pid) { sleep() while 1 }
  push @children, $pid;
}
$| = 1;
print 'ready';
<STDIN>;
kill('KILL', @children);
`;

/** Starts processes that have so many files open between them, on the host that is entered. */
export async function openFiles(
  count: number,
  [program, ...args]: PlainHost['enter'],
): Promise<{ end(): Promise<void> }> {
  const child = spawn(
    program,
    [
      ...args,
      'sh',
      '-c',
      'exec 3<&0; "$@" <&3 & wait',
      'sh',
      'perl',
      '-e',
      HOLD,
      String(EACH),
      String(count / EACH),
    ],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => {
      resolve();
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => {
      resolve();
    });
    child.on('error', reject);
    void ended.then(() => {
      reject(new Error('perl did not open the files'));
    });
  });
  return {
    end: () => {
      child.stdin.end();
      return ended;
    },
  };
}
