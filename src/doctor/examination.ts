import type { Domain } from '../domain/domain.ts';
import type { Features } from '../domain/features.ts';
import type { Engine } from '../engine/engine.ts';
import type { InspectedConfig } from '../engine/inspect-config.ts';
import type { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import type { PciAddress } from '../pci/address.ts';
import type { PciDevice } from '../pci/device.ts';
import type { Found } from './finding.ts';

/** Everything that the checks work with. They change nothing. */
export interface Examination {
  readonly host: Host;
  /** For its claims, its configuration and its clock. */
  readonly engine: Engine;
  /** The Node.js that runs this very command. */
  readonly runtime: { readonly path: string; readonly version: string };
  /** Whether its files can be looked at: those of a machine that is only described cannot. */
  readonly hasFiles: boolean;
  /** Every file of the configuration, also those that are no guest's, with what is to be said about it. */
  readonly configFiles: () => readonly InspectedConfig[];
  /**
   * The guests that libvirt has a file for and the one that was named in the call, each once. Throws an errno error when
   * libvirt's files may not be read.
   */
  readonly guests: () => readonly Guest[];
}

/** A guest by its XML. */
export interface Guest {
  /** As in the XML; for one that cannot be read the name of its file. */
  readonly name: string;
  /** Whether libvirt starts it with the host. */
  readonly autostart: boolean;
  /** Whether it runs without a definition: it is gone when it ends. */
  readonly transient: boolean;
  /** Absent when the XML cannot be read: `problem` says why. */
  readonly xml?: GuestXml;
  readonly problem?: VfioHookError;
}

/** What the XML of a guest says. */
export interface GuestXml {
  readonly domain: Domain;
  readonly features: Features;
}

/** Everything that advice on one guest's XML is made from. */
export interface GuestExamination extends Examination, GuestXml {
  /** The assigned devices that this host has, by address. */
  readonly devices: ReadonlyMap<PciAddress, PciDevice>;
  /** Other functions of the same cards and other members of their IOMMU groups, that the XML does not assign. */
  readonly companions: readonly PciDevice[];
}

/** One check: what it is about, and how it looks. It may come to several findings, about one guest or device each. */
export interface Check<On = Examination> {
  readonly title: string;
  /**
   * May throw: an errno error for what cannot be looked at, a VfioHookError for what is broken. Whoever runs
   * the check makes a finding of it.
   */
  run(on: On): Found | readonly Found[] | Promise<Found | readonly Found[]>;
}
