// What a `nic` line of a program can turn, as the program names it. host/nic/pair.ts says what each knob does.

export interface NicKnobs {
  /** `nic0` or `nic1`. Without it, hardware knobs turn at both and the others at nic0 (host/nic/pair.ts). */
  dev?: string;

  // Hardware ---------------------------------------------------------------------------------------------------------
  /** Scatter-gather, checksum and TCP segmentation offload. */
  sg?: boolean;
  csum?: boolean;
  tso?: boolean;
  mtu?: number;
  /** TX descriptors, a power of two from 32 to 256; RX slots. */
  tx_ring?: number;
  rx_ring?: number;
  rate_mbit?: number;
  /** From the doorbell to the DMA of a frame, and to its completion. */
  dma_us?: number;
  latency_us?: number;
  /** Completions gathered before one interrupt, and how long the first of them waits. */
  moderation?: number;
  moderation_us?: number;
  /** One-way delay of the wire. */
  wire_us?: number;

  // What goes wrong with the frames that a NIC sends --------------------------------------------------------------------
  /** Share of frames lost on the wire, 0..1, decided by the seed; these frames, counted from 1 from this line on. */
  loss?: number;
  drop_nth?: number[];
  /** One bit flipped. */
  corrupt?: number;
  corrupt_nth?: number[];
  duplicate?: number;
  duplicate_nth?: number[];
  reorder?: number;
  reorder_nth?: number[];
  /** The transmitter stands still. */
  stall?: boolean;
  /** Frames go out, their descriptors never come back. */
  never_complete?: boolean;
}

export interface NicControl {
  configure(knobs: NicKnobs): void;
}
