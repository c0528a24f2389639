/**
 * Colours of groups, told apart by number where there are more groups than colours. Each has a contrast of at
 * least 3:1 to the light and to the dark ground (WCAG 2.1, 1.4.11).
 */
export const groupColours = [
  '#2274c4',
  '#c8501e',
  '#1a8f5f',
  '#a259c4',
  '#9a7400',
  '#d0406b',
  '#0d8a96',
  '#7a7fd6',
  '#6d8a1c',
  '#b0673a',
] as const;

/** The look of the drawing; `prefers-color-scheme` chooses dark or light. */
export const drawingStyle = `
.map { --ground: #f6f7f9; --frame: #ffffff; --box: #ffffff; --edge: #c6ccd4; --line: #8b95a3; --ink: #16191d; --soft: #565f6b;
  --possible: #1a7f4b; --held: #9a6200; --refused: #c62f3a; font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { .map { --ground: #15181c; --frame: #1c2026; --box: #23282f; --edge: #3b434e; --line: #7b8796; --ink: #e8ebef; --soft: #a4aeba;
  --possible: #4fc38a; --held: #e0a63c; --refused: #ff7a80; } }
svg.map { max-width: 100%; height: auto; }
.map .ground { fill: var(--ground); }
.map .frame { fill: var(--frame); stroke: var(--edge); }
.map .box { fill: var(--box); stroke: var(--edge); }
.map .line { fill: none; stroke: var(--line); stroke-width: 1.5; }
.map .rule { stroke: var(--edge); }
.map .bus { fill: var(--ink); font-size: 14px; font-weight: 600; }
.map .name { fill: var(--ink); font-size: 13px; font-weight: 600; }
.map .soft { fill: var(--soft); font-size: 12px; font-weight: 400; }
.map .address { fill: var(--ink); font-size: 12px; font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.map .number { fill: var(--ink); font-size: 12px; font-weight: 600; text-anchor: middle; }
.map .none { fill: var(--line); stroke: var(--line); }
.map .word { font-size: 12px; font-weight: 600; fill: var(--soft); }
.map .possible { fill: var(--possible); } .map .held { fill: var(--held); } .map .refused { fill: var(--refused); }
.map .mark { fill: none; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.map .mark.possible { stroke: var(--possible); } .map .mark.held { stroke: var(--held); } .map .mark.refused { stroke: var(--refused); }
`.trim();
