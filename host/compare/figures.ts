// What was published about zero-copy sends, and what was measured for this project: the figures that the cost model is fitted to
// and compared with. Each is the CPU time of one operation in nanoseconds; a published rate of a sender that keeps one processor
// busy is its inverse.
//
// Sources: the cover letters of the series (RFC v1 2021-11-30, RFC v2 2021-12-21, RFC v3 2022-06-28, repeated in v4 and v5),
// two mails of July and August 2022, all on lore.kernel.org/io-uring by their message ids; and measurements on Linux 6.18.44,
// x86_64, two virtual processors, medians.

export type Machine = "dummy" | "nic-v2" | "nic-v3" | "localhost" | "6.18";

/** How the bytes were sent. */
export type Way = "send" | "zc" | "zc-flush" | "msg" | "msg-zc" | "splice" | "copy" | "bounce" | "read" | "nop";

export interface Setup {
  way: Way;
  /** Payload of an operation. */
  bytes: number;
  /** Operations for each system call. */
  batch: number;
  /** Registered buffers. */
  fixed: boolean;
  transport: "udp" | "tcp";
  device: "ifb65" | "nic" | "lo" | "veth";
  /** The API that was measured. */
  profile: string;
  /** Bytes in front of the payload. */
  header?: number;
}

export interface Figure {
  name: string;
  machine: Machine;
  source: string;
  setup: Setup;
  ns: number;
  /** What this figure was published against, and by how much it was faster: 0.22 for "+22%". */
  against?: string;
  /** Quartiles of that, where they are known: if zero lies between them, the sign is undecided. */
  quartiles?: readonly [number, number];
}

/** Published, and not to be run here. */
export interface Unusable {
  name: string;
  source: string;
  reason: string;
}

const RFC_V1 = "RFC v1 cover letter";
const RFC_V2 = "RFC v2 cover letter";
const RFC_V3 = "RFC v3 cover letter";
const V5 = "6ff5f766-61ef-ae40-aea3-a00c651f94a0@gmail.com, July 2022";
const AUG_19 = "a5fc6451-94a8-edbf-d9f7-a05eb49b0113@gmail.com, 19 August 2022";
const OURS = "measured, Linux 6.18.44";

const perSecond = (rate: number) => 1e9 / rate;
const megabytes = (rate: number, bytes: number) => (bytes * 1000) / rate;

// UDP to a dummy device --------------------------------------------------------------------------------------------------

const dummy = (name: string, source: string, ns: number, setup: Partial<Setup>, against?: string): Figure => ({
  name: `dummy ${name}`,
  machine: "dummy",
  source,
  ns,
  setup: { way: "zc", bytes: 0, batch: 8, fixed: true, transport: "udp", device: "ifb65", profile: "rc3", ...setup },
  ...(against === undefined ? {} : { against: `dummy ${against}` }),
});

const V1_BYTES = 65435;
const v1 = (name: string, rate: number, setup: Partial<Setup>, against?: string) =>
  dummy(`v1 ${name}`, RFC_V1, megabytes(rate, V1_BYTES), { bytes: V1_BYTES, ...setup }, against && `v1 ${against}`);

const v2 = (name: string, rate: number, setup: Partial<Setup>, against?: string) =>
  dummy(`v2 ${name}`, RFC_V2, perSecond(rate * 1000), { bytes: 4096, ...setup }, against && `v2 ${against}`);

/** The table of RFC v3: bytes, and requests per second of non-zc, zc, zc with a flush for each. */
const V3_DUMMY = [
  [8000, 1299916, 2396600, 2224219],
  [4000, 1869230, 2344146, 2170069],
  [1200, 2071617, 2361960, 2203052],
  [600, 2106794, 2381527, 2195295],
] as const;
const V3_NIC = [
  [4000, 495134, 606420, 558971],
  [1500, 551808, 577116, 565803],
  [1000, 584677, 592088, 560885],
  [600, 596292, 598550, 555366],
] as const;

const V3_WAYS = ["send", "zc", "zc-flush"] as const;

const v3Dummy = V3_DUMMY.flatMap(([bytes, ...rates]) =>
  rates.map((rate, index) =>
    dummy(
      `v3 ${bytes} ${V3_WAYS[index]}`,
      RFC_V3,
      perSecond(rate),
      { bytes, way: V3_WAYS[index], profile: "rfc3" },
      index === 0 ? undefined : `v3 ${bytes} send`,
    ),
  ),
);

// UDP to a NIC -----------------------------------------------------------------------------------------------------------

const v3Nic = V3_NIC.flatMap(([bytes, ...rates]) =>
  rates.map(
    (rate, index): Figure => ({
      name: `nic v3 ${bytes} ${V3_WAYS[index]}`,
      machine: "nic-v3",
      source: RFC_V3,
      ns: perSecond(rate),
      setup: { way: V3_WAYS[index], bytes, batch: 8, fixed: true, transport: "udp", device: "nic", profile: "rfc3" },
      ...(index === 0 ? {} : { against: `nic v3 ${bytes} send` }),
    }),
  ),
);

const V2_SIZES = [8192, 4096, 1024, 512, 128] as const;
/** UDP over IPv6 there, over IPv4 here. Thousands of requests per second for each size. */
const V2_NIC: readonly (readonly [string, Partial<Setup>, readonly number[]])[] = [
  ["-n1 -z0", { way: "send", batch: 1 }, [264, 303, 329, 340, 341]],
  ["-n8 -z0", { way: "send", batch: 8 }, [302, 366, 407, 417, 428]],
  ["msg_zerocopy", { way: "msg" }, [248, 278, 301, 310, 317]],
  ["msg_zerocopy -z", { way: "msg-zc" }, [183, 187, 186, 186, 188]],
  ["-n1 -f", { way: "zc-flush", batch: 1 }, [306, 317, 317, 317, 318]],
  ["-n1", { way: "zc", batch: 1 }, [318, 325, 327, 328, 331]],
  ["-n8 -f", { way: "zc-flush", batch: 8 }, [373, 387, 390, 392, 391]],
  ["-n8", { way: "zc", batch: 8 }, [401, 405, 403, 406, 408]],
];

const V2_BASE: Readonly<Record<string, string>> = {
  "msg_zerocopy -z": "msg_zerocopy",
  "-n1 -f": "-n1 -z0",
  "-n1": "-n1 -z0",
  "-n8 -f": "-n8 -z0",
  "-n8": "-n8 -z0",
};

const v2Nic = V2_NIC.flatMap(([name, setup, rates]) =>
  rates.map((rate, index): Figure => {
    const bytes = V2_SIZES[index];
    const base = V2_BASE[name];
    return {
      name: `nic v2 ${bytes} ${name}`,
      machine: "nic-v2",
      source: RFC_V2,
      ns: perSecond(rate * 1000),
      setup: { way: "zc", bytes, batch: 1, fixed: true, transport: "udp", device: "nic", profile: "rc3", ...setup },
      ...(base === undefined ? {} : { against: `nic v2 ${bytes} ${base}` }),
    };
  }),
);

// TCP to localhost, with a kernel changed not to copy there: here over the NIC ---------------------------------------------

const localhost = (name: string, source: string, ns: number, setup: Partial<Setup>, against?: string): Figure => ({
  name: `localhost ${name}`,
  machine: "localhost",
  source,
  ns,
  setup: { way: "zc", bytes: 0, batch: 1, fixed: true, transport: "tcp", device: "nic", profile: "rc3", ...setup },
  ...(against === undefined ? {} : { against: `localhost ${against}` }),
});

/** One notification for each request: bytes, transmissions per second of non-zc and of zc. */
const AUGUST = [
  [4000, 1742376, 600697],
  [16000, 639305, 588059],
  [60000, 207307, 524358],
] as const;

const august = AUGUST.flatMap(([bytes, send, zc]) => [
  localhost(`${bytes} send`, AUG_19, perSecond(send), { bytes, way: "send" }),
  localhost(`${bytes} zc-flush`, AUG_19, perSecond(zc), { bytes, way: "zc-flush" }, `${bytes} send`),
]);

const july = [
  localhost("v5 1200 send", V5, megabytes(4174, 1200), { bytes: 1200, way: "send" }),
  localhost("v5 1200 zc", V5, megabytes(4148, 1200), { bytes: 1200 }, "v5 1200 send"),
  localhost("v5 4096 send", V5, megabytes(7597, 4096), { bytes: 4096, way: "send" }),
  localhost("v5 4096 zc", V5, megabytes(11228, 4096), { bytes: 4096 }, "v5 4096 send"),
];

// This project's kernel ----------------------------------------------------------------------------------------------------

const ours = (name: string, ns: number, setup: Partial<Setup>, rest: Partial<Figure> = {}): Figure => ({
  name,
  machine: "6.18",
  source: OURS,
  ns,
  setup: { way: "zc", bytes: 0, batch: 32, fixed: false, transport: "udp", device: "ifb65", profile: "6.18", ...setup },
  ...rest,
});

/** Bytes, CPU ns of SEND, SEND_ZC, SEND_ZC registered, and the quartiles of both against SEND. */
const IFB = [
  [600, 1401, 1675, 1507, [-0.19, -0.12], [-0.1, -0.03]],
  [1000, 1452, 1665, 1473, [-0.13, -0.1], [-0.04, 0.04]],
  [1500, 1452, 1664, 1502, [-0.13, -0.1], [-0.06, -0.01]],
  [4000, 1494, 1623, 1439, [-0.09, -0.05], [0.01, 0.07]],
  [16384, 1837, 1815, 1483, [-0.03, 0.05], [0.18, 0.36]],
  [65507, 6162, 2572, 1535, [1.19, 1.52], [2.74, 3.5]],
] as const;

const ifb = IFB.flatMap(([bytes, send, zc, fixed, quartiles, fixedQuartiles]) => {
  const against = `ifb ${bytes} send`;
  return [
    ours(`ifb ${bytes} send`, send, { bytes, way: "send" }),
    ours(`ifb ${bytes} zc`, zc, { bytes }, { against, quartiles }),
    ours(`ifb ${bytes} zc registered`, fixed, { bytes, fixed: true }, { against, quartiles: fixedQuartiles }),
  ];
});

/** A ring without flags. */
const nops = (
  [
    [1, 389],
    [32, 65],
    [256, 60],
  ] as const
).map(([batch, ns]) => ours(`nop ${batch}`, ns, { way: "nop", batch }));

/** CPU us of a request, median and range, over lo and veth: 250 bytes and 8 MiB. */
const SAMBA = [
  ["copy", [1449, 1190, 1812], [1503, 1246, 1712]],
  ["splice", [1332, 1211, 1398], [1600, 1190, 1658]],
  ["zc", [1709, 1446, 1886], [1984, 1460, 2096]],
  ["bounce", [3315, 2778, 3655], [3770, 3196, 3981]],
  ["read", [3466, 2717, 4033], [3324, 2958, 3949]],
] as const;

const samba = (["lo", "veth"] as const).flatMap((device, index) => {
  const base = SAMBA[0][1 + index] as Range;
  return SAMBA.map((row) => {
    const range = row[1 + index] as Range;
    const way = row[0];
    const setup: Partial<Setup> = { way, bytes: 8 << 20, header: 250, transport: "tcp", device, batch: 1 };
    const against = { against: `samba ${device} copy`, quartiles: gains(base, range) };
    return ours(`samba ${device} ${way}`, range[0] * 1000, setup, way === "copy" ? {} : against);
  });
});

/** Median, least, most. */
type Range = readonly [number, number, number];

/** Of seven repetitions: the sign is decided if not both medians lie within the range of the other. */
function gains(base: Range, other: Range): readonly [number, number] {
  const within = (value: number, [, least, most]: Range) => least <= value && value <= most;
  const gain = base[0] / other[0] - 1;
  const isTie = within(base[0], other) && within(other[0], base);
  return isTie ? [-Math.abs(gain), Math.abs(gain)] : [gain, gain];
}

export const FIGURES: readonly Figure[] = [
  v1("msg_zerocopy", 18281, { way: "msg" }),
  v1("msg_zerocopy -z", 47421, { way: "msg-zc" }, "msg_zerocopy"),
  v1("nr=1", 96534, { batch: 1 }, "msg_zerocopy"),
  v1("nr=1 flush", 89310, { batch: 1, way: "zc-flush" }, "msg_zerocopy"),
  v1("nr=8", 116079, {}, "msg_zerocopy"),
  v1("nr=8 flush", 109722, { way: "zc-flush" }, "msg_zerocopy"),
  v1("nr=8 normal buffers", 75677, { fixed: false }, "msg_zerocopy"),
  v2("msg_zerocopy", 1120, { way: "msg" }),
  v2("msg_zerocopy -z", 997, { way: "msg-zc" }, "msg_zerocopy"),
  v2("-n1 -z0", 1469, { way: "send", batch: 1 }),
  v2("-n8 -z0", 1780, { way: "send" }),
  v2("-n1 -f", 1688, { way: "zc-flush", batch: 1 }, "-n1 -z0"),
  v2("-n1", 1774, { batch: 1 }, "-n1 -z0"),
  v2("-n8 -f", 2075, { way: "zc-flush" }, "-n8 -z0"),
  v2("-n8", 2265, {}, "-n8 -z0"),
  ...v3Dummy,
  ...v3Nic,
  ...v2Nic,
  ...july,
  ...august,
  ...nops,
  ...ifb,
  ...samba,
];

export const UNUSABLE: readonly Unusable[] = [
  {
    name: "dummy row of the v2 NIC table",
    source: RFC_V2,
    reason:
      "599 to 602 thousand requests at every size: its setup is not told apart from the figures above, which are higher",
  },
  {
    name: "UDP over IPv6, selftest -n 64 (2025-02-18): 8379, 5910, 6294, 6350 MB/s",
    source: "mail to io-uring, February 2025",
    reason: "the payload is not stated, so no rate of operations follows",
  },
  {
    name: "samba (6), SENDMSG_ZC from an mmap of the file: 1768 and 1870 us",
    source: OURS,
    reason: "mmap of a memory file is not modelled",
  },
];
