import assert from 'node:assert/strict';
import { readFeatures } from '../../src/domain/features.ts';
import type { GuestSystem } from '../../src/domain/guest-system.ts';

const system = (inside: string): GuestSystem =>
  readFeatures(`<domain><name>x</name><uuid>6e9d6d4c-6b1b-4a0c-8f0a-0d6f9c1f2b3a</uuid>${inside}</domain>`)
    .system;
const metadata = (id: string, namespace = 'http://libosinfo.org/xmlns/libvirt/domain/1.0'): string =>
  `<metadata><x:libosinfo xmlns:x='${namespace}'><x:os id='${id}'/></x:libosinfo></metadata>`;
const tpm = "<devices><tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>";
const hyperv = "<features><hyperv mode='custom'><relaxed state='on'/></hyperv></features>";

describe('guestSystem', () => {
  const rows: readonly (readonly [sentence: string, inside: string, windows: string, from?: RegExp])[] = [
    ['nothing', '', 'unknown'],
    ['a clock in UTC', "<clock offset='utc'><timer name='rtc'/></clock>", 'unknown'],
    ['Windows by libosinfo', metadata('http://microsoft.com/win/11'), 'yes', /libosinfo/],
    ['Windows Server by libosinfo', metadata('http://microsoft.com/win/2k22'), 'yes', /libosinfo/],
    ['Linux by libosinfo, with features of Hyper-V', metadata('http://debian.org/debian/13') + hyperv, 'no'],
    ['an unknown system by libosinfo', metadata('http://libosinfo.org/unknown') + hyperv, 'yes', /Hyper-V/],
    ['metadata that only look like it', metadata('http://microsoft.com/win/11', 'urn:x'), 'unknown'],
    ['features of Hyper-V', hyperv, 'yes', /Hyper-V/],
    ['a clock in local time', "<clock offset='localtime'/>", 'likely', /clock/],
    [
      'the timer of Hyper-V',
      "<clock offset='utc'><timer name='hypervclock' present='yes'/></clock>",
      'likely',
      /hypervclock/,
    ],
    [
      'a TPM and a loader with Secure Boot',
      `<os><loader secure='yes' type='pflash'>/x</loader></os>${tpm}`,
      'likely',
      /TPM and Secure Boot/,
    ],
    [
      'a TPM and firmware with Secure Boot',
      `<os firmware='efi'><firmware><feature enabled='yes' name='secure-boot'/></firmware></os>${tpm}`,
      'likely',
      /TPM and Secure Boot/,
    ],
    [
      'a TPM and firmware without Secure Boot',
      `<os firmware='efi'><firmware><feature enabled='no' name='secure-boot'/></firmware></os>${tpm}`,
      'unknown',
    ],
    ['Secure Boot alone', "<os><loader secure='yes'>/x</loader></os>", 'unknown'],
    [
      'metadata that are too long to be read',
      `<metadata><a xmlns='urn:a'>${'x'.repeat(3 * 2 ** 20)}</a></metadata>${hyperv}`,
      'yes',
      /Hyper-V/,
    ],
  ];
  for (const [sentence, inside, windows, from] of rows) {
    it(`${windows}: ${sentence}`, () => {
      const found = system(inside);
      assert.equal(found.windows, windows);
      if (from) assert.match('from' in found ? found.from : '', from);
    });
  }
});
