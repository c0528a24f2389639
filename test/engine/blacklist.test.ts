import assert from 'node:assert/strict';
import { failureOf, guest, scenarios } from '../scenario.ts';

const CARD = '0000:01:00.0';

describe('a blacklist of modprobe.d', () => {
  const scenario = scenarios();

  it('does not keep the host’s own driver away that was loaded by hand: it is loaded again', async () => {
    const s = scenario({ host: 'nvidia-desktop', machine: { blacklist: ['nvidia', 'snd_hda_intel'] } });
    await s.prepare(guest('win11', CARD));
    s.happens({ do: 'unload', module: 'nvidia' });
    await s.release('win11');
    assert.equal(s.driver(CARD), 'nvidia');
    s.nothingDiffers();
  });

  it('is obeyed for vfio-pci, which modprobe then leaves out without a word: nothing is changed', async () => {
    const s = scenario({ host: 'nvidia-desktop', machine: { blacklist: ['vfio_pci'] } });
    const error = await failureOf(s.prepare(guest('win11', CARD)));
    assert.equal(error.code, 'VH_KERNEL');
    assert.match(
      error.message,
      /^cannot load module vfio-pci: .*there is no PCI driver "vfio-pci" after modprobe; a blacklist line in \/etc\/modprobe.d may name vfio-pci; guest "win11" is not started and everything is as it was$/,
    );
    s.nothingDiffers();
  });
});
