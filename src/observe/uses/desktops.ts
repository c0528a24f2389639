import type { Holder } from '../../host/host.ts';

/** What tells a desktop which cards are its own: src/observe/uses/keep-off.ts has the words of each. */
export type CardChoice =
  'mutter' | 'kwin' | 'aquamarine' | 'wlroots' | 'niri' | 'cosmic' | 'xorg' | 'unknown';

/**
 * Programs that draw a session, by the short name that the kernel keeps of a program (15 bytes). Whoever ends one ends
 * the session with all that runs in it.
 */
const DESKTOPS: Readonly<Record<string, CardChoice>> = {
  'gnome-shell': 'mutter',
  'gnome-kiosk': 'mutter',
  mutter: 'mutter',
  gala: 'mutter',
  kwin_wayland: 'kwin',
  Hyprland: 'aquamarine',
  hyprland: 'aquamarine',
  sway: 'wlroots',
  river: 'wlroots',
  labwc: 'wlroots',
  wayfire: 'wlroots',
  cage: 'wlroots',
  dwl: 'wlroots',
  phoc: 'wlroots',
  niri: 'niri',
  'cosmic-comp': 'cosmic',
  Xorg: 'xorg',
  'Xorg.bin': 'xorg',
  X: 'xorg',
  kwin_x11: 'xorg',
  xfwm4: 'xorg',
  Xwayland: 'unknown',
  cinnamon: 'unknown',
  gamescope: 'unknown',
  'gamescope-wl': 'unknown',
  weston: 'unknown',
  'miracle-wm': 'unknown',
  enlightenment: 'unknown',
};

/** What Nix makes of a program's name, `.Hyprland-wrapped`, and what 15 bytes leave of it. */
const WRAPPED = /^\.(.+?)-w(?:r(?:a(?:p(?:p(?:ed?)?)?)?)?)?$/;

/**
 * How the program that holds a card is told to leave it alone; undefined for one that draws no session. A program of
 * a login session that has a card's primary node open, and not only that for rendering, may well draw one.
 */
export function cardChoice(holder: Holder): CardChoice | undefined {
  const { path, unit } = holder;
  const known = knownDesktop(holder);
  if (known !== undefined) return known;
  const inSession = unit?.name.startsWith('session-') === true && unit.name.endsWith('.scope');
  return inSession && /^\/dev\/dri\/card\d+$/.test(path) ? 'unknown' : undefined;
}

/** The same by the program's name alone. */
export function knownDesktop({ name }: Pick<Holder, 'name'>): CardChoice | undefined {
  const plain = WRAPPED.exec(name)?.[1] ?? name;
  return Object.hasOwn(DESKTOPS, plain) ? DESKTOPS[plain] : undefined;
}
