import { holdsFor } from '../../claim/claim.ts';
import { planReattach, type Reattachment } from '../../engine/plan-reattach.ts';
import { reattach as reattachDevices } from '../../engine/reattach.ts';
import { count } from '../../count.ts';
import { boundDriver } from '../../observe/bound-driver.ts';
import type { Host } from '../../host/host.ts';
import { isOnVfio } from '../../observe/read-device.ts';
import type { PciAddress } from '../../pci/address.ts';
import { isMdevUuid } from '../../pci/mdev.ts';
import { deviceAt } from '../../pci/snapshot.ts';
import { escapeControl } from '../../text.ts';
import { dryRunOption, jsonOption, machineOption, verboseOption } from '../command.ts';
import type { Call, Command, Terminal } from '../command.ts';
import { readDriverOption } from '../driver-option.ts';
import { mdevMoveLine, mdevMoves, moveLine, movesOf, type Move } from '../moves.ts';
import { stepLines, stepsJson } from '../render/steps.ts';
import { addressOperand, readSelection, selectionOptions } from '../selection.ts';
import { listenForSignals } from '../signals.ts';

/** `vfio-hook reattach ADDRESS…`: the way back. */
export const reattach: Command = {
  name: 'reattach',
  aliases: ['unbind'],
  about: 'give detached devices back to the host',
  details:
    'Puts devices that vfio-hook detach took back exactly as they were. Devices that something else put on a\n' +
    'vfio driver (boot parameters, a script, driverctl) go to the driver of the host that takes them, after an\n' +
    'override that names a vfio driver was cleared; nobody knows what they were before. What a guest or another\n' +
    'program uses is refused. What the host has already stays as it is, and so does, the second time, what was on a\n' +
    'vfio driver before its detach. A broken configuration is said and keeps nothing from going back. A UUID in place of\n' +
    'an address is a mediated device of detach --mdev: it is removed, and what was made together with it.',
  operands: [addressOperand],
  options: [
    ...selectionOptions,
    {
      name: 'driver',
      value: 'NAME',
      about: 'bind this driver to devices of which nobody knows what they had before',
    },
    dryRunOption,
    verboseOption,
    jsonOption,
    machineOption,
  ],
  statuses: {
    0: 'done, or nothing to do',
    1: 'failed, or something is not back',
    2: 'some or all refused; or wrong usage',
  },
  ownStatuses: { refused: 2 },
  onlyRoot: true,
  examples: ['sudo vfio-hook reattach 01:00.0', 'sudo vfio-hook reattach --all'],
  run: async (call, terminal) => {
    // Heard and not asked for: what has begun comes to its end.
    const signals = listenForSignals();
    try {
      const engine = terminal.openEngine(call);
      const mdevs = call.operands.map((operand) => operand.toLowerCase()).filter(isMdevUuid);
      const addresses = call.operands.filter((operand) => !isMdevUuid(operand.toLowerCase()));
      const selected = readSelection({ ...call, operands: addresses }, engine.host, mdevs.length > 0);
      const { devices: named, companions, isPattern } = selected;
      // What the host has is left alone, unless it was named.
      const devices = [...named, ...companions.filter((address) => !hasHostDriver(engine.host, address))];
      const driver = readDriverOption(call);
      const request = { devices, mdevs, ...(driver !== undefined && { driver }), skipRefused: isPattern };
      const isDryRun = call.options.has('dry-run');
      const done = await (isDryRun ? planReattach : reattachDevices)(engine, request);
      for (const error of done.refused) terminal.sayError(error);
      for (const note of done.notes) terminal.say(`vfio-hook: ${note}`);
      if (done.refused.length === 0 || isPattern) {
        if (isDryRun) showPlan(done, call, terminal);
        else showResult(done, call, { host: engine.host, terminal });
      }
      engine.log.close();
      return done.refused.length > 0 ? 2 : 0;
    } finally {
      signals.stop();
    }
  },
};

function hasHostDriver(host: Host, address: PciAddress): boolean {
  const driver = boundDriver(host, address);
  return driver !== undefined && !isOnVfio(host, address, driver);
}

function showPlan({ steps }: Reattachment, { options }: Call, terminal: Terminal): void {
  if (options.has('json')) terminal.json({ steps: stepsJson(steps) });
  else if (steps.length === 0) terminal.print('nothing to do');
  else terminal.print([`${count(steps.length, 'step')}:`, ...stepLines(steps, terminal)].join('\n'));
}

function showResult(
  done: Reattachment,
  { options }: Call,
  { host, terminal }: { readonly host: Host; readonly terminal: Terminal },
): void {
  const { detached, strangers, settled, snapshot, steps } = done;
  const known = detached.flatMap(({ devices }) => devices.map(({ address }) => address));
  const unknown = strangers.map(({ address }) => address);
  const moves = movesOf(host, snapshot, [...known, ...unknown, ...settled], steps);
  const removed = detached.flatMap(({ claim, devices }) =>
    holdsFor(claim, devices).flatMap((hold) => mdevMoves(hold, 'removed')),
  );
  if (options.has('json')) {
    terminal.json([...moves, ...removed]);
    return;
  }
  for (const move of moves) terminal.print(`${moveLine(move)}${remark(done, move)}`);
  for (const move of removed) terminal.print(escapeControl(mdevMoveLine(move)));
}

function remark({ strangers, returned, snapshot }: Reattachment, { address, to }: Move): string {
  if (returned.includes(address))
    return ' (given back already: it was there before its detach; --driver names one of the host)';
  if (!strangers.some((device) => device.address === address)) return '';
  const override = deviceAt(snapshot, address)?.driverOverride;
  const cleared = override === undefined ? '' : `; its driver override was ${override}`;
  return to === null
    ? ` (no driver of this host takes it; one can be named with --driver${cleared})`
    : ` (what it was before is not known${cleared})`;
}
