import { columnsOf, shorten } from '../render/fit.ts';
import { escapeMarkup } from './escape.ts';
import { layOut, sizes, type Layout, type Line, type PlacedNode, type PlacedRoot } from './layout.ts';
import type { MapFunction, MapModel, MapNode, MapState } from './model.ts';
import { drawingStyle, groupColours } from './style.ts';

/** Width of a letter as a part of the size of the letters, on the safe side for the usual fonts. */
const LETTER = 0.56;
const BOLD = 0.63;
const MONO = 0.61;

/**
 * The drawing as one SVG element that needs nothing else: no script, no font, no network. `standalone` adds what
 * a file of its own needs, and the title and the legend that a page around it has otherwise.
 */
export function drawMap(model: MapModel, options: { readonly standalone: boolean }): string {
  const layout = layOut(model);
  const head = options.standalone ? HEAD : 0;
  const foot = options.standalone ? FOOT : 0;
  const width = layout.width;
  const height = layout.height + head + foot;
  const colours = coloursOf(model);
  return [
    ...(options.standalone ? ['<?xml version="1.0" encoding="UTF-8"?>'] : []),
    `<svg xmlns="http://www.w3.org/2000/svg" class="map" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="map-title map-text">`,
    `<title id="map-title">${escapeMarkup(model.title)}</title>`,
    `<desc id="map-text">${escapeMarkup(textOf(model))}</desc>`,
    `<style>${drawingStyle}</style>`,
    `<rect class="ground" width="${width}" height="${height}"/>`,
    ...(options.standalone ? headOf(model) : []),
    `<g transform="translate(0 ${head})">`,
    ...layout.roots.flatMap((root) => rootMarkup(root, colours)),
    '</g>',
    ...(options.standalone ? [legend(layout, height - foot)] : []),
    '</svg>',
    '',
  ].join('\n');
}

const HEAD = 56;
const FOOT = 40;

function headOf({ title, subtitle }: MapModel): string[] {
  return [
    `<text class="bus" x="${sizes.margin}" y="30" style="font-size:18px">${escapeMarkup(title)}</text>`,
    `<text class="soft" x="${sizes.margin}" y="52">${escapeMarkup(subtitle)}</text>`,
  ];
}

/** What the drawing shows, in words: for whoever cannot see it. */
function textOf({ subtitle, groups }: MapModel): string {
  const lines = groups
    .filter(({ coloured }) => coloured)
    .map(
      ({ number, verdict, members }) =>
        `IOMMU group ${number} (${members.map(({ address }) => address).join(', ')}): ${verdict}.`,
    );
  return [`${subtitle}.`, ...lines].join(' ');
}

/** In the order of the drawing, so that neighbours differ; groups without anything for guests have none. */
function coloursOf({ roots, groups }: MapModel): ReadonlyMap<number, string> {
  const coloured = new Set(groups.filter((group) => group.coloured).map(({ number }) => number));
  const drawn = roots.flatMap(({ children }) => children.flatMap(groupsIn));
  const order = [...new Set(drawn)].filter((number) => coloured.has(number));
  return new Map(
    order.map((number, index) => [number, groupColours[index % groupColours.length] ?? groupColours[0]]),
  );
}

function groupsIn(node: MapNode): readonly number[] {
  if (node.kind === 'card') return node.functions.flatMap(({ group }) => group ?? []);
  return [
    ...(node.function.group === undefined ? [] : [node.function.group]),
    ...node.children.flatMap(groupsIn),
  ];
}

type Colours = ReadonlyMap<number, string>;

function rootMarkup(placed: PlacedRoot, colours: Colours): string[] {
  const { root, x, y, width, height } = placed;
  const node = root.numaNode === undefined ? '' : ` · NUMA node ${root.numaNode}`;
  return [
    `<rect class="frame" x="${x}" y="${y}" width="${width}" height="${height}" rx="8"/>`,
    `<text class="bus" x="${x + 12}" y="${y + 22}">PCI bus ${escapeMarkup(root.bus)}<tspan class="soft">${node}</tspan></text>`,
    ...placed.lines.map(lineMarkup),
    ...placed.nodes.flatMap((each) => nodeMarkup(each, colours)),
    ...(placed.folded && root.folded !== undefined
      ? [
          `<text class="soft" x="${placed.folded.x}" y="${placed.folded.y + 4}">and ${escapeMarkup(root.folded)}</text>`,
        ]
      : []),
  ];
}

function lineMarkup({ from, turn, to }: Line): string {
  return `<path class="line" d="M${from.x} ${from.y}H${turn}V${to.y}H${to.x}"/>`;
}

function nodeMarkup({ node, x, y, width, height }: PlacedNode, colours: Colours): string[] {
  const rect = `<rect class="box" x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`;
  if (node.kind === 'bridge')
    return [rect, ...functionMarkup(node.function, { x, y, width, small: true }, colours)];
  return [
    rect,
    ...node.functions.flatMap((each, index) => {
      const top = y + index * sizes.card.row;
      const rule = index === 0 ? [] : [`<path class="rule" d="M${x} ${top}h${width}"/>`];
      return [...rule, ...functionMarkup(each, { x, y: top, width, small: false }, colours)];
    }),
  ];
}

interface Row {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  /** A bridge: no verdict, and only its name. */
  readonly small: boolean;
}

/** Where the text of a row begins: behind the stripe and the number of the group. */
const TEXT = 56;
/** Room between a name and the mark beside it, at least. */
const GAP = 24;
/** Width of a mark, with the room between it and its word. */
const MARK = 16;

function functionMarkup(each: MapFunction, { x, y, width, small }: Row, colours: Colours): string[] {
  const colour = each.group === undefined ? undefined : colours.get(each.group);
  const shownWord = small ? '' : shorten(each.stateWord, 24);
  const wordWidth = shownWord === '' ? 0 : Math.ceil(columnsOf(shownWord) * 12 * BOLD) + MARK;
  const text = x + TEXT;
  const room = width - TEXT - 10;
  const name = shorten(
    each.name,
    Math.floor((room - each.address.length * 12 * MONO - 8 - GAP - wordWidth) / (13 * BOLD)),
  );
  const facts = shorten((small ? [each.name] : each.facts).join(' · '), Math.floor(room / (12 * LETTER)));
  return [
    `<g><title>${escapeMarkup(each.description.filter((line) => line !== '').join('\n'))}</title>`,
    ...groupMarkup(each.group, colour, x, y),
    `<text class="address" x="${text}" y="${y + 18}">${escapeMarkup(each.address)}</text>`,
    ...(small
      ? []
      : [
          `<text class="name" x="${text + Math.ceil(each.address.length * 12 * MONO) + 8}" y="${y + 18}">${escapeMarkup(name)}</text>`,
        ]),
    `<text class="soft" x="${text}" y="${y + 35}">${escapeMarkup(facts)}</text>`,
    ...(shownWord === ''
      ? []
      : [
          mark(each.state, x + width - 10 - wordWidth, y + 14),
          `<text class="word ${each.state}" x="${x + width - 10 - wordWidth + MARK}" y="${y + 18}">${escapeMarkup(shownWord)}</text>`,
        ]),
    '</g>',
  ];
}

/** A stripe and a number; grey for a group without anything for guests. */
function groupMarkup(group: number | undefined, colour: string | undefined, x: number, y: number): string[] {
  if (group === undefined) return [];
  const paint = colour === undefined ? 'class="none"' : `fill="${colour}" stroke="${colour}"`;
  return [
    `<rect ${paint} x="${x}" y="${y + 5}" width="5" height="${sizes.card.row - 10}" stroke-width="0"/>`,
    `<rect ${paint} x="${x + 12}" y="${y + 11}" width="36" height="22" rx="11" fill-opacity="0.14" stroke-width="1.5"/>`,
    `<text class="number" x="${x + 30}" y="${y + 26.5}">${group}</text>`,
  ];
}

/** A tick, a cross or a dot: the verdict also without its colour. */
function mark(state: MapState, x: number, y: number): string {
  switch (state) {
    case 'possible':
      return `<path class="mark possible" d="M${x} ${y}l3 4l6 -8"/>`;
    case 'refused':
      return `<path class="mark refused" d="M${x + 1} ${y - 4}l7 8m0 -8l-7 8"/>`;
    case 'held':
      return `<circle class="held" cx="${x + 5}" cy="${y}" r="4.5"/>`;
    case 'unknown':
    case 'nothing':
    case 'none':
      return '';
  }
}

/** What the signs mean; a page around the drawing says it in its own words. */
function legend({ width }: Layout, y: number): string {
  const line = y + 14;
  const x = sizes.margin;
  const texts = [
    { at: 44, text: 'number and colour: IOMMU group; grey: bridges and chipset only' },
    { at: 490, text: 'a guest can be given the group', state: 'possible' as const },
    { at: 720, text: 'it cannot', state: 'refused' as const },
    { at: 810, text: 'a guest has it', state: 'held' as const },
  ].filter(({ at }) => x + at + 100 < width);
  return [
    `<g>`,
    `<rect x="${x}" y="${line - 11}" width="36" height="22" rx="11" fill="${groupColours[0]}" fill-opacity="0.14" stroke="${groupColours[0]}" stroke-width="1.5"/>`,
    `<text class="number" x="${x + 18}" y="${line + 4.5}">7</text>`,
    ...texts.map(({ at, text, state }) =>
      [
        ...(state ? [mark(state, x + at - MARK, line)] : []),
        `<text class="soft" x="${x + at}" y="${line + 4}">${text}</text>`,
      ].join(''),
    ),
    '</g>',
  ].join('\n');
}
