// The simulated NIC's shared ring block, per device. Written by the core (TX descriptors, RX free buffers) and by the
// host (completions, RX frames), as a driver and its hardware would. All fields little-endian, indices free-running.
//
// block header (64 bytes)
export const NIC_TX_ENTRIES: u32 = 0; // u32, power of two; changes only while no descriptor is in use
export const NIC_RX_ENTRIES: u32 = 4; // u32, power of two, constant
export const NIC_TX_HEAD: u32 = 8; // u32, written by the core: descriptors posted
export const NIC_TX_DONE: u32 = 12; // u32, written by the host: descriptors whose memory is no longer read
export const NIC_RX_HEAD: u32 = 16; // u32, written by the host: frames delivered
export const NIC_RX_TAIL: u32 = 20; // u32, written by the core: frames consumed
export const NIC_TX_RING: u32 = 24; // u32, address of the TX descriptors
export const NIC_RX_RING: u32 = 28; // u32, address of the RX slots
export const NIC_RX_SLOT_SIZE: u32 = 32; // u32, bytes of one RX slot: u32 length, u32 flags, then the frame
export const NIC_BLOCK_SIZE: u32 = 64;

// TX descriptor, 16 bytes. One frame = consecutive descriptors, the last with NIC_TXD_EOP.
export const NIC_TXD_ADDR: u32 = 0; // u32, address in machine memory
export const NIC_TXD_LEN: u32 = 4; // u32, bytes
export const NIC_TXD_FLAGS: u32 = 8; // u16
export const NIC_TXD_GSO_SIZE: u32 = 10; // u16, segment size asked for, in the first descriptor; 0 = none
export const NIC_TXD_COOKIE: u32 = 12; // u32, the core's (skb), in the EOP descriptor
export const NIC_TXD_SIZE: u32 = 16;

export const NIC_TXD_EOP: u32 = 1;
export const NIC_TXD_CSUM: u32 = 2; // the NIC fills in the TCP/UDP checksum
export const NIC_TXD_USER: u32 = 4; // the bytes are the user's own pages (zero copy)

// RX slot flags
export const NIC_RX_CSUM_OK: u32 = 1;

// env.nic(dev, what, arg)
export const NIC_DOORBELL: u32 = 1; // arg: new TX head
export const NIC_TIMER: u32 = 2; // arg: cookie given to nic_timer()
export const NIC_RX_SPACE: u32 = 3; // arg: new RX tail
