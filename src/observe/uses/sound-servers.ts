import type { Holder } from '../../host/host.ts';

/**
 * Programs that keep the control node of each sound card open, to hear of its volume and its sockets, and close all
 * that they have of a card by themselves when it goes: measured, docs/kernel-notes.md. For PipeWire, WirePlumber has
 * the control nodes; streams that play move to another card.
 */
const SERVERS = ['wireplumber', 'pipewire', 'pulseaudio', 'alsactl'];

/**
 * Where only root can put a program. A name alone says nothing: any user can have a program that is called pulseaudio
 * and lets go of nothing. Nix and Guix keep programs in directories of their own, those of Nix often behind a wrapper.
 */
const PROGRAM =
  /^(?:\/usr\/(?:bin|sbin|lib|lib64|libexec)|\/(?:nix|gnu)\/store)\/(?:[^/]+\/)*\.?([\w-]+?)(?:-wrapped)?$/;

/** The control node of a card, and those of sound that is played or recorded. */
const NODE = /^\/dev\/snd\/(?:controlC\d+|pcmC\d+D\d+[pc])$/;

/**
 * Whether a process closes what it has open as soon as the card is disconnected, which is the first thing that a sound
 * driver does when it is unbound (sound/core/init.c:snd_card_disconnect). One that is halted cannot.
 */
export function letsGo({ path, program, halted }: Holder): boolean {
  const name = PROGRAM.exec(program ?? '')?.[1];
  return NODE.test(path) && halted !== true && name !== undefined && SERVERS.includes(name);
}
