// zcbench: what this machine's io_uring costs, in CPU time per operation.
//
// Raw system calls, one measurement per process, one line of JSON on stdout. Arguments are key=value:
//
//   mode=nop      batch=N defer=0|1                    N no-ops per io_uring_enter
//   mode=setup    batch=ENTRIES mmap=0|1 defer=0|1     io_uring_setup and close
//   mode=fuzz     pair=unix|tcp|udp zc=0|1 fork=0|1    ring, socket pair, 8 requests, drain, close
//   mode=send     kind=udp|tcp dev=lo|veth|ifb|ifbjumbo len=N batch=N fixed=0|1 ru=0|1
//   mode=sendzc   as send
//   t=SECONDS and nopin=1 apply to all.
//
// CPU time is that of the measuring process (user and system). It includes softirq work that runs on
// its back, for example the receive side of a loopback socket. The process is pinned to the first
// CPU it may use and the receiver, if there is one, to the second.
//
// sendzc waits for the notifications of each batch, because until then the buffer is not the
// application's again: UDP for all of them, TCP until at most two batches are outstanding.
//
// Addresses are those of netup.sh; ZC_NS_B names the namespace of the veth peer (default zcb).

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// By number where an older linux/io_uring.h lacks the name.
enum {
  SETUP_SINGLE_ISSUER_DEFER_TASKRUN = 1 << 12 | 1 << 13,
  OP_SEND = 26,
  OP_SEND_ZC = 47,
  RECVSEND_FIXED_BUF = 4,
  SEND_ZC_REPORT_USAGE = 8,
  CQE_F_NOTIF = 8,
  BUFFERS_MAX = 64,
  ERRORS_MAX = 1000, // give up: the device or the address is wrong
  PAGE = 4096,
};
#define BUFFER_BYTES_MAX (64ul << 20)

__attribute__((noreturn)) static void die(const char *what) {
  perror(what);
  exit(1);
}

static int arg_count;
static char **arg_words;

static const char *arg(const char *key, const char *fallback) {
  size_t n = strlen(key);
  for (int i = 1; i < arg_count; i++)
    if (!strncmp(arg_words[i], key, n) && arg_words[i][n] == '=') return arg_words[i] + n + 1;
  return fallback;
}
static int arg_int(const char *key, int fallback) {
  const char *word = arg(key, NULL);
  return word ? atoi(word) : fallback;
}
static int is(const char *word, const char *other) { return !strcmp(word, other); }

// --- Clocks ----------------------------------------------------------------------------------

static double wall_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu_s(int who) {
  struct rusage r;
  getrusage(who, &r);
  return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

struct span {
  double wall, cpu;
};
static struct span span_start(void) {
  return (struct span){wall_s(), cpu_s(RUSAGE_SELF) + cpu_s(RUSAGE_CHILDREN)};
}
static struct span span_end(struct span start) {
  struct span end = span_start();
  return (struct span){end.wall - start.wall, end.cpu - start.cpu};
}

static void print_rates(unsigned long ops, struct span span) {
  printf("\"ops\":%lu,\"ops_s\":%.0f,\"cpu_ns_op\":%.1f", ops, ops / span.wall,
         span.cpu * 1e9 / ops);
}

// --- The ring --------------------------------------------------------------------------------

struct ring {
  int fd;
  struct io_uring_params params;
  uint8_t *shared;
  size_t shared_size;
  struct io_uring_sqe *sqes;
  unsigned tail;
};

// Totals over all rings, filled by ring_reap().
static struct {
  unsigned long sends, notifs, copied, errors, bytes;
  int last_error;
} seen;

static uint32_t *word(struct ring *r, unsigned offset) { return (uint32_t *)(r->shared + offset); }

static int enter(struct ring *r, unsigned to_submit, unsigned min_complete) {
  return syscall(__NR_io_uring_enter, r->fd, to_submit, min_complete, IORING_ENTER_GETEVENTS, 0, 0);
}

static void ring_open(struct ring *r, unsigned entries, unsigned cq_entries, unsigned flags) {
  memset(r, 0, sizeof *r);
  r->params.flags = flags | IORING_SETUP_CQSIZE;
  r->params.cq_entries = cq_entries;
  r->fd = syscall(__NR_io_uring_setup, entries, &r->params);
  if (r->fd < 0) die("io_uring_setup");
  size_t sq_size = r->params.sq_off.array + r->params.sq_entries * sizeof(uint32_t);
  size_t cq_size = r->params.cq_off.cqes + r->params.cq_entries * sizeof(struct io_uring_cqe);
  r->shared_size = sq_size > cq_size ? sq_size : cq_size;
  r->shared = mmap(NULL, r->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
                   IORING_OFF_SQ_RING);
  r->sqes = mmap(NULL, r->params.sq_entries * sizeof *r->sqes, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
  if (r->shared == MAP_FAILED || (void *)r->sqes == MAP_FAILED) die("mmap of the ring");
  uint32_t *array = word(r, r->params.sq_off.array);
  for (unsigned i = 0; i < r->params.sq_entries; i++) array[i] = i;
}

static void ring_close(struct ring *r) {
  munmap(r->shared, r->shared_size);
  munmap(r->sqes, r->params.sq_entries * sizeof *r->sqes);
  close(r->fd);
}

static struct io_uring_sqe *ring_sqe(struct ring *r) {
  struct io_uring_sqe *sqe = &r->sqes[r->tail & (r->params.sq_entries - 1)];
  memset(sqe, 0, sizeof *sqe);
  r->tail++;
  return sqe;
}

static void ring_publish(struct ring *r) {
  __atomic_store_n(word(r, r->params.sq_off.tail), r->tail, __ATOMIC_RELEASE);
}

static unsigned ring_reap(struct ring *r) {
  uint32_t head = *word(r, r->params.cq_off.head), mask = *word(r, r->params.cq_off.ring_mask);
  uint32_t tail = __atomic_load_n(word(r, r->params.cq_off.tail), __ATOMIC_ACQUIRE);
  const struct io_uring_cqe *cqes = (void *)(r->shared + r->params.cq_off.cqes);
  unsigned n = tail - head;
  for (; head != tail; head++) {
    const struct io_uring_cqe *cqe = &cqes[head & mask];
    if (cqe->flags & CQE_F_NOTIF) {
      seen.notifs++;
      if (cqe->res) seen.copied++; // REPORT_USAGE: bit 31
      continue;
    }
    seen.sends++;
    if (cqe->res < 0) {
      seen.errors++;
      seen.last_error = cqe->res;
    } else {
      seen.bytes += cqe->res;
    }
  }
  __atomic_store_n(word(r, r->params.cq_off.head), head, __ATOMIC_RELEASE);
  return n;
}

static void wait_and_reap(struct ring *r) {
  enter(r, 0, 1);
  ring_reap(r);
}

// --- No-ops, rings, programs -----------------------------------------------------------------

static void bench_nop(double seconds, int batch, unsigned flags) {
  struct ring r;
  unsigned long ops = 0;
  ring_open(&r, batch, batch * 2, flags);
  struct span start = span_start();
  do {
    for (int k = 0; k < 64; k++) { // 64: the clock is read rarely
      for (int i = 0; i < batch; i++) ring_sqe(&r)->user_data = i; // opcode 0 is IORING_OP_NOP
      ring_publish(&r);
      enter(&r, batch, batch);
      ops += ring_reap(&r);
    }
  } while (wall_s() - start.wall < seconds);
  struct span span = span_end(start);
  printf("{\"mode\":\"nop\",\"batch\":%d,\"defer\":%d,", batch, flags != 0);
  print_rates(ops, span);
  printf("}\n");
}

static void bench_setup(double seconds, int entries, unsigned flags) {
  int with_mmap = arg_int("mmap", 0);
  unsigned long ops = 0;
  struct span start = span_start();
  do {
    for (int k = 0; k < 16; k++, ops++) {
      if (with_mmap) {
        struct ring r;
        ring_open(&r, entries, entries * 2, flags);
        ring_close(&r);
        continue;
      }
      struct io_uring_params params = {.flags = flags};
      int fd = syscall(__NR_io_uring_setup, entries, &params);
      if (fd < 0) die("io_uring_setup");
      close(fd);
    }
  } while (wall_s() - start.wall < seconds);
  struct span span = span_end(start);
  printf("{\"mode\":\"setup\",\"entries\":%d,\"mmap\":%d,\"defer\":%d,", entries, with_mmap,
         flags != 0);
  print_rates(ops, span);
  printf("}\n");
}

static void open_pair(const char *kind, int pair[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  if (is(kind, "unix")) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) die("socketpair");
    return;
  }
  int type = is(kind, "tcp") ? SOCK_STREAM : SOCK_DGRAM;
  int peer = socket(AF_INET, type, 0);
  pair[0] = socket(AF_INET, type, 0);
  if (bind(peer, (void *)&address, size)) die("bind");
  if (type == SOCK_STREAM) {
    // A reset at close: no TIME_WAIT, which would use up the ports.
    struct linger linger = {1, 0};
    setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    listen(peer, 1);
  }
  getsockname(peer, (void *)&address, &size);
  if (connect(pair[0], (void *)&address, size)) die("connect");
  pair[1] = peer;
  if (type == SOCK_STREAM) {
    pair[1] = accept(peer, NULL, NULL);
    close(peer);
  }
}

static void run_fuzz_program(const char *pair_kind, int zc, unsigned flags, const uint8_t *bytes) {
  struct ring r;
  int pair[2];
  ring_open(&r, 16, 32, flags);
  open_pair(pair_kind, pair);
  for (int i = 0; i < 8; i++) {
    struct io_uring_sqe *sqe = ring_sqe(&r);
    sqe->user_data = i;
    if (i & 1) continue; // a no-op
    sqe->opcode = zc ? OP_SEND_ZC : OP_SEND;
    sqe->fd = pair[0];
    sqe->addr = (uintptr_t)bytes;
    sqe->len = 500;
  }
  ring_publish(&r);
  unsigned want = zc ? 12 : 8;
  enter(&r, 8, want);
  unsigned got = ring_reap(&r);
  while (got < want) {
    enter(&r, 0, 1);
    got += ring_reap(&r);
  }
  close(pair[0]);
  close(pair[1]);
  ring_close(&r);
}

static void bench_fuzz(double seconds, unsigned flags) {
  static uint8_t bytes[PAGE];
  const char *pair_kind = arg("pair", "unix");
  int zc = arg_int("zc", 1), with_fork = arg_int("fork", 0);
  unsigned long ops = 0;
  struct span start = span_start();
  do {
    for (int k = 0; k < 4; k++, ops++) {
      pid_t child = with_fork ? fork() : 0;
      if (child < 0) die("fork");
      if (child) {
        waitpid(child, NULL, 0);
        continue;
      }
      run_fuzz_program(pair_kind, zc, flags, bytes);
      if (with_fork) _exit(0);
    }
  } while (wall_s() - start.wall < seconds);
  struct span span = span_end(start);
  printf("{\"mode\":\"fuzz\",\"pair\":\"%s\",\"zc\":%d,\"fork\":%d,\"defer\":%d,", pair_kind, zc,
         with_fork, flags != 0);
  print_rates(ops, span);
  printf("}\n");
}

// --- Sending ---------------------------------------------------------------------------------

static int cpus[2] = {-1, -1}; // the first two CPUs this process may use

static void find_cpus(void) {
  cpu_set_t set;
  int found = 0;
  if (sched_getaffinity(0, sizeof set, &set)) return;
  for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
    if (CPU_ISSET(cpu, &set)) cpus[found++] = cpu;
}

static void pin(int cpu) {
  cpu_set_t set;
  if (cpu < 0) return;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

static const char *peer_address(const char *device) {
  if (is(device, "lo")) return "127.0.0.1";
  if (is(device, "veth")) return "10.77.0.2";
  if (is(device, "ifb")) return "10.78.0.2";
  if (is(device, "ifbjumbo")) return "10.80.0.2";
  fprintf(stderr, "unknown dev %s\n", device);
  exit(1);
}

static void switch_ns(int ns, const char *what) {
  if (ns < 0 || setns(ns, CLONE_NEWNET)) die(what);
}

static int open_peer_ns(void) {
  const char *name = getenv("ZC_NS_B");
  char path[PATH_MAX];
  snprintf(path, sizeof path, "/run/netns/%s", name && *name ? name : "zcb");
  return open(path, O_RDONLY);
}

// The receiver: reads and forgets. MSG_TRUNC on TCP discards without a copy to user space.
__attribute__((noreturn)) static void run_sink(int fd, int is_tcp, pid_t parent) {
  static char bytes[1 << 20];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  pin(cpus[1]);
  if (is_tcp) fd = accept(fd, NULL, NULL);
  for (;;) {
    long n = recv(fd, bytes, sizeof bytes, MSG_TRUNC);
    if (n <= 0 && is_tcp) _exit(0);
  }
}

// Returns the connected socket; *sink is the receiver's pid, or 0 for a device that drops packets.
static int open_target(const char *device, int is_tcp, pid_t *sink) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof address;
  int type = is_tcp ? SOCK_STREAM : SOCK_DGRAM, one = 1, sndbuf = 4 << 20;
  int fd = socket(AF_INET, type, 0);
  inet_pton(AF_INET, peer_address(device), &address.sin_addr);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof sndbuf);
  if (is_tcp) {
    // Not a pacing algorithm, whatever the machine's default is.
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5)) die("TCP_CONGESTION");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  *sink = 0;
  if (!strncmp(device, "ifb", 3)) {
    address.sin_port = htons(9);
  } else {
    int home = open("/proc/self/ns/net", O_RDONLY), in_peer_ns = is(device, "veth");
    if (in_peer_ns) switch_ns(open_peer_ns(), "the peer's namespace");
    int peer = socket(AF_INET, type, 0);
    if (bind(peer, (void *)&address, size)) die("bind");
    if (is_tcp) listen(peer, 1);
    getsockname(peer, (void *)&address, &size);
    if (in_peer_ns) switch_ns(home, "the own namespace");
    pid_t parent = getpid();
    *sink = fork();
    if (*sink < 0) die("fork");
    if (!*sink) run_sink(peer, is_tcp, parent);
    close(peer);
    close(home);
  }
  if (connect(fd, (void *)&address, size)) die("connect");
  return fd;
}

static void bench_send(double seconds, int batch, unsigned flags, int zc) {
  const char *kind = arg("kind", "udp"), *device = arg("dev", "ifb");
  size_t len = strtoul(arg("len", "1000"), NULL, 0);
  int fixed = arg_int("fixed", 0), is_tcp = is(kind, "tcp");
  unsigned ioprio = (zc && arg_int("ru", 1) ? SEND_ZC_REPORT_USAGE : 0) |
                    (fixed ? RECVSEND_FIXED_BUF : 0);
  pid_t sink;
  int fd = open_target(device, is_tcp, &sink);

  // Several buffers in turn, as an application that fills one while others are in flight.
  size_t stride = ((len ? len : 1) + PAGE - 1) & ~(size_t)(PAGE - 1);
  size_t buffers = BUFFER_BYTES_MAX / stride;
  if (buffers > BUFFERS_MAX) buffers = BUFFERS_MAX;
  if (buffers < 1) buffers = 1;
  uint8_t *bytes = mmap(NULL, stride * buffers, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (bytes == MAP_FAILED) die("mmap");
  memset(bytes, 7, stride * buffers);

  struct ring r;
  ring_open(&r, batch, batch * 4 < 64 ? 64 : batch * 4, flags);
  if (fixed) {
    struct iovec iov[BUFFERS_MAX];
    for (size_t i = 0; i < buffers; i++) iov[i] = (struct iovec){bytes + stride * i, stride};
    if (syscall(__NR_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, iov, buffers))
      die("IORING_REGISTER_BUFFERS");
  }

  size_t next = 0;
  unsigned long outstanding_max = is_tcp ? batch * 2 : 0;
  struct span start = span_start();
  do {
    for (int i = 0; i < batch; i++) {
      struct io_uring_sqe *sqe = ring_sqe(&r);
      sqe->opcode = zc ? OP_SEND_ZC : OP_SEND;
      sqe->fd = fd;
      sqe->addr = (uintptr_t)(bytes + stride * next);
      sqe->len = len;
      sqe->msg_flags = is_tcp ? MSG_WAITALL : 0;
      sqe->ioprio = ioprio;
      sqe->buf_index = fixed ? next : 0;
      next = (next + 1) % buffers;
    }
    ring_publish(&r);
    unsigned long sends_before = seen.sends;
    enter(&r, batch, batch);
    ring_reap(&r);
    while (seen.sends - sends_before < (unsigned)batch) wait_and_reap(&r);
    // A failed request may have no notification; too many failures end the run below.
    while (zc && !seen.errors && seen.sends - seen.notifs > outstanding_max) wait_and_reap(&r);
  } while (wall_s() - start.wall < seconds && seen.errors <= ERRORS_MAX);
  while (zc && !seen.errors && seen.sends > seen.notifs) wait_and_reap(&r);
  struct span span = span_end(start);

  printf("{\"mode\":\"%s\",\"kind\":\"%s\",\"dev\":\"%s\",\"len\":%zu,\"batch\":%d,\"fixed\":%d,"
         "\"defer\":%d,",
         zc ? "sendzc" : "send", kind, device, len, batch, fixed, flags != 0);
  print_rates(seen.sends, span);
  printf(",\"MB_s\":%.1f,\"copied\":%.3f,\"errors\":%lu,\"last_error\":%d}\n",
         seen.bytes / span.wall / 1e6, seen.notifs ? (double)seen.copied / seen.notifs : 0,
         seen.errors, seen.last_error);
  close(fd);
  if (sink > 0) {
    kill(sink, SIGKILL);
    waitpid(sink, NULL, 0);
  }
}

int main(int count, char **words) {
  arg_count = count;
  arg_words = words;
  const char *mode = arg("mode", "nop");
  double seconds = atof(arg("t", "0.6"));
  int batch = arg_int("batch", 32);
  unsigned flags = arg_int("defer", 1) ? SETUP_SINGLE_ISSUER_DEFER_TASKRUN : 0;
  if (batch < 1 || batch > 4096 || !(seconds > 0)) {
    fprintf(stderr, "batch is not in 1..4096 or t is not positive\n");
    return 1;
  }
  signal(SIGPIPE, SIG_IGN);
  find_cpus();
  if (!arg_int("nopin", 0)) pin(cpus[0]);
  if (is(mode, "nop")) bench_nop(seconds, batch, flags);
  else if (is(mode, "setup")) bench_setup(seconds, batch, flags);
  else if (is(mode, "fuzz")) bench_fuzz(seconds, flags);
  else if (is(mode, "send")) bench_send(seconds, batch, flags, 0);
  else if (is(mode, "sendzc")) bench_send(seconds, batch, flags, 1);
  else {
    fprintf(stderr, "unknown mode %s\n", mode);
    return 1;
  }
  return 0;
}
