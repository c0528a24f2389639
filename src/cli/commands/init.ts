import type { ReadGuest } from '../../engine/guests.ts';
import { advice } from '../../hint.ts';
import { writeGuestConfig, writeNewFile } from '../../engine/write-config.ts';
import { pciHostdevs } from '../../domain/domain.ts';
import { VfioHookError } from '../../errors.ts';
import { graphicsCards } from '../../observe/graphics.ts';
import { groupsOf, takeSnapshot } from '../../observe/take-snapshot.ts';
import { quoteName, shownPath } from '../../text.ts';
import { guestOperand, machineOption, type Call, type Command, type Terminal } from '../command.ts';
import { readGuest } from '../guest-xml.ts';
import { initialConfig } from '../render/init-text.ts';

/** How long the kernel may take to answer for the guest's devices. */
const ANSWER_MS = 10_000;

/** `vfio-hook init GUEST`: a first configuration, with what could be set as comments. */
export const init: Command = {
  name: 'init',
  about: 'write a commented configuration for a guest',
  details:
    'Writes /etc/vfio-hook/domains/GUEST.yaml from what the devices of the guest are: their names, resizable\n' +
    'BARs with the sizes that they offer, special drivers, whether they may sleep; and from what fits the guest: its\n' +
    'screen, huge pages, pinned CPUs. All of it is commented out, so that nothing changes\n' +
    'until you take a line in. A file that is there is left alone. Devices are not touched.',
  operands: [guestOperand],
  options: [
    { name: 'output', short: 'o', value: 'FILE', about: 'write to FILE instead; - prints it' },
    { name: 'force', about: 'replace a file that is there; it is kept as a backup (.bak)' },
    machineOption,
  ],
  examples: ['sudo vfio-hook init win11', 'sudo vfio-hook init win11 --output -'],
  run: async (call, terminal) => {
    const guest = readGuest(call.operands[0] ?? '-', terminal.ownHost(call));
    const text = await textFor(guest, call, terminal);
    const output = call.options.get('output');
    if (output === '-') {
      terminal.data(text.trimEnd());
      return 0;
    }
    const replace = call.options.has('force');
    const { configDirectory, trustedUid } = terminal.locations(call);
    const { path, backups } =
      typeof output === 'string'
        ? writeNewFile(output, text, replace)
        : writeGuestConfig({ configDir: configDirectory, trustedUid, guest: guest.domain, replace }, text);
    for (const backup of backups) terminal.say(`vfio-hook: kept: ${shownPath(backup)}`);
    terminal.print(`written: ${shownPath(path)}`);
    return 0;
  },
};

async function textFor({ domain }: ReadGuest, call: Call, terminal: Terminal): Promise<string> {
  const hostdevs = pciHostdevs(domain);
  if (hostdevs.length === 0) {
    throw new VfioHookError(
      'VH_REFUSED',
      `guest ${quoteName(domain.name)} is assigned no PCI device of the host: there is nothing to configure`,
      { hints: [advice(`add one first: virsh edit, or virt-manager; then: vfio-hook hostdevs shows it`)] },
    );
  }
  const { host } = terminal.openEngine(call);
  const groups = groupsOf(
    host,
    hostdevs.map(({ address }) => address),
  );
  const snapshot = await takeSnapshot(host, groups, { deadlineMs: ANSWER_MS });
  const cards = graphicsCards(host).filter(({ isVirtual }) => !isVirtual);
  return initialConfig({
    guest: domain,
    snapshot,
    names: terminal.names(host),
    cards: cards.map(({ address }) => address),
  });
}
