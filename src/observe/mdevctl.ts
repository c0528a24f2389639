import { VfioHookError } from '../errors.ts';
import { advice, command } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { isMdevUuid, isParentName } from '../pci/mdev.ts';
import { MDEVCTL, parseMdevctl, type MdevctlDefinition } from '../pci/mdevctl.ts';
import { shellWord, shownPath } from '../text.ts';

/** A definition with what its path says. */
export interface DefinedMdev extends MdevctlDefinition {
  readonly uuid: string;
  /** As the directory is called: mdevctl takes a parent in other capitals as well. */
  readonly parent: string;
  readonly path: string;
}

/**
 * What mdevctl knows of a mediated device; undefined when nothing. Nothing of mdevctl is run, its callouts neither.
 * Throws VH_CONFIG for a file that others than root could have written, that cannot be understood, and for two of them.
 */
export function mdevctlDefinition(host: Host, uuid: string): DefinedMdev | undefined {
  const [found, other] = definitionPlaces(host).filter((place) => place.uuid === uuid);
  if (!found) return undefined;
  if (other)
    throw new VfioHookError(
      'VH_CONFIG',
      `mdevctl has two definitions of the mediated device ${uuid}: ${shownPath(found.path)} and ${shownPath(other.path)}`,
      {
        path: found.path,
        hints: [advice('keep one of them, or say in the configuration of vfio-hook what it is to be (mdev)')],
      },
    );
  return readDefinition(host, found);
}

/** Where a definition is. */
export type DefinitionPlace = Pick<DefinedMdev, 'uuid' | 'parent' | 'path'>;

/** Where the definitions of all devices are, by parent and UUID; other files are not mdevctl's. */
export function definitionPlaces(host: Host): readonly DefinitionPlace[] {
  return (host.list(MDEVCTL) ?? [])
    .filter(isParentName)
    .flatMap((parent) =>
      (host.list(`${MDEVCTL}/${parent}`) ?? [])
        .filter((name) => isMdevUuid(name.toLowerCase()))
        .map((name) => ({ uuid: name.toLowerCase(), parent, path: `${MDEVCTL}/${parent}/${name}` })),
    );
}

/** Reads one definition. Throws VH_CONFIG as {@link mdevctlDefinition}. */
export function readDefinition(host: Host, place: DefinitionPlace): DefinedMdev {
  const { path } = place;
  for (const each of [MDEVCTL, path.slice(0, path.lastIndexOf('/')), path]) {
    const status = host.status(each);
    const kind = each === path ? 'file' : 'directory';
    if (status?.kind !== kind) throw refused(path, `${shownPath(each)} is no ${kind}`);
    if (status.uid !== 0 || (status.mode & 0o022) !== 0) {
      const word = shellWord(each);
      throw refused(path, `others than root can write to ${shownPath(each)}`, word);
    }
  }
  const parsed = parseMdevctl(host.read(path) ?? '');
  if (typeof parsed === 'string') throw refused(path, parsed);
  return { ...place, ...parsed };
}

function refused(path: string, why: string, open?: string): VfioHookError {
  return new VfioHookError('VH_CONFIG', `cannot use the definition ${shownPath(path)} of mdevctl: ${why}`, {
    path,
    hints:
      open === undefined
        ? [
            advice(
              'define the device anew with mdevctl, or say in the configuration of vfio-hook what it is to be (mdev)',
            ),
          ]
        : [command(`chown root ${open} && chmod go-w ${open}`)],
  });
}
