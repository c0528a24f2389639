import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import type { Domain } from '../../src/domain/domain.ts';
import { VfioHookError } from '../../src/errors.ts';
import { differences, type Observation } from '../simulator/observe.ts';
import { guest, openScenario, stateDirectory, type Scenario } from '../scenario.ts';
import { subjectOn } from './subjects.ts';

/** What the sweeps call their guest. */
export const NAME = 'win11';

/** A machine, its guest, and what they are like when nothing goes wrong. */
export interface Stage {
  readonly s: Scenario;
  readonly domain: Domain;
  readonly handedOver: Observation;
}

/** Opens a stage on an example machine, which an undisturbed start and end have shown to be sound. */
export async function onStage(host: string, action: (stage: Stage) => Promise<void>): Promise<void> {
  const subject = subjectOn(host);
  const directory = stateDirectory();
  try {
    const s = openScenario(subject, directory);
    const domain = guest(NAME, ...subject.devices);
    const back = s.save();
    await s.prepare(domain);
    const handedOver = s.observation();
    await s.release(NAME);
    s.nothingDiffers();
    back();
    await action({ s, domain, handedOver });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Starts the guest, which must have everything afterwards. */
export async function handOver(stage: Stage): Promise<void> {
  await stage.s.prepare(stage.domain);
  hasEverything(stage);
}

/** The guest has what it has when nothing goes wrong. */
export function hasEverything({ s, handedOver }: Stage): void {
  assert.deepEqual(differences(handedOver, s.observation()), [], 'not handed over as usual');
  assert.deepEqual(
    s.claims().map(({ state }) => state),
    ['held'],
  );
}

/** `vfio-hook recover`, after the time in which a guest may still be starting. Throws where the command exits with 1. */
export async function recoverAll({ s }: Stage): Promise<void> {
  s.time.now += 120_000;
  const [bad] = (await s.recover()).filter(({ outcome }) => outcome !== 'restored');
  if (bad) {
    throw new VfioHookError('VH_INCOMPLETE', `recover left it ${bad.outcome}: ${bad.reasons.join('; ')}`);
  }
}
