/**
 * Why the lab cannot go on, in one sentence. Printed without a stack: it is about the machine or about a tool
 * that failed, not about a fault in the program.
 */
export class LabError extends Error {
  override readonly name = 'LabError';
}
