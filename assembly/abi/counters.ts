// The counter block, u32 each: what is alive now, and what was done since boot. Offsets in bytes from counters().
export const CNT_REQS_LIVE: u32 = 0; // io_kiocb, notifications included
export const CNT_NOTIFS_LIVE: u32 = 4;
export const CNT_SKBS_LIVE: u32 = 8;
export const CNT_SHINFO_LIVE: u32 = 12; // skb data areas
export const CNT_SOCKS_LIVE: u32 = 16;
export const CNT_FILES_LIVE: u32 = 20;
export const CNT_RINGS_LIVE: u32 = 24;
export const CNT_PAGES_PINNED: u32 = 28; // references held on user pages
export const CNT_CHUNKS_LIVE: u32 = 32; // kernel data chunks
export const CNT_ASYNC_LIVE: u32 = 36; // async data blocks
export const CNT_TIMERS_LIVE: u32 = 40;
export const CNT_NOTIFS: u32 = 44; // since boot, from here on
export const CNT_SKBS: u32 = 48;
export const CNT_COPIED_TX: u32 = 52; // bytes copied by plain sends
export const CNT_COPIED_ZC: u32 = 56; // bytes of zero-copy sends that were copied after all
export const CNT_CQES: u32 = 60;
export const CNT_ENTERS: u32 = 64;
export const CNT_TX_PACKETS: u32 = 68;
export const CNT_PINS: u32 = 72; // user pages looked up and pinned for zero-copy sends
export const CNT_PAGE_REFS: u32 = 76; // other references taken on pages
export const CNT_PAGES_HELD: u32 = 80; // user pages that have a reference now, each counted once
export const CNT_PAGES_HELD_MAX: u32 = 84; // most of them at once; who measures may set it back
export const CNT_CHUNKS_MAX: u32 = 88; // most data chunks at once, the same
export const CNT_TX_SKBS: u32 = 92; // skbs made to carry what sockets send, clones not counted
export const CNT_TX_FRAGS: u32 = 96; // frags of packets given to drivers
export const CNT_UBUF_SKBS: u32 = 100; // references that skbs took on their ubuf_info
export const CNT_IOWQ: u32 = 104; // requests handed to workers
export const CNT_RETRANS: u32 = 108; // TCP skbs sent again
export const CNT_MSGZC: u32 = 112; // records of MSG_ZEROCOPY
export const CNT_PIN_WALKS: u32 = 116; // stretches of memory whose pages were looked up for that
export const CNT_COPIED_BY: u32 = 120; // bytes of CNT_COPIED_ZC by reason: one u32 for each COPY_*, 13 of them
export const CNT_SIZE: u32 = 176;

// kept_objects(): kinds
export const KEPT_TIMERS: u32 = 0;
export const KEPT_SMALL: u32 = 1;
export const KEPT_CHUNKS: u32 = 2;
