import assert from 'node:assert/strict';
import { isConsoleText, isFirmwareFramebuffer, parseConsoleName } from '../../src/pci/console.ts';

describe('the text console', () => {
  it('says what it is, and whether the kernel has it for good', () => {
    assert.deepEqual(parseConsoleName('(M) frame buffer device\n'), {
      text: 'frame buffer device',
      system: false,
    });
    assert.deepEqual(parseConsoleName('(S) VGA+\n'), { text: 'VGA+', system: true });
    assert.equal(parseConsoleName('frame buffer device'), undefined);
  });

  it('has a name that can be a key', () => {
    for (const right of ['frame buffer device', 'VGA+', 'dummy device']) assert.ok(isConsoleText(right));
    for (const wrong of ['', 'a/b', 'a\nb', 'x'.repeat(41)]) assert.ok(!isConsoleText(wrong));
  });

  it('may be on what the firmware has left', () => {
    for (const right of ['efi-framebuffer.0', 'simple-framebuffer.0', 'vesa-framebuffer.0'])
      assert.ok(isFirmwareFramebuffer(right));
    for (const wrong of ['efi-framebuffer', '../efi-framebuffer.0', 'pcspkr', 'efi-framebuffer.0/x'])
      assert.ok(!isFirmwareFramebuffer(wrong));
  });
});
