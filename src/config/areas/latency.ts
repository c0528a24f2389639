import { MOST_LATENCY_US } from '../../pci/latency.ts';
import { wholeNumber } from '../forms.ts';

/** How soon CPUs of the host wake. */
export const latency = wholeNumber({
  least: 0,
  most: MOST_LATENCY_US,
  description:
    'Microseconds within which every CPU of the host wakes from sleep, for the time that the guest runs; 0: none sleeps.',
});
