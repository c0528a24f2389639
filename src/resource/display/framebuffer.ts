import type { KindOf } from '../kind.ts';

/**
 * The frame buffer that the firmware has left: its driver holds the memory of the card, so that a guest's card has its BAR
 * in use by two. Before Linux 6.1 a vfio driver does nothing about it; since then it takes it away until the next boot
 * (drivers/video/aperture.c:aperture_remove_conflicting_pci_devices).
 */
export const framebuffer: KindOf<'framebuffer'> = {
  stage: 'display',
  changesDevices: false,
  attributes: [],
  lock: (key) => `frame buffer ${key}`,
  writes: (key, { path, value }) =>
    value === key && /^\/sys\/bus\/platform\/drivers\/[a-z]+-framebuffer\/(?:un)?bind$/.test(path),
  target: (original, wishes) => (wishes.length > 0 ? { driver: '' } : original),
  notes: ({ seen, to }) =>
    seen.facts.goes && to.driver === '' && seen.state.driver !== ''
      ? [
          'the kernel takes it away until the next boot: text consoles stay dark when the guest is off, unless the driver of the card draws them; a display manager draws as before',
        ]
      : [],
  steps: ({ key, seen, to }) => {
    if (seen.state.driver === to.driver) return [];
    return to.driver === ''
      ? [{ kind: 'framebuffer', key, driver: seen.state.driver, to: 'unbind' }]
      : [{ kind: 'framebuffer', key, driver: to.driver, to: 'bind' }];
  },
  subject: (key) => `frame buffer of the firmware (${key})`,
  words: (_key, { driver }) => (driver === '' ? 'released' : `on ${driver}`),
};
