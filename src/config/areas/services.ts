import * as v from 'valibot';
import { parseUnitName, unitKey } from '../../pci/unit.ts';
import { closed, expected, read, wholeNumber } from '../forms.ts';

/**
 * What the host, the session of whoever types, or the hook itself stands on: libvirt would end in the middle of its own
 * start, and a user's manager takes every session of that user along.
 */
const NEEDED =
  /^(?:libvirt|virt(?:qemu|log|lock|proxy|network|nodedev|storage|secret|interface)d|systemd-|dbus|user@|user-runtime-dir@|session-|getty@|ssh|vfio-hook)/;

const name = read({
  what: 'no unit that may be stopped or started',
  write:
    'the name of a service, socket, timer or path of systemd such as ollama.service, and none of libvirt’s, systemd’s, dbus’ or ssh’s own',
  pattern: /^[\w@:.\\][\w@:.\\-]{0,240}$/,
  reader: (text) => (NEEDED.test(text) ? undefined : parseUnitName(text)),
  description: 'Name of the unit; .service may be left out.',
});

const unit = v.pipe(
  v.union(
    [
      v.pipe(
        name,
        v.transform((text) => ({ name: text })),
      ),
      v.pipe(
        closed({
          unit: name,
          user: wholeNumber({
            least: 1,
            most: 0xfffffffe,
            description: 'Number of the user whose unit it is (id -u).',
          }),
        }),
        v.transform(({ unit: text, user }) => ({ name: text, user })),
      ),
    ],
    expected(
      'the name of a service, socket, timer or path of systemd, none of libvirt’s, systemd’s, dbus’ or ssh’s own, or {unit: NAME, user: NUMBER} for one of a user',
    ),
  ),
  v.description('A unit of systemd, by its name; one of a user with that user.'),
);

/** A list of units, each of them once. */
export const units = (what: string) =>
  v.pipe(
    v.array(unit, expected('a list (each entry begins with "-")')),
    v.checkItems(
      (item, index, all) => all.findIndex((each) => unitKey(each) === unitKey(item)) === index,
      'this unit is in the list already',
    ),
    v.description(what),
  );

/** Units of systemd for the time that a guest runs. */
export const services = v.pipe(
  closed({
    stop: v.exactOptional(
      units('Units that do not run meanwhile; those that ran before are started again afterwards.'),
    ),
    start: v.exactOptional(
      units('Units that run meanwhile; those that did not run before are stopped again afterwards.'),
    ),
    nvidia: v.exactOptional(
      v.pipe(
        v.picklist(['auto', 'keep'], expected('auto or keep')),
        v.description(
          'Units that are known to have cards of NVIDIA’s driver open: auto stops them for a guest that is given such a card, keep leaves them and persistence mode alone.',
        ),
      ),
    ),
  }),
  v.check(
    ({ stop = [], start = [] }) =>
      !start.some((each) => stop.some((other) => unitKey(other) === unitKey(each))),
    'a unit cannot be stopped and started at once',
  ),
  v.description('Units of systemd that are stopped or started for the time that the guest runs.'),
  v.transform(({ stop = [], start = [], nvidia }) => ({ stop, start, ...(nvidia && { nvidia }) })),
);
