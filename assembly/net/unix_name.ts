// Names of AF_UNIX sockets: paths, abstract names (a NUL first, then any bytes), and names that the kernel invents. man:
// unix(7).
//
// DEVIATION (unix-paths): there is no file system. A path exists while a socket is bound to it, as if it were unlinked when
// the socket is closed, and nobody is denied access to it.
import { AF_UNIX } from "../abi/socket";
import { EADDRINUSE, ECONNREFUSED, EINVAL, ENOENT, ENOMEM, EPROTOTYPE } from "../abi/errno";
import { POOL_ASYNC, poolAlloc } from "../lib/pool";
import { S_SOCK_LIST, S_UNIX_AUTOBIND, nil } from "../lib/state";
import { SCRATCH_UN } from "./scratch";
import { SkBuff } from "./skbuff";
import { MsgHdr, SOCK_F_DEAD, Sock } from "./sock";
import { UNIX_ADDR_NAME, UnixAddr, unixAddr } from "./unix_skb";

export const SOCKADDR_UN_SIZE: u32 = 110;
const PATH: usize = 2; // sun_path in struct sockaddr_un

@inline export function unixNameOf(addr: UnixAddr): usize { return changetype<usize>(addr) + UNIX_ADDR_NAME; }

/** Is this the address of a socket at all (family and length)? 0 or -EINVAL. */
export function unixValidateAddr(sun: usize, len: u32): i32 {
  return len <= PATH || len > SOCKADDR_UN_SIZE || (load<u16>(sun) as u32) != AF_UNIX ? -EINVAL : 0;
}

/** Writes the address the way names are kept and compared to `to`: a path ends with its first NUL. Its length. */
function normalize(sun: usize, len: u32, to: usize): u32 {
  memory.copy(to, sun, len);
  if (!load<u8>(to + PATH)) return len; // abstract: every byte counts
  store<u8>(to + (len as usize), 0);
  let n: u32 = PATH as u32;
  while (load<u8>(to + (n as usize))) n++;
  return n + 1;
}

/** The live socket with this normalized name, nil if none. Abstract names are apart per namespace and socket type. */
function lookup(netns: u32, type: u32, name: usize, len: u32): Sock {
  const abstract = load<u8>(name + PATH) == 0;
  for (let s = changetype<Sock>(load<u32>(S_SOCK_LIST) as usize); s; s = s.list_next) {
    if (s.family != AF_UNIX || !s.priv || s.flags & SOCK_F_DEAD || s.parent) continue;
    const addr = unixAddr(s);
    if (addr.len != len || (abstract && (addr.netns != netns || s.type != type))) continue;
    if (memory.compare(unixNameOf(addr), name, len) == 0) return s;
  }
  return nil<Sock>();
}

/** unix_find_other(): the socket that `sk` means by an address, as its address (usize), or -errno. */
export function unixFindAddr(sk: Sock, sun: usize, len: u32): i32 {
  const err = unixValidateAddr(sun, len);
  if (err) return err;
  const n = normalize(sun, len, SCRATCH_UN);
  const found = lookup(sk.netns, sk.type, SCRATCH_UN, n);
  if (!found) return load<u8>(SCRATCH_UN + PATH) ? -ENOENT : -ECONNREFUSED;
  return found.type == sk.type ? changetype<usize>(found) as i32 : -EPROTOTYPE;
}

function setName(sk: Sock, name: usize, len: u32): i32 {
  const addr = changetype<UnixAddr>(poolAlloc(POOL_ASYNC));
  if (!addr) return -ENOMEM;
  addr.refs = 1;
  addr.len = len;
  addr.netns = sk.netns;
  memory.copy(unixNameOf(addr), name, len);
  sk.priv = changetype<usize>(addr);
  return 0;
}

/** bind(2). An address of only the family asks for a name of the kernel's choice. */
export function unixBind(sk: Sock, sun: usize, len: u32): i32 {
  if (len == PATH && (load<u16>(sun) as u32) == AF_UNIX) return unixAutobind(sk);
  const err = unixValidateAddr(sun, len);
  if (err) return err;
  const n = normalize(sun, len, SCRATCH_UN);
  const path = load<u8>(SCRATCH_UN + PATH) != 0;
  // Linux makes the path's inode before it looks at the socket.
  if (path && lookup(sk.netns, sk.type, SCRATCH_UN, n)) return -EADDRINUSE;
  if (sk.priv) return -EINVAL;
  if (lookup(sk.netns, sk.type, SCRATCH_UN, n)) return -EADDRINUSE;
  return setName(sk, SCRATCH_UN, n);
}

/** Gives the socket an abstract name of five hexadecimal digits that nobody has. */
export function unixAutobind(sk: Sock): i32 {
  if (sk.priv) return 0;
  store<u16>(SCRATCH_UN, AF_UNIX as u16);
  store<u8>(SCRATCH_UN, 0, PATH);
  for (let tries: u32 = 0; tries < 0x100000; tries++) {
    const n = load<u32>(S_UNIX_AUTOBIND) & 0xfffff;
    store<u32>(S_UNIX_AUTOBIND, n + 1);
    for (let i: u32 = 0; i < 5; i++) {
      const digit = (n >> ((4 - i) << 2)) & 15;
      store<u8>(SCRATCH_UN + PATH + 1 + (i as usize), (digit < 10 ? 48 + digit : 87 + digit) as u8);
    }
    if (!lookup(sk.netns, sk.type, SCRATCH_UN, 8)) return setName(sk, SCRATCH_UN, 8);
  }
  return -ENOMEM;
}

/** Puts the name that a message's sender has by now where the receiver wants it; nothing if it has none. */
@inline export function unixCopyName(msg: MsgHdr, skb: SkBuff): void {
  if (msg.name) copyName(msg, unixAddr(changetype<Sock>(skb.sk)));
}

function copyName(msg: MsgHdr, addr: UnixAddr): void {
  msg.namelen = addr ? addr.len : 0;
  if (addr) memory.copy(msg.name, unixNameOf(addr), addr.len);
}
