import type { MapModel, MapNode, MapRoot } from './model.ts';

/** A rectangle on the paper; user units of SVG, y grows downwards. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A bridge or a card in its place. */
export interface PlacedNode extends Box {
  readonly node: MapNode;
}

/** A root bus in its place, a frame around all that is behind it. */
export interface PlacedRoot extends Box {
  readonly root: MapRoot;
  readonly nodes: readonly PlacedNode[];
  readonly lines: readonly Line[];
  /** Where the words about what is left out begin. */
  readonly folded?: { readonly x: number; readonly y: number };
}

/** A line that turns at right angles: from a point to the right, down or up at `turn`, then to the right again. */
export interface Line {
  readonly from: { readonly x: number; readonly y: number };
  readonly turn: number;
  readonly to: { readonly x: number; readonly y: number };
}

/** The whole drawing. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly roots: readonly PlacedRoot[];
}

/** Sizes that the drawing has in common. */
export const sizes = {
  margin: 16,
  /** Between frames, and between what is in them. */
  gap: 12,
  /** Height of a frame's title. */
  title: 34,
  /** From the frame's left edge to the line that everything on the root bus hangs on. */
  spine: 20,
  /** Room for lines between a bridge and what is behind it. */
  lane: 28,
  bridge: { width: 248, height: 44 },
  card: { width: 600, row: 44 },
  folded: 22,
} as const;

/**
 * Places everything: a frame for each root bus, one below the other; in it a tree that grows to the right, each
 * bridge beside the middle of what is behind it. No two boxes overlap, and each lies within its frame.
 */
export function layOut({ roots }: Pick<MapModel, 'roots'>): Layout {
  const { margin, gap } = sizes;
  const placed: PlacedRoot[] = [];
  let y: number = margin;
  for (const root of roots) {
    const frame = placeRoot(root, y);
    placed.push(frame);
    y += frame.height + gap;
  }
  const width = Math.max(sizes.card.width, ...placed.map((frame) => frame.width));
  return {
    width: width + 2 * margin,
    height: y - gap + margin,
    roots: placed.map((frame) => ({ ...frame, width })),
  };
}

function placeRoot(root: MapRoot, top: number): PlacedRoot {
  const x = sizes.margin;
  const spine = x + sizes.spine;
  const nodes: PlacedNode[] = [];
  const lines: Line[] = [];
  let y = top + sizes.title;
  const start = { x: spine, y: y - 8 };
  for (const node of root.children) {
    const placed = placeNode(node, spine + sizes.lane, y, { nodes, lines });
    lines.push({ from: start, turn: spine, to: leftOf(placed.box) });
    y += placed.height + sizes.gap;
  }
  const folded = root.folded === undefined ? undefined : { x: spine + sizes.lane, y: y + 4 };
  if (folded) y += sizes.folded;
  else if (root.children.length === 0) y += sizes.gap;
  return {
    root,
    x,
    y: top,
    width: Math.max(...nodes.map((box) => box.x + box.width), x) - x + sizes.gap,
    height: y - top,
    nodes,
    lines,
    ...(folded && { folded }),
  };
}

interface Drawn {
  readonly nodes: PlacedNode[];
  readonly lines: Line[];
}

/** Places a node and all behind it from `y` downwards; returns the node's own box and the height of all. */
function placeNode(
  node: MapNode,
  x: number,
  y: number,
  drawn: Drawn,
): { readonly box: Box; readonly height: number } {
  if (node.kind === 'card') {
    const box = { x, y, width: sizes.card.width, height: node.functions.length * sizes.card.row };
    drawn.nodes.push({ ...box, node });
    return { box, height: box.height };
  }
  const { width, height } = sizes.bridge;
  const right = x + width;
  let below = y;
  const children: Box[] = [];
  for (const child of node.children) {
    const placed = placeNode(child, right + sizes.lane, below, drawn);
    children.push(placed.box);
    below += placed.height + sizes.gap;
  }
  const span = Math.max(height, below - sizes.gap - y);
  const [first] = children;
  const last = children[children.length - 1];
  const middle = first && last ? (middleOf(first) + middleOf(last)) / 2 : y + height / 2;
  const box = { x, y: clamp(middle - height / 2, y, y + span - height), width, height };
  drawn.nodes.push({ ...box, node });
  for (const child of children) {
    const from = { x: right, y: middleOf(box) };
    drawn.lines.push({ from, turn: right + sizes.lane / 2, to: leftOf(child) });
  }
  return { box, height: span };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

function middleOf({ y, height }: Box): number {
  return y + height / 2;
}

function leftOf(box: Box): { readonly x: number; readonly y: number } {
  return { x: box.x, y: middleOf(box) };
}
