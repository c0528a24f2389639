import * as v from 'valibot';
import { DRIVER_NAME, isDriverName } from '../pci/driver-name.ts';
import { offeredReasons, useReasons } from '../pci/use.ts';
import { logLevels } from './config.ts';
import { DURATION, parseDuration } from './duration.ts';
import { cpus } from './areas/cpus.ts';
import { display } from './areas/display.ts';
import { governor } from './areas/governor.ts';
import { hugepages } from './areas/hugepages.ts';
import { latency } from './areas/latency.ts';
import { sleep } from './areas/sleep.ts';
import { mdev } from './areas/mdev.ts';
import { modules } from './areas/modules.ts';
import { bars } from './areas/bars.ts';
import { between } from './areas/between.ts';
import { d3cold, power, reset } from './areas/pins.ts';
import { services } from './areas/services.ts';
import { sriov } from './areas/sriov.ts';
import { vgpu } from './areas/vgpu.ts';
import { ADDRESS, closed, expected, HEX, read } from './forms.ts';
import { classWords, formatDeviceMatch, parseDeviceMatch } from './match.ts';

/*
 * The one description of a configuration file. The types of the result, the messages and the published JSON
 * Schema (scripts/schema.ts) come from it.
 */

const MATCH = new RegExp(`^(?:${ADDRESS}|${HEX}{4}:${HEX}{4}|${Object.keys(classWords).join('|')})$`);
const deviceMatch = read({
  what: 'no device',
  write:
    'an address "0000:03:00.0" or vendor and device "1002:744c", both in quotes, or ' +
    Object.keys(classWords).join(', '),
  pattern: MATCH,
  reader: parseDeviceMatch,
  description: 'Which devices: a PCI address, vendor:device, or a word for a class of devices.',
});

const duration = read({
  what: 'no duration',
  write: 'a number and ms, s or m, from 100ms to 10m',
  pattern: DURATION,
  reader: parseDuration,
  description: 'From 100ms to 10m, such as 500ms, 30s or 2m.',
});

const driver = read({
  what: "no driver's name",
  write: 'letters, digits, "_" and "-", at most 64 of them, in quotes when it looks like a number',
  pattern: DRIVER_NAME,
  reader: (text) => (isDriverName(text) ? text : undefined),
  description: "Name of the driver to bind in place of the one that libvirt's rule would choose.",
});

const allow = v.pipe(
  v.array(
    v.pipe(
      v.picklist(useReasons, expected(`one of ${offeredReasons.join(', ')}`)),
      v.description('A reason for which the host needs a device.'),
    ),
    expected(`a list of ${offeredReasons.join(', ')}`),
  ),
  v.description(
    'What the device may be taken from although the host uses it for that. Not in a rule for a class of devices.',
  ),
);

const deviceRule = v.pipe(
  closed({
    match: deviceMatch,
    bars: v.exactOptional(bars),
    driver: v.exactOptional(driver),
    reset: v.exactOptional(reset),
    power: v.exactOptional(power),
    d3cold: v.exactOptional(d3cold),
    between: v.exactOptional(between),
    allow: v.exactOptional(allow),
  }),
  // Consent is for a device that somebody has looked at, never for whatever is, or will be, of a class.
  v.forward(
    v.check(
      ({ match, allow: reasons }) => match.by !== 'class' || reasons === undefined,
      ({ input }) =>
        `not for the class ${formatDeviceMatch(input.match)}: name the device, by its address "0000:03:00.0" or by vendor and device "1002:744c"`,
    ),
    ['allow'],
  ),
  v.transform((rule) => ({ ...rule, bars: rule.bars ?? new Map<number, number>() })),
);

/** A whole configuration file. */
export const configSchema = v.pipe(
  closed({
    /** Lets an editor find the JSON Schema of a `.json` file; YAML files name it in a comment. */
    $schema: v.exactOptional(v.pipe(v.string(expected('a text')), v.description('For editors.'))),
    timeouts: v.exactOptional(
      v.pipe(
        closed({
          kernelWrite: v.exactOptional(duration),
          run: v.exactOptional(duration),
          lock: v.exactOptional(duration),
          script: v.exactOptional(duration),
        }),
        v.description(
          'kernelWrite: how long one kernel write may take. run: how long all of a start may take together. lock: how long to wait, in all, for other runs on the same guest or group. script: how long one script of a guest may take.',
        ),
      ),
    ),
    devices: v.exactOptional(
      v.pipe(
        v.array(deviceRule, expected('a list (each entry begins with "-")')),
        v.description('Rules in order; a later one wins.'),
      ),
    ),
    log: v.exactOptional(
      closed({
        level: v.exactOptional(
          v.pipe(
            v.picklist(logLevels, expected(`one of ${logLevels.join(', ')}`)),
            v.description('Least severe messages that are logged.'),
          ),
        ),
      }),
    ),
    hugepages: v.exactOptional(hugepages),
    sriov: v.exactOptional(sriov),
    vgpu: v.exactOptional(vgpu),
    mdev: v.exactOptional(mdev),
    services: v.exactOptional(services),
    modules: v.exactOptional(modules),
    cpus: v.exactOptional(cpus),
    governor: v.exactOptional(governor),
    latency: v.exactOptional(latency),
    sleep: v.exactOptional(sleep),
    display: v.exactOptional(display),
    allowUnsafeInterrupts: v.exactOptional(
      v.pipe(
        v.boolean(expected('true or false')),
        v.description(
          'Only in config.yaml: whether guests may start where the IOMMU does not check interrupts. A guest with a device can then take over the host.',
        ),
      ),
    ),
  }),
  v.description('Configuration of vfio-hook: of all guests, or of one.'),
  v.transform(
    ({
      timeouts,
      devices,
      log,
      hugepages: pages,
      sriov: cards,
      vgpu: types,
      mdev: slices,
      services: units,
      modules: kernel,
      cpus: cores,
      governor: speed,
      latency: wake,
      sleep: rest,
      display: screen,
      allowUnsafeInterrupts,
    }) => ({
      ...(timeouts && { timeouts }),
      ...(devices && { devices }),
      ...(log && { log }),
      ...(pages && { hugepages: pages }),
      ...(cards && { sriov: cards }),
      ...(types && { vgpu: types }),
      ...(slices && { mdev: slices }),
      ...(units && { services: units }),
      ...(kernel && { modules: kernel }),
      ...(cores && { cpus: cores }),
      ...(speed && { governor: speed }),
      ...(wake !== undefined && { latency: wake }),
      ...(rest && { sleep: rest }),
      ...(screen && { display: screen }),
      ...(allowUnsafeInterrupts !== undefined && { allowUnsafeInterrupts }),
    }),
  ),
);
