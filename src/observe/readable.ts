import { errnoOf } from '../errors.ts';
import type { Host } from '../host/host.ts';

/** A host that shows what the user may see, and which paths were denied. */
export interface ReadableHost {
  readonly host: Host;
  /** The paths that only root can read, so far. */
  readonly denied: ReadonlySet<string>;
}

/**
 * The same host, on which a file that the user may not read is not there. For listings, which are useful without
 * root; never for a decision that is acted on. `resourceN_resize`, 0600, is such a file
 * (drivers/pci/pci-sysfs.c:pci_dev_resource_resize_attr), and so is /dev/vfio/N.
 */
export function readableHost(host: Host): ReadableHost {
  const denied = new Set<string>();
  const orDenied = <T>(path: string, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (!['EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
      denied.add(path);
      return undefined;
    }
  };
  return {
    denied,
    host: {
      ...host,
      read: (path, size) => orDenied(path, () => host.read(path, size)),
      readBytes: (path, length) => orDenied(path, () => host.readBytes(path, length)),
      readLink: (path) => orDenied(path, () => host.readLink(path)),
      list: (path) => orDenied(path, () => host.list(path)),
      tryOpen: (path) => {
        const opened = host.tryOpen(path);
        if (opened === 'denied') denied.add(path);
        return opened;
      },
    },
  };
}
