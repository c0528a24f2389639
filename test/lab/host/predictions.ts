import { writeFileSync } from 'node:fs';
import path from 'node:path';

import type { Kernel } from '../../contract/contract.ts';
import { predict } from '../../differential/predict.ts';
import type { Suite } from './suite.ts';

/** The kernels of the suites, as the simulator has them. */
const kernels: Readonly<Record<Suite, Kernel>> = { bookworm: '6.1', trixie: '6.12', forky: '7.2' };

/**
 * Puts what the simulated kernel makes of random sequences into the share. Made here and not in the lab, where
 * everything takes fifteen times as long.
 */
export async function writePredictions(
  share: string,
  suite: Suite,
  { sequences, seed }: { readonly sequences: number; readonly seed: number },
): Promise<void> {
  const prediction = await predict(kernels[suite], sequences, seed);
  writeFileSync(path.join(share, 'sequences.json'), JSON.stringify(prediction));
}
