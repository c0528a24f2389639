import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import type { Order } from '../protocol.ts';

/** Compares texts with those of test/lab/golden, or writes them there when the lab was told so. */
export class Golden {
  readonly #order: Order;

  constructor(order: Order) {
    this.#order = order;
  }

  /**
   * The text must be the one of `NAME.txt`, or of `NAME.SUITE.txt` where a libvirt says it in its own words.
   * Numbers of processes, IOMMU groups, interfaces and sound cards, which differ from boot to boot, are written as `N`.
   */
  check(name: string, text: string): void {
    const steady = text
      .replaceAll(/\b(pid|process|group|kill) \d+/gi, '$1 N')
      .replaceAll(/\b(eth|controlC)\d+/g, '$1N')
      // What Node calls the main thread of the process that runs the cases, from version 22 on.
      .replaceAll('"MainThread"', '"node"');
    const plain = steady.trimEnd() + '\n';
    const own = `/share/golden/${name}.${this.#order.suite}.txt`;
    const shared = `/share/golden/${name}.txt`;
    const file = existsSync(own) || !existsSync(shared) ? own : shared;
    if (this.#order.updateGolden) writeFileSync(existsSync(own) ? own : shared, plain);
    else
      assert.equal(
        plain,
        existsSync(file) ? readFileSync(file, 'utf8') : '',
        `${file}: run with --update-golden`,
      );
  }
}
