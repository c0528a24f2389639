/** The signals that ask a program to end. */
export const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

export type EndingSignal = (typeof endingSignals)[number];

/** Signals that have come since somebody listens. */
export interface Signals {
  /** The first one; undefined while there is none. */
  readonly interrupted: () => EndingSignal | undefined;
  /** Listens no more: the next signal ends this process. */
  readonly stop: () => void;
}

/**
 * Hears the signals that would end this process in the middle of its work, and leaves what to do about them
 * to whoever asks. `onSignal` hears each one when it comes.
 */
export function listenForSignals(onSignal: (signal: EndingSignal) => void = () => undefined): Signals {
  let first: EndingSignal | undefined;
  const hear = (signal: EndingSignal): void => {
    first ??= signal;
    onSignal(signal);
  };
  for (const signal of endingSignals) process.on(signal, hear);
  return {
    interrupted: () => first,
    stop: () => {
      for (const signal of endingSignals) process.off(signal, hear);
    },
  };
}
