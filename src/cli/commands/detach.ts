import { detach as detachDevices, manualOwner, planDetach, type Detachment } from '../../engine/detach.ts';
import type { Engine } from '../../engine/engine.ts';
import { refusalError } from '../../engine/make-plan.ts';
import { dryRunOption, jsonOption, machineOption, verboseOption, type Command } from '../command.ts';
import type { Call, OptionSpec, Terminal } from '../command.ts';
import { allowOption, readAllow } from '../allow.ts';
import { readDriverOption } from '../driver-option.ts';
import { mdevMoves, moveLine, movesOf } from '../moves.ts';
import { heldWords } from '../render/holds.ts';
import { isRefused, planJson, planText } from '../render/plan.ts';
import { addressOperand, readSelection, selectionOptions } from '../selection.ts';
import { escapeControl } from '../../text.ts';
import { listenForSignals } from '../signals.ts';
import { readSlices, refuseMixture, sliceOptions } from '../slice-options.ts';

/** The option that chooses a driver. */
export const driverOption: OptionSpec = {
  name: 'driver',
  value: 'NAME',
  about: 'bind this driver; one that is no vfio driver gets the named functions only',
};

/** `vfio-hook detach ADDRESS…`: what virsh nodedev-detach does, for whole groups, with a way back. */
export const detach: Command = {
  name: 'detach',
  aliases: ['bind'],
  about: 'take devices from the host, for any use, until vfio-hook reattach',
  details:
    'Moves the whole IOMMU groups of the devices to vfio-pci, with the guards of the hook, and records what was\n' +
    'there, so that vfio-hook reattach puts back exactly that. A guest that is assigned one of them finds it\n' +
    'ready, and leaves it detached. Nothing outlives a reboot. The sound, USB and UCSI functions of a graphics card come\n' +
    'along, also from groups of their own. By address it is all or nothing; with --device-id, --vendor or --all, cards\n' +
    'that are refused are passed over, with the reason. --mdev makes a mediated device, which reattach removes.',
  operands: [addressOperand],
  options: [
    ...selectionOptions,
    ...sliceOptions,
    driverOption,
    {
      name: 'bar',
      value: 'ADDRESS:N=SIZE',
      repeated: true,
      about: 'resize BAR N, such as 0000:01:00.0:2=8MiB; also as ADDRESS,bar2=8MiB',
    },
    allowOption,
    dryRunOption,
    verboseOption,
    jsonOption,
    machineOption,
  ],
  statuses: {
    0: 'done, or nothing to do',
    1: 'failed, and everything is as it was',
    2: 'some or all refused; or wrong usage',
  },
  ownStatuses: { refused: 2 },
  onlyRoot: true,
  examples: [
    'sudo vfio-hook detach 01:00.0 --dry-run',
    'sudo vfio-hook detach --vendor nvidia',
    'sudo vfio-hook detach --vf 41:00.0 --vgpu L40S-8Q',
    'sudo vfio-hook detach --mdev i915-GVTg_V5_4',
  ],
  run: async (call, terminal) => {
    const signals = listenForSignals();
    try {
      const engine = terminal.openEngine(call, signals.interrupted);
      refuseMixture(call);
      const slices = readSlices(call);
      const { devices, companions, bars, isPattern } = readSelection(
        call,
        engine.host,
        [...(slices.slices ?? []), ...(slices.mdevs ?? [])].length > 0,
      );
      const driver = readDriverOption(call);
      const request = {
        owner: manualOwner(),
        ...slices,
        devices,
        companions,
        bars,
        allow: readAllow(call, isPattern),
        ...(driver !== undefined && { driver }),
        skipRefused: isPattern,
      };
      const isDryRun = call.options.has('dry-run');
      const detachment = await (isDryRun ? planDetach : detachDevices)(engine, request);
      if (isDryRun) showPlan(detachment, call, { engine, terminal });
      else showResult(detachment, call, { engine, terminal });
      for (const error of detachment.skipped) terminal.sayError(error);
      engine.log.close();
      return isRefused(detachment) || detachment.skipped.length > 0 ? 2 : 0;
    } finally {
      signals.stop();
    }
  },
};

interface Shown {
  readonly engine: Engine;
  readonly terminal: Terminal;
}

function showPlan(detachment: Detachment, { options }: Call, { engine, terminal }: Shown): void {
  if (options.has('json')) terminal.json(planJson(detachment));
  else terminal.print(planText(detachment, { ...terminal, names: terminal.names(engine.host) }));
}

function showResult(detachment: Detachment, { options }: Call, { engine, terminal }: Shown): void {
  const { plan, snapshot, holds } = detachment;
  const refused = refusalError(plan);
  if (refused) {
    terminal.sayError(refused);
    return;
  }
  const addresses = plan.verdicts
    .filter(
      ({ kind, ...verdict }) => kind === 'bind' || ('code' in verdict && shownLeft.includes(verdict.code)),
    )
    .map(({ device }) => device);
  const moves = movesOf(engine.host, snapshot, addresses, plan.steps);
  if (options.has('json')) {
    terminal.json([...moves, ...holds.holds.flatMap((hold) => mdevMoves(hold, 'made'))]);
    return;
  }
  for (const move of moves) terminal.print(moveLine(move));
  for (const hold of holds.holds) terminal.print(escapeControl(heldWords(hold)));
}

/** Why a device may stay that the person wanted: not worth a line for bridges and the like. */
const shownLeft: readonly string[] = ['on-vfio', 'stub', 'vgpu'];
