import type { DisplayRule } from '../../config/config.ts';
import { FRAME_BUFFER_CONSOLE } from '../../pci/console.ts';
import { serviceWishes, type CanonicalUnit } from '../services/wishes.ts';
import type { Wish } from '../kind.ts';

/** What of the host's screen is on the cards that a guest gets. */
export interface DisplayPlaces {
  /** The unit of the display manager, by its key; absent: the host has none. */
  readonly manager?: string;
  /** Whether the text console is there, and is on one of them. */
  readonly console: boolean;
  /** Frame buffers of the firmware that are on one of them. */
  readonly framebuffers: readonly string[];
}

/** What has to go so that a guest can have the card that the host shows its screen on: programs first. */
export function displayWishes(
  { stop }: DisplayRule,
  { manager, console, framebuffers }: DisplayPlaces,
  canonical: CanonicalUnit,
): readonly Wish[] {
  const units = serviceWishes({ stop, start: [] }, canonical);
  return [
    ...(manager !== undefined && !units.some(({ key }) => key === manager)
      ? [{ kind: 'unit', key: manager, wish: { active: false } } satisfies Wish]
      : []),
    ...units,
    ...(console
      ? [{ kind: 'console', key: FRAME_BUFFER_CONSOLE, wish: { bound: false } } satisfies Wish]
      : []),
    ...framebuffers.map((key): Wish => ({ kind: 'framebuffer', key, wish: { driver: '' } })),
  ];
}
