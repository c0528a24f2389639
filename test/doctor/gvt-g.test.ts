import assert from 'node:assert/strict';
import { readFeatures } from '../../src/domain/features.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import type { Found } from '../../src/doctor/finding.ts';
import { guestExamination } from '../../src/doctor/lint/guest-examination.ts';
import { gvtGuest } from '../../src/doctor/lint/mdev.ts';
import { scenarios } from '../scenario.ts';
import { domainXml, examinationOf, machineOf, type Situation } from './machine.ts';

const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
const on: Situation = {
  host: 'intel-gvt-g',
  config: { mdev: [{ uuid: UUID, parent: 'auto', type: 'i915-GVTg_V5_4', attributes: [] }] },
};

describe('the advice on GVT-g', () => {
  const open = scenarios();

  async function found(type: string): Promise<Found> {
    const devices = `<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='${UUID}'/></source></hostdev>`;
    const xml = domainXml({ devices }).replace("<domain type='kvm'", `<domain type='${type}'`);
    const examination = examinationOf(open(machineOf(on)), on);
    const result = await gvtGuest.run(
      guestExamination(examination, { domain: parseDomain(xml), features: readFeatures(xml) }),
    );
    assert.ok('verdict' in result || result.length === 1);
    return 'verdict' in result ? result : result[0]!;
  }

  it('is that it needs KVM', async () => {
    assert.equal((await found('kvm')).verdict, 'ok');
    const without = await found('qemu');
    assert.equal(without.verdict, 'failure');
    assert.match(without.found, /^a slice of Intel graphics needs KVM/);
  });
});
