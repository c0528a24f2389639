import type { KeyboardSpec } from './spec.ts';
import { devicePath, type MachineState } from './state.ts';
import { isInService } from './view-device.ts';

/** /proc/bus/input/devices (drivers/input/input.c:input_devices_seq_show): the power button and the keyboards. */
export function inputDevicesText(state: MachineState): string {
  const keyboards = [
    ...state.spec.keyboards.map((keyboard) => ({ keyboard, above: '/devices' })),
    ...Object.values(state.devices).flatMap((device) =>
      isInService(state, device)
        ? (device.spec.keyboards ?? []).map((keyboard) => ({
            keyboard,
            above: devicePath(state, device).replace(/^\/sys/, ''),
          }))
        : [],
    ),
  ];
  const button = { name: 'Power Button', path: 'LNXSYSTM:00/LNXPWRBN:00/input/input0', bus: '0019' };
  return [
    block(button, { above: '/devices', events: '3', handlers: 'kbd event0' }),
    ...keyboards.map(({ keyboard, above }) => {
      const number = keyboard.path.split('/input/input').pop() ?? '';
      return block(keyboard, { above, events: '120013', handlers: `sysrq kbd leds event${number}` });
    }),
  ].join('');
}

function block(
  { name, path, bus }: KeyboardSpec,
  { above, events, handlers }: { readonly above: string; readonly events: string; readonly handlers: string },
): string {
  return [
    `I: Bus=${bus} Vendor=0001 Product=0001 Version=0100`,
    `N: Name="${name}"`,
    'P: Phys=',
    `S: Sysfs=${above}/${path}`,
    'U: Uniq=',
    `H: Handlers=${handlers} `,
    'B: PROP=0',
    `B: EV=${events}`,
    '',
    '',
  ].join('\n');
}
