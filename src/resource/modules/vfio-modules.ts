import { VFIO_DRIVER, VFIO_MODULE } from '../../pci/vfio-modules.ts';
import type { KindOf } from '../kind.ts';

/**
 * The modules of VFIO, where the host's configuration wants them gone once no guest needs them. Whoever loaded them first:
 * that cannot be told from the host. What the kernel, or any device or module, has against it lets them stay, and is no
 * failure: a module without a user harms nobody, and unloading vfio_pci takes every idle device from it, whosever it is.
 */
export const vfioModules: KindOf<'vfio-modules'> = {
  stage: 'modules',
  changesDevices: false,
  attributes: [],
  fleeting: ['loaded'],
  // They stay where something uses them.
  isBlind: true,
  lock: () => 'vfio modules',
  writes: (_key, { path }) => /^rmmod \w*vfio/.test(path),
  original: () => ({ loaded: false }),
  target: (original, [wish]) => (wish ? { loaded: wish.loaded } : original),
  steps: ({ seen, to }) => {
    if (seen.state.loaded === to.loaded) return [];
    if (to.loaded)
      return [{ kind: 'load-module', module: VFIO_MODULE, driver: VFIO_DRIVER, blacklist: 'obeyed' }];
    return seen.facts.user === ''
      ? seen.facts.order.map((module) => ({ kind: 'unload-module', module, idle: true }) as const)
      : [];
  },
  expect: (snapshot, { to }) =>
    to.loaded && !snapshot.drivers.includes(VFIO_DRIVER)
      ? { ...snapshot, drivers: [...snapshot.drivers, VFIO_DRIVER].sort() }
      : snapshot,
  subject: () => 'modules of VFIO',
  words: (_key, { loaded }) => (loaded ? 'loaded' : 'not loaded'),
};
