// zcoracle: runs one text program against this machine's io_uring and prints what it observes.
//
// The program is read from stdin (or the file named by the only argument), one operation per line,
// '#' starts a comment. Every observation is one line of JSON on stdout:
//
//   {"step": line number, "op": operation, "ev": what was observed, ...}
//
// Raw system calls only, so that nothing a library does on its own can be mistaken for the kernel's
// behaviour. One program per process: the process ends with the ring, the sockets and the buffers in
// whatever state the program left them, which is part of what some programs test.
//
// Exit status: 0 the program ran to its end, 2 the program is not valid or its setting could not be
// built (one line on stderr names the line). A program that takes 20 s is killed by SIGALRM, with what
// it has observed so far printed.
//
// Descriptors are part of what a program sees: 0, 1 and 2 are /dev/null, the first one that it makes is
// 3, and this program's own (events, messages, namespaces) are far above all that a program can have.
//
// names.h has the words of the language: flags, operations, system calls. It is made from
// host/program/vocabulary.ts when this file is compiled (host/kernel/names_header.ts).
//
// With --serve it stays and runs many programs, each in a process of its own that it forks (see "Serving"
// below); `#=N` at the end of a line is then what the line is expected to bring, and spares the waiting.
//
// Programs that use the veth pair need the peer's network namespace; ZC_NS_B names it (default zcb).
// This process is expected to run in the other one, built by netup.sh.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/errqueue.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "names.h"

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif
// Newer than some headers.
#define FLAG_NO_MMAP (1U << 14)
#define FLAG_REGISTERED_FD_ONLY (1U << 15)
#define FLAG_CQE_MIXED (1U << 18)
#define FLAG_ENTER_REGISTERED_RING (1U << 4)
#define FLAG_CQE_SKIP (1U << 5)
#define FLAG_CQE_32 (1U << 15)
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
  NAMES_MAX = 64,     // buffers, messages and descriptors a program can name, each
  NAME_SIZE = 16,     // bytes of a name, the terminating zero included
  WORDS_MAX = 64,     // words on a line
  IOV_MAX_MSG = 1100, // above UIO_MAXIOV (1024), so that the kernel's own limit can be tested
  DEST_MAX = 16,
  TIMESPEC_MAX = 64,
  GET_MAX = 256,
  RUN_SECONDS_MAX = 20,
  FDS_MAX = 1024,    // RLIMIT_NOFILE of a program
  OWN_FDS = 2048,    // where this program's own descriptors are
  RING_NAME_MAX = 11,
};
#define BUF_BYTES_MAX (1ul << 30)

static int step; // line number, counted from 1
static const char *op_name = "";

// `#=N` of the line: how many (CQEs, bytes, entries) will come. -1: nobody knows. Only for speed: when they are
// there, a step that waits for silence waits for QUIET_MS; while they are not, it is patient.
static long expected = -1;
static int patience_ms = 300;
enum { QUIET_MS = 2 };

static int silence_ms(int ms, long have) {
  if (expected < 0) return ms;
  if (have >= expected) return ms < QUIET_MS ? ms : QUIET_MS;
  return ms > patience_ms ? ms : patience_ms;
}

// --- Reporting -------------------------------------------------------------------------------

// Ends the run because of the program, not because of what the kernel answered. Events so far are
// still printed: exit() flushes stdout.
__attribute__((noreturn, format(printf, 1, 2))) static void bad(const char *format, ...) {
  va_list args;
  fprintf(stderr, "line %d: ", step);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  exit(2);
}

__attribute__((noreturn)) static void bad_errno(const char *what) {
  bad("%s: %s: %s", op_name, what, strerror(errno));
}

static const char *errno_name(int error) {
  const char *name = strerrorname_np(error);
  return name ? name : "?";
}

static void event_start(const char *ev) {
  printf("{\"step\":%d,\"op\":\"%s\",\"ev\":\"%s\"", step, op_name, ev);
}

static void event_plain(const char *ev) {
  event_start(ev);
  printf("}\n");
}

__attribute__((format(printf, 2, 3))) static void event(const char *ev, const char *fields, ...) {
  va_list args;
  event_start(ev);
  putchar(',');
  va_start(args, fields);
  vprintf(fields, args);
  va_end(args);
  printf("}\n");
}

// `ret` is a system call's result; errno is read when it is negative.
static void event_ret(const char *ev, long ret) {
  if (ret < 0) event(ev, "\"ret\":-1,\"errno\":\"%s\"", errno_name(errno));
  else event(ev, "\"ret\":%ld", ret);
}

#define FNV_BASIS 2166136261u
static uint32_t fnv_more(uint32_t hash, const uint8_t *bytes, size_t len) {
  while (len--) {
    hash ^= *bytes++;
    hash *= 16777619u;
  }
  return hash;
}

// --- Words to values -------------------------------------------------------------------------

struct token {
  const char *name;
  uint64_t value;
};

static const struct token flag_tokens[] = {NAMES_OF_FLAGS{0, 0}};
static const struct token opcode_tokens[] = {NAMES_OF_OPCODES{0, 0}};
static const struct token call_tokens[] = {NAMES_OF_CALLS{0, 0}};

static const struct token *find_token(const struct token *table, const char *name) {
  for (; table->name; table++)
    if (!strcmp(table->name, name)) return table;
  return NULL;
}

static int is_number(const char *word) { return (*word >= '0' && *word <= '9') || *word == '-'; }

// A whole unsigned 64-bit number; 0x and a minus sign (which wraps) are understood.
static uint64_t number(const char *word) {
  char *end;
  errno = 0;
  uint64_t value = strtoull(word, &end, 0);
  if (!is_number(word) || end == word || *end || errno)
    bad("%s: not a number: %.40s", op_name, word);
  return value;
}

// A whole decimal number that fits an int.
static int decimal(const char *word) {
  char *end;
  errno = 0;
  long value = strtol(word, &end, 10);
  if (!is_number(word) || end == word || *end || errno || value < INT_MIN || value > INT_MAX)
    bad("%s: not a number: %.40s", op_name, word);
  return value;
}

static int milliseconds(const char *word) {
  int ms = decimal(word);
  if (ms < 0 || ms > RUN_SECONDS_MAX * 1000)
    bad("%s: not in 0..%d ms: %.40s", op_name, RUN_SECONDS_MAX * 1000, word);
  return ms;
}

static int milliseconds_or(char **words, int count, int index, int fallback) {
  return count > index ? milliseconds(words[index]) : fallback;
}

static int decimal_or(char **words, int count, int index, int fallback) {
  return count > index ? decimal(words[index]) : fallback;
}

// Numbers and flag names joined by '|'.
static uint64_t flags_value(const char *word) {
  uint64_t value = 0;
  char copy[256], *save;
  if (strlen(word) >= sizeof copy) bad("%s: value too long", op_name);
  strcpy(copy, word);
  char *part = strtok_r(copy, "|", &save);
  if (!part) bad("%s: a value is missing", op_name);
  for (; part; part = strtok_r(NULL, "|", &save)) {
    if (is_number(part)) {
      value |= number(part);
      continue;
    }
    const struct token *token = find_token(flag_tokens, part);
    if (!token) bad("%s: unknown name %.40s", op_name, part);
    value |= token->value;
  }
  return value;
}

// Cuts `word` at the separator and returns what follows it.
static char *cut(char *word, char separator) {
  char *at = strchr(word, separator);
  if (!at) bad("%s: '%c' is missing in %.40s", op_name, separator, word);
  *at = 0;
  return at + 1;
}

// --- Names -----------------------------------------------------------------------------------

struct named_fd {
  char name[NAME_SIZE];
  int fd;
};
struct named_buf {
  char name[NAME_SIZE];
  uint8_t *bytes;
  size_t len, mapped; // mapped is len rounded up to pages
  int is_writable;
};
struct named_msg {
  char name[NAME_SIZE];
  struct msghdr header;
  struct iovec iov[IOV_MAX_MSG];
  char control[256];
  struct sockaddr_storage dest;
};
// What `&M` and `get M` reach of a message: header, iovecs, control, address, one behind the other.
#define MSG_BYTES                                                                          \
  (offsetof(struct named_msg, dest) + sizeof(struct sockaddr_storage) -                    \
   offsetof(struct named_msg, header))

static struct named_fd fds[NAMES_MAX];
static struct named_buf bufs[NAMES_MAX];
static struct named_msg *msgs[NAMES_MAX];
static int fd_count, buf_count, msg_count;

static void set_name(char *into, const char *name) {
  if (strlen(name) >= NAME_SIZE)
    bad("%s: name longer than %d characters: %.40s", op_name, NAME_SIZE - 1, name);
  if (is_number(name) || strpbrk(name, "@&+|:,="))
    bad("%s: not a name: %.40s", op_name, name);
  strcpy(into, name);
}

static struct named_fd *find_fd(const char *name) {
  for (int i = 0; i < fd_count; i++)
    if (!strcmp(fds[i].name, name)) return &fds[i];
  return NULL;
}

static void set_fd(const char *name, int fd) {
  struct named_fd *entry = find_fd(name);
  if (!entry) {
    if (fd_count == NAMES_MAX) bad("%s: more than %d descriptors", op_name, NAMES_MAX);
    set_name(fds[fd_count].name, name);
    entry = &fds[fd_count++];
  }
  entry->fd = fd;
}

static struct named_buf *buf_of(const char *name) {
  for (int i = 0; i < buf_count; i++)
    if (!strcmp(bufs[i].name, name)) return &bufs[i];
  bad("%s: no buffer is named %.40s", op_name, name);
}

static struct named_msg *msg_of(const char *name) {
  for (int i = 0; i < msg_count; i++)
    if (!strcmp(msgs[i]->name, name)) return msgs[i];
  bad("%s: no message is named %.40s", op_name, name);
}

// Memory by name: a buffer, or a message.
struct area {
  uint8_t *bytes;
  size_t len, mapped;
  int is_writable;
};

static struct area area_of(const char *name) {
  for (int i = 0; i < buf_count; i++)
    if (!strcmp(bufs[i].name, name))
      return (struct area){bufs[i].bytes, bufs[i].len, bufs[i].mapped, bufs[i].is_writable};
  for (int i = 0; i < msg_count; i++)
    if (!strcmp(msgs[i]->name, name))
      return (struct area){(uint8_t *)&msgs[i]->header, MSG_BYTES, (MSG_BYTES + 4095) & ~4095ul, 1};
  bad("%s: no buffer or message is named %.40s", op_name, name);
}

// Where `len` bytes at `offset` of it are.
static uint8_t *within(const char *name, size_t offset, size_t len) {
  struct area area = area_of(name);
  if (!area.is_writable) bad("%s: buffer %s was unmapped or protected", op_name, name);
  if (offset > area.mapped || len > area.mapped - offset)
    bad("%s: outside of %s", op_name, name);
  return area.bytes + offset;
}

// ARG: a number, names joined by '|', @NAME, &BUF or &BUF+OFFSET
static uint64_t arg_value(const char *word) {
  if (*word == '@') {
    struct named_fd *found = find_fd(word + 1);
    if (!found) bad("%s: no descriptor is named %.40s", op_name, word + 1);
    return (uint64_t)(int64_t)found->fd;
  }
  if (*word != '&') return flags_value(word);
  char copy[256], *plus;
  if (strlen(word) >= sizeof copy) bad("%s: value too long", op_name);
  strcpy(copy, word + 1);
  plus = strchr(copy, '+');
  if (plus) *plus++ = 0;
  return (uintptr_t)area_of(copy).bytes + (plus ? number(plus) : 0);
}

// A descriptor by name, @NAME, or the number itself (closed and negative descriptors are test input).
static int fd_of(const char *name) {
  struct named_fd *found = find_fd(name);
  return found ? found->fd : (int)arg_value(name);
}

// --- Network namespaces ----------------------------------------------------------------------

static int home_ns = -1;

// Makes a descriptor one of this program's own.
static int move_away(int fd) {
  struct rlimit limit, raised;
  getrlimit(RLIMIT_NOFILE, &limit);
  raised = (struct rlimit){limit.rlim_max, limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
  int own = fcntl(fd, F_DUPFD_CLOEXEC, OWN_FDS);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (own < 0) bad_errno("cannot move a descriptor");
  close(fd);
  return own;
}

static void enter_peer_ns(void) {
  const char *name = getenv("ZC_NS_B");
  char path[PATH_MAX];
  if (!name || !*name) name = "zcb";
  if (home_ns < 0) home_ns = move_away(open("/proc/self/ns/net", O_RDONLY));
  snprintf(path, sizeof path, "/run/netns/%s", name);
  int ns = open(path, O_RDONLY);
  if (ns < 0 || setns(ns, CLONE_NEWNET)) bad_errno("cannot enter the peer's namespace");
  close(ns);
}

static void leave_peer_ns(void) {
  if (setns(home_ns, CLONE_NEWNET)) bad_errno("cannot return to the own namespace");
}

// --- The ring --------------------------------------------------------------------------------

struct ring {
  char name[NAME_SIZE];
  int fd;
  unsigned enter_flags; // of every io_uring_enter, for a ring that has only a registered descriptor
  struct io_uring_params params;
  unsigned sqe_size, cqe_shift;
  uint8_t *sq, *cq; // NULL: there is no ring. Both stay mapped after closering
  struct io_uring_sqe *sqes;
  unsigned tail, pending; // pending: written but not submitted
  int is_open;
};
static struct ring rings[NAMES_MAX] = {{.name = "0", .fd = -1}};
static int ring_count = 1;
static struct ring *ring = &rings[0]; // the slot that every operation works on

static int io_uring_setup(unsigned entries, struct io_uring_params *params) {
  return syscall(__NR_io_uring_setup, entries, params);
}
static int io_uring_enter(unsigned to_submit, unsigned min_complete, unsigned flags, void *arg,
                          size_t size) {
  return syscall(__NR_io_uring_enter, ring->fd, to_submit, min_complete, flags | ring->enter_flags,
                 arg, size);
}
static int io_uring_register(unsigned opcode, void *arg, unsigned count) {
  return syscall(__NR_io_uring_register, ring->fd, opcode, arg, count);
}

static uint32_t *sq_word(unsigned offset) { return (uint32_t *)(ring->sq + offset); }
static uint32_t *cq_word(unsigned offset) { return (uint32_t *)(ring->cq + offset); }

static size_t cq_bytes(void) {
  const struct io_uring_params *p = &ring->params;
  return p->cq_off.cqes + (size_t)(p->cq_entries << ring->cqe_shift) * sizeof(struct io_uring_cqe);
}

static void *map_ring(size_t size, uint64_t offset) {
  void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, offset);
  if (at == MAP_FAILED) bad_errno("cannot map the ring");
  return at;
}

// use NAME: the ring slot that the operations from here on work on
static void op_use(char **words, int count) {
  (void)count;
  const char *name = words[1];
  if (strlen(name) > RING_NAME_MAX || strspn(name, "0123456789_abcdefghijklmnopqrstuvwxyz"
                                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(name))
    bad("use: not at most %d letters and digits: %.40s", RING_NAME_MAX, name);
  for (ring = rings; ring < rings + ring_count; ring++)
    if (!strcmp(ring->name, name)) return;
  if (ring_count == NAMES_MAX) bad("use: more than %d rings", NAMES_MAX);
  ring_count++;
  strcpy(ring->name, name);
  ring->fd = -1;
}

static void set_param(struct io_uring_params *p, const char *key, const char *word) {
  uint64_t value = arg_value(word);
  if (!strcmp(key, "idle")) p->sq_thread_idle = value;
  else if (!strcmp(key, "cpu")) p->sq_thread_cpu = value;
  else if (!strcmp(key, "wq_fd")) p->wq_fd = value;
  else if (!strcmp(key, "resv")) p->resv[0] = value;
  // By offset: older headers have no user_addr.
  else if (!strcmp(key, "sq_addr")) *(uint64_t *)((uint8_t *)&p->sq_off + 32) = value;
  else if (!strcmp(key, "cq_addr")) *(uint64_t *)((uint8_t *)&p->cq_off + 32) = value;
  else bad("setup: unknown key %.40s", key);
}

// setup ENTRIES FLAGS [CQ_ENTRIES] [key=ARG...]. A second setup leaves the first ring open but
// unreachable.
static void op_setup(char **words, int count) {
  struct io_uring_params *p = &ring->params;
  char name[NAME_SIZE + 4];
  uint64_t sq_addr, cq_addr;
  int next = 3;
  memset(p, 0, sizeof *ring - offsetof(struct ring, params));
  ring->enter_flags = 0;
  p->flags = count > 2 ? flags_value(words[2]) : 0;
  if (count > 3 && !strchr(words[3], '=')) {
    p->cq_entries = decimal(words[next++]);
    p->flags |= IORING_SETUP_CQSIZE;
  }
  for (; next < count; next++) {
    char *value = cut(words[next], '=');
    set_param(p, words[next], value);
  }
  sq_addr = *(uint64_t *)((uint8_t *)&p->sq_off + 32);
  cq_addr = *(uint64_t *)((uint8_t *)&p->cq_off + 32);
  ring->fd = io_uring_setup(number(words[1]), p);
  int error = errno;
  sprintf(name, "ring%s", ring->name);
  set_fd(name, ring->fd);
  errno = error;
  if (ring->fd < 0) {
    event_ret("setup", -1);
    return;
  }
  event("setup", "\"ret\":0,\"sq_entries\":%u,\"cq_entries\":%u,\"flags\":%u,\"features\":%u",
        p->sq_entries, p->cq_entries, p->flags, p->features);
  ring->sqe_size = p->flags & IORING_SETUP_SQE128 ? 128 : 64;
  ring->cqe_shift = p->flags & IORING_SETUP_CQE32 ? 1 : 0;
  if (p->flags & FLAG_REGISTERED_FD_ONLY) ring->enter_flags = FLAG_ENTER_REGISTERED_RING;
  ring->is_open = 1;
  if (p->flags & FLAG_NO_MMAP) { // the program has given its own memory
    ring->sq = ring->cq = (uint8_t *)(uintptr_t)cq_addr;
    ring->sqes = (void *)(uintptr_t)sq_addr;
    return;
  }
  size_t size = cq_bytes();
  if (!(p->flags & IORING_SETUP_NO_SQARRAY)) {
    size_t sq_size = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
    if (size < sq_size) size = sq_size;
  }
  ring->sq = ring->cq = map_ring(size, IORING_OFF_SQ_RING);
  ring->sqes = map_ring(ring->sqe_size * p->sq_entries, IORING_OFF_SQES);
}

static uint64_t parse_dest(char *text, struct sockaddr_in *into) {
  char *port = cut(text, ':');
  if (*port == '@') { // the port that socket is bound to
    socklen_t size = sizeof *into;
    if (getsockname(fd_of(port + 1), (void *)into, &size)) bad_errno("getsockname");
  } else {
    into->sin_port = htons(decimal(port));
  }
  into->sin_family = AF_INET;
  if (inet_pton(AF_INET, text, &into->sin_addr) != 1)
    bad("%s: not an IPv4 address: %.40s", op_name, text);
  return (uintptr_t)into;
}

static void store(uint8_t *at, unsigned bytes, uint64_t value) {
  memcpy(at, &value, bytes); // little-endian, like everything that has io_uring here
}

// A field by name, or u32.44=VALUE: that many bits at that byte. By offset, because the names of these
// fields differ between releases of the header.
static int set_sqe_bytes(uint8_t *raw, const char *key, const char *value) {
  static const struct { const char *name; unsigned offset, bytes; } fields[] = {
      {"flags", 1, 1},       {"ioprio", 2, 2},     {"addr", 16, 8},        {"len", 24, 4},
      {"ud", 32, 8},         {"mf", 28, 4},        {"bi", 40, 2},          {"off", 8, 8},
      {"personality", 42, 2}, {"addr_len", 44, 2}, {"pad3", 46, 2},        {"addr3", 48, 8},
      {"pad2", 56, 8},       {"addr2", 8, 8},      {"file_index", 44, 4},  {"splice_fd_in", 44, 4},
      {"splice_off_in", 16, 8}, {"cmd_op", 8, 4},  {"bgid", 40, 2},        {"level", 16, 4},
      {"optname", 20, 4},    {"optlen", 44, 4},    {"optval", 48, 8}};
  unsigned bits, offset;
  char end;
  if (!strcmp(key, "fd")) {
    store(raw + 4, 4, fd_of(value));
    return 1;
  }
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (strcmp(fields[i].name, key)) continue;
    store(raw + fields[i].offset, fields[i].bytes, arg_value(value));
    return 1;
  }
  if (sscanf(key, "u%2u.%3u%c", &bits, &offset, &end) != 2) return 0;
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) return 0;
  if (offset + bits / 8 > ring->sqe_size) bad("sqe: %s is outside of the SQE", key);
  store(raw + offset, bits / 8, arg_value(value));
  return 1;
}

static void set_sqe_field(struct io_uring_sqe *sqe, const char *key, char *value) {
  // The kernel may read these long after the SQE was written.
  static struct __kernel_timespec timespecs[TIMESPEC_MAX];
  static struct sockaddr_in dests[DEST_MAX];
  static int timespec_count, dest_count;
  uint8_t *raw = (uint8_t *)sqe;

  if (!strcmp(key, "buf")) {
    char *plus = strchr(value, '+');
    size_t offset = 0;
    if (plus) {
      *plus = 0;
      offset = number(plus + 1);
    }
    struct named_buf *buf = buf_of(value);
    sqe->addr = (uintptr_t)buf->bytes + offset;
    if (!sqe->len) sqe->len = buf->len - offset;
  } else if (!strcmp(key, "msg")) {
    sqe->addr = (uintptr_t)&msg_of(value)->header;
    sqe->len = 1;
  } else if (!strcmp(key, "iov")) {
    sqe->addr = (uintptr_t)msg_of(value)->iov;
    sqe->len = msg_of(value)->header.msg_iovlen;
  } else if (!strcmp(key, "ts_ms")) {
    if (timespec_count == TIMESPEC_MAX) bad("sqe: more than %d timespecs", TIMESPEC_MAX);
    struct __kernel_timespec *ts = &timespecs[timespec_count++];
    uint64_t ms = flags_value(value);
    *ts = (struct __kernel_timespec){ms / 1000, ms % 1000 * 1000000};
    sqe->addr = (uintptr_t)ts;
    sqe->len = 1;
  } else if (!strcmp(key, "dest")) {
    if (dest_count == DEST_MAX) bad("sqe: more than %d destinations", DEST_MAX);
    sqe->addr2 = parse_dest(value, &dests[dest_count++]);
    sqe->addr_len = sizeof(struct sockaddr_in);
  }
  else if (set_sqe_bytes(raw, key, value)) return;
  else bad("sqe: unknown key %.40s", key);
}

// sqe OPCODE key=value...: fills the next SQE and publishes it by moving the tail.
static void op_sqe(char **words, int count) {
  if (!ring->is_open) {
    event_plain("skip");
    return;
  }
  const struct io_uring_params *p = &ring->params;
  uint32_t head = __atomic_load_n(sq_word(p->sq_off.head), __ATOMIC_ACQUIRE);
  if (ring->tail - head >= p->sq_entries) {
    event_plain("sqfull");
    return;
  }
  unsigned slot = ring->tail & (p->sq_entries - 1);
  struct io_uring_sqe *sqe = (void *)((uint8_t *)ring->sqes + slot * ring->sqe_size);
  memset(sqe, 0, ring->sqe_size);
  const struct token *opcode = find_token(opcode_tokens, words[1]);
  sqe->opcode = opcode ? opcode->value : flags_value(words[1]);
  for (int i = 2; i < count; i++) {
    char *value = cut(words[i], '=');
    set_sqe_field(sqe, words[i], value);
  }
  if (!(p->flags & IORING_SETUP_NO_SQARRAY)) sq_word(p->sq_off.array)[slot] = slot;
  ring->tail++;
  ring->pending++;
  // Pairs with the kernel's acquire load of the tail: who sees the new tail sees the whole SQE.
  __atomic_store_n(sq_word(p->sq_off.tail), ring->tail, __ATOMIC_RELEASE);
}

static int enter_timed(unsigned to_submit, unsigned min_complete, int ms) {
  struct __kernel_timespec ts = {ms / 1000, ms % 1000 * 1000000ll};
  struct io_uring_getevents_arg arg = {.ts = (uintptr_t)&ts};
  return io_uring_enter(to_submit, min_complete, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                        &arg, sizeof arg);
}

static void report_submit(long ret) {
  if (ret > 0) ring->pending -= ret;
  event_ret("enter", ret);
}

// submit [n]
static void op_submit(char **words, int count) {
  unsigned to_submit = count > 1 ? (unsigned)decimal(words[1]) : ring->pending;
  report_submit(io_uring_enter(to_submit, 0, 0, NULL, 0));
}

// submitwait nr [ms]
static void op_submitwait(char **words, int count) {
  report_submit(enter_timed(ring->pending, decimal(words[1]), milliseconds_or(words, count, 2, 200)));
}

// wait nr [ms]
static void op_wait(char **words, int count) {
  event_ret("enter", enter_timed(0, decimal(words[1]), milliseconds_or(words, count, 2, 200)));
}

// enter to_submit min_complete flags [arg size]. The count of unsubmitted entries is not adjusted.
static void op_enter(char **words, int count) {
  uint64_t arg = 0, size = 0;
  if (count == 5) bad("enter: the size of the argument is missing");
  if (count > 5) {
    arg = arg_value(words[4]);
    size = arg_value(words[5]);
  }
  event_ret("enter", io_uring_enter(flags_value(words[1]), flags_value(words[2]),
                                    flags_value(words[3]), (void *)(uintptr_t)arg, size));
}

// reg OPCODE ARG NR [FD]: the raw call
static void op_reg(char **words, int count) {
  int fd = count > 4 ? fd_of(words[4]) : ring->fd;
  event_ret("register", syscall(__NR_io_uring_register, fd, (unsigned)flags_value(words[1]),
                                arg_value(words[2]), (unsigned)flags_value(words[3])));
}

// Prints one CQE. How many slots it takes; 0 for one that only fills the ring up to its end.
static int show_cqe(const struct io_uring_cqe *cqe) {
  int is_mixed = (ring->params.flags & FLAG_CQE_MIXED) != 0;
  int is_long = is_mixed && cqe->flags & FLAG_CQE_32;
  char more[128] = "";
  int len = 0;
  if (is_mixed && cqe->flags & FLAG_CQE_SKIP) return 0;
  if (cqe->res < 0 && cqe->res > -4096)
    len = snprintf(more, sizeof more, ",\"err\":\"%s\"", errno_name(-cqe->res));
  if (is_long || ring->cqe_shift) {
    const unsigned long long *big = (const void *)(cqe + 1);
    if (big[0] || big[1])
      snprintf(more + len, sizeof more - len, ",\"big0\":%llu,\"big1\":%llu", big[0], big[1]);
  }
  event("cqe", "\"ud\":%llu,\"res\":%d,\"flags\":%u%s", (unsigned long long)cqe->user_data,
        cqe->res, cqe->flags, more);
  return is_long ? 2 : 1;
}

// Prints and consumes up to `max` CQEs; no system call.
static int reap(int max) {
  const struct io_uring_params *p = &ring->params;
  uint32_t head = *cq_word(p->cq_off.head), mask = *cq_word(p->cq_off.ring_mask);
  int n = 0;
  while (n < max) {
    if (head == __atomic_load_n(cq_word(p->cq_off.tail), __ATOMIC_ACQUIRE)) break;
    size_t slot = (size_t)(head & mask) << ring->cqe_shift;
    int slots = show_cqe((void *)(ring->cq + p->cq_off.cqes + slot * sizeof(struct io_uring_cqe)));
    if (slots) n++;
    head += slots ? slots : 1;
    __atomic_store_n(cq_word(p->cq_off.head), head, __ATOMIC_RELEASE);
  }
  return n;
}

// reap [max]
static void op_reap(char **words, int count) {
  if (!ring->is_open) return;
  event("reaped", "\"n\":%d", reap(decimal_or(words, count, 1, 4096)));
}

// settle [ms]: reaps until nothing new has come for ms
static void op_settle(char **words, int count) {
  if (!ring->is_open) return;
  int ms = milliseconds_or(words, count, 1, 30), total = 0, n;
  do {
    enter_timed(0, 1, silence_ms(ms, total));
    n = reap(4096);
    total += n;
  } while (n && total < 4096);
  event("settled", "\"n\":%d", total);
}

static void require_ring(void) {
  if (!ring->sq) bad("%s: there is no ring", op_name);
}

// ring: the counters and flags of both rings
static void op_ring(char **words, int count) {
  (void)words, (void)count;
  require_ring();
  const struct io_uring_params *p = &ring->params;
  event("ring",
        "\"sq_flags\":%u,\"cq_overflow\":%u,\"sq_dropped\":%u,\"sq_head\":%u,\"cq_ready\":%u",
        *sq_word(p->sq_off.flags), *cq_word(p->cq_off.overflow), *sq_word(p->sq_off.dropped),
        *sq_word(p->sq_off.head), *cq_word(p->cq_off.tail) - *cq_word(p->cq_off.head));
}

// ringmem: a checksum of the shared memory up to the end of the CQ
static void op_ringmem(char **words, int count) {
  (void)words, (void)count;
  require_ring();
  size_t size = cq_bytes();
  event("ringmem", "\"cq_fnv\":%u,\"bytes\":%zu", fnv_more(FNV_BASIS, ring->cq, size), size);
}

// regbuf NAME...; "-" is an empty slot
static void op_regbuf(char **words, int count) {
  struct iovec iov[WORDS_MAX];
  for (int i = 1; i < count; i++) {
    iov[i - 1] = (struct iovec){NULL, 0};
    if (!strcmp(words[i], "-")) continue;
    struct named_buf *buf = buf_of(words[i]);
    iov[i - 1] = (struct iovec){buf->bytes, buf->len};
  }
  event_ret("register", io_uring_register(IORING_REGISTER_BUFFERS, iov, count - 1));
}

static void op_unregbuf(char **words, int count) {
  (void)words, (void)count;
  event_ret("register", io_uring_register(IORING_UNREGISTER_BUFFERS, NULL, 0));
}

// regfile NAME...
static void op_regfile(char **words, int count) {
  int files[WORDS_MAX];
  for (int i = 1; i < count; i++) files[i - 1] = fd_of(words[i]);
  event_ret("register", io_uring_register(IORING_REGISTER_FILES, files, count - 1));
}

static void op_enable(char **words, int count) {
  (void)words, (void)count;
  event_ret("register", io_uring_register(IORING_REGISTER_ENABLE_RINGS, NULL, 0));
}

static void op_closering(char **words, int count) {
  (void)words, (void)count;
  event_ret("close", close(ring->fd));
  ring->is_open = 0;
}

// --- Memory ----------------------------------------------------------------------------------

static struct named_buf *new_buf(const char *name) {
  if (buf_count == NAMES_MAX) bad("%s: more than %d buffers", op_name, NAMES_MAX);
  set_name(bufs[buf_count].name, name);
  return &bufs[buf_count++];
}

// buf NAME LEN [SEED]: page-aligned; byte i is (31 * i + (i >> 8) + seed) & 255
static void op_buf(char **words, int count) {
  int seed = decimal_or(words, count, 3, 1);
  struct named_buf *buf = new_buf(words[1]);
  buf->len = number(words[2]);
  if (buf->len > BUF_BYTES_MAX) bad("buf: longer than %lu bytes", BUF_BYTES_MAX);
  buf->mapped = (buf->len + 4095) & ~4095ul;
  if (!buf->mapped) buf->mapped = 4096;
  // A page that cannot be touched on either side: running over the end of a buffer is EFAULT wherever it lies.
  uint8_t *guarded = mmap(NULL, buf->mapped + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (guarded == MAP_FAILED) bad_errno("mmap");
  buf->bytes = mmap(guarded + 4096, buf->mapped, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED, -1, 0);
  if (buf->bytes == MAP_FAILED) bad_errno("mmap");
  buf->is_writable = 1;
  for (size_t i = 0; i < buf->len; i++) buf->bytes[i] = (uint8_t)(i * 31 + (i >> 8) + seed);
}

// map NAME LEN FD OFFSET: a shared mapping of a descriptor, named like a buffer
static void op_map(char **words, int count) {
  (void)count;
  struct named_buf *buf = new_buf(words[1]);
  buf->len = number(words[2]);
  buf->mapped = buf->len ? (buf->len + 4095) & ~4095ul : 4096;
  void *at = mmap(NULL, buf->len, PROT_READ | PROT_WRITE, MAP_SHARED, (int)arg_value(words[3]),
                  (off_t)(uint32_t)arg_value(words[4]));
  event_ret("map", at == MAP_FAILED ? -1 : 0);
  buf->is_writable = at != MAP_FAILED;
  buf->bytes = buf->is_writable ? at : NULL;
}

static const struct number_type {
  const char *name;
  unsigned bytes;
  int is_signed;
} number_types[] = {{"u8", 1, 0},  {"u16", 2, 0}, {"u32", 4, 0},
                    {"u64", 8, 0}, {"i32", 4, 1}, {"i64", 8, 1}};

static const struct number_type *type_of(const char *word) {
  for (size_t i = 0; i < sizeof number_types / sizeof *number_types; i++)
    if (!strcmp(number_types[i].name, word)) return &number_types[i];
  bad("%s: unknown type %.40s", op_name, word);
}

// put NAME offset TYPE ARG...
static void op_put(char **words, int count) {
  const struct number_type *type = type_of(words[3]);
  uint8_t *at = within(words[1], number(words[2]), (size_t)type->bytes * (count - 4));
  for (int i = 4; i < count; i++, at += type->bytes) store(at, type->bytes, arg_value(words[i]));
}

// get NAME offset TYPE [count]
static void op_get(char **words, int count) {
  const struct number_type *type = type_of(words[3]);
  size_t n = count > 4 ? number(words[4]) : 1;
  if (n < 1 || n > GET_MAX) bad("get: not 1 to %d values", GET_MAX);
  const uint8_t *at = within(words[1], number(words[2]), n * type->bytes);
  event_start("get");
  printf(",\"v\":\"");
  for (size_t i = 0; i < n; i++, at += type->bytes) {
    uint64_t value = 0;
    memcpy(&value, at, type->bytes);
    if (type->is_signed && type->bytes == 4) value = (int64_t)(int32_t)value;
    const char *comma = i ? "," : "";
    if (type->is_signed) printf("%s%lld", comma, (long long)value);
    else printf("%s%llu", comma, (unsigned long long)value);
  }
  printf("\"}\n");
}

// hash NAME [offset len]
static void op_hash(char **words, int count) {
  if (count == 3) bad("hash: the length is missing");
  size_t offset = count > 3 ? number(words[2]) : 0;
  size_t len = count > 3 ? number(words[3]) : area_of(words[1]).len;
  event("hash", "\"fnv\":%u", fnv_more(FNV_BASIS, within(words[1], offset, len), len));
}

// poke NAME offset len byte
static void op_poke(char **words, int count) {
  (void)count;
  struct named_buf *buf = buf_of(words[1]);
  int offset = decimal(words[2]), len = decimal(words[3]);
  if (!buf->is_writable) bad("poke: buffer %s was unmapped or protected", words[1]);
  if (offset < 0 || len < 0 || (size_t)offset + len > buf->mapped)
    bad("poke: outside of buffer %s", words[1]);
  memset(buf->bytes + offset, flags_value(words[4]), len);
}

static void op_unmap(char **words, int count) {
  (void)count;
  struct named_buf *buf = buf_of(words[1]);
  // No later buffer comes to lie where this one was.
  if (!munmap(buf->bytes, buf->mapped))
    mmap(buf->bytes, buf->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  buf->is_writable = 0;
}

static void op_mprotect_none(char **words, int count) {
  (void)count;
  struct named_buf *buf = buf_of(words[1]);
  mprotect(buf->bytes, buf->mapped, PROT_NONE);
  buf->is_writable = 0;
}

// buf:offset:len,buf:offset:len...
static void add_msg_iov(struct named_msg *msg, char *list) {
  char *save;
  for (char *item = strtok_r(list, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
    char *offset = cut(item, ':'), *len = cut(offset, ':');
    if (msg->header.msg_iovlen >= IOV_MAX_MSG) bad("msg: more than %d iovecs", IOV_MAX_MSG);
    msg->iov[msg->header.msg_iovlen++] =
        (struct iovec){buf_of(item)->bytes + number(offset), number(len)};
  }
}

// msg NAME iov=... [rep=N] [iovlen=N] [control=LEN] [ctltype=] [ctllevel=] [ctllen=] [flags=] [dest=]
// The keys take effect in the order given; a control message is an IP_TTL unless changed.
static void op_msg(char **words, int count) {
  if (msg_count == NAMES_MAX) bad("msg: more than %d messages", NAMES_MAX);
  struct named_msg *msg = calloc(1, sizeof *msg);
  if (!msg) bad_errno("calloc");
  struct cmsghdr *control = (void *)msg->control;
  set_name(msg->name, words[1]);
  msgs[msg_count++] = msg;
  msg->header.msg_iov = msg->iov;
  for (int i = 2; i < count; i++) {
    char *key = words[i], *value = cut(key, '=');
    if (!strcmp(key, "iov")) add_msg_iov(msg, value);
    else if (!strcmp(key, "rep")) {
      int repeat = decimal(value);
      if (repeat < 0 || repeat > IOV_MAX_MSG) bad("msg: rep is not in 0..%d", IOV_MAX_MSG);
      for (int j = 1; j < repeat; j++) msg->iov[j] = msg->iov[0];
      msg->header.msg_iovlen = repeat;
    } else if (!strcmp(key, "control")) {
      msg->header.msg_control = msg->control;
      msg->header.msg_controllen = number(value);
      control->cmsg_len = msg->header.msg_controllen;
      control->cmsg_level = IPPROTO_IP;
      control->cmsg_type = IP_TTL;
      *(int *)CMSG_DATA(control) = 64;
    } else if (!strcmp(key, "dest")) {
      parse_dest(value, (void *)&msg->dest);
      msg->header.msg_name = &msg->dest;
      msg->header.msg_namelen = sizeof(struct sockaddr_in);
    }
    else if (!strcmp(key, "iovlen")) msg->header.msg_iovlen = number(value);
    else if (!strcmp(key, "ctltype")) control->cmsg_type = decimal(value);
    else if (!strcmp(key, "ctllevel")) control->cmsg_level = decimal(value);
    else if (!strcmp(key, "ctllen")) control->cmsg_len = decimal(value);
    else if (!strcmp(key, "flags")) msg->header.msg_flags = flags_value(value);
    else bad("msg: unknown key %.40s", key);
  }
}

// --- Sockets and files -----------------------------------------------------------------------

static int unix_type(const char *kind) {
  if (!strcmp(kind, "unix")) return SOCK_STREAM;
  if (!strcmp(kind, "unixdgram")) return SOCK_DGRAM;
  if (!strcmp(kind, "unixseq")) return SOCK_SEQPACKET;
  return -1;
}

static const struct { const char *name, *address; } devices[] = {
    {"lo", "127.0.0.1"}, {"veth", "10.77.0.2"}, {"ifb", "10.78.0.2"}, {"ifbslow", "10.79.0.2"}};

static const char *peer_address(const char *device) {
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
    if (!strcmp(devices[i].name, device)) return devices[i].address;
  bad("pair: unknown device %.40s", device);
}

static void set_size(int fd, int option, int size) {
  if (size && setsockopt(fd, SOL_SOCKET, option, &size, sizeof size)) bad_errno("setsockopt");
}

static int inet_socket(int is_tcp) {
  int fd = socket(AF_INET, is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
  if (fd < 0) bad_errno("socket");
  return fd;
}

// The peer is created in the other namespace when the device is the veth pair. The order of the
// steps (buffer sizes before bind, connect, accept, TCP_NODELAY) decides the window and is kept.
static void inet_pair(int pair[2], int is_tcp, const char *device, int sndbuf, int rcvbuf,
                      int nodelay) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof address;
  int in_peer_ns = !strcmp(device, "veth");
  inet_pton(AF_INET, peer_address(device), &address.sin_addr);
  int a = inet_socket(is_tcp);
  set_size(a, SO_SNDBUF, sndbuf);
  pair[0] = a;
  if (!strncmp(device, "ifb", 3)) { // no peer: the device drops what it is given
    address.sin_port = htons(9);
    if (connect(a, (void *)&address, size)) bad_errno("connect");
    return;
  }
  if (in_peer_ns) enter_peer_ns();
  int b = inet_socket(is_tcp);
  set_size(b, SO_RCVBUF, rcvbuf);
  if (bind(b, (void *)&address, size)) bad_errno("bind");
  if (is_tcp && listen(b, 1)) bad_errno("listen");
  getsockname(b, (void *)&address, &size);
  if (in_peer_ns) leave_peer_ns();
  if (connect(a, (void *)&address, size)) bad_errno("connect");
  if (is_tcp) {
    int listener = b;
    b = accept(listener, NULL, NULL);
    if (b < 0) bad_errno("accept");
    close(listener);
    setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof nodelay);
  } else {
    struct sockaddr_in own;
    size = sizeof own;
    getsockname(a, (void *)&own, &size);
    if (connect(b, (void *)&own, size)) bad_errno("connect the peer");
  }
  pair[1] = b;
}

// pair A B unix|unixdgram|unixseq|tcp|udp [DEV] [sndbuf=] [rcvbuf=] [nodelay=]
static void op_pair(char **words, int count) {
  const char *kind = words[3], *device = count > 4 ? words[4] : "lo";
  int sndbuf = 0, rcvbuf = 0, nodelay = 1, pair[2] = {-1, -1}, type = unix_type(kind);
  if (!strcmp(words[1], words[2])) bad("pair: both sockets have the same name");
  for (int i = 5; i < count; i++) {
    char *value = cut(words[i], '=');
    if (!strcmp(words[i], "sndbuf")) sndbuf = decimal(value);
    else if (!strcmp(words[i], "rcvbuf")) rcvbuf = decimal(value);
    else if (!strcmp(words[i], "nodelay")) nodelay = decimal(value);
    else bad("pair: unknown key %.40s", words[i]);
  }
  peer_address(device);
  if (type >= 0) {
    if (socketpair(AF_UNIX, type, 0, pair)) bad_errno("socketpair");
    set_size(pair[0], SO_SNDBUF, sndbuf);
  } else if (!strcmp(kind, "tcp") || !strcmp(kind, "udp")) {
    inet_pair(pair, !strcmp(kind, "tcp"), device, sndbuf, rcvbuf, nodelay);
  } else {
    bad("pair: unknown kind %.40s", kind);
  }
  set_fd(words[1], pair[0]);
  set_fd(words[2], pair[1]);
}

// socket NAME tcp|udp|udp6|raw|packet|netlink|vsock
static void op_socket(char **words, int count) {
  (void)count;
  const char *kind = words[2];
  int fd;
  if (!strcmp(kind, "tcp")) fd = socket(AF_INET, SOCK_STREAM, 0);
  else if (!strcmp(kind, "udp")) fd = socket(AF_INET, SOCK_DGRAM, 0);
  else if (!strcmp(kind, "udp6")) fd = socket(AF_INET6, SOCK_DGRAM, 0);
  else if (!strcmp(kind, "raw")) fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  else if (!strcmp(kind, "packet")) fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  else if (!strcmp(kind, "netlink")) fd = socket(AF_NETLINK, SOCK_RAW, 0);
  else if (!strcmp(kind, "vsock")) fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  else bad("socket: unknown kind %.40s", kind);
  if (fd < 0) event_ret("socket", -1);
  set_fd(words[1], fd);
}

// file NAME size
static void op_file(char **words, int count) {
  (void)count;
  size_t size = number(words[2]);
  int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  if (fd < 0) bad_errno("open in /tmp");
  if (ftruncate(fd, size)) bad_errno("ftruncate");
  set_fd(words[1], fd);
}

// pipe READ WRITE
static void op_pipe(char **words, int count) {
  (void)count;
  int ends[2];
  if (!strcmp(words[1], words[2])) bad("pipe: both ends have the same name");
  if (pipe(ends)) bad_errno("pipe");
  set_fd(words[1], ends[0]);
  set_fd(words[2], ends[1]);
}

// syssend SOCKET BUF [len] [flags]: send(2), not the ring
static void op_syssend(char **words, int count) {
  int fd = fd_of(words[1]);
  struct named_buf *buf = buf_of(words[2]);
  size_t len = count > 3 ? number(words[3]) : buf->len;
  event_ret("send", send(fd, buf->bytes, len, count > 4 ? flags_value(words[4]) : 0));
}

// fill SOCKET [chunk] [count]: sends until the socket buffer is full; a third word prints how much
static void op_fill(char **words, int count) {
  static char zeros[65536];
  int fd = fd_of(words[1]), chunk = decimal_or(words, count, 2, sizeof zeros);
  if (chunk < 1 || chunk > (int)sizeof zeros) bad("fill: chunk is not in 1..%zu", sizeof zeros);
  long total = 0, ret;
  while ((ret = send(fd, zeros, chunk, MSG_DONTWAIT)) > 0) total += ret;
  if (count > 3) event("fill", "\"bytes\":%ld,\"errno\":\"%s\"", total, errno_name(errno));
  else event("fill", "\"errno\":\"%s\"", errno_name(errno));
}

static int wait_readable(int fd, int ms) {
  struct pollfd entry = {fd, POLLIN, 0};
  return poll(&entry, 1, ms) > 0;
}

// recv SOCKET n [ms]: one recv(2)
static void op_recv(char **words, int count) {
  static uint8_t bytes[1 << 20];
  int fd = fd_of(words[1]);
  size_t want = number(words[2]);
  if (want > sizeof bytes) bad("recv: more than %zu bytes", sizeof bytes);
  wait_readable(fd, silence_ms(milliseconds_or(words, count, 3, 50), 0));
  long ret = recv(fd, bytes, want, MSG_DONTWAIT);
  if (ret < 0) event_ret("recv", ret);
  else event("recv", "\"ret\":%ld,\"fnv\":%u", ret, fnv_more(FNV_BASIS, bytes, ret));
}

// recvall SOCKET n [ms]: until n bytes, the end, an error, or silence for ms
static void op_recvall(char **words, int count) {
  static uint8_t bytes[1 << 16];
  int fd = fd_of(words[1]), ms = milliseconds_or(words, count, 3, 60), eof = 0, error = 0;
  size_t want = number(words[2]), total = 0;
  uint32_t hash = FNV_BASIS;
  while (total < want && wait_readable(fd, silence_ms(ms, total))) {
    size_t rest = want - total;
    long ret = recv(fd, bytes, rest < sizeof bytes ? rest : sizeof bytes, MSG_DONTWAIT);
    if (ret <= 0) {
      eof = ret == 0;
      error = ret < 0 ? errno : 0;
      break;
    }
    hash = fnv_more(hash, bytes, ret);
    total += ret;
  }
  if (error)
    event("recvall", "\"bytes\":%zu,\"fnv\":%u,\"eof\":%d,\"errno\":\"%s\"", total, hash, eof,
          errno_name(error));
  else
    event("recvall", "\"bytes\":%zu,\"fnv\":%u,\"eof\":%d", total, hash, eof);
}

// drainrx SOCKET [ms] [at_least] [count]: reads and forgets; only a fourth word prints how much,
// because the amount is rarely the same twice
static void op_drainrx(char **words, int count) {
  static uint8_t bytes[1 << 16];
  int fd = fd_of(words[1]), ms = milliseconds_or(words, count, 2, 40);
  size_t enough = count > 3 ? number(words[3]) : SIZE_MAX, total = 0;
  while (wait_readable(fd, silence_ms(ms, total))) {
    long ret = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (ret <= 0) break;
    total += ret;
    if (total >= enough) break;
  }
  if (count > 4) event("drainrx", "\"bytes\":%zu", total);
  else event("drainrx", "\"got\":%d", total > 0);
}

// errq SOCKET [ms]: prints and empties the error queue, 64 entries at most
static void op_errq(char **words, int count) {
  int fd = fd_of(words[1]), ms = milliseconds_or(words, count, 2, 20);
  for (int i = 0; i < 64; i++) {
    char control[512];
    struct msghdr header = {.msg_control = control, .msg_controllen = sizeof control};
    struct pollfd entry = {fd, 0, 0}; // POLLERR is always reported
    poll(&entry, 1, silence_ms(ms, i));
    if (recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
      event_ret("errq_end", -1);
      return;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
      const struct sock_extended_err *e = (void *)CMSG_DATA(c);
      event("errq",
            "\"level\":%d,\"type\":%d,\"ee_errno\":%u,\"ee_origin\":%u,\"ee_code\":%u,"
            "\"ee_info\":%u,\"ee_data\":%u",
            c->cmsg_level, c->cmsg_type, e->ee_errno, e->ee_origin, e->ee_code, e->ee_info,
            e->ee_data);
    }
  }
}

// sockopt SOCKET NAME value
static void op_sockopt(char **words, int count) {
  static const struct { const char *name; int level, option; } options[] = {
      {"ZEROCOPY", SOL_SOCKET, SO_ZEROCOPY}, {"SNDBUF", SOL_SOCKET, SO_SNDBUF},
      {"RCVBUF", SOL_SOCKET, SO_RCVBUF},     {"SNDTIMEO", SOL_SOCKET, SO_SNDTIMEO},
      {"LINGER", SOL_SOCKET, SO_LINGER},     {"NODELAY", IPPROTO_TCP, TCP_NODELAY},
      {"CORK", IPPROTO_TCP, TCP_CORK},       {"UDP_SEGMENT", IPPROTO_UDP, UDP_SEGMENT}};
  (void)count;
  int fd = fd_of(words[1]), value = decimal(words[3]);
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    if (strcmp(options[i].name, words[2])) continue;
    struct linger linger = {1, value};
    int is_linger = options[i].option == SO_LINGER && options[i].level == SOL_SOCKET;
    event_ret("setsockopt", setsockopt(fd, options[i].level, options[i].option,
                                       is_linger ? (void *)&linger : (void *)&value,
                                       is_linger ? sizeof linger : sizeof value));
    return;
  }
  bad("sockopt: unknown option %.40s", words[2]);
}

// sniff NAME ns_a|ns_b DEVICE: a packet socket that sees the frames of that interface
static void op_sniff(char **words, int count) {
  (void)count;
  int in_peer_ns = !strcmp(words[2], "ns_b");
  if (!in_peer_ns && strcmp(words[2], "ns_a")) bad("sniff: not ns_a or ns_b: %.40s", words[2]);
  if (in_peer_ns) enter_peer_ns();
  int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                .sll_protocol = htons(ETH_P_ALL),
                                .sll_ifindex = if_nametoindex(words[3])};
  event_ret("sniff", bind(fd, (void *)&address, sizeof address));
  if (in_peer_ns) leave_peer_ns();
  set_fd(words[1], fd);
}

// link DEVICE key=value...: what `ip` and `ethtool` would do to a device of netup.sh
static int link_socket(const char *device, struct ifreq *request) {
  int in_peer_ns = !strcmp(device, "vb");
  if (in_peer_ns) enter_peer_ns();
  int fd = move_away(socket(AF_INET, SOCK_DGRAM, 0));
  if (in_peer_ns) leave_peer_ns();
  memset(request, 0, sizeof *request);
  strncpy(request->ifr_name, device, IFNAMSIZ - 1);
  return fd;
}

static int link_up(int fd, struct ifreq *request, int up) {
  if (ioctl(fd, SIOCGIFFLAGS, request)) return -1;
  request->ifr_flags = up ? request->ifr_flags | IFF_UP : request->ifr_flags & ~IFF_UP;
  return ioctl(fd, SIOCSIFFLAGS, request);
}

static int link_feature(int fd, struct ifreq *request, uint32_t command, int on) {
  struct ethtool_value value = {command, on};
  request->ifr_data = (void *)&value;
  return ioctl(fd, SIOCETHTOOL, request);
}

static int link_gateway(int fd, char *device, in_addr_t gateway, int add) {
  struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY, .rt_dev = device};
  route.rt_dst.sa_family = route.rt_genmask.sa_family = route.rt_gateway.sa_family = AF_INET;
  ((struct sockaddr_in *)&route.rt_gateway)->sin_addr.s_addr = gateway;
  return ioctl(fd, add ? SIOCADDRT : SIOCDELRT, &route);
}

static int link_forward(const char *device, int on) {
  int in_peer_ns = !strcmp(device, "vb");
  if (in_peer_ns) enter_peer_ns();
  int fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY), ret = -1;
  if (fd >= 0) ret = write(fd, on ? "1" : "0", 1) == 1 ? 0 : -1;
  if (fd >= 0) close(fd);
  if (in_peer_ns) leave_peer_ns();
  return ret;
}

static int link_set(char *device, const char *key, const char *value) {
  static const struct { const char *key; uint32_t command; } features[] = {
      {"sg", ETHTOOL_SSG}, {"csum", ETHTOOL_STXCSUM}, {"tso", ETHTOOL_STSO}};
  struct ifreq request;
  int ret = -1, fd = link_socket(device, &request), known = 1;
  if (!strcmp(key, "up")) ret = link_up(fd, &request, decimal(value));
  else if (!strcmp(key, "mtu")) ret = (request.ifr_mtu = decimal(value), ioctl(fd, SIOCSIFMTU, &request));
  else if (!strcmp(key, "gateway")) ret = link_gateway(fd, device, inet_addr(value), 1);
  else if (!strcmp(key, "forward")) ret = link_forward(device, decimal(value));
  else known = 0;
  for (size_t i = 0; !known && i < sizeof features / sizeof *features; i++) {
    if (strcmp(features[i].key, key)) continue;
    known = 1;
    ret = link_feature(fd, &request, features[i].command, decimal(value));
  }
  if (!known) bad("link: unknown key %.40s", key);
  int error = errno;
  close(fd);
  errno = error;
  return ret;
}

static void op_link(char **words, int count) {
  long ret = 0;
  for (int i = 2; i < count && !ret; i++) {
    char *value = cut(words[i], '=');
    if (!value) bad("link: not key=value: %.40s", words[i]);
    ret = link_set(words[1], words[i], value);
  }
  event_ret("link", ret);
}

// After a program that changed links: as netup.sh made them, however it ended.
static void restore_links(void) {
  static char devices[][4] = {"va", "vb", "if0", "if1", "if2"};
  pid_t child = fork(); // entering a namespace needs descriptors, and no later program is to inherit them
  if (child > 0) {
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    return;
  }
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    struct ifreq request;
    int fd = link_socket(devices[i], &request);
    while (!link_gateway(fd, devices[i], 0, 0)) {}
    close(fd);
    link_set(devices[i], "up", "1");
    link_set(devices[i], "csum", "1");
    link_set(devices[i], "sg", "1");
    link_set(devices[i], "tso", "1");
    link_set(devices[i], "mtu", strcmp(devices[i], "if2") ? "1500" : "65535");
  }
  link_set(devices[0], "forward", "0");
  link_set(devices[1], "forward", "0");
  _exit(0);
}

// shutdown SOCKET how
static void op_shutdown(char **words, int count) {
  (void)count;
  event_ret("shutdown", shutdown(fd_of(words[1]), decimal(words[2])));
}

static void op_close(char **words, int count) {
  (void)count;
  event_ret("close", close(fd_of(words[1])));
}

// --- The rest --------------------------------------------------------------------------------

static void op_rlimit_memlock(char **words, int count) {
  (void)count;
  rlim_t bytes = number(words[1]);
  event_ret("setrlimit", setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){bytes, bytes}));
}

static void op_setuid(char **words, int count) {
  (void)count;
  event_ret("setuid", setuid(decimal(words[1])));
}

static void op_msleep(char **words, int count) {
  (void)count;
  usleep(1000u * milliseconds(words[1]));
}

// sys [NAME=]CALL ARG...: one raw system call
static void op_sys(char **words, int count) {
  char *name = NULL, *call = strchr(words[1], '=');
  uint64_t args[6] = {0};
  if (call) {
    name = words[1];
    *call++ = 0;
  } else {
    call = words[1];
  }
  const struct token *token = find_token(call_tokens, call);
  if (!token) bad("sys: unknown call %.40s", call);
  if (count > 8) bad("sys: more than 6 arguments");
  for (int i = 2; i < count; i++) args[i - 2] = arg_value(words[i]);
  long ret = syscall(token->value, args[0], args[1], args[2], args[3], args[4], args[5]);
  if (ret < 0)
    event("sys", "\"call\":\"%s\",\"ret\":-1,\"errno\":\"%s\"", call, errno_name(errno));
  else event("sys", "\"call\":\"%s\",\"ret\":%ld", call, ret);
  if (name) set_fd(name, ret < 0 ? -1 : ret);
}

// fd NAME ARG: a name for a number
static void op_fd(char **words, int count) {
  (void)count;
  set_fd(words[1], arg_value(words[2]));
}

// say text: a marker in the output; only the first word is printed
static void op_say(char **words, int count) {
  const char *text = count > 1 ? words[1] : "";
  for (const char *c = text; *c; c++)
    if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ' || (unsigned char)*c > '~')
      bad("say: only printable ASCII without quotes and backslashes");
  event("say", "\"text\":\"%s\"", text);
}

static const struct operation {
  const char *name;
  void (*run)(char **words, int count); // words[0] is the name, count includes it
  int args_min, args_max;
  const char *args;
} operations[] = {
    {"use", op_use, 1, 1, "RING"},
    {"setup", op_setup, 1, 9, "ENTRIES FLAGS [CQ_ENTRIES] [key=ARG...]"},
    {"sqe", op_sqe, 1, WORDS_MAX, "OPCODE key=value..."},
    {"submit", op_submit, 0, 1, "[n]"},
    {"submitwait", op_submitwait, 1, 2, "nr [ms]"},
    {"wait", op_wait, 1, 2, "nr [ms]"},
    {"enter", op_enter, 3, 5, "to_submit min_complete flags [ARG SIZE]"},
    {"reg", op_reg, 3, 4, "OPCODE ARG NR [FD]"},
    {"reap", op_reap, 0, 1, "[max]"},
    {"settle", op_settle, 0, 1, "[ms]"},
    {"ring", op_ring, 0, 0, "nothing"},
    {"ringmem", op_ringmem, 0, 0, "nothing"},
    {"regbuf", op_regbuf, 0, WORDS_MAX, "BUF..."},
    {"unregbuf", op_unregbuf, 0, 0, "nothing"},
    {"regfile", op_regfile, 0, WORDS_MAX, "FD..."},
    {"enable", op_enable, 0, 0, "nothing"},
    {"closering", op_closering, 0, 0, "nothing"},
    {"buf", op_buf, 2, 3, "NAME LEN [SEED]"},
    {"map", op_map, 4, 4, "NAME LEN FD OFFSET"},
    {"put", op_put, 4, WORDS_MAX, "BUF offset TYPE ARG..."},
    {"get", op_get, 3, 4, "BUF offset TYPE [count]"},
    {"hash", op_hash, 1, 3, "BUF [offset len]"},
    {"sys", op_sys, 1, 8, "[NAME=]CALL ARG..."},
    {"fd", op_fd, 2, 2, "NAME ARG"},
    {"poke", op_poke, 4, 4, "BUF offset len byte"},
    {"unmap", op_unmap, 1, 1, "BUF"},
    {"mprotect_none", op_mprotect_none, 1, 1, "BUF"},
    {"msg", op_msg, 1, WORDS_MAX, "NAME iov=BUF:offset:len,... [key=value...]"},
    {"pair", op_pair, 3, 7, "A B KIND [DEV] [sndbuf=] [rcvbuf=] [nodelay=]"},
    {"socket", op_socket, 2, 2, "NAME KIND"},
    {"file", op_file, 2, 2, "NAME size"},
    {"pipe", op_pipe, 2, 2, "READ WRITE"},
    {"syssend", op_syssend, 2, 4, "FD BUF [len] [flags]"},
    {"fill", op_fill, 1, 3, "FD [chunk] [count]"},
    {"recv", op_recv, 2, 3, "FD n [ms]"},
    {"recvall", op_recvall, 2, 3, "FD n [ms]"},
    {"drainrx", op_drainrx, 1, 4, "FD [ms] [at_least] [count]"},
    {"errq", op_errq, 1, 2, "FD [ms]"},
    {"sockopt", op_sockopt, 3, 3, "FD NAME value"},
    {"sniff", op_sniff, 3, 3, "NAME ns_a|ns_b DEVICE"},
    {"link", op_link, 2, WORDS_MAX, "DEVICE key=value..."},
    {"shutdown", op_shutdown, 2, 2, "FD how"},
    {"close", op_close, 1, 1, "FD"},
    {"rlimit_memlock", op_rlimit_memlock, 1, 1, "bytes"},
    {"setuid", op_setuid, 1, 1, "uid"},
    {"msleep", op_msleep, 1, 1, "ms"},
    {"say", op_say, 0, WORDS_MAX, "[text]"},
};

static void run_line(char *line) {
  char *words[WORDS_MAX], *save, *comment = strchr(line, '#');
  int count = 0;
  expected = comment && comment[1] == '=' ? atol(comment + 2) : -1;
  if (comment) *comment = 0;
  for (char *word = strtok_r(line, " \t\r\n", &save); word; word = strtok_r(NULL, " \t\r\n", &save)) {
    if (count == WORDS_MAX) bad("more than %d words", WORDS_MAX);
    words[count++] = word;
  }
  if (!count) return;
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
    const struct operation *operation = &operations[i];
    if (strcmp(operation->name, words[0])) continue;
    op_name = operation->name;
    if (count - 1 < operation->args_min || count - 1 > operation->args_max)
      bad("%s takes %s", operation->name, operation->args);
    operation->run(words, count);
    return;
  }
  bad("unknown operation %.40s", words[0]);
}

// Linux 6.18 never tears a closed ring down when the sockets that hold its notifications are in its own table of
// files. One such ring takes a worker for good, and after 64 of them no ring of the machine is torn down any more
// and all their memory stays. So a program that has ended gives the tables back and aborts its connections.
static void release_tables(void) {
  struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
  DIR *folder = opendir("/proc/self/fd");
  struct dirent *entry;
  while (folder && (entry = readdir(folder))) {
    char target[32];
    int fd = atoi(entry->d_name);
    ssize_t len = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
    if (len < 0 || fd < 3) continue;
    target[len] = 0;
    if (!strcmp(target, "anon_inode:[io_uring]")) {
      syscall(__NR_io_uring_register, fd, IORING_UNREGISTER_FILES, NULL, 0);
      syscall(__NR_io_uring_register, fd, IORING_UNREGISTER_BUFFERS, NULL, 0);
    } else if (!strncmp(target, "socket:", 7)) {
      connect(fd, &unspecified, sizeof unspecified);
    }
  }
}

static void on_alarm(int signal_number) {
  release_tables();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal_number);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void run_program(FILE *file) {
  char *line = NULL;
  size_t capacity = 0;
  ssize_t len;
  signal(SIGPIPE, SIG_IGN);
  signal(SIGALRM, on_alarm);
  while ((len = getline(&line, &capacity, file)) >= 0) {
    step++;
    if (memchr(line, 0, len)) bad("a zero byte in the line");
    run_line(line);
  }
  event_plain("end");
  fflush(stdout);
  release_tables();
  _exit(0); // skips what exit() would close first, so the kernel tears down in its own order
}

// --- Serving ---------------------------------------------------------------------------------
//
// A request is the line "BYTES TIME_MS PATIENCE_MS" and the program's text; the reply is the line
// "STATUS OUT_BYTES ERR_BYTES MICROSECONDS" and both outputs. STATUS is the exit status, or 128 + the signal
// (SIGALRM when the program took longer than TIME_MS). Every program has a process of its own, forked from
// this one, whose descriptors 0 to 2 are /dev/null. Without --serve there is one program, and this process
// ends as that one did.

enum { OUT_MAX = 16 << 20, ERR_MAX = 4096 };

struct output { // shared with the process of the program, so that what it said survives however it ends
  size_t len, max;
  char *bytes;
};

static ssize_t output_write(void *cookie, const char *bytes, size_t len) {
  struct output *output = cookie;
  size_t room = output->max - output->len, take = len < room ? len : room;
  memcpy(output->bytes + output->len, bytes, take);
  output->len += take;
  return len;
}

static struct output *output_new(size_t max) {
  struct output *output = mmap(NULL, sizeof *output + max, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (output == MAP_FAILED) bad("no memory for the output");
  output->max = max;
  output->bytes = (char *)(output + 1);
  return output;
}

static FILE *output_stream(struct output *output) {
  FILE *stream = fopencookie(output, "w", (cookie_io_functions_t){.write = output_write});
  if (!stream) _exit(3);
  setvbuf(stream, NULL, _IOLBF, 1 << 16);
  return stream;
}

// Each program begins in an empty folder of its own: what it binds AF_UNIX sockets to is gone with it.
static char scratch[64];

static void scratch_make(void) {
  strcpy(scratch, "/tmp/ringzero-XXXXXX");
  if (!mkdtemp(scratch) || chmod(scratch, 0777)) bad("no scratch folder in /tmp: %s", strerror(errno));
}

static void scratch_remove(void) {
  DIR *folder = opendir(scratch);
  struct dirent *entry;
  while (folder && (entry = readdir(folder))) unlinkat(dirfd(folder), entry->d_name, 0);
  if (folder) closedir(folder);
  rmdir(scratch);
}

static void serve_child(char *text, size_t len, int time_ms, struct output *out, struct output *err) {
  struct rlimit limit;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close_range(0, ~0u, 0);
  for (int fd = 0; fd < 3; fd++)
    if (open("/dev/null", O_RDWR) != fd) _exit(3);
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = FDS_MAX;
  setrlimit(RLIMIT_NOFILE, &limit);
  stdout = output_stream(out);
  stderr = output_stream(err);
  if (chdir(scratch)) bad_errno("cannot enter the scratch folder");
  struct itimerval timer = {.it_value = {time_ms / 1000, time_ms % 1000 * 1000}};
  setitimer(ITIMER_REAL, &timer, NULL);
  run_program(fmemopen(text, len, "r"));
}

static void write_all(int fd, const char *bytes, size_t len) {
  while (len) {
    ssize_t ret = write(fd, bytes, len);
    if (ret <= 0) _exit(3);
    bytes += ret;
    len -= ret;
  }
}

static long microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000l + now.tv_nsec / 1000;
}

// Runs one program; its status as waitpid() gives it.
static int run_in_child(char *text, size_t len, int time_ms, struct output *out, struct output *err) {
  int status;
  out->len = err->len = 0;
  scratch_make();
  pid_t child = fork();
  if (child < 0) _exit(3);
  int changes_links = memmem(text, len, "link ", 5) != NULL; // in a comment, too: it does no harm
  if (!child) serve_child(text, len, time_ms, out, err);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (changes_links) restore_links();
  scratch_remove();
  return status;
}

static int run_once(FILE *file) {
  struct output *out = output_new(OUT_MAX), *err = output_new(ERR_MAX);
  char *text = NULL;
  size_t capacity = 0;
  ssize_t len = getdelim(&text, &capacity, EOF, file);
  int status = run_in_child(text, len < 0 ? 0 : len, RUN_SECONDS_MAX * 1000, out, err);
  write_all(1, out->bytes, out->len);
  write_all(2, err->bytes, err->len);
  if (WIFSIGNALED(status)) raise(WTERMSIG(status));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

static int serve(void) {
  struct output *out = output_new(OUT_MAX), *err = output_new(ERR_MAX);
  char request[128], reply[128];
  while (fgets(request, sizeof request, stdin)) {
    size_t len;
    int time_ms, status;
    if (sscanf(request, "%zu %d %d", &len, &time_ms, &patience_ms) != 3) return 2;
    char *text = malloc(len + 1);
    if (!text || fread(text, 1, len, stdin) != len) return 2;
    long start = microseconds();
    status = run_in_child(text, len, time_ms, out, err);
    free(text);
    int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    int head = snprintf(reply, sizeof reply, "%d %zu %zu %ld\n", exit_status, out->len, err->len,
                        microseconds() - start);
    write_all(1, reply, head);
    write_all(1, out->bytes, out->len);
    write_all(1, err->bytes, err->len);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "--serve")) return serve();
  FILE *file = argc > 1 ? fopen(argv[1], "r") : stdin;
  if (!file) {
    fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
    return 2;
  }
  return run_once(file);
}
