// Figures that advice is given from, with where they come from.

/**
 * Bytes from which zero copy is cheaper than a copy, measured on Linux 6.18 (UDP to a device that drops, CPU per send, one
 * notification per send): registered buffers win at 4000 bytes (+3 %) and lose at 1500 (-3 %) and below; plain buffers,
 * whose pages are pinned for each send, are even at 16384 (-1 %) and lose at 4000 (-7 %). The RFC's table for the
 * dummy device has the same shape. Between the two figures of registered buffers it depends on the machine, so the lower
 * one counts here.
 */
export const BREAK_EVEN_REGISTERED = 1500;
export const BREAK_EVEN_PLAIN = 16384;
