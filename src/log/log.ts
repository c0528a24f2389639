/** Severities of syslog (RFC 5424, section 6.2.1) that this program uses, most severe first. */
export const severities = ['err', 'warning', 'notice', 'info', 'debug'] as const;

export type Severity = (typeof severities)[number];

/** What one line of the log says. Every field may hold hostile text: the formatter escapes it. */
export interface LogEntry {
  readonly severity: Severity;
  readonly message: string;
  readonly guest?: string;
  /** Who the devices are for, when that is no guest: `detach` or `run`. */
  readonly owner?: string;
  readonly device?: string;
  /** The step, as {@link describeStep} words it. */
  readonly step?: string;
  readonly result?: string;
  readonly durationMs?: number;
}

/** Where log entries go. A log never throws and never makes its caller wait. */
export interface Log {
  write(entry: LogEntry): void;
  /** Gives up what is still held, such as a child's pipe. No entry may follow. */
  close(): void;
}

/** Whether an entry is to be written at a configured level. */
export function isLoud(severity: Severity, level: Severity): boolean {
  return severities.indexOf(severity) <= severities.indexOf(level);
}

/** A log that keeps nothing. */
export const noLog: Log = {
  write: () => undefined,
  close: () => undefined,
};
