import * as v from 'valibot';
import {
  ATTRIBUTE_PATH,
  ATTRIBUTE_VALUE,
  MDEV_TYPE,
  parseParent,
  AUTO,
  type MdevAttributes,
} from '../../pci/mdev.ts';
import { closed, expected, HEX, read } from '../forms.ts';

const uuid = read({
  what: 'no UUID',
  write: '"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", as in the XML of the guest',
  pattern: new RegExp(`^${HEX}{8}(?:-${HEX}{4}){3}-${HEX}{12}$`),
  reader: (text) => text.toLowerCase(),
  description: "UUID of the device, as in <hostdev type='mdev'>.",
});

const parent = read({
  what: 'no parent',
  write: 'an address "0000:00:02.0" in quotes, another name below /sys/class/mdev_bus, or auto',
  pattern: /^[A-Za-z0-9][\w:.@-]{0,127}$/,
  reader: (text) => (text === AUTO ? AUTO : parseParent(text)),
  description:
    'What it is made of: a PCI address, another name below /sys/class/mdev_bus, or auto for one with room.',
});

const type = read({
  what: 'no type',
  write: 'the id of a type, such as i915-GVTg_V5_4 or nvidia-593, or its name, such as "NVIDIA A10-4Q"',
  pattern: MDEV_TYPE,
  reader: (text) => (MDEV_TYPE.test(text) ? text : undefined),
  description: 'Type of the device, by its id or its name: see vfio-hook mdev.',
});

const ATTRIBUTES = 'files of the device with the text that is written to each, in quotes';

const PATH = 'no file of the parent’s driver: write a path below the device, such as nvidia/vgpu_params';
const VALUE = 'no text for a file: one line that is not empty, in quotes when it looks like a number';

const attribute = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(ATTRIBUTE_PATH, PATH)),
    v.pipe(v.string(VALUE), v.regex(ATTRIBUTE_VALUE, VALUE), v.description('What is written.')),
    expected(ATTRIBUTES),
  ),
  v.description('Files of the device, as paths below it.'),
);

const attributes = v.pipe(
  v.union(
    [attribute, v.array(attribute)],
    (issue) => issue.issues?.[0]?.message ?? expected(ATTRIBUTES)(issue),
  ),
  v.description(
    'What is written to files of a new device, in this order. A list where one file is written several times.',
  ),
  v.transform((written): MdevAttributes => [written].flat().flatMap((pairs) => Object.entries(pairs))),
);

/** What mediated devices are made of. */
export const mdev = v.pipe(
  v.array(
    v.pipe(
      closed({ uuid, parent, type, attributes: v.exactOptional(attributes) }),
      v.transform(({ attributes: written = [], ...rest }) => ({ ...rest, attributes: written })),
    ),
    expected('a list (each entry begins with "-")'),
  ),
  v.checkItems(
    (entry, index, all) => all.findIndex((each) => each.uuid === entry.uuid) === index,
    'this UUID is in the list already',
  ),
  v.description(
    'Mediated devices: made for the guest that is assigned one by its UUID, removed when it is off. One that is there already stays.',
  ),
);
