/**
 * The entrypoint that libvirt runs as /etc/libvirt/hooks/qemu: wires the parts together and sets the exit
 * status. Under the name `vfio-hook` it is the command, whose code lies in a file of its own, so that the
 * hook is not read past what it needs.
 */
import { basename } from 'node:path';
import { locations, openEngine } from '../src/hook/engine.ts';
import { parseInvocation, simulatedMachine } from '../src/hook/invocation.ts';
import { runHook } from '../src/hook/run.ts';
import { readStdin } from '../src/hook/stdin.ts';
import { linuxHost } from '../src/host/linux/host.ts';
import { partsOf } from '../src/parts.ts';
import { errorLines, sayOnStderr } from '../src/report.ts';

const parts = partsOf(__filename);

async function hook(args: readonly string[]): Promise<number> {
  const invocation = parseInvocation(args);
  const machine = simulatedMachine(args);
  // qemu:///session runs the very same hook as the user, who has no say over host devices.
  if (!invocation || (machine === undefined && process.geteuid?.() !== 0)) return 0;

  let signal: string | undefined;
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(name, () => {
      signal = name;
    });
  }
  const engine = openEngine({
    where: locations(machine),
    host: () => (machine === undefined ? linuxHost : parts.load('simulated.cjs').openSimulatedHost(machine)),
    decoder: () => parts.load('config.cjs'),
    interrupted: () => signal,
  });
  return runHook({
    invocation,
    openEngine: engine.open,
    readStdin,
    loadParser: () => parts.load('domain.cjs').parseDomain,
    loudLog: (level) => parts.load('log.cjs').winstonLog(level, engine.sink),
    say: sayOnStderr,
  });
}

async function main(): Promise<void> {
  const [, called = '', ...args] = process.argv;
  try {
    process.exitCode =
      basename(called) === 'vfio-hook' ? await parts.load('cli.cjs').main(args, parts) : await hook(args);
  } catch (error) {
    for (const line of errorLines(error)) sayOnStderr(line);
    process.exitCode = 1;
  }
}

void main();
