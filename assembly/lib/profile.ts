// Which kernel this machine behaves as: the table of assembly/abi/profile_rows.ts, laid out at boot so that asking costs one load.
import {
  L_COUNT, OP_UNKNOWN, PROFILE_COUNT, PROFILE_DEFAULT, PROFILE_ROW_SIZE, REGISTER_UNKNOWN, ROW_BEHAVIOUR, ROW_ENTER, ROW_FEATURE, ROW_LIMIT, ROW_OP,
  ROW_ACCEPT, ROW_CANCEL, ROW_CLONE, ROW_MSG_RING, ROW_RECV, ROW_REGISTER, ROW_SEND, ROW_SENDZC, ROW_SETUP, ROW_SQE, ROW_TIMEOUT, SENDZC_BAD,
  SW_COUNT,
} from "../abi/profile";
import { PROFILE_ROWS } from "../abi/profile_rows";
import { IORING_OP_LAST, IORING_REGISTER_LAST } from "../abi/uapi";
import { EINVAL } from "../abi/errno";
import {
  S_BEHAVIOURS, S_LIMITS, S_OP_MEANS, S_PROFILE, S_PROFILE_MASKS, S_REGISTER_MEANS, S_SENDZC_MEANS, S_SWITCHED, S_SWITCHES,
} from "./state";

// Bits that are valid before the rows have their say, by kind of row.
const ALL_SETUP: u32 = 0x7ffff;
const ALL_ENTER: u32 = 0xff;
const ALL_SQE: u32 = 0x7f;
const ALL_FEATURES: u32 = 0x3ffff;
const ALL_SEND: u32 = 1; // POLL_FIRST
const ALL_RECV: u32 = 3; // and MULTISHOT
const ALL_MSG_RING: u32 = 1; // CQE_SKIP
const ALL_CANCEL: u32 = 0xf; // ALL, FD, ANY, FD_FIXED
const ALL_TIMEOUT: u32 = 0x3f;
const ALL_ACCEPT: u32 = 1; // MULTISHOT
const ALL_CLONE: u32 = 1; // SRC_REGISTERED
/** Bits of SENDZC's ioprio that the table knows. */
const SENDZC_BITS: u32 = 8;

@inline export function profile(): u32 { return load<u32>(S_PROFILE); }
/** Does this kernel do B_*? */
@inline export function has(behaviour: u32): bool {
  return ((load<u32>(S_BEHAVIOURS + ((behaviour >> 5) << 2)) >> (behaviour & 31)) & 1) != 0;
}
/** The limit L_*. */
@inline export function limit(which: u32): u32 { return load<u32>(S_LIMITS + (which << 2)); }
/** The value of the switch SW_*, 0 = off. */
@inline export function switchOn(which: u32): u32 { return load<u8>(S_SWITCHES + which) as u32; }
/** Hot paths ask this first. */
@inline export function anySwitch(): bool { return load<u32>(S_SWITCHED) != 0; }
/** The flags of a kind (ROW_SETUP ... ROW_ZC, ROW_SENDMSG_ZC ...) that this kernel knows. */
@inline export function validFlags(kind: u32): u32 { return load<u32>(S_PROFILE_MASKS + (kind << 2)); }
/** What the flags of the slot era's zero-copy send are done as (SENDZC_*); SENDZC_BAD: one of them means nothing. */
export function sendzcFlags(wire: u32): u32 {
  let flags: u32 = wire >> SENDZC_BITS ? SENDZC_BAD : 0;
  for (let bit: u32 = 0; bit < SENDZC_BITS; bit++) {
    if (!((wire >> bit) & 1)) continue;
    const meaning = load<u8>(S_SENDZC_MEANS + (bit as usize));
    flags |= meaning == 255 ? SENDZC_BAD : (1 as u32) << meaning;
  }
  return flags;
}
/** What an SQE's opcode is done as, OP_UNKNOWN = nothing. */
@inline export function opMeaning(opcode: u32): u32 { return load<u8>(S_OP_MEANS + (opcode as usize)) as u32; }
export function setOpMeaning(opcode: u32, meaning: u32): void { store<u8>(S_OP_MEANS + (opcode as usize), meaning as u8); }
/** The same for io_uring_register. */
@inline export function registerMeaning(opcode: u32): u32 {
  return opcode < 64 ? (load<u8>(S_REGISTER_MEANS + (opcode as usize)) as u32) : REGISTER_UNKNOWN;
}
/** One more than the highest opcode that this kernel knows. */
export function opLast(): u32 {
  let op: u32 = 255;
  while (opMeaning(op) == OP_UNKNOWN) op--;
  return op + 1;
}
export function registerLast(): u32 {
  let op: u32 = 63;
  while (registerMeaning(op) == REGISTER_UNKNOWN) op--;
  return op + 1;
}

@inline function row(at: u32, column: u32): u32 { return unchecked(PROFILE_ROWS[at + column]); }

/** Boot. An unknown number is the default profile. */
export function profileInit(wanted: u32): void {
  const p = wanted < PROFILE_COUNT ? wanted : PROFILE_DEFAULT, end = (PROFILE_ROWS.length as u32);
  store<u32>(S_PROFILE, p);
  memory.fill(S_OP_MEANS, OP_UNKNOWN as u8, 256);
  memory.fill(S_REGISTER_MEANS, REGISTER_UNKNOWN as u8, 64);
  memory.fill(S_SENDZC_MEANS, 255, SENDZC_BITS as usize);
  for (let op: u32 = 0; op < IORING_OP_LAST; op++) store<u8>(S_OP_MEANS + (op as usize), op as u8);
  for (let op: u32 = 0; op < IORING_REGISTER_LAST; op++) store<u8>(S_REGISTER_MEANS + (op as usize), op as u8);
  mask(ROW_SETUP, ALL_SETUP);
  mask(ROW_ENTER, ALL_ENTER);
  mask(ROW_SQE, ALL_SQE);
  mask(ROW_FEATURE, ALL_FEATURES);
  mask(ROW_SEND, ALL_SEND);
  mask(ROW_RECV, ALL_RECV);
  mask(ROW_MSG_RING, ALL_MSG_RING);
  mask(ROW_CANCEL, ALL_CANCEL);
  mask(ROW_TIMEOUT, ALL_TIMEOUT);
  mask(ROW_ACCEPT, ALL_ACCEPT);
  mask(ROW_CLONE, ALL_CLONE);
  // Two rounds: what has a row is gone unless one of its rows holds.
  for (let at: u32 = 0; at < end; at += PROFILE_ROW_SIZE) apply(row(at, 0), row(at, 1), row(at, 4), false);
  for (let at: u32 = 0; at < end; at += PROFILE_ROW_SIZE) {
    if (p >= row(at, 2) && p <= row(at, 3)) apply(row(at, 0), row(at, 1), row(at, 4), true);
  }
}

@inline function mask(kind: u32, bits: u32): void { store<u32>(S_PROFILE_MASKS + (kind << 2), bits); }

function apply(kind: u32, id: u32, value: u32, on: bool): void {
  switch (kind) {
    case ROW_OP:
      store<u8>(S_OP_MEANS + (id as usize), (on ? value : OP_UNKNOWN) as u8);
      return;
    case ROW_REGISTER:
      store<u8>(S_REGISTER_MEANS + (id as usize), (on ? value : REGISTER_UNKNOWN) as u8);
      return;
    case ROW_LIMIT:
      if (id < L_COUNT) store<u32>(S_LIMITS + (id << 2), on ? (1 as u32) << value : 0);
      return;
    case ROW_SENDZC:
      store<u8>(S_SENDZC_MEANS + (id as usize), (on ? value : 255) as u8);
      return;
    case ROW_BEHAVIOUR:
      setBit(S_BEHAVIOURS + ((id >> 5) << 2), id & 31, on);
      return;
    default:
      setBit(S_PROFILE_MASKS + (kind << 2), id, on);
  }
}

function setBit(at: usize, bit: u32, on: bool): void {
  const word = load<u32>(at), one = (1 as u32) << bit;
  store<u32>(at, on ? word | one : word & ~one);
}

/** Sets a switch of a machine that has just booted: 0, or -EINVAL for a number that is none. */
export function switchSet(which: u32, value: u32): i32 {
  if (which >= SW_COUNT || value > 255) return -EINVAL;
  store<u8>(S_SWITCHES + (which as usize), value as u8);
  if (value) store<u32>(S_SWITCHED, 1);
  return 0;
}
