import type { Claim, ClaimOwner } from '../../src/claim/claim.ts';
import { decodeClaim } from '../../src/claim/decode.ts';
import type { StoredClaims } from '../../src/engine/claim-store.ts';

/** Number of a content of the claims' directory; equal contents have equal numbers. */
export type ClaimsId = number;

/** Every content of the claims' directory that was met, each once: texts as the real code encodes them. */
export class ClaimDirectories {
  readonly empty: ClaimsId;
  readonly #texts: ReadonlyMap<string, string>[] = [];
  readonly #ids = new Map<string, ClaimsId>();
  readonly #stored = new Map<string, StoredClaims>();

  constructor() {
    this.empty = this.#idOf(new Map());
  }

  get size(): number {
    return this.#texts.length;
  }

  write(id: ClaimsId, key: string, text: string): ClaimsId {
    return this.#idOf(new Map([...this.#texts[id]!, [key, text]]));
  }

  remove(id: ClaimsId, key: string): ClaimsId {
    return this.#idOf(new Map([...this.#texts[id]!].filter(([name]) => name !== key)));
  }

  /** The same directory when `text` has become `other` in every claim. */
  replaced(id: ClaimsId, text: string, other: string): ClaimsId {
    const key = `${id} ${text} ${other}`;
    const known = this.#replaced.get(key);
    if (known !== undefined) return known;
    const texts = [...this.#texts[id]!].map(([uuid, old]) => [uuid, old.replaceAll(text, other)] as const);
    const replaced = this.#idOf(new Map(texts));
    this.#replaced.set(key, replaced);
    return replaced;
  }
  readonly #replaced = new Map<string, ClaimsId>();

  /** What src/engine/claim-store.ts reads from such a directory. */
  read(id: ClaimsId, bootId: string): StoredClaims {
    const key = `${id} ${bootId}`;
    const known = this.#stored.get(key);
    if (known) return known;
    const claims: Claim[] = [];
    const damaged: { path: string; reason: string }[] = [];
    const outdated: ClaimOwner[] = [];
    for (const [uuid, text] of this.#texts[id]!) {
      const decoded = decodeClaim(text);
      if ('reason' in decoded) damaged.push({ path: uuid, reason: decoded.reason });
      else if (decoded.claim.bootId === bootId) claims.push(decoded.claim);
      else outdated.push(decoded.claim.owner);
    }
    const stored = { claims, damaged, outdated };
    this.#stored.set(key, stored);
    return stored;
  }

  #idOf(texts: ReadonlyMap<string, string>): ClaimsId {
    const sorted = [...texts].sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify(sorted);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#texts.push(new Map(sorted)) - 1;
    this.#ids.set(key, id);
    return id;
  }
}
