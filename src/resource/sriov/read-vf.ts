import type { Host } from '../../host/host.ts';
import { readFunctionSettings, type FunctionSettings } from '../../observe/function-settings.ts';
import { networkLink } from '../../observe/network-link.ts';
import { openBy as openIn, virtualFunctionAt } from '../../observe/virtual-functions.ts';
import type { PciAddress } from '../../pci/address.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';
import { cardOf, vfOf, type VfId, type VfSetting } from './vf-key.ts';
import { UNSET } from './vf-mac.ts';
import { NEW } from './vf.ts';

const ZEROS = '00:00:00:00:00:00';

/** What network cards keep for their virtual functions, besides addresses; ip(8) is asked once for each card. */
export const readVf: Reader<'vf'> = async (host, keys, deadlineMs) => {
  const cards = await readCards(host, keys, deadlineMs);
  return new Map(
    keys.flatMap((key): [string, SeenOf<'vf'>][] => {
      const id = vfOf(key);
      const card = cards.get(id.card);
      if (!card) return [];
      const { link, functions } = card;
      const settings = functions[id.vf];
      if (!settings)
        return isOffered(host, id)
          ? [[key, { state: { value: NEW }, facts: { there: false, link, open: '' } }]]
          : [];
      const value = settings[id.setting as VfSetting];
      return value === undefined
        ? []
        : [[key, { state: { value }, facts: { there: true, link, open: openBy(host, id) } }]];
    }),
  );
};

/** Addresses of virtual functions, as their cards and as their own interfaces have them. */
export const readVfMac: Reader<'vf-mac'> = async (host, keys, deadlineMs) => {
  const cards = await readCards(host, keys, deadlineMs);
  return new Map(
    keys.flatMap((key): [string, SeenOf<'vf-mac'>][] => {
      const id = vfOf(key);
      const card = cards.get(id.card);
      if (!card) return [];
      const { link, functions } = card;
      const mac = functions[id.vf]?.mac;
      if (functions[id.vf] === undefined && isOffered(host, id)) {
        const facts = { there: false, link, open: '', ownLink: '', function: '' };
        return [[key, { state: { mac: UNSET, own: '' }, facts }]];
      }
      if (mac === undefined) return [];
      const address = virtualFunctionAt(host, id.card, id.vf);
      const ownLink = address && networkLink(host, address);
      const own =
        address && ownLink !== undefined
          ? (host.read(sysfs.attribute(address, `net/${ownLink}/address`))?.trim() ?? '')
          : '';
      return [
        [
          key,
          {
            state: { mac: mac === ZEROS ? UNSET : mac, own },
            facts: {
              there: true,
              link,
              open: openBy(host, id),
              ownLink: ownLink ?? '',
              function: address ?? '',
            },
          },
        ],
      ];
    }),
  );
};

/** Shares that drivers of graphics cards deal out: at once, from their own memory. */
export const readVfResource: Reader<'vf-resource'> = (host, keys) =>
  Promise.resolve(
    new Map(
      keys.flatMap((key): [string, SeenOf<'vf-resource'>][] => {
        const path = sysfs.attribute(cardOf(key), key.split(' ')[1] ?? '');
        const text = host.read(path);
        if (text === undefined) return [];
        const fixed = ((host.status(path)?.mode ?? 0o644) & 0o222) === 0;
        return [[key, { state: { value: chosenWord(text) }, facts: { fixed } }]];
      }),
    ),
  );

/** The word in brackets of `[low] normal high`; else the text. */
function chosenWord(text: string): string {
  return /\[(\w+)\]/.exec(text)?.[1] ?? text.trim();
}

interface CardSettings {
  readonly link: string;
  readonly functions: readonly FunctionSettings[];
}

async function readCards(
  host: Host,
  keys: readonly string[],
  deadlineMs: number,
): Promise<ReadonlyMap<PciAddress, CardSettings>> {
  const cards = new Map<PciAddress, CardSettings>();
  for (const card of new Set(keys.map(cardOf))) {
    const link = networkLink(host, card);
    if (link === undefined) continue;
    cards.set(card, { link, functions: await readFunctionSettings(host, link, deadlineMs) });
  }
  return cards;
}

function openBy(host: Host, { card, vf }: VfId): string {
  const address = virtualFunctionAt(host, card, vf);
  return (address && openIn(host, address)) ?? '';
}

/** Whether the card could have a function of this number. */
function isOffered(host: Host, { card, vf }: VfId): boolean {
  return vf < Number(host.read(sysfs.attribute(card, 'sriov_totalvfs')) ?? 0);
}
