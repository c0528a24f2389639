import { mkdirSync } from 'node:fs';
import type { ControlGroup } from './control-group.ts';
import { measure, measurePeak } from './measure.ts';
import type { Scene } from './scene.ts';
import { spreadOf, type Row, type Spread, type Values } from './table.ts';

const WARM_UPS = 3;
/** Runs in which memory is looked at: it hardly differs from one to the next. */
const LOOKS_AT_MEMORY = 3;

/** What a scene is run with. */
export interface RunOptions {
  readonly hook: string;
  /** Does not exist yet. */
  readonly directory: string;
  readonly group: ControlGroup | undefined;
  readonly rounds: number;
  /** Whether it is to end. */
  readonly signal: AbortSignal;
}

/**
 * Measures a scene. In each round every form runs once, one after the other, so that a busy moment touches all of them.
 * Returns its rows with what they came to.
 */
export async function runScene(scene: Scene, options: RunOptions): Promise<(readonly [Row, Spread])[]> {
  const { group, signal } = options;
  const rounds = Math.max(1, Math.round(options.rounds * (scene.share ?? 1)));
  mkdirSync(options.directory);
  const { forms, close } = await scene.open(options.hook, options.directory);
  try {
    const samples = new Map<string, number>();
    const key = (form: string, measured: string, round: number): string => `${form}\0${measured}\0${round}`;
    for (let round = -(scene.warmUps ?? WARM_UPS); round < rounds; round += 1) {
      for (const form of forms) {
        signal.throwIfAborted();
        const { wallMs, cpuMs } = await measure(form, group);
        samples.set(key(form.name, 'time', round), wallMs);
        samples.set(key(form.name, 'CPU', round), cpuMs);
      }
    }
    const looks = scene.rows.some((row) => row.measure === 'memory') ? LOOKS_AT_MEMORY : 0;
    for (let round = 0; round < looks; round += 1) {
      for (const form of forms) samples.set(key(form.name, 'memory', round), await measurePeak(form));
    }
    const values: Values = (form, measured, round) => samples.get(key(form, measured, round));
    return scene.rows.flatMap((row) => {
      const spread = spreadOf(row, values, Math.max(rounds, looks));
      return spread ? [[row, spread] as const] : [];
    });
  } finally {
    await close();
  }
}
