// The socket interface: families, types, flags, options, poll masks, and the LP64 layouts of the structs that sendmsg,
// recvmsg, poll, setsockopt and the error queue take. Values of x86-64 (asm-generic), names of the Linux headers.

export const AF_UNSPEC: u32 = 0;
export const AF_UNIX: u32 = 1;
export const AF_INET: u32 = 2;
export const AF_INET6: u32 = 10;
export const AF_NETLINK: u32 = 16;
export const AF_PACKET: u32 = 17;
export const AF_VSOCK: u32 = 40;

export const SOCK_STREAM: u32 = 1;
export const SOCK_DGRAM: u32 = 2;
export const SOCK_RAW: u32 = 3;
export const SOCK_SEQPACKET: u32 = 5;
export const SOCK_TYPE_MASK: u32 = 0xf;
export const SOCK_NONBLOCK: u32 = 0x800;
export const SOCK_CLOEXEC: u32 = 0x80000;

export const IPPROTO_IP: u32 = 0;
export const IPPROTO_ICMP: u32 = 1;
export const IPPROTO_TCP: u32 = 6;
export const IPPROTO_UDP: u32 = 17;
export const IPPROTO_IPV6: u32 = 41;
export const IPPROTO_UDPLITE: u32 = 136;
export const IPPROTO_RAW: u32 = 255;
export const IPPROTO_MPTCP: u32 = 262;
export const ETH_P_IP: u32 = 0x0800;
export const ETH_P_ALL: u32 = 0x0003;

export const INADDR_ANY: u32 = 0;
export const INADDR_LOOPBACK: u32 = 0x7f000001;

// msg_flags
export const MSG_OOB: u32 = 0x1;
export const MSG_PEEK: u32 = 0x2;
export const MSG_DONTROUTE: u32 = 0x4;
export const MSG_CTRUNC: u32 = 0x8;
export const MSG_PROBE: u32 = 0x10;
export const MSG_TRUNC: u32 = 0x20;
export const MSG_DONTWAIT: u32 = 0x40;
export const MSG_EOR: u32 = 0x80;
export const MSG_WAITALL: u32 = 0x100;
export const MSG_FIN: u32 = 0x200;
export const MSG_CONFIRM: u32 = 0x800;
export const MSG_ERRQUEUE: u32 = 0x2000;
export const MSG_NOSIGNAL: u32 = 0x4000;
export const MSG_MORE: u32 = 0x8000;
export const MSG_SENDPAGE_NOPOLICY: u32 = 0x10000;
export const MSG_SENDPAGE_NOTLAST: u32 = 0x20000;
export const MSG_BATCH: u32 = 0x40000;
export const MSG_NO_SHARED_FRAGS: u32 = 0x80000;
export const MSG_SENDPAGE_DECRYPTED: u32 = 0x100000;
export const MSG_ZEROCOPY: u32 = 0x4000000;
export const MSG_SPLICE_PAGES: u32 = 0x8000000;
export const MSG_FASTOPEN: u32 = 0x20000000;
export const MSG_CMSG_CLOEXEC: u32 = 0x40000000;

export const SHUT_RD: u32 = 0;
export const SHUT_WR: u32 = 1;
export const SHUT_RDWR: u32 = 2;

// setsockopt() levels (IPPROTO_* are levels too)
export const SOL_IP: u32 = 0;
export const SOL_SOCKET: u32 = 1;
export const SOL_TCP: u32 = 6;
export const SOL_UDP: u32 = 17;

export const SO_REUSEADDR: u32 = 2;
export const SO_TYPE: u32 = 3;
export const SO_ERROR: u32 = 4;
export const SO_DONTROUTE: u32 = 5;
export const SO_BROADCAST: u32 = 6;
export const SO_SNDBUF: u32 = 7;
export const SO_RCVBUF: u32 = 8;
export const SO_KEEPALIVE: u32 = 9;
export const SO_OOBINLINE: u32 = 10;
export const SO_NO_CHECK: u32 = 11;
export const SO_PRIORITY: u32 = 12;
export const SO_LINGER: u32 = 13;
export const SO_PASSCRED: i32 = 16;
export const SO_PEERCRED: i32 = 17;
export const SO_REUSEPORT: u32 = 15;
export const SO_RCVLOWAT: u32 = 18;
export const SO_SNDLOWAT: u32 = 19;
export const SO_RCVTIMEO: u32 = 20;
export const SO_SNDTIMEO: u32 = 21;
export const SO_BINDTODEVICE: u32 = 25;
export const SO_ATTACH_FILTER: u32 = 26;
export const SO_DETACH_FILTER: u32 = 27;
export const SO_TIMESTAMP: u32 = 29;
export const SO_ACCEPTCONN: u32 = 30;
export const SO_SNDBUFFORCE: u32 = 32;
export const SO_RCVBUFFORCE: u32 = 33;
export const SO_MARK: u32 = 36;
export const SO_TIMESTAMPING: u32 = 37;
export const SOF_TIMESTAMPING_TX_SOFTWARE: u32 = 0x2;
export const SOF_TIMESTAMPING_SOFTWARE: u32 = 0x10;
export const SOF_TIMESTAMPING_OPT_TSONLY: u32 = 0x800;
export const SO_PROTOCOL: u32 = 38;
export const SO_DOMAIN: u32 = 39;
export const SO_MAX_PACING_RATE: u32 = 47;
export const SO_MEMINFO: u32 = 55;
export const SO_ZEROCOPY: u32 = 60;
export const SO_TXTIME: u32 = 61;
export const SCM_RIGHTS: u32 = 1;
export const SCM_CREDENTIALS: u32 = 2;
export const SCM_TXTIME: u32 = 61;

export const IP_TOS: u32 = 1;
export const IP_TTL: u32 = 2;
export const IP_RETOPTS: u32 = 7;
export const IP_PKTINFO: u32 = 8;
export const IP_RECVERR: u32 = 11;

export const TCP_NODELAY: u32 = 1;
export const TCP_MAXSEG: u32 = 2;
export const TCP_CORK: u32 = 3;
export const TCP_KEEPIDLE: u32 = 4;
export const TCP_INFO: u32 = 11;
export const TCP_QUICKACK: u32 = 12;
export const TCP_CONGESTION: u32 = 13;
export const TCP_USER_TIMEOUT: u32 = 18;
export const TCP_ULP: u32 = 31;

export const UDP_CORK: u32 = 1;
export const UDP_NO_CHECK6_TX: u32 = 101;
export const UDP_SEGMENT: u32 = 103;
export const UDP_GRO: u32 = 104;

// poll(2) masks
export const POLLIN: u32 = 0x1;
export const POLLPRI: u32 = 0x2;
export const POLLOUT: u32 = 0x4;
export const POLLERR: u32 = 0x8;
export const POLLHUP: u32 = 0x10;
export const POLLNVAL: u32 = 0x20;
export const POLLRDNORM: u32 = 0x40;
export const POLLRDBAND: u32 = 0x80;
export const POLLWRNORM: u32 = 0x100;
export const POLLWRBAND: u32 = 0x200;
export const POLLRDHUP: u32 = 0x2000;

// ioctl(2)
export const SIOCINQ: u32 = 0x541b;
export const FIONREAD: u32 = 0x541b; // the same
export const SIOCOUTQ: u32 = 0x5411;
export const FIONBIO: u32 = 0x5421;
export const FIONCLEX: u32 = 0x5450;
export const FIOCLEX: u32 = 0x5451;

// mmap(2)
export const PROT_NONE: u32 = 0;
export const PROT_READ: u32 = 1;
export const PROT_WRITE: u32 = 2;

export const RLIMIT_NOFILE: u32 = 7;
export const RLIMIT_MEMLOCK: u32 = 8;
export const RLIM_INFINITY: u32 = 0xffffffff;

// Layouts, LP64 --------------------------------------------------------------------------------------------------------

export const SOCKADDR_STORAGE_SIZE: u32 = 128;
export const SOCKADDR_IN_OFF_FAMILY: u32 = 0; // u16
export const SOCKADDR_IN_OFF_PORT: u32 = 2; // u16, network order
export const SOCKADDR_IN_OFF_ADDR: u32 = 4; // u32, network order
export const SOCKADDR_IN_SIZE: u32 = 16;

export const SOCKADDR_LL_OFF_FAMILY: u32 = 0; // u16
export const SOCKADDR_LL_OFF_PROTOCOL: u32 = 2; // u16, network order
export const SOCKADDR_LL_OFF_IFINDEX: u32 = 4; // s32
export const SOCKADDR_LL_SIZE: u32 = 20;

export const IOVEC_OFF_BASE: u32 = 0; // u64
export const IOVEC_OFF_LEN: u32 = 8; // u64
export const IOVEC_SIZE: u32 = 16;
export const UIO_MAXIOV: u32 = 1024;
export const MAX_RW_COUNT: u32 = 0x7ffff000;

export const MSGHDR_OFF_NAME: u32 = 0; // u64
export const MSGHDR_OFF_NAMELEN: u32 = 8; // s32
export const MSGHDR_OFF_IOV: u32 = 16; // u64
export const MSGHDR_OFF_IOVLEN: u32 = 24; // u64
export const MSGHDR_OFF_CONTROL: u32 = 32; // u64
export const MSGHDR_OFF_CONTROLLEN: u32 = 40; // u64
export const MSGHDR_OFF_FLAGS: u32 = 48; // u32
export const MSGHDR_SIZE: u32 = 56;

export const CMSGHDR_OFF_LEN: u32 = 0; // u64
export const CMSGHDR_OFF_LEVEL: u32 = 8; // s32
export const CMSGHDR_OFF_TYPE: u32 = 12; // s32
export const CMSGHDR_SIZE: u32 = 16; // data follows; the next header is at len rounded up to 8

export const TIMESPEC_OFF_SEC: u32 = 0; // s64
export const TIMESPEC_OFF_NSEC: u32 = 8; // s64
export const TIMESPEC_SIZE: u32 = 16;

export const POLLFD_OFF_FD: u32 = 0; // s32
export const POLLFD_OFF_EVENTS: u32 = 4; // s16
export const POLLFD_OFF_REVENTS: u32 = 6; // s16
export const POLLFD_SIZE: u32 = 8;

export const LINGER_OFF_ONOFF: u32 = 0; // s32
export const LINGER_OFF_LINGER: u32 = 4; // s32
export const LINGER_SIZE: u32 = 8;

export const SOCK_EXTENDED_ERR_OFF_ERRNO: u32 = 0; // u32
export const SOCK_EXTENDED_ERR_OFF_ORIGIN: u32 = 4; // u8
export const SOCK_EXTENDED_ERR_OFF_TYPE: u32 = 5; // u8
export const SOCK_EXTENDED_ERR_OFF_CODE: u32 = 6; // u8
export const SOCK_EXTENDED_ERR_OFF_PAD: u32 = 7; // u8
export const SOCK_EXTENDED_ERR_OFF_INFO: u32 = 8; // u32
export const SOCK_EXTENDED_ERR_OFF_DATA: u32 = 12; // u32
export const SOCK_EXTENDED_ERR_SIZE: u32 = 16; // a sockaddr follows
export const SO_EE_ORIGIN_NONE: u32 = 0;
export const SO_EE_ORIGIN_LOCAL: u32 = 1;
export const SO_EE_ORIGIN_ICMP: u32 = 2;
export const SO_EE_ORIGIN_TIMESTAMPING: u32 = 4;
export const SO_EE_ORIGIN_ZEROCOPY: u32 = 5;
export const SO_EE_CODE_ZEROCOPY_COPIED: u32 = 1;
