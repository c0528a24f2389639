import type { Domain } from '../domain/domain.ts';
import type { Examination, Guest } from '../doctor/examination.ts';
import { libvirtGuests, readGuestXml } from '../doctor/guests.ts';
import { inspectConfigs, type InspectOptions } from '../engine/inspect-config.ts';
import { errnoOf } from '../errors.ts';
import type { Host } from '../host/host.ts';
import type { Call, Terminal } from './command.ts';
import { readGuest } from './guest-xml.ts';

/** The machine as the doctor looks at it, and the guest that the call names, if it names one. */
export function openExamination(
  call: Call,
  terminal: Terminal,
): { readonly on: Examination; readonly guest: Guest | undefined } {
  const engine = terminal.openEngine(call);
  const { host } = engine;
  const guest = namedGuest(call, terminal.ownHost(call));
  const guests = once(() => withNamed(libvirtGuests(host), guest));
  return {
    guest,
    on: {
      host,
      engine,
      runtime: { path: process.execPath, version: process.version },
      hasFiles: !call.options.has('host'),
      configFiles: once(() =>
        call.options.has('host') ? [] : inspectConfigs(inspectionWith(call, terminal, host, guests)),
      ),
      guests,
    },
  };
}

/** What the configuration is held against: this host, and the guests that libvirt knows. */
export function inspection(call: Call, terminal: Terminal): InspectOptions {
  const { host } = terminal.openEngine(call);
  return inspectionWith(call, terminal, host, () => libvirtGuests(host));
}

function inspectionWith(
  call: Call,
  terminal: Terminal,
  host: Host,
  guests: Examination['guests'],
): InspectOptions {
  const { configDirectory, trustedUid } = terminal.locations(call);
  return {
    configDir: configDirectory,
    trustedUid,
    decoder: () => terminal.parts.load('config.cjs'),
    host,
    guests: configuredGuests(guests),
  };
}

/** Undefined where libvirt's files may not be looked at. */
function configuredGuests(guests: Examination['guests']): InspectOptions['guests'] {
  try {
    return guests().map(({ name, xml }) => ({ ...(xml?.domain ?? { name }), broken: xml === undefined }));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function namedGuest({ operands: [operand] }: Call, host: Examination['host']): Guest | undefined {
  if (operand === undefined) return undefined;
  const { xml } = readGuest(operand, host);
  const read = readGuestXml(xml);
  return { name: read.domain.name, autostart: false, transient: false, xml: read };
}

/** The XML that the call names counts before the definition of the same guest. */
function withNamed(known: readonly Guest[], named: Guest | undefined): readonly Guest[] {
  if (!named) return known;
  const { name, uuid }: Pick<Domain, 'name' | 'uuid'> = named.xml?.domain ?? named;
  // libvirt would not define a second guest of this name.
  const same = known.find(({ xml }) =>
    uuid === undefined ? xml?.domain.name === name : xml?.domain.uuid === uuid,
  );
  return [
    ...known.filter((guest) => guest !== same),
    { ...named, autostart: same?.autostart ?? false, transient: same?.transient ?? false },
  ];
}

/** Most checks ask for the same: read it once, also when that fails. */
function once<Value>(read: () => Value): () => Value {
  let result: { readonly value: Value } | { readonly error: unknown } | undefined;
  return () => {
    try {
      result ??= { value: read() };
    } catch (error) {
      result = { error };
    }
    if ('error' in result) throw result.error;
    return result.value;
  };
}
