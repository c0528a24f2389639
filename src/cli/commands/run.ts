import { advice } from '../../hint.ts';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { RunOwner } from '../../claim/claim.ts';
import type { HoldId } from '../../claim/hold.ts';
import { addProcess, claimOf, detach, runOwner } from '../../engine/detach.ts';
import type { Engine } from '../../engine/engine.ts';
import { refusalError } from '../../engine/make-plan.ts';
import type { SliceRequest } from '../../engine/slices.ts';
import { giveBackLocked } from '../../engine/release.ts';
import { describeLeft } from '../../engine/hand-over.ts';
import { VfioHookError } from '../../errors.ts';
import { startTimeOf } from '../../host/linux/processes.ts';
import type { PciAddress } from '../../pci/address.ts';
import type { UseReason } from '../../pci/use.ts';
import { holdWords } from '../../resource/hold-input.ts';
import { quoteName } from '../../text.ts';
import { machineOption, verboseOption, type Call, type Command, type Terminal } from '../command.ts';
import { allowOption, readAllow } from '../allow.ts';
import { driverOption } from './detach.ts';
import { readDriverOption } from '../driver-option.ts';
import { cannotStart, programStatus, signalStatus, startProgram, type ProgramEnd } from '../program.ts';
import { companionsOf } from '../identity.ts';
import { readDevice } from '../selection.ts';
import { listenForSignals, type EndingSignal } from '../signals.ts';
import { readSlices, sliceOptions } from '../slice-options.ts';

/** `vfio-hook run --device ADDRESS -- COMMAND…`: devices for as long as a program runs. */
export const run: Command = {
  name: 'run',
  about: 'run a program that has devices for as long as it runs',
  details:
    'Detaches the whole IOMMU groups of the devices, runs the program in the foreground with this terminal, and\n' +
    'puts back exactly what was there when it ends, however it ends. SIGINT, SIGTERM, SIGHUP and SIGQUIT are\n' +
    'passed on to the program; it is never killed, and waited for as long as it takes. No shell is involved.\n' +
    '{vf} in an argument of the program is the address of the virtual function of --vf, {vf2} that of a second one;\n' +
    '{mdev} is the UUID of the mediated device of --mdev.',
  operands: [
    {
      name: 'COMMAND',
      about: 'the program and its arguments, such as qemu-system-x86_64 …',
      repeated: true,
      behindDashes: true,
    },
  ],
  options: [
    {
      name: 'device',
      value: 'ADDRESS',
      repeated: true,
      about: 'PCI address; with ,bar2=8MiB to resize a BAR',
    },
    ...sliceOptions,
    driverOption,
    allowOption,
    verboseOption,
    machineOption,
  ],
  statuses: {
    125: 'wrong usage; or the devices are refused, could not be detached, or are not back',
    126: 'the program cannot be executed',
    127: 'there is no such program',
    '128+N': 'the program was ended by signal N',
    other: 'that of the program',
  },
  ownStatuses: { failure: programStatus.ownFailure, usage: programStatus.ownFailure },
  onlyRoot: true,
  examples: [
    'sudo vfio-hook run --vf 02:00.0 -- qemu-system-x86_64 -device vfio-pci,host={vf}',
    'sudo vfio-hook run --mdev i915-GVTg_V5_4 -- qemu-system-x86_64 -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/{mdev}',
    'sudo vfio-hook run --device 01:00.0 -- cloud-hypervisor --kernel vmlinux --device path=/sys/bus/pci/devices/0000:01:00.0/',
  ],
  run: async (call, terminal) => {
    const request = readRequest(call);
    const [command = '', ...words] = call.operands;
    const impossible = cannotStart(command);
    if (impossible) return report(terminal, command, impossible);
    let pass: ((signal: EndingSignal) => void) | undefined;
    const signals = listenForSignals((signal) => {
      if (!comesFromTerminal(signal)) pass?.(signal);
    });
    const engine = terminal.openEngine(call, signals.interrupted);
    const owner = runOwner(engine.host, basename(command));
    try {
      const companions = companionsOf(engine.host, request.devices);
      const detachment = await detach(engine, { ...request, companions, owner, skipRefused: false });
      const refused = refusalError(detachment.plan);
      if (refused) throw refused;
      const early = signals.interrupted();
      if (early !== undefined)
        return await restored(engine, owner, { kind: 'ended', status: signalStatus(early) });
      for (const { kind, key } of detachment.holds.holds.filter(isSlice))
        terminal.say(`vfio-hook: ${holdWords({ kind, key })} is ready`);
      const program = startProgram(
        command,
        filledIn(words, { vf: detachment.chosen, mdev: uuidsOf(request) }),
      );
      pass = program.pass;
      noteProgram(engine, owner, program.pid);
      const end = await program.ended;
      pass = undefined;
      return await restored(engine, owner, end, () => report(terminal, command, end));
    } catch (error) {
      terminal.sayError(error);
      const signal = signals.interrupted();
      const isAsBefore = claimOf(engine, owner) === undefined;
      return signal !== undefined && isAsBefore ? signalStatus(signal) : programStatus.ownFailure;
    } finally {
      engine.log.close();
      signals.stop();
    }
  },
};

/** What has a name of its own that the person does not know before. */
function isSlice({ kind }: HoldId): boolean {
  return kind === 'vgpu' || kind === 'mdev';
}

function uuidsOf({ mdevs = [] }: SliceRequest): readonly string[] {
  return mdevs.map(({ uuid }) => uuid);
}

/** `{vf}` is the first virtual function that was chosen, `{vf2}` the second; `{mdev}` the first mediated device. */
function filledIn(
  words: readonly string[],
  chosen: Readonly<Record<'vf' | 'mdev', readonly string[]>>,
): readonly string[] {
  return words.map((word) =>
    word.replace(
      /\{(vf|mdev)(\d?)\}/g,
      (whole, kind: 'vf' | 'mdev', number: string) => chosen[kind][Number(number || 1) - 1] ?? whole,
    ),
  );
}

function readRequest(call: Call): SliceRequest & {
  readonly devices: readonly PciAddress[];
  readonly bars: ReadonlyMap<PciAddress, ReadonlyMap<number, number>>;
  readonly driver?: string;
  readonly allow: readonly UseReason[];
} {
  const named = (call.lists.get('device') ?? []).map(readDevice);
  const slices = readSlices(call);
  const isMdevOnly = uuidsOf(slices).length > 0 && slices.vgpu === undefined;
  if (named.length === 0 && slices.slices?.length === 0 && !isMdevOnly) {
    throw new VfioHookError('VH_USAGE', 'vfio-hook run needs --device ADDRESS, --vf CARD or --mdev TYPE', {
      hints: [advice('see: vfio-hook run --help')],
    });
  }
  const driver = readDriverOption(call);
  return {
    ...slices,
    devices: [...new Set(named.map(({ address }) => address))],
    bars: new Map(named.flatMap(({ address, bars }) => (bars.size > 0 ? [[address, bars]] : []))),
    ...(driver !== undefined && { driver }),
    allow: readAllow(call, false),
  };
}

/**
 * The terminal sends ^C and ^\ to every process in its foreground: the program has had it already, and some
 * take a second one for an order to end at once. Fields 5 and 8 of /proc/PID/stat are our process group and
 * the terminal's (proc(5)).
 */
function comesFromTerminal(signal: EndingSignal): boolean {
  if (signal !== 'SIGINT' && signal !== 'SIGQUIT') return false;
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group !== undefined && group === foreground;
}

/** A claim that does not know the program is no reason to end it: the devices are known to be open. */
function noteProgram(engine: Engine, owner: RunOwner, pid: number | undefined): void {
  const startTime = pid === undefined ? undefined : startTimeOf(pid);
  if (pid === undefined || startTime === undefined) return;
  try {
    addProcess(engine, owner, { pid, startTime });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    engine.log.write({ severity: 'warning', message: `${message}, continuing`, owner: 'run' });
  }
}

/** Gives the devices back. Throws VH_INCOMPLETE or VH_BUSY when they are not. */
async function restored(
  engine: Engine,
  owner: RunOwner,
  end: ProgramEnd,
  status: () => number = () => end.status,
): Promise<number> {
  const result = await giveBackLocked(engine, owner, () => undefined);
  if (!result || result.kind === 'restored') return status();
  const left = result.kind === 'left' ? result.reason : describeLeft(result);
  throw new VfioHookError(
    result.kind === 'in-use' ? 'VH_BUSY' : 'VH_INCOMPLETE',
    `${quoteName(owner.command)} has ended with status ${end.status}, but its devices are not back: ${left}`,
    {
      hints: [
        result.kind === 'in-use'
          ? advice('end the process that still has them, then: vfio-hook recover')
          : advice('retry with: vfio-hook recover'),
      ],
    },
  );
}

function report(terminal: Terminal, command: string, end: ProgramEnd): number {
  if (end.kind === 'not-started') {
    const why = end.status === programStatus.notFound ? 'there is no such program' : end.reason;
    terminal.sayError(new VfioHookError('VH_USAGE', `cannot run ${quoteName(command)}: ${why}`));
  }
  return end.status;
}
