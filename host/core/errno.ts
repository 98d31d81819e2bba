// Names of errno values, from the one list that the core uses too.
import * as errno from "../../assembly/abi/errno.ts";

// Values from 512 on never reach user space, so to strerrorname_np() they have no name.
const FIRST_INTERNAL = 512;

// What no call of the core returns; a program can still make a NOP or a message carry it.
const OTHERS = `
  ESRCH:3 ENOEXEC:8 ECHILD:10 ENOTBLK:15 EXDEV:18 ENOTDIR:20 EISDIR:21 ETXTBSY:26 EROFS:30 EMLINK:31
  EDOM:33 EDEADLK:35 ENAMETOOLONG:36 ENOLCK:37 ENOTEMPTY:39 ENOMSG:42 EIDRM:43 ECHRNG:44 EL2NSYNC:45
  EL3HLT:46 EL3RST:47 ELNRNG:48 EUNATCH:49 ENOCSI:50 EL2HLT:51 EBADE:52 EXFULL:54 ENOANO:55 EBADRQC:56
  EBADSLT:57 EBFONT:59 ENOSTR:60 ENODATA:61 ENOSR:63 ENONET:64 ENOPKG:65 EREMOTE:66 ENOLINK:67 EADV:68
  ESRMNT:69 ECOMM:70 EMULTIHOP:72 EDOTDOT:73 EBADMSG:74 ENOTUNIQ:76 EREMCHG:78 ELIBACC:79 ELIBBAD:80
  ELIBSCN:81 ELIBMAX:82 ELIBEXEC:83 EILSEQ:84 ERESTART:85 ESTRPIPE:86 EUSERS:87 EPFNOSUPPORT:96
  ENETDOWN:100 ENETRESET:102 ESHUTDOWN:108 ETOOMANYREFS:109 EHOSTDOWN:112 ESTALE:116 EUCLEAN:117
  ENOTNAM:118 ENAVAIL:119 EISNAM:120 EREMOTEIO:121 EDQUOT:122 ENOMEDIUM:123 EMEDIUMTYPE:124 ENOKEY:126
  EKEYEXPIRED:127 EKEYREVOKED:128 EKEYREJECTED:129 ENOTRECOVERABLE:131 ERFKILL:132`;

const names = new Map<number, string>(
  OTHERS.trim()
    .split(/\s+/)
    .map((word) => word.split(":"))
    .map(([name, value]) => [Number(value), name]),
);
for (const [name, value] of Object.entries(errno)) if (value < FIRST_INTERNAL) names.set(value, name);

/** "EAGAIN" for 11; "?" for a number without a name, as the C harness prints it. */
export function errnoName(value: number): string {
  return names.get(value) ?? "?";
}

/** Names of this project's own results, which no program sees. */
function internalName(value: number): string | undefined {
  if (value === errno.EWAITFOREVER) return "EWAITFOREVER";
  return value === errno.ENOTMODELLED ? "ENOTMODELLED" : undefined;
}

/** A result as a person reads it: "EAGAIN" for -11, the number itself otherwise. */
export function resultText(value: number): string {
  return value < 0 && value > -4096 ? errnoName(-value) : String(value);
}

/** A call that failed, with what Node's own system errors carry. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, result: number) {
    const code = internalName(-result) ?? errnoName(-result);
    super(`${syscall}: ${code}`);
    this.code = code;
    this.errno = result;
    this.syscall = syscall;
  }
}

/** The result itself, or a SyscallError for a negative one. */
export function must(syscall: string, result: number): number {
  if (result < 0) throw new SyscallError(syscall, result);
  return result;
}
