import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BARE_NODE_THERE, bareNode, hookForms, type Scene } from '../form.ts';
import { othersClaims } from '../others-claims.ts';
import { bootedWithVfio } from '../files/setting.ts';
import { startPlainHost } from '../files/plain-host.ts';

const PREPARE = 'prepare/begin of a card with its sound function';
const RELEASE = 'release/end of it';
const WITH_FILE = ', with a configuration file';
const BESIDE = ', beside 200 claims';

const OTHERS = 200;

/** The hook as installed, on a host of plain files: one card, a configuration file, and claims of others. */
export async function cardScene(hook: string, directory: string): Promise<Scene> {
  const host = await startPlainHost(bootedWithVfio('amd-rdna3-desktop'), join(directory, 'card'));
  const xml = readFileSync('examples/domains/windows-11-rx7900xtx.xml', 'utf8');
  const forms = hookForms(hook, { guest: 'win11-rx7900', xml, host });
  const configFile = join(host.configDirectory, 'config.yaml');
  const claims = join(host.stateDirectory, 'claims');
  const configure = (): void => {
    writeFileSync(configFile, readFileSync('examples/configs/config.yaml'), { mode: 0o644 });
  };
  const unconfigure = (): void => {
    rmSync(configFile);
  };
  const crowd = (): void => {
    for (const { name, text } of othersClaims(OTHERS))
      writeFileSync(join(claims, name), text, { mode: 0o600 });
  };
  const uncrowd = (): void => {
    rmSync(claims, { recursive: true });
    mkdirSync(claims, { mode: 0o700 });
  };
  mkdirSync(claims, { recursive: true, mode: 0o700 });
  return {
    forms: [
      bareNode(BARE_NODE_THERE, xml, host),
      forms.prepare(PREPARE),
      forms.release(RELEASE),
      { ...forms.prepare(PREPARE + WITH_FILE), before: configure, after: unconfigure },
      { ...forms.release(RELEASE + WITH_FILE), before: configure, after: unconfigure },
      { ...forms.prepare(PREPARE + BESIDE), before: crowd },
      { ...forms.release(RELEASE + BESIDE), after: uncrowd },
    ],
    rows: [
      { what: PREPARE, against: 'bare Node', measure: 'CPU', of: PREPARE, by: BARE_NODE_THERE, aim: 2.2 },
      { what: PREPARE, against: 'bare Node', measure: 'time', of: PREPARE, by: BARE_NODE_THERE },
      { what: RELEASE, against: 'bare Node', measure: 'CPU', of: RELEASE, by: BARE_NODE_THERE, aim: 2 },
      { what: RELEASE, against: 'bare Node', measure: 'time', of: RELEASE, by: BARE_NODE_THERE },
      {
        what: 'what a configuration file adds to a prepare',
        against: 'bare Node',
        measure: 'CPU',
        of: PREPARE + WITH_FILE,
        less: PREPARE,
        by: BARE_NODE_THERE,
        aim: 0.1,
      },
      {
        what: 'prepare, peak memory',
        against: 'bare Node',
        measure: 'memory',
        of: PREPARE,
        by: BARE_NODE_THERE,
        aim: 1.2,
      },
      {
        what: 'release, peak memory',
        against: 'bare Node',
        measure: 'memory',
        of: RELEASE,
        by: BARE_NODE_THERE,
        aim: 1.2,
      },
      {
        what: 'prepare beside 200 claims of others',
        against: 'beside none',
        measure: 'CPU',
        of: PREPARE + BESIDE,
        by: PREPARE,
        aim: 1.3,
      },
      {
        what: 'prepare beside 200 claims of others, peak memory',
        against: 'bare Node',
        measure: 'memory',
        of: PREPARE + BESIDE,
        by: BARE_NODE_THERE,
      },
      {
        what: 'release beside 200 claims of others',
        against: 'beside none',
        measure: 'CPU',
        of: RELEASE + BESIDE,
        by: RELEASE,
      },
    ],
    stop: () => {
      host.stop();
    },
  };
}
