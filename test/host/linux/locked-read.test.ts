import assert from 'node:assert/strict';
import { VfioHookError } from '../../../src/errors.ts';
import type { LockedRead } from '../../../src/host/host.ts';
import type { ChildResult } from '../../../src/host/linux/child.ts';
import { textsOf } from '../../../src/host/linux/locked-read.ts';

const A = '/sys/bus/pci/devices/0000:01:00.0/driver_override';
const B = '/sys/bus/pci/devices/0000:01:00.1/driver_override';
const writer = { pid: 1, startTime: 1 };

function exited(status: number, stdout: string, stderr = ''): ChildResult {
  return { kind: 'exited', status, stdout, stderr };
}

/** What a grep comes to: the texts, the file that it waits for, or the sentence of the error. */
function cameTo(result: ChildResult): readonly [string, string][] | string {
  try {
    const read: LockedRead = textsOf([A, B], result);
    return read.kind === 'stuck' ? `waits for ${read.path}` : [...read.texts];
  } catch (error) {
    assert.ok(error instanceof VfioHookError);
    return `${error.code} ${error.message}`;
  }
}

const line = (path: string, text: string): string => `${path}\0${text}\n`;

const rows: readonly (readonly [name: string, result: ChildResult, expected: ReturnType<typeof cameTo>])[] = [
  [
    'both texts',
    exited(0, line(A, 'vfio-pci') + line(B, '(null)')),
    [
      [A, 'vfio-pci'],
      [B, '(null)'],
    ],
  ],
  [
    'a file that is not there, and one whose device has just gone',
    exited(2, '', `grep: ${A}: No such file or directory\ngrep: ${B}: No such device\n`),
    [],
  ],
  [
    'an I/O error beside a text',
    exited(2, line(A, '(null)'), `grep: ${B}: Input/output error\n`),
    `VH_KERNEL cannot read ${B}: EIO (input/output error)`,
  ],
  [
    'too little memory',
    exited(2, line(A, '(null)'), `grep: ${B}: Cannot allocate memory\n`),
    `VH_KERNEL cannot read ${B}: ENOMEM (cannot allocate memory)`,
  ],
  [
    'a text of an error that nobody knows',
    exited(2, line(A, '(null)'), `grep: ${B}: Moon phase\n`),
    `VH_KERNEL cannot read ${B}: Moon phase`,
  ],
  [
    'a grep that was killed',
    exited(-1, line(A, 'vfio-pci')),
    `VH_KERNEL cannot read ${B}: grep was killed before it was read`,
  ],
  [
    'a grep that was killed in the middle of a line',
    exited(-1, `${line(A, 'vfio-pci')}${B}\0vfio`),
    `VH_KERNEL cannot read ${B}: grep was killed before it was read`,
  ],
  [
    'a grep that says nothing at all and is content',
    exited(0, ''),
    `VH_KERNEL cannot read ${A}: it is empty, or grep did not read it (status 0)`,
  ],
  [
    'a grep that ends with a status of its own',
    exited(77, line(A, 'vfio-pci'), 'out of luck\n'),
    `VH_KERNEL cannot read ${B}: it is empty, or grep did not read it (status 77)`,
  ],
  [
    'a grep of busybox, which knows neither option',
    exited(2, '', "grep: unrecognized option '--null'\nBusyBox v1.35.0 multi-call binary.\n"),
    "VH_INSTALLATION the program grep of this host does not do what is needed (-a -H --null --line-buffered -m -e): grep: unrecognized option '--null'",
  ],
  [
    'a grep that waits for the second file',
    { kind: 'stuck', writer, stdout: line(A, '(null)'), stderr: '' },
    `waits for ${B}`,
  ],
  [
    'a grep that waits for the second file, when the first is not there',
    { kind: 'stuck', writer, stdout: '', stderr: `grep: ${A}: No such file or directory\n` },
    `waits for ${B}`,
  ],
  [
    'a grep that waits for the first file',
    { kind: 'stuck', writer, stdout: '', stderr: '' },
    `waits for ${A}`,
  ],
];

describe('textsOf', () => {
  for (const [name, result, expected] of rows) {
    it(`understands ${name}`, () => {
      assert.deepEqual(cameTo(result), expected);
    });
  }
});
