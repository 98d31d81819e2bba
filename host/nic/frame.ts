// Ethernet frames with IPv4, TCP and UDP: parsing, building and checksums, for everybody on the wire who has no kernel.
//
// A Packet is a view of a frame: where each header starts, and the fields that somebody here asks for. Nothing is copied,
// and a frame that is cut short or lies about its lengths has no `ip` (or no `tcp`, no `udp`), so that what is there can
// be used without another check. Field offsets are in the tables below, each counted from the start of its header.
import { ETH_P_IP, IPPROTO_TCP, IPPROTO_UDP } from "../../assembly/abi/socket.ts";

export const ETH_HLEN = 14;

/** Ethernet II. */
const ETH = { dst: 0, src: 6, type: 12 } as const;
/** RFC 791 3.1 */
const IP = {
  versionIhl: 0,
  length: 2,
  id: 4,
  fragment: 6,
  ttl: 8,
  protocol: 9,
  checksum: 10,
  src: 12,
  dst: 16,
} as const;
/** RFC 9293 3.1 */
const TCP = { src: 0, dst: 2, seq: 4, ack: 8, offset: 12, flags: 13, window: 14, checksum: 16, urgent: 18 } as const;
/** RFC 768 */
const UDP = { src: 0, dst: 2, length: 4, checksum: 6 } as const;

export const IP_HLEN = 20;
export const TCP_HLEN = 20;
export const UDP_HLEN = 8;
const IP_MORE_FRAGMENTS = 0x2000;
const IP_OFFSET_MASK = 0x1fff;

export const TCP_FIN = 1;
export const TCP_SYN = 2;
export const TCP_RST = 4;
export const TCP_PSH = 8;
export const TCP_ACK = 16;
export const TCP_CWR = 128;

const TCPOPT_EOL = 0;
const TCPOPT_NOP = 1;

export interface Ipv4Header {
  /** Where the header starts in the frame, and its length. */
  at: number;
  headerLength: number;
  /** Header and payload; the frame may be longer (padding), never shorter. */
  totalLength: number;
  id: number;
  /** A piece of a larger datagram: only the first piece has a transport header, none has a usable checksum of it. */
  isFragment: boolean;
  protocol: number;
  src: number;
  dst: number;
}

export interface TcpHeader {
  at: number;
  headerLength: number;
  srcPort: number;
  dstPort: number;
  seq: number;
  ack: number;
  /** TCP_* */
  flags: number;
  window: number;
}

export interface UdpHeader {
  at: number;
  srcPort: number;
  dstPort: number;
}

export interface Packet {
  frame: Uint8Array;
  view: DataView;
  etherType: number;
  ip?: Ipv4Header;
  tcp?: TcpHeader;
  udp?: UdpHeader;
  /** What follows the last header that was understood. */
  payload: Uint8Array;
}

const viewOf = (frame: Uint8Array) => new DataView(frame.buffer, frame.byteOffset, frame.byteLength);

export function parseFrame(frame: Uint8Array): Packet {
  const view = viewOf(frame);
  if (frame.length < ETH_HLEN) return { frame, view, etherType: 0, payload: frame };
  const etherType = view.getUint16(ETH.type);
  const packet: Packet = { frame, view, etherType, payload: frame.subarray(ETH_HLEN) };
  const ip = etherType === ETH_P_IP ? parseIpv4(frame, view) : undefined;
  if (ip === undefined) return packet;
  packet.ip = ip;
  const at = ip.at + ip.headerLength;
  const end = ip.at + ip.totalLength;
  packet.payload = frame.subarray(at, end);
  if (ip.isFragment) return packet;
  if (ip.protocol === IPPROTO_TCP) {
    const tcp = parseTcp(view, at, end);
    if (tcp !== undefined) {
      packet.tcp = tcp;
      packet.payload = frame.subarray(at + tcp.headerLength, end);
    }
  } else if (ip.protocol === IPPROTO_UDP && at + UDP_HLEN <= end) {
    packet.udp = { at, srcPort: view.getUint16(at + UDP.src), dstPort: view.getUint16(at + UDP.dst) };
    packet.payload = frame.subarray(at + UDP_HLEN, end);
  }
  return packet;
}

function parseIpv4(frame: Uint8Array, view: DataView): Ipv4Header | undefined {
  const at = ETH_HLEN;
  if (frame.length < at + IP_HLEN || frame[at] >> 4 !== 4) return undefined;
  const headerLength = (frame[at] & 15) * 4;
  const totalLength = view.getUint16(at + IP.length);
  if (headerLength < IP_HLEN || totalLength < headerLength || at + totalLength > frame.length) return undefined;
  return {
    at,
    headerLength,
    totalLength,
    id: view.getUint16(at + IP.id),
    isFragment: (view.getUint16(at + IP.fragment) & (IP_MORE_FRAGMENTS | IP_OFFSET_MASK)) !== 0,
    protocol: frame[at + IP.protocol],
    src: view.getUint32(at + IP.src),
    dst: view.getUint32(at + IP.dst),
  };
}

function parseTcp(view: DataView, at: number, end: number): TcpHeader | undefined {
  if (at + TCP_HLEN > end) return undefined;
  const headerLength = (view.getUint8(at + TCP.offset) >> 4) * 4;
  if (headerLength < TCP_HLEN || at + headerLength > end) return undefined;
  return {
    at,
    headerLength,
    srcPort: view.getUint16(at + TCP.src),
    dstPort: view.getUint16(at + TCP.dst),
    seq: view.getUint32(at + TCP.seq),
    ack: view.getUint32(at + TCP.ack),
    flags: view.getUint8(at + TCP.flags),
    window: view.getUint16(at + TCP.window),
  };
}

/** The value bytes of a TCP option; undefined when the segment does not carry it (RFC 9293 3.2). */
export function tcpOption(packet: Packet, kind: number): Uint8Array | undefined {
  const { tcp, frame } = packet;
  if (tcp === undefined) return undefined;
  const end = tcp.at + tcp.headerLength;
  for (let at = tcp.at + TCP_HLEN; at < end && frame[at] !== TCPOPT_EOL; ) {
    if (frame[at] === TCPOPT_NOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? frame[at + 1] : 0;
    if (length < 2 || at + length > end) return undefined;
    if (frame[at] === kind) return frame.subarray(at + 2, at + length);
    at += length;
  }
  return undefined;
}

// Checksums ------------------------------------------------------------------------------------------------------------

/** The 16-bit one's complement sum of bytes [from, to), on top of `sum`, not complemented (RFC 1071). */
export function checksumAdd(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  let total = sum;
  let at = from;
  // 2^32 additions of 16 bits stay exact in a double; no frame has as many.
  for (; at + 1 < to; at += 2) total += (bytes[at] << 8) | bytes[at + 1];
  if (at < to) total += bytes[at] << 8;
  return checksumFold(total);
}

function checksumFold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return folded;
}

/** What the header's checksum field has to hold. */
function ipChecksum(frame: Uint8Array, ip: Ipv4Header): number {
  const end = ip.at + ip.headerLength;
  const sum = checksumAdd(frame, ip.at, ip.at + IP.checksum);
  return ~checksumAdd(frame, ip.at + IP.src, end, sum) & 0xffff;
}

/** Sum of the pseudo-header and all of the TCP or UDP segment, with its checksum field as it is. */
function transportSum(packet: Packet, ip: Ipv4Header): number {
  const at = ip.at + ip.headerLength;
  const end = ip.at + ip.totalLength;
  const addresses = checksumAdd(packet.frame, ip.at + IP.src, ip.at + IP.dst + 4);
  return checksumAdd(packet.frame, at, end, addresses + ip.protocol + (end - at));
}

/** Writes the checksums of the IPv4 header and of TCP or UDP. A fragment keeps what its sender computed. */
export function fillChecksums(packet: Packet): void {
  const { ip, tcp, udp, frame, view } = packet;
  if (ip === undefined) return;
  view.setUint16(ip.at + IP.checksum, ipChecksum(frame, ip));
  const field = tcp !== undefined ? tcp.at + TCP.checksum : udp !== undefined ? udp.at + UDP.checksum : undefined;
  if (field === undefined) return;
  view.setUint16(field, 0);
  const sum = ~transportSum(packet, ip) & 0xffff;
  // RFC 768: a UDP sum of zero is sent as all ones, since zero means that there is none.
  view.setUint16(field, udp !== undefined && sum === 0 ? 0xffff : sum);
}

/** Whether every checksum of the frame is right. A frame without any that we know is not. */
export function checksumsOk(packet: Packet): boolean {
  const { ip, tcp, udp, view, frame } = packet;
  if (ip === undefined || (tcp === undefined && udp === undefined)) return false;
  if (view.getUint16(ip.at + IP.checksum) !== ipChecksum(frame, ip)) return false;
  if (udp !== undefined && view.getUint16(udp.at + UDP.checksum) === 0) return true;
  return transportSum(packet, ip) === 0xffff;
}

// Building -------------------------------------------------------------------------------------------------------------

/** A MAC address as a simulated wire gives it: locally administered, with the IPv4 address in it (drivers/nic.ts). */
export function macOf(address: number): Uint8Array {
  return Uint8Array.of(2, 0, address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255);
}

export interface Endpoint {
  /** IPv4 address in host byte order. */
  address: number;
  port: number;
}

export interface TcpFields {
  from: Endpoint;
  to: Endpoint;
  seq: number;
  ack?: number;
  flags: number;
  window?: number;
  /** Option bytes, a multiple of four. */
  options?: Uint8Array;
  payload?: Uint8Array;
}

const TTL = 64;
const NOTHING = new Uint8Array(0);

/** Ethernet and IPv4 headers in front of `length` bytes. */
function ipv4Frame(from: number, to: number, protocol: number, length: number): Uint8Array {
  const frame = new Uint8Array(ETH_HLEN + IP_HLEN + length);
  const view = viewOf(frame);
  frame.set(macOf(to), ETH.dst);
  frame.set(macOf(from), ETH.src);
  view.setUint16(ETH.type, ETH_P_IP);
  frame[ETH_HLEN + IP.versionIhl] = 0x45;
  view.setUint16(ETH_HLEN + IP.length, IP_HLEN + length);
  frame[ETH_HLEN + IP.ttl] = TTL;
  frame[ETH_HLEN + IP.protocol] = protocol;
  view.setUint32(ETH_HLEN + IP.src, from);
  view.setUint32(ETH_HLEN + IP.dst, to);
  return frame;
}

/** A whole frame with a TCP segment, checksums included. */
export function buildTcp(fields: TcpFields): Uint8Array {
  const { from, to, seq, ack = 0, flags, window = 0xffff, options = NOTHING, payload = NOTHING } = fields;
  const headerLength = TCP_HLEN + options.length;
  const frame = ipv4Frame(from.address, to.address, IPPROTO_TCP, headerLength + payload.length);
  const view = viewOf(frame);
  const at = ETH_HLEN + IP_HLEN;
  view.setUint16(at + TCP.src, from.port);
  view.setUint16(at + TCP.dst, to.port);
  view.setUint32(at + TCP.seq, seq);
  view.setUint32(at + TCP.ack, ack);
  frame[at + TCP.offset] = (headerLength / 4) << 4;
  frame[at + TCP.flags] = flags;
  view.setUint16(at + TCP.window, window);
  frame.set(options, at + TCP_HLEN);
  frame.set(payload, at + headerLength);
  fillChecksums(parseFrame(frame));
  return frame;
}

/** A whole frame with a UDP datagram, checksums included. */
export function buildUdp(from: Endpoint, to: Endpoint, payload: Uint8Array): Uint8Array {
  const frame = ipv4Frame(from.address, to.address, IPPROTO_UDP, UDP_HLEN + payload.length);
  const view = viewOf(frame);
  const at = ETH_HLEN + IP_HLEN;
  view.setUint16(at + UDP.src, from.port);
  view.setUint16(at + UDP.dst, to.port);
  view.setUint16(at + UDP.length, UDP_HLEN + payload.length);
  frame.set(payload, at + UDP_HLEN);
  fillChecksums(parseFrame(frame));
  return frame;
}

// Segmentation ---------------------------------------------------------------------------------------------------------

/**
 * What a NIC with segmentation offload makes of one large frame: frames with at most `size` bytes of payload each, as
 * net/ipv4/tcp_offload.c does it in software. PSH and FIN stay for the last, CWR for the first, IP ids count up. Checksums
 * are left to fillChecksums().
 */
export function segmentFrame(frame: Uint8Array, size: number): Uint8Array[] {
  const { ip, tcp, udp, payload } = parseFrame(frame);
  if (ip === undefined || (tcp === undefined && udp === undefined) || size <= 0 || payload.length <= size)
    return [frame];
  const headers = frame.subarray(0, payload.byteOffset - frame.byteOffset);
  const segments: Uint8Array[] = [];
  for (let from = 0; from < payload.length; from += size) {
    const part = payload.subarray(from, Math.min(from + size, payload.length));
    const segment = new Uint8Array(headers.length + part.length);
    segment.set(headers);
    segment.set(part, headers.length);
    const view = viewOf(segment);
    view.setUint16(ip.at + IP.length, segment.length - ip.at);
    view.setUint16(ip.at + IP.id, ip.id + segments.length);
    if (tcp !== undefined) {
      const last = from + size >= payload.length;
      let { flags } = tcp;
      if (!last) flags &= ~(TCP_FIN | TCP_PSH);
      if (from > 0) flags &= ~TCP_CWR;
      view.setUint32(tcp.at + TCP.seq, tcp.seq + from);
      segment[tcp.at + TCP.flags] = flags;
    } else if (udp !== undefined) {
      view.setUint16(udp.at + UDP.length, UDP_HLEN + part.length);
    }
    segments.push(segment);
  }
  return segments;
}
