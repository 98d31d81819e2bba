// Network devices: kinds, features and the parameters that the host sets through dev_set()/dev_get().
export const DEV_KIND_LO: u32 = 1;
export const DEV_KIND_VETH: u32 = 2;
export const DEV_KIND_IFB: u32 = 3;
export const DEV_KIND_NIC: u32 = 4;

export const DEV_SET_MTU: u32 = 1;
export const DEV_SET_FEATURES: u32 = 2; // NETIF_F_* mask
export const DEV_SET_UP: u32 = 3; // 0 = down
export const DEV_SET_PEER: u32 = 4; // veth: index of the other end
export const DEV_SET_TBF_RATE: u32 = 5; // qdisc tbf: bytes per second, 0 = noqueue
export const DEV_SET_TBF_BURST: u32 = 6; // bytes
export const DEV_SET_TBF_LIMIT: u32 = 7; // bytes
export const DEV_SET_MAC_LO: u32 = 8; // low 32 bits of the MAC address
export const DEV_SET_GATEWAY: u32 = 9; // 1 = every destination of the subnet is reachable on the wire
export const DEV_SET_FORWARDING: u32 = 10; // forwarding between the devices of its namespace (net.ipv4.ip_forward)
export const DEV_SET_TX_RING: u32 = 11; // nic: TX descriptors, a power of two from 32 to 256, while none is in use
export const DEV_GET_TX_PACKETS: u32 = 64;
export const DEV_GET_TX_DROPPED: u32 = 65;
export const DEV_GET_RX_PACKETS: u32 = 66;
export const DEV_GET_NS: u32 = 67;

export const NETIF_F_SG: u32 = 1;
export const NETIF_F_HW_CSUM: u32 = 2;
export const NETIF_F_TSO: u32 = 4;
export const NETIF_F_GSO_UDP_L4: u32 = 8;
export const NETIF_F_FRAGLIST: u32 = 16;
export const NETIF_F_HIGHDMA: u32 = 32;
