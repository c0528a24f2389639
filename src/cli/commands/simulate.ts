import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import pc from 'picocolors';
import { pciHostdevs, type Domain } from '../../domain/domain.ts';
import { VfioHookError } from '../../errors.ts';
import { advice } from '../../hint.ts';
import type { Machine } from '../../../simulator/machine.ts';
import { allGroups, takeSnapshot } from '../../observe/take-snapshot.ts';
import type { Snapshot } from '../../pci/snapshot.ts';
import { escapeControl } from '../../text.ts';
import { guestOperand, type Command, type Terminal } from '../command.ts';
import { readMachine } from '../described.ts';
import { withUuid } from '../../engine/guests.ts';
import { readGuest } from '../guest-xml.ts';
import { copyConfig } from '../simulate-config.ts';
import { callHook, lifeOf, type HookCall } from '../simulate-life.ts';
import { deviceLines, differences, eventLines, factsBesides, factsChanged } from '../render/life.ts';

/** `vfio-hook simulate`: a guest's whole life on a simulated machine, by the very file that libvirt runs. */
export const simulate: Command = {
  name: 'simulate',
  about: 'play a guest’s whole life on a simulated machine',
  details:
    'Runs the hook for a whole life of the guest (prepare, start, started, stopped, release), as libvirt would,\n' +
    'on a simulated machine, and prints each kernel write with its result and whether anything differs at the\n' +
    'end. The host is not touched, and root is not needed.',
  operands: [],
  options: [
    {
      name: 'host',
      value: 'FILE',
      about: 'description of the machine, such as examples/hosts/amd-rdna3-desktop.yaml',
    },
    { name: 'domain', value: 'GUEST', about: guestOperand.about },
    { name: 'config', value: 'FILE', about: 'configuration of the guest, as in /etc/vfio-hook/domains' },
  ],
  statuses: {
    0: 'the guest had its devices, and nothing differs at the end',
    1: 'otherwise',
    2: 'wrong usage',
  },
  examples: [
    'vfio-hook simulate --host examples/hosts/amd-rdna3-desktop.yaml --domain examples/domains/windows-11-rx7900xtx.xml',
  ],
  run: async (call, terminal) => {
    const { options } = call;
    const { domain, xml } = withUuid(
      readGuest(needed(options.get('domain'), '--domain'), terminal.ownHost(call)),
    );
    const { createMachineFile, MACHINE_FILE } = terminal.parts.load('described.cjs');
    const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-simulate-'));
    try {
      const machine = createMachineFile(
        join(directory, MACHINE_FILE),
        readMachine(needed(options.get('host'), '--host'), terminal.parts),
      );
      const config = options.get('config');
      if (typeof config === 'string') copyConfig(config, join(directory, 'etc'), domain);
      mkdirSync(join(directory, 'hooks'));
      // Under the name by which libvirt calls it: that makes it the hook and not the command.
      const hook = join(directory, 'hooks/qemu');
      symlinkSync(realpathSync(terminal.parts.launcher), hook);
      return await play({ machine, domain, xml, hook, directory }, terminal);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

interface Stage {
  readonly machine: Machine;
  readonly domain: Domain;
  readonly xml: string;
  readonly hook: string;
  readonly directory: string;
}

async function play(stage: Stage, terminal: Terminal): Promise<number> {
  const { machine, domain } = stage;
  const paint = pc.createColors(terminal.colour);
  const before = await wholeMachine(machine);
  const besides = factsBesides(machine.state());
  const wanted = pciHostdevs(domain);
  const groups = before.groups.filter((group) =>
    wanted.some(({ address }) => group.members.includes(address)),
  );
  const show = (snapshot: Snapshot): void => {
    const members = snapshot.devices.filter(({ address }) =>
      groups.some((group) => group.members.includes(address)),
    );
    for (const line of deviceLines(members, terminal.names(machine.host()), machine.state()))
      terminal.print(line);
  };

  terminal.print(paint.bold(`Guest ${escapeControl(domain.name)} on ${basename(machine.state().spec.name)}`));
  terminal.print('\nBefore');
  show(before);
  let failed = false;
  for (const call of lifeOf(
    domain,
    groups.flatMap(({ members }) => members),
  )) {
    failed = !(await step(stage, call, terminal)) || failed;
    if (call.arguments[1] === 'prepare') {
      if (failed) break;
      terminal.print('\nThe guest runs with');
      show(await wholeMachine(machine));
    }
  }
  const after = await wholeMachine(machine);
  terminal.print('\nAfter');
  show(after);
  const different = [...differences(before, after), ...factsChanged(besides, factsBesides(machine.state()))];
  terminal.print(
    different.length === 0
      ? paint.green('\nNothing differs from before, on the whole machine.')
      : paint.red(['\nDifferent from before:', ...different.map((line) => `  ${line}`)].join('\n')),
  );
  return failed || different.length > 0 ? 1 : 0;
}

async function step(stage: Stage, call: HookCall, terminal: Terminal): Promise<boolean> {
  const { machine } = stage;
  const seen = machine.journal().length;
  const result = await callHook(stage.hook, stage.directory, stage.xml, call);
  terminal.print(`\nlibvirt calls: qemu ${escapeControl(call.arguments.join(' '))}`);
  for (const line of eventLines(machine.journal().slice(seen))) terminal.print(line);
  const said = result.stderr === '' ? '' : `\n${result.stderr}`;
  terminal.print(`  → exit status ${result.status} after ${result.milliseconds} ms${said}`);
  for (const operation of call.then) machine.perform(operation);
  return result.status === 0;
}

async function wholeMachine(machine: Machine): Promise<Snapshot> {
  const host = machine.host();
  return takeSnapshot(host, allGroups(host), { deadlineMs: 5000, uses: 'unread' });
}

function needed(value: string | true | undefined, option: string): string {
  if (typeof value === 'string') return value;
  throw new VfioHookError('VH_USAGE', `vfio-hook simulate needs ${option} FILE`, {
    hints: [advice('see: vfio-hook simulate --help')],
  });
}
