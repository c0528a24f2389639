import { advice } from '../../hint.ts';
import type { KindOf } from '../kind.ts';

/**
 * The text console on frame buffers, which is bound to no terminal while guests have the card that it draws on: as long
 * as it is, it keeps a frame buffer open. With the last frame buffer it goes by itself, and it comes with the
 * first one (drivers/video/fbdev/core/fbcon.c:fbcon_fb_unregistered, fbcon_fb_registered).
 */
export const console: KindOf<'console'> = {
  stage: 'display',
  changesDevices: false,
  attributes: [],
  lock: () => 'text console',
  // With the last frame buffer it is gone, which is as good as unbound.
  promised: () => ({ state: { bound: false }, facts: { name: '', system: false } }),
  writes: (_key, { path }) => /^\/sys\/class\/vtconsole\/vtcon\d+\/bind$/.test(path),
  target: ({ bound }, wishes) => ({ bound: wishes.length === 0 && bound }),
  guard: ({ seen, to }) =>
    seen.facts.system && seen.state.bound !== to.bound
      ? [
          {
            reason: 'the kernel has it for good and lets nobody unbind it',
            hints: [advice('give the guest another card, or boot with another console= on the command line')],
          },
        ]
      : [],
  steps: ({ seen, to }) =>
    seen.state.bound === to.bound
      ? []
      : [{ kind: 'set', attribute: 'console-bound', key: seen.facts.name, to: to.bound ? '1' : '0' }],
  subject: (key) => `text console (${key})`,
  words: (_key, { bound }) => (bound ? 'bound' : 'not bound'),
};
