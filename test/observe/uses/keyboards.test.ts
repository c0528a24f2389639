import assert from 'node:assert/strict';
import { hintText } from '../../../src/hint.ts';
import { parseDescription } from '../../../simulator/description.ts';
import { createMachine, type Machine } from '../../../simulator/machine.ts';
import { keyboardUses, parseKeyboards } from '../../../src/observe/uses/keyboards.ts';
import { pci } from '../../scenario.ts';
import { fakeHost } from '../../host/fake-host.ts';

const ONE = pci('0000:00:14.0');
const TWO = pci('0000:03:00.0');

/** A machine with two USB controllers and what hangs on them. */
function machine({ one = '', two = '', board = '' }): Machine {
  const device = (address: string, group: number, keyboards: string): string =>
    `  - { address: '${address}', id: '8086:a36d', class: '0c0330', group: ${group}, driver: xhci_hcd, keyboards: [${keyboards}] }\n`;
  return createMachine(
    parseDescription(
      `name: input\nkeyboards: [${board}]\ndevices:\n${device(ONE, 1, one)}${device(TWO, 2, two)}`,
      'input.yaml',
    ),
  );
}

const usb = (name: string, port = '1-3'): string => `{ name: ${name}, usb: ${port} }`;
const bluetooth = '{ name: Keychron K3, usb: 1-10, bluetooth: hci0 }';

const rows = [
  {
    name: 'the only keyboard is in a USB port',
    host: { one: usb('Logitech USB Keyboard') },
    devices: [ONE],
    uses: [`${ONE} every keyboard of the host is behind it: "Logitech USB Keyboard"`],
  },
  {
    name: 'a keyboard that is two keyboards to the kernel is named once',
    host: { one: `${usb('Keychron K3')}, ${usb('Keychron K3')}, ${usb('Yubikey', '1-5')}` },
    devices: [ONE],
    uses: [`${ONE} every keyboard of the host is behind it: "Keychron K3" and "Yubikey"`],
  },
  {
    name: 'the only keyboard is in a port of the other controller',
    host: { two: usb('Logitech USB Keyboard') },
    devices: [ONE],
    uses: [],
  },
  {
    name: 'another keyboard is in a port of the other controller',
    host: { one: usb('A'), two: usb('B') },
    devices: [ONE],
    uses: [],
  },
  {
    name: 'both controllers with keyboards are to go',
    host: { one: usb('A'), two: usb('B') },
    devices: [ONE, TWO],
    uses: [
      `${ONE} the last keyboards of the host are behind it and ${TWO}, here "A"`,
      `${TWO} the last keyboards of the host are behind it and ${ONE}, here "B"`,
    ],
  },
  {
    name: 'the board has a keyboard of its own',
    host: { one: usb('A'), board: 'AT Translated Set 2 keyboard' },
    devices: [ONE, TWO],
    uses: [],
  },
  { name: 'there is no keyboard at all', host: {}, devices: [ONE, TWO], uses: [] },
  {
    name: 'the only keyboard is connected by a Bluetooth adapter in a USB port',
    host: { one: bluetooth },
    devices: [ONE],
    uses: [`${ONE} every keyboard of the host is behind it: "Keychron K3"`],
  },
  {
    name: 'the only keyboard is connected by Bluetooth on the other controller',
    host: { two: bluetooth },
    devices: [ONE],
    uses: [],
  },
  {
    name: 'no device is to go',
    host: { one: usb('A') },
    devices: [],
    uses: [],
  },
  {
    name: 'a keyboard whose name would be a line of its own',
    host: { one: usb('"evil\\e]0;x\\a \\u202eboard"') },
    devices: [ONE],
    uses: [`${ONE} every keyboard of the host is behind it: "evil\\u{1b}]0;x\\u{7} \\u{202e}board"`],
  },
];

describe('keyboardUses', () => {
  for (const { name, host, devices, uses } of rows) {
    it(name, () => {
      const found = keyboardUses(machine(host).host(), devices);
      assert.deepEqual(
        found.map(({ device, detail }) => `${device} ${detail}`),
        uses,
      );
      for (const { reason, hints } of found) {
        assert.equal(reason, 'last-keyboard');
        assert.match(hintText(hints[0]!), /^plug a keyboard into a port of another USB controller/);
      }
    });
  }

  it('sees no keyboard of a controller whose driver has let it go', async () => {
    const host = machine({ one: usb('A'), two: usb('B') }).host();
    assert.deepEqual(await host.write('/sys/bus/pci/drivers/xhci_hcd/unbind', TWO, 100), { kind: 'written' });
    assert.deepEqual(
      keyboardUses(host, [ONE, TWO]).map(({ device, detail }) => `${device} ${detail}`),
      [`${ONE} every keyboard of the host is behind it: "A"`],
    );
  });

  it('counts a keyboard that a program drives to each Bluetooth adapter, and none that nobody can type on', () => {
    const keyboard = (name: string, path: string): string =>
      `I: Bus=0005\nN: Name="${name}"\nS: Sysfs=${path}\nB: EV=120013\n\n`;
    const files = {
      '/proc/bus/input/devices':
        keyboard('K380', '/devices/virtual/misc/uhid/0005:046D:B342.0003/input/input20') +
        keyboard('ydotoold', '/devices/virtual/input/input21'),
    };
    const links = {
      '/sys/class/bluetooth/hci0': `../../devices/pci0000:00/${ONE}/usb1/1-10/1-10:1.0/bluetooth/hci0`,
    };
    const host = fakeHost({ files, links });
    assert.deepEqual(
      keyboardUses(host, [ONE, TWO]).map(({ device, detail }) => `${device} ${detail}`),
      [`${ONE} every keyboard of the host is behind it: "K380"`],
    );
    assert.deepEqual(keyboardUses(host, [TWO]), []);
  });

  it('knows of no keyboard where the kernel shows no list', () => {
    assert.deepEqual(keyboardUses(fakeHost({}), [ONE]), []);
  });
});

describe('parseKeyboards', () => {
  /** As Linux 6.12 shows them; lights or key repeat alone make no keyboard. */
  const text = `I: Bus=0019 Vendor=0000 Product=0001 Version=0000
N: Name="Power Button"
P: Phys=LNXPWRBN/button/input0
S: Sysfs=/devices/LNXSYSTM:00/LNXPWRBN:00/input/input0
U: Uniq=
H: Handlers=kbd event0 
B: PROP=0
B: EV=3
B: KEY=10000000000000 0

I: Bus=0011 Vendor=0001 Product=0001 Version=ab41
N: Name="AT Translated Set 2 keyboard"
P: Phys=isa0060/serio0/input0
S: Sysfs=/devices/platform/i8042/serio0/input/input1
U: Uniq=
H: Handlers=sysrq kbd leds event1 
B: PROP=0
B: EV=120013
B: KEY=402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe
B: MSC=10
B: LED=7

I: Bus=0019 Vendor=0000 Product=0000 Version=0000
N: Name="Asus WMI hotkeys"
P: Phys=asus-nb-wmi/input0
S: Sysfs=/devices/platform/asus-nb-wmi/input/input4
U: Uniq=
H: Handlers=rfkill kbd event4 
B: PROP=0
B: EV=100013
B: KEY=8000000 c00000000000

I: Bus=0003 Vendor=046d Product=c52b Version=0111
N: Name="Logitech Wireless Mouse"
P: Phys=usb-0000:00:14.0-3/input1:1
S: Sysfs=/devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.1/0003:046D:C52B.0002/input/input6
U: Uniq=
H: Handlers=mouse0 event5 
B: PROP=0
B: EV=17
B: KEY=ffff0000 0 0 0 0

`;

  it('tells keyboards from buttons, hot keys and mice', () => {
    assert.deepEqual(parseKeyboards(text), [
      { name: 'AT Translated Set 2 keyboard', path: '/devices/platform/i8042/serio0/input/input1' },
    ]);
  });
});
