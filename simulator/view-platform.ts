import { bindFirmware, firmwareDriver, unbindFirmware } from './consoles.ts';
import { profileOf } from './profile.ts';
import { devicePath, type Device, type MachineState } from './state.ts';
import { writtenName } from './text.ts';
import { directory, link, text, type Directory, type Node } from './tree.ts';

/*
 * The bus of the platform, as far as the firmware's frame buffer is concerned: the only device on it that matters here.
 */

/** Its driver stays registered when it is gone: without any there was none. */
export function platformBus(state: MachineState): Directory {
  const { console } = state.spec;
  const path = firmwarePath(state);
  const name = state.firmwareFramebuffer;
  const driver = console.kind === 'firmware' ? firmwareDriver(console.platformDevice) : undefined;
  return directory({
    devices: directory(name !== undefined && path !== undefined ? { [name]: link(path) } : {}),
    drivers: directory(
      driver === undefined
        ? {}
        : {
            [driver]: directory({
              bind: { kind: 'file', store: (data) => bindFirmware(state, writtenName(data)) },
              unbind: { kind: 'file', store: (data) => unbindFirmware(state, writtenName(data)) },
              ...(name !== undefined &&
                path !== undefined &&
                !state.firmwareUnbound && { [name]: link(path) }),
            }),
          },
    ),
  });
}

/** Where the frame buffer's device is: since Linux 6.9 below its card (drivers/firmware/sysfb.c:sysfb_parent_dev). */
export function firmwarePath(state: MachineState): string | undefined {
  const name = state.firmwareFramebuffer;
  if (name === undefined) return undefined;
  const card = firmwareCard(state);
  return card ? `${devicePath(state, card)}/${name}` : `/sys/devices/platform/${name}`;
}

/** The card that it is below; undefined: the kernel does not say. */
function firmwareCard(state: MachineState): Device | undefined {
  return profileOf(state.spec.kernel).firmwareBelowCard
    ? Object.values(state.devices).find(({ spec }) => spec.bootVga)
    : undefined;
}

/** What is below /sys/devices/platform. */
export function platformDevices(state: MachineState): Directory {
  const name = state.firmwareFramebuffer;
  return directory(name === undefined || firmwareCard(state) ? {} : { [name]: firmwareDevice(state, name) });
}

/** What is below a card of it. */
export function firmwareBelow(state: MachineState, device: Device): Readonly<Record<string, Node>> {
  const name = state.firmwareFramebuffer;
  return name !== undefined && firmwareCard(state) === device ? { [name]: firmwareDevice(state, name) } : {};
}

function firmwareDevice(state: MachineState, name: string): Directory {
  if (state.firmwareUnbound) return directory({});
  return directory({
    driver: link(`/sys/bus/platform/drivers/${firmwareDriver(name)}`),
    graphics: directory({ [FRAME_BUFFER]: directory({ dev: text(() => '29:0\n') }) }),
  });
}

/** It is there before any other. */
const FRAME_BUFFER = 'fb0';

/** What /sys/class has of it. */
export function firmwareGraphics(state: MachineState): Readonly<Record<string, Record<string, Node>>> {
  const path = state.firmwareUnbound ? undefined : firmwarePath(state);
  return path === undefined ? {} : { graphics: { [FRAME_BUFFER]: link(`${path}/graphics/${FRAME_BUFFER}`) } };
}
