import assert from 'node:assert/strict';
import { isCalled, isVgpuName, isVgpuParams, parseVgpuTypes, vgpuWords } from '../../src/pci/vgpu.ts';

describe('vGPU types', () => {
  it('are read from the list of the driver', () => {
    const text = 'ID    : vGPU Name\n1145  : NVIDIA L40S-1B\n1147  : NVIDIA L40S-1Q\n';
    assert.deepEqual(parseVgpuTypes(text), [
      { id: 1145, name: 'NVIDIA L40S-1B' },
      { id: 1147, name: 'NVIDIA L40S-1Q' },
    ]);
  });

  it('are none where there is the header alone, or nothing, or something else', () => {
    for (const text of ['ID    : vGPU Name\n', '', 'none\n', ': x\n', '12\n', '99999999999 : x\n'])
      assert.deepEqual(parseVgpuTypes(text), [], text);
  });

  it('are no more than any card has', () => {
    assert.equal(parseVgpuTypes(Array.from({ length: 999 }, (_, id) => `${id} : a`).join('\n')).length, 256);
  });

  it('have a name with or without the maker', () => {
    const type = { id: 1, name: 'NVIDIA A10-8Q' };
    for (const asked of ['NVIDIA A10-8Q', 'nvidia a10-8q', 'A10-8Q', ' GRID A10-8Q'])
      assert.ok(isCalled(type, asked));
    for (const asked of ['A10-8', 'A10-8QX', 'NVIDIA', '']) assert.ok(!isCalled(type, asked), asked);
  });

  it('are told in words', () => {
    assert.equal(vgpuWords(0), 'no vGPU');
    assert.equal(vgpuWords(7), 'type 7');
    assert.equal(vgpuWords(7, [{ id: 7, name: 'A' }]), 'type 7 (A)');
  });

  it('are no numbers by name, and no parameters without a value', () => {
    for (const name of ['L40S-8Q', 'NVIDIA H100-1-10C', 'A40-48Q']) assert.ok(isVgpuName(name), name);
    for (const name of ['1152', '', ' A', 'a\nb', 'a/b', `a${'b'.repeat(80)}`])
      assert.ok(!isVgpuName(name), name);
    for (const params of ['a=1', 'a=1,b.c=0x2']) assert.ok(isVgpuParams(params), params);
    for (const params of ['a', 'a=', 'a=1,', 'a=1 b=2', 'a=1\nb=2', '=1'])
      assert.ok(!isVgpuParams(params), params);
  });
});
