import { execa } from 'execa';
import { childEnvironment } from '../child-environment.ts';
import type { Domain } from '../domain/domain.ts';
import type { Operation } from '../../simulator/operation.ts';

/** One call of the hook in a guest's life, and what happens on the machine after it. */
export interface HookCall {
  readonly arguments: readonly [guest: string, operation: string, subOperation: string, extra: string];
  readonly then: readonly Operation[];
}

/**
 * The calls that libvirt makes for a guest that is started and shut down, with what its QEMU does between
 * them (measured with libvirt 9.0 to 12.8).
 */
export function lifeOf(domain: Domain, devices: readonly string[]): HookCall[] {
  const guest = domain.name;
  const opens: Operation[] = devices.length === 0 ? [] : [{ do: 'open-group', devices, guest }];
  return [
    { arguments: [guest, 'prepare', 'begin', '-'], then: [] },
    { arguments: [guest, 'start', 'begin', '-'], then: opens },
    {
      arguments: [guest, 'started', 'begin', '-'],
      then: devices.length === 0 ? [] : [{ do: 'close-group', guest }],
    },
    { arguments: [guest, 'stopped', 'end', '-'], then: [] },
    { arguments: [guest, 'release', 'end', 'shutdown'], then: [] },
  ];
}

/** How a call ended. */
export interface HookEnd {
  readonly status: number;
  readonly stderr: string;
  readonly milliseconds: number;
}

/** Calls the hook as libvirt does: four arguments, the XML on stdin, next to nothing in the environment. */
export async function callHook(hook: string, machine: string, xml: string, call: HookCall): Promise<HookEnd> {
  const result = await execa(hook, [...call.arguments, '--simulated-machine', machine], {
    input: xml,
    extendEnv: false,
    env: childEnvironment,
    cwd: '/',
    reject: false,
  });
  return {
    status: result.exitCode ?? 1,
    stderr:
      result.stderr ||
      (result.exitCode === undefined ? `it could not be run: ${result.code ?? 'no reason given'}` : ''),
    milliseconds: Math.round(result.durationMs),
  };
}
