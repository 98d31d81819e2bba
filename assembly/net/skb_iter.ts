// Bytes between iterators and skbs that hold copies: what sockets without zero copy do with a message. Small payloads fit
// the linear room of the data area; larger ones go to page fragments.
import { IovIter, copyFromIter, copyToIter } from "../mm/iov_iter";
import { EFAULT, ENOBUFS } from "../abi/errno";
import { pageFragRefill, pageFragRoom, pageFragTake } from "../mm/page";
import { MAX_SKB_FRAGS, SKB_LINEAR_ROOM, SkBuff, fragAddr, fragSize, skbFillPage, skbHead, skbHeadlen } from "./skbuff";

/**
 * Copies `n` bytes of `it` into an empty skb: 0, -EFAULT, -ENOBUFS (out of kernel memory). After a failure the skb holds
 * an undefined part of the data and is to be freed.
 * DEVIATION (large-datagram): an skb holds at most half a megabyte. Only a datagram over AF_UNIX, with a send buffer that
 * was raised to more than twice that, is ever larger; Linux finds room up to 4 MiB.
 */
export function skbCopyFromIter(skb: SkBuff, it: IovIter, n: u32): i32 {
  if (n <= SKB_LINEAR_ROOM) {
    skb.data = skbHead(skb);
    skb.len = n;
    return copyFromIter(skb.data, n, it) == n ? 0 : -EFAULT;
  }
  const sh = skb.shinfo;
  while (n) {
    // A fragment smaller than this is not worth its slot in the array while a fresh chunk could take everything.
    const to = pageFragRefill(n < 4096 ? n : 4096);
    if (!to || sh.nr_frags == MAX_SKB_FRAGS) return -ENOBUFS;
    let step = pageFragRoom();
    if (step > n) step = n;
    const copied = copyFromIter(to, step, it);
    pageFragTake(step, true);
    skbFillPage(sh, to, step);
    skb.len += step;
    skb.data_len += step;
    if (copied != step) return -EFAULT;
    n -= step;
  }
  return 0;
}

/** Copies `n` bytes from offset `off` of the payload to the iterator; stops at the first bad page. Bytes copied. */
export function skbCopyToIter(skb: SkBuff, off: u32, n: u32, it: IovIter): u32 {
  const head = skbHeadlen(skb);
  let done: u32 = 0;
  if (off < head) {
    const step = head - off < n ? head - off : n;
    done = copyToIter(skb.data + (off as usize), step, it);
    if (done == n || done != step) return done;
    off = head;
  }
  off -= head;
  const sh = skb.shinfo;
  for (let i: u32 = 0; done < n && i < sh.nr_frags; i++) {
    const size = fragSize(sh, i);
    if (off >= size) {
      off -= size;
      continue;
    }
    const step = size - off < n - done ? size - off : n - done;
    const ok = copyToIter(fragAddr(sh, i) + (off as usize), step, it);
    done += ok;
    if (ok != step) break;
    off = 0;
  }
  return done;
}
