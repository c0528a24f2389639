import type { Description, DeviceDescription } from './description-schema.ts';
import { nothing, type Service } from './description-service.ts';
import { interfaceOf } from './disk-paths.ts';
import type { KeyboardSpec } from './spec.ts';

/** What the keyboards of a machine come to. */
export interface Keyboards {
  /** In the order of the devices. */
  readonly services: readonly Service[];
  /** Those on the board's own controller. */
  readonly keyboards: readonly KeyboardSpec[];
}

/** Every keyboard with a number of its own; input0 is the power button. */
export function expandKeyboards(description: Description): Keyboards {
  let inputs = 0;
  const input = (): string => `input/input${(inputs += 1)}`;
  const keyboards = description.keyboards.map((name, index) => ({
    name,
    path: `platform/i8042/serio${index}/${input()}`,
    bus: '0011',
  }));
  const services = description.devices.map((device) =>
    device.keyboards.length === 0 ? nothing : keyboardsOf(device, input),
  );
  return { services, keyboards };
}

function keyboardsOf({ keyboards }: DeviceDescription, input: () => string): Service {
  const entries: Record<string, string> = {};
  const specs = keyboards.map(({ name, usb, bluetooth }): KeyboardSpec => {
    const directory = interfaceOf(usb);
    entries[`${directory}/bInterfaceClass`] = bluetooth === undefined ? '03\n' : 'e0\n';
    entries[`${directory}/bInterfaceProtocol`] = '01\n';
    if (bluetooth === undefined) {
      return { name, path: `${directory}/0003:046D:C31C.0001/${input()}`, bus: '0003' };
    }
    const adapter = `${directory}/bluetooth/${bluetooth}`;
    entries[`${adapter}/`] = '';
    return { name, path: `${adapter}/${bluetooth}:256/0005:046D:B33B.0002/${input()}`, bus: '0005' };
  });
  return { ...nothing, entries, keyboards: specs };
}
