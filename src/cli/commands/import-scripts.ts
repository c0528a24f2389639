import { pciHostdevs, type Domain } from '../../domain/domain.ts';
import { writeGuestConfig, writeNewFile } from '../../engine/write-config.ts';
import { VfioHookError } from '../../errors.ts';
import { importScripts as importThem } from '../../import/import.ts';
import { importedText } from '../../import/report.ts';
import { SCRIPT_TREE } from '../../script-places.ts';
import { shownPath } from '../../text.ts';
import { machineOption, type Call, type Command, type Terminal } from '../command.ts';
import { readGuest } from '../guest-xml.ts';
import { scriptFiles, sourcedBy } from '../script-files.ts';

/** `vfio-hook import-scripts GUEST`: which keys do what the scripts of a guest do. */
export const importScripts: Command = {
  name: 'import-scripts',
  about: 'say which keys do what the scripts of a guest do',
  details:
    `Reads the scripts of a guest in ${SCRIPT_TREE}/GUEST, and says line by line what becomes of each:\n` +
    'a key of the configuration does the same, vfio-hook does it without being told, or it has to stay a script.\n' +
    'Prints that as comments above a configuration with these keys. Scripts are read and never run; they and the\n' +
    'devices are left as they are.',
  operands: [{ name: 'GUEST', about: 'name of the guest' }],
  options: [
    {
      name: 'from',
      value: 'PATH',
      about: 'scripts in another directory, or one hook for all guests that is a single script',
    },
    { name: 'output', short: 'o', value: 'FILE', about: 'write the configuration to FILE' },
    { name: 'write', about: 'write it to /etc/vfio-hook/domains/GUEST.yaml' },
    { name: 'force', about: 'with these two: replace a file that is there; it is kept as a backup (.bak)' },
    machineOption,
  ],
  examples: [
    'vfio-hook import-scripts win11',
    'vfio-hook import-scripts win11 --from ~/my-hooks',
    'sudo vfio-hook import-scripts win11 --write',
  ],
  run: (call, terminal) => {
    const name = call.operands[0] ?? '';
    const { between, configDirectory, trustedUid } = terminal.locations(call);
    const from = call.options.get('from');
    const tree = between.directory;
    const domain = knownGuest(name, call, terminal);
    const scripts = scriptFiles(domain.name, typeof from === 'string' ? from : tree);
    const decoder = terminal.parts.load('config.cjs');
    const imported = importThem({
      guest: domain.name,
      scripts,
      ...('hostdevs' in domain && { assigned: new Set(pciHostdevs(domain).map(({ address }) => address)) }),
      sourced: sourcedBy(scripts, tree),
      takes: (text) => decoder.examineConfigFile(text, 'import.yaml').kind === 'fits',
    });
    const text = importedText(domain.name, imported);
    const replace = call.options.has('force');
    const output = call.options.get('output');
    if (typeof output !== 'string' && !call.options.has('write')) {
      terminal.data(text.trimEnd());
      return 0;
    }
    const { path, backups } =
      typeof output === 'string'
        ? writeNewFile(output, text, replace)
        : writeGuestConfig({ configDir: configDirectory, trustedUid, guest: domain, replace }, text);
    for (const backup of backups) terminal.say(`vfio-hook: kept: ${shownPath(backup)}`);
    terminal.print(`written: ${shownPath(path)}`);
    return 0;
  },
};

/** The guest with what its XML assigns, where libvirt knows it; its scripts may be older than it, or from another host. */
function knownGuest(name: string, call: Call, terminal: Terminal): Domain | { readonly name: string } {
  try {
    return readGuest(name, terminal.ownHost(call)).domain;
  } catch (error) {
    if (!(error instanceof VfioHookError) || name.includes('/') || name.endsWith('.xml')) throw error;
    return { name };
  }
}
