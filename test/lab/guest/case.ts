/** One thing that the lab proves. A case leaves the machine as it found it; that is checked by whoever runs it. */
export interface LabCase {
  /** A sentence. */
  readonly name: string;
  /** Seconds that it may take; default 120. */
  readonly limit?: number;
  readonly run: (context: CaseContext) => Promise<void> | void;
}

/** What a running case may do besides passing or throwing. */
export interface CaseContext {
  /** Tells a figure or a finding to the reader, whether the case passes or not. */
  readonly note: (text: string) => void;
  /** Has something undone after the case, whatever came of it; the last one first. */
  readonly afterwards: (undo: () => Promise<void> | void) => void;
}

/** Thrown by a case that has nothing to prove here, such as one for a part that the product does not have yet. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}
