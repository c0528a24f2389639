import pc from 'picocolors';
import type { CardRule } from '../../config/config.ts';
import { count, plural } from '../../count.ts';
import type { InspectedCard, InspectedFunction } from '../../engine/inspect-functions.ts';
import type { Host } from '../../host/host.ts';
import { readDevice } from '../../observe/read-device.ts';
import { escapeControl } from '../../text.ts';
import { columnsOf } from './fit.ts';
import { hintForPeople } from './for-people.ts';
import type { RenderOptions } from './plan.ts';

/** A block for each card: what it is, what it could make, and a line for each function. */
export function sriovText(cards: readonly InspectedCard[], options: RenderOptions, host: Host): string {
  if (cards.length === 0) return 'no card of this host offers virtual functions (SR-IOV)';
  return cards.map((card) => cardLines(card, options, host).join('\n')).join('\n\n');
}

function cardLines(card: InspectedCard, options: RenderOptions, host: Host): string[] {
  const paint = pc.createColors(options.colour);
  const device = readDevice(host, card.address, new Map());
  const name = device ? options.names.describeModel(device) : '';
  const rows = card.functions.map(functionCells);
  const widths = [0, 1, 2, 3].map((at) => Math.max(0, ...rows.map((cells) => columnsOf(cells[at] ?? ''))));
  return [
    `${paint.bold(card.address)}  ${escapeControl(name)}`,
    `  ${cardFacts(card).join(' · ')}`,
    `  ${numberWords(card)}`,
    ...promiseWords(card).map((line) => `  ${line}`),
    ...(card.makesNone
      ? [
          paint.yellow(`  ! ${card.makesNone.reason}`),
          ...card.makesNone.hints.flatMap((hint) => hintForPeople('  hint: ', hint, options)),
        ]
      : []),
    ...rows.map((cells) => `    ${cells.map((cell, at) => pad(cell, widths[at] ?? 0)).join('  ')}`.trimEnd()),
    ...(card.functions.some(({ sharesGroup }) => sharesGroup)
      ? [paint.yellow('  ! functions share an IOMMU group: one guest at a time can have any of these')]
      : []),
  ];
}

function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - columnsOf(text)));
}

function cardFacts({ driver, link, profile }: InspectedCard): string[] {
  return [
    driver === undefined ? 'no driver' : `driver ${driver}`,
    ...(link ? [`${link.name} is ${link.isUp ? 'up' : 'down'}`] : []),
    // Then settings of functions are the switch's, and representors stand for them on the host.
    ...(link?.isSwitchdev === true
      ? ['switchdev: the host’s bridge sets what the card keeps for functions']
      : []),
    ...(profile === undefined ? [] : [`shares by ${profile === 'xe' ? 'sriov_admin' : 'prelim_iov'}`]),
  ];
}

function numberWords({ count: number, total, isOurs, autoprobe }: InspectedCard): string {
  if (number === 0) return `${count(0, 'virtual function')} of ${total} that it could have`;
  const whose = isOurs ? 'made for guests, gone with the last' : 'of the administrator';
  const takes = autoprobe ? 'drivers of the host take new ones' : 'drivers of the host leave new ones alone';
  return `${count(number, 'virtual function')} of ${total}, ${whose}; ${takes}`;
}

/** What config.yaml says of a card. */
function promiseWords({ rule, count: number, total }: InspectedCard): string[] {
  if (!rule) return [];
  const vfs = rule.vfs === 'all' ? total : rule.vfs;
  const set = (rule.functions ?? []).map(({ vf }) => vf);
  return [
    ...(vfs === undefined || number > 0
      ? []
      : [`config.yaml: ${vfs} with the first guest that is assigned one`]),
    ...(vfs !== undefined && number > 0 && vfs > number
      ? [`config.yaml: ${vfs} are wanted, and there ${plural(number, 'is', 'are')} ${number}`]
      : []),
    ...(set.length === 0 ? [] : [`config.yaml: sets ${settingWords(rule).join('; ')}`]),
  ];
}

function settingWords({ functions = [] }: CardRule): string[] {
  return functions.map(({ vf, profile = {}, ...settings }) => {
    const names = [...Object.keys(settings).filter((key) => key !== 'scope'), ...Object.keys(profile)];
    return `${names.join(', ') || 'nothing'} of ${vf}`;
  });
}

function functionCells(each: InspectedFunction): string[] {
  const { vf, address, isThere, group, driver, owner, open } = each;
  return [
    `${vf}`,
    address,
    isThere ? (group === undefined ? 'no group' : `group ${group}`) : 'not there yet',
    isThere ? (driver ?? 'no driver') : '',
    [owner ?? (open === undefined ? (isThere ? 'free' : '') : `open in ${open}`), ...keptWords(each)]
      .filter((text) => text !== '')
      .join(', '),
  ];
}

/** What a card keeps, without what every function has. */
function keptWords({ settings = {} }: InspectedFunction): string[] {
  const { mac, vlan, trust, spoofchk, state, max_tx_rate: rate } = settings;
  return [
    ...(mac === undefined || /^[0:]+$/.test(mac) ? [] : [mac]),
    ...(vlan === undefined || vlan === '0' ? [] : [`vlan ${vlan}`]),
    ...(trust === 'on' ? ['trusted'] : []),
    ...(spoofchk === 'off' ? ['spoof check off'] : []),
    ...(state === undefined || state === 'auto' ? [] : [`link ${state}`]),
    ...(rate === undefined || rate === '0' ? [] : [`at most ${rate} Mbit/s`]),
  ];
}
