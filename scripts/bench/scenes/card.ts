import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openFiles } from '../crowd.ts';
import { startPlainHost } from '../files/plain-host.ts';
import { guestWith } from '../guest.ts';
import { hookCalls } from '../hook-calls.ts';
import { CARD, machineOf } from '../machines.ts';
import { othersClaims } from '../others-claims.ts';
import { BARE_NODE, bareNode, type OpenScene, type Scene } from '../scene.ts';

const PREPARE = 'prepare/begin of a card with its sound function';
const RELEASE = 'release/end of it';
const CONFIGURED = { prepare: 'prepare with a configuration file', release: 'its release' };
const BESIDE = { prepare: 'prepare beside 200 claims', release: 'release beside 200 claims' };
const CROWDED = { prepare: 'prepare beside 25,000 open files', release: 'release beside 25,000 open files' };

const CLAIMS = 200;
const OPEN_FILES = 25_000;

/** The hook as installed, on a host of plain files: one card, a configuration file, claims of others, open files of others. */
export const card: Scene = {
  plainHost: true,
  rows: [
    { what: PREPARE, against: 'bare Node', measure: 'CPU', of: PREPARE, by: BARE_NODE, aim: 2.2 },
    { what: RELEASE, against: 'bare Node', measure: 'CPU', of: RELEASE, by: BARE_NODE, aim: 2 },
    { what: PREPARE, against: 'bare Node', measure: 'time', of: PREPARE, by: BARE_NODE },
    { what: RELEASE, against: 'bare Node', measure: 'time', of: RELEASE, by: BARE_NODE },
    { what: PREPARE, against: 'bare Node', measure: 'memory', of: PREPARE, by: BARE_NODE, aim: 1.2 },
    { what: RELEASE, against: 'bare Node', measure: 'memory', of: RELEASE, by: BARE_NODE, aim: 1.2 },
    {
      what: 'a configuration file adds to a prepare',
      against: 'bare Node',
      measure: 'CPU',
      of: CONFIGURED.prepare,
      less: PREPARE,
      by: BARE_NODE,
      aim: 0.1,
    },
    {
      what: `prepare beside ${CLAIMS} claims of others`,
      against: 'beside none',
      measure: 'CPU',
      of: BESIDE.prepare,
      by: PREPARE,
      aim: 1.3,
    },
    {
      what: `release beside ${CLAIMS} claims of others`,
      against: 'beside none',
      measure: 'CPU',
      of: BESIDE.release,
      by: RELEASE,
    },
    {
      what: `prepare beside ${CLAIMS} claims of others`,
      against: 'bare Node',
      measure: 'memory',
      of: BESIDE.prepare,
      by: BARE_NODE,
    },
    {
      what: `${OPEN_FILES.toLocaleString('en')} open files of others add to a prepare`,
      against: 'none',
      measure: 'CPU',
      of: CROWDED.prepare,
      less: PREPARE,
      aim: 1,
    },
  ],
  async open(hook, directory): Promise<OpenScene> {
    const host = await startPlainHost({ spec: machineOf('amd-rdna3-desktop') }, join(directory, 'host'));
    const guest = guestWith([`${CARD}.0`, `${CARD}.1`]);
    const { prepare, release } = hookCalls(hook, guest, host);
    const configFile = join(host.configDirectory, 'config.yaml');
    const configure = (): void => {
      writeFileSync(configFile, readFileSync('examples/configs/config.yaml'), { mode: 0o644 });
    };
    const claims = join(host.stateDirectory, 'claims');
    const beside = othersClaims(CLAIMS);
    const claim = (): void => {
      for (const { name, text } of beside) writeFileSync(join(claims, name), text, { mode: 0o600 });
    };
    mkdirSync(claims, { recursive: true, mode: 0o700 });
    let crowd: Awaited<ReturnType<typeof openFiles>> | undefined;
    const disperse = async (): Promise<void> => {
      await crowd?.end();
    };
    return {
      forms: [
        bareNode(guest.xml, host.enter),
        prepare(PREPARE),
        release(RELEASE),
        { ...prepare(CONFIGURED.prepare), before: configure },
        {
          ...release(CONFIGURED.release),
          after: () => {
            rmSync(configFile);
          },
        },
        { ...prepare(BESIDE.prepare), before: claim },
        {
          ...release(BESIDE.release),
          after: () => {
            for (const { name } of beside) rmSync(join(claims, name));
          },
        },
        {
          ...prepare(CROWDED.prepare),
          before: async () => {
            crowd = await openFiles(OPEN_FILES, host.enter);
          },
        },
        { ...release(CROWDED.release), after: disperse },
      ],
      close: async () => {
        await disperse();
        await host.stop();
      },
    };
  },
};
