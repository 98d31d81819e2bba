// Shortening an skb at its end.
import { putPage } from "../mm/page";
import { SkBuff, fragAddr, fragSet, fragSize } from "./skbuff";

/** Cuts the skb to `len` bytes: link-layer padding goes. */
export function skbTrim(skb: SkBuff, len: u32): void {
  const sh = skb.shinfo;
  while (skb.len > len && sh.nr_frags) {
    const last = sh.nr_frags - 1, size = fragSize(sh, last), extra = skb.len - len;
    if (size > extra) {
      fragSet(sh, last, fragAddr(sh, last), size - extra);
      skb.len -= extra;
      skb.data_len -= extra;
      return;
    }
    putPage(fragAddr(sh, last));
    sh.nr_frags = last;
    skb.len -= size;
    skb.data_len -= size;
  }
  if (skb.len > len) skb.len = len;
}
