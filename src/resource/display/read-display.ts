import { consoles, firmwareFramebuffers } from '../../observe/consoles.ts';
import { kernelRelease } from '../../observe/kernel-release.ts';
import { kernelFacts } from '../../pci/kernel-facts.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** Drivers of the text console that are there. */
export const readConsoles: Reader<'console'> = (host, keys) => {
  const all = consoles(host);
  return Promise.resolve(
    new Map(
      keys.flatMap((key): [string, SeenOf<'console'>][] => {
        const found = all.find(({ text }) => text === key);
        if (!found) return [];
        const { name, system, bound } = found;
        return [[key, { state: { bound }, facts: { name, system } }]];
      }),
    ),
  );
};

/** Frame buffers of the firmware that are still there. */
export const readFramebuffers: Reader<'framebuffer'> = (host, keys) => {
  const { evictsFirmware: goes } = kernelFacts(kernelRelease(host));
  return Promise.resolve(
    new Map(
      firmwareFramebuffers(host)
        .filter(({ name }) => keys.includes(name))
        .map(({ name, driver }): [string, SeenOf<'framebuffer'>] => [
          name,
          { state: { driver }, facts: { goes } },
        ]),
    ),
  );
};
