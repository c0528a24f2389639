import type { Recogniser } from '../verdict.ts';
import { byKey } from '../verdict.ts';

/** Units that show the login screen. */
const MANAGERS =
  /^(?:display-manager|gdm3?|sddm(?:-plymouth)?|lightdm|lxdm|xdm|ly|greetd|slim|cosmic-greeter|plasmalogin)(?:\.service)?$/;
/** Programs of a session that end with it. */
const SESSION =
  /^(?:gdm-(?:x|wayland)-session|gnome-shell|Xorg|X|Xwayland|kwin_wayland|sddm-helper|plasmashell|startplasma-.*|hyprland|sway)$/i;

/** Frees the only card from the desktop and the consoles, or gives it back. */
export const display: Recogniser = ({ name, args, write }) => {
  const [verb, ...units] = args.filter((arg) => arg?.startsWith('-') !== true);
  const isSystemctl = name === 'systemctl' && /^(?:stop|start|restart|isolate|kill)$/.test(verb ?? '');
  if (isSystemctl && units.length > 0 && units.every((unit) => MANAGERS.test(unit ?? '') || isTarget(unit))) {
    return byKey({ key: 'display' });
  }
  if (/^(?:service|rc-service|sv)$/.test(name) && args.some((arg) => MANAGERS.test(arg ?? '')))
    return byKey({ key: 'display' });
  if (/^(?:killall|pkill)$/.test(name) && args.some((arg) => SESSION.test(arg ?? '')))
    return byKey({ key: 'display' });
  if (write && /\/sys\/class\/vtconsole\/.*\/bind$/.test(write.path ?? '')) return byKey({ key: 'display' });
  if (
    write &&
    /\/drivers\/(?:efi-framebuffer|simple-framebuffer|vesa-framebuffer|simpledrm)\/(?:un)?bind$/.test(
      write.path ?? '',
    )
  )
    return byKey({ key: 'display' });
  return undefined;
};

function isTarget(unit: string | undefined): boolean {
  return unit === 'multi-user.target' || unit === 'graphical.target';
}
