// The floor under an OCI runtime: the system calls that a container of bench/config.json cannot do without, in the
// cheapest form that is still correct, and nothing around them: no JSON, no state, no messages.
//
// usage: floor-runtime run    ROOT FILES CGROUP FILTER PROGRAM
//        floor-runtime create ROOT FILES CGROUP FILTER PROGRAM STATE
//        floor-runtime start  STATE
//        floor-runtime delete STATE CGROUP
//        floor-runtime exec   PID CGROUP FILTER PROGRAM
//        floor-runtime                  waits for a signal: the program of a container that stays
// ROOT: the root file system, mounted by the caller; FILES holds resolv.conf, hostname and hosts; CGROUP: a directory
// to make; FILTER: a seccomp program in its binary form; STATE: a directory to make.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define LENGTH(list) (sizeof(list) / sizeof *(list))
#define MUST(call) must((long)(call), #call)
int umount2(const char *, int);
int mount(const char *, const char *, const char *, unsigned long, const void *);

static long must(long result, const char *what) {
  if (result < 0) {
    perror(what);
    _exit(125);
  }
  return result;
}

static int fsopen_(const char *type) { return (int)MUST(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)); }
static void set(int context, const char *key, const char *value) {
  MUST(syscall(SYS_fsconfig, context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0));
}
static int finish(int context, unsigned attributes) {
  MUST(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
  int mount = (int)MUST(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes));
  close(context);
  return mount;
}
static void attach(int mount, int directory, const char *place) {
  MUST(syscall(SYS_move_mount, mount, "", directory, place,
               MOVE_MOUNT_F_EMPTY_PATH | (*place ? 0 : MOVE_MOUNT_T_EMPTY_PATH)));
}
static int clone_tree(int directory, const char *path, unsigned flags) {
  return (int)MUST(syscall(SYS_open_tree, directory, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags));
}
static void change(int mount, unsigned flags, uint64_t attributes) {
  struct mount_attr attr = {.attr_set = attributes};
  MUST(syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | flags, &attr, sizeof attr));
}

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static void furnish(int root, const int *files) {
  int context = fsopen_("proc"), proc = finish(context, SAFE);
  attach(proc, root, "proc");
  context = fsopen_("tmpfs");
  set(context, "mode", "755");
  set(context, "size", "65536k");
  int dev = finish(context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
  attach(dev, root, "dev");
  context = fsopen_("devpts");
  set(context, "ptmxmode", "0666");
  set(context, "mode", "0620");
  set(context, "gid", "5");
  int terminals = finish(context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  MUST(mkdirat(dev, "pts", 0755));
  attach(terminals, dev, "pts");
  int sys = finish(fsopen_("sysfs"), SAFE | MOUNT_ATTR_RDONLY);
  attach(sys, root, "sys");
  attach(finish(fsopen_("cgroup2"), SAFE | MOUNT_ATTR_RDONLY), sys, "fs/cgroup");
  MUST(mkdirat(dev, "mqueue", 0755));
  attach(finish(fsopen_("mqueue"), SAFE), dev, "mqueue");
  context = fsopen_("tmpfs");
  set(context, "mode", "1777");
  set(context, "size", "67108864");
  MUST(mkdirat(dev, "shm", 0755));
  attach(finish(context, SAFE), dev, "shm");
  static const char *const names[] = {"etc/resolv.conf", "etc/hostname", "etc/hosts"};
  for (unsigned i = 0; i < LENGTH(names); i++) attach(files[i], root, names[i]);

  static const struct {
    const char *name;
    int major, minor;
  } nodes[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
  umask(0);
  for (unsigned i = 0; i < LENGTH(nodes); i++)
    MUST(mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
  umask(022);
  static const char *const links[][2] = {{"fd", "/proc/self/fd"},          {"stdin", "/proc/self/fd/0"},
                                         {"stdout", "/proc/self/fd/1"},    {"stderr", "/proc/self/fd/2"},
                                         {"core", "/proc/kcore"},          {"ptmx", "pts/ptmx"}};
  for (unsigned i = 0; i < LENGTH(links); i++) MUST(symlinkat(links[i][1], dev, links[i][0]));

  static const char *const settings[][2] = {{"sys/net/ipv4/ip_unprivileged_port_start", "0"},
                                            {"sys/net/ipv4/ping_group_range", "0 2147483647"}};
  for (unsigned i = 0; i < LENGTH(settings); i++) {
    int file = (int)MUST(openat(proc, settings[i][0], O_WRONLY | O_CLOEXEC));
    MUST(write(file, settings[i][1], strlen(settings[i][1])));
    close(file);
  }
  static const char *const closed[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};
  for (unsigned i = 0; i < LENGTH(closed); i++) {
    int copy = (int)syscall(SYS_open_tree, root, closed[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (copy < 0 && errno == ENOENT) continue;
    MUST(copy);
    change(copy, AT_RECURSIVE, MOUNT_ATTR_RDONLY);
    attach(copy, root, closed[i]);
    close(copy);
  }
  static const char *const masked[] = {"proc/asound",     "proc/acpi",       "proc/interrupts",  "proc/kcore",
                                       "proc/keys",       "proc/latency_stats", "proc/timer_list", "proc/timer_stats",
                                       "proc/sched_debug", "proc/scsi",      "sys/firmware",
                                       "sys/devices/virtual/powercap"};
  int empty = -1;
  for (unsigned i = 0; i < LENGTH(masked); i++) {
    struct stat status;
    if (fstatat(root, masked[i], &status, 0) != 0) continue;
    int cover;
    if (!S_ISDIR(status.st_mode)) {
      cover = clone_tree(dev, "null", 0);
    } else if (empty < 0) {
      context = fsopen_("tmpfs");
      set(context, "nr_blocks", "1");
      set(context, "nr_inodes", "1");
      cover = empty = finish(context, SAFE | MOUNT_ATTR_RDONLY);
    } else {
      cover = clone_tree(empty, "", AT_EMPTY_PATH);
    }
    attach(cover, root, masked[i]);
  }
}

static const uint64_t capabilities = 1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FSETID |
                                     1ull << CAP_FOWNER | 1ull << CAP_MKNOD | 1ull << CAP_NET_RAW | 1ull << CAP_SETGID |
                                     1ull << CAP_SETUID | 1ull << CAP_SETFCAP | 1ull << CAP_SETPCAP |
                                     1ull << CAP_NET_BIND_SERVICE | 1ull << CAP_SYS_CHROOT | 1ull << CAP_KILL |
                                     1ull << CAP_AUDIT_WRITE;

static char filter[1 << 17];
static unsigned short filter_length;

static void read_filter(const char *path) {
  int file = (int)MUST(open(path, O_RDONLY | O_CLOEXEC));
  filter_length = (unsigned short)(MUST(read(file, filter, sizeof filter)) / 8);
  close(file);
}

// Rights away, then the filter, which takes CAP_SYS_ADMIN to load without no_new_privs; then that goes too.
static void become(const char *program) {
  for (int number = 0; number <= CAP_LAST_CAP; number++)
    if (!(capabilities >> number & 1)) MUST(prctl(PR_CAPBSET_DROP, number));
  gid_t group = 0;
  MUST(syscall(SYS_setgroups, 1, &group));
  MUST(syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC));
  struct sock_fprog code = {.len = filter_length, .filter = (struct sock_filter *)filter};
  MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &code));
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  uint32_t low = (uint32_t)capabilities, high = (uint32_t)(capabilities >> 32);
  struct __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
  MUST(syscall(SYS_capset, &header, data));
  char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=bench", "HOME=/",
                         NULL};
  execve(program, (char *[]){(char *)program, NULL}, environment);
  MUST(-1);
}

// The standard devices and those of terminals may be used, all others not. Without a branch, as the verifier likes it.
static void restrict_devices(int cgroup) {
#define LOAD(to, offset) {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = to, .src_reg = 1, .off = offset}
#define WITH(op, to, value) {.code = BPF_ALU | op | BPF_K, .dst_reg = to, .imm = value}
#define JOIN(op, to, from) {.code = BPF_ALU | op | BPF_X, .dst_reg = to, .src_reg = from}
#define IS_ZERO(to) \
  {.code = BPF_ALU64 | BPF_SUB | BPF_K, .dst_reg = to, .imm = 1}, {.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = to, .imm = 63}
#define ALLOW(major, minor) \
  JOIN(BPF_MOV, 1, 4), WITH(BPF_XOR, 1, major), JOIN(BPF_MOV, 6, 5), WITH(BPF_XOR, 6, minor), JOIN(BPF_OR, 1, 6), \
      JOIN(BPF_OR, 1, 2), IS_ZERO(1), JOIN(BPF_OR, 0, 1)
  struct bpf_insn code[] = {LOAD(2, 0),  LOAD(4, 4),  LOAD(5, 8), WITH(BPF_AND, 2, 0xffff), WITH(BPF_XOR, 2, 2),
                            WITH(BPF_MOV, 0, 0), ALLOW(1, 3), ALLOW(1, 5), ALLOW(1, 7), ALLOW(1, 8), ALLOW(1, 9),
                            ALLOW(5, 0), ALLOW(5, 1), ALLOW(5, 2), {.code = BPF_JMP | BPF_EXIT}};
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = (uint64_t)(uintptr_t)code;
  attr.insn_cnt = LENGTH(code);
  attr.license = (uint64_t)(uintptr_t) "GPL";
  int program = (int)MUST(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr));
  memset(&attr, 0, sizeof attr);
  attr.target_fd = (uint32_t)cgroup;
  attr.attach_bpf_fd = (uint32_t)program;
  attr.attach_type = BPF_CGROUP_DEVICE;
  MUST(syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr));
  close(program);
}

static pid_t spawn(uint64_t flags, int cgroup) {
  struct clone_args args = {.flags = flags | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup};
  return (pid_t)MUST(syscall(SYS_clone3, &args, sizeof args));
}

// state, ready: -1 for `run`.
static pid_t launch(char **words, int state, int ready) {
  const char *names[] = {"resolv.conf", "hostname", "hosts"};
  int files[3];
  MUST(mkdir(words[2], 0755));
  int cgroup = (int)MUST(open(words[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  restrict_devices(cgroup);
  read_filter(words[3]);
  int root = clone_tree(AT_FDCWD, words[0], AT_RECURSIVE);
  int directory = (int)MUST(open(words[1], O_PATH | O_CLOEXEC));
  for (int i = 0; i < 3; i++) files[i] = clone_tree(directory, names[i], 0);
  pid_t pid = spawn(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, cgroup);
  if (pid != 0) return pid;

  MUST(unshare(CLONE_NEWCGROUP));
  int control = (int)MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  MUST(ioctl(control, SIOCSIFFLAGS, &loopback));
  MUST(setsid());
  MUST(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_ses.floor"));
  MUST(mount(NULL, "/", NULL, 0x4000 | 0x80000 /* MS_REC | MS_SLAVE */, NULL));
  int top = (int)MUST(open("/", O_PATH | O_CLOEXEC));
  attach(root, top, "");
  furnish(root, files);
  MUST(fchdir(root));
  MUST(syscall(SYS_pivot_root, ".", "."));
  MUST(umount2(".", 2 /* MNT_DETACH */));
  MUST(chdir("/"));
  MUST(sethostname("bench", 5));
  if (state >= 0) {
    MUST(write(ready, "", 1));
    MUST(openat(state, "start", O_WRONLY | O_CLOEXEC));
  }
  become(words[4]);
  return 0;
}

static int wait_for(pid_t pid) {
  int status;
  MUST(waitpid(pid, &status, 0));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void remove_cgroup(const char *path) {
  while (rmdir(path) != 0) {
    if (errno != EBUSY) MUST(-1);
    char file[4096], text[256];
    snprintf(file, sizeof file, "%s/cgroup.events", path);
    int events = (int)MUST(open(file, O_RDONLY | O_CLOEXEC));
    struct pollfd change = {.fd = events, .events = POLLPRI};
    if (read(events, text, sizeof text) > 0 && strstr(text, "populated 1")) poll(&change, 1, 1000);
    close(events);
  }
}

static void create(char **words) {
  MUST(mkdir(words[5], 0700));
  int state = (int)MUST(open(words[5], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  MUST(mkfifoat(state, "start", 0600));
  int ends[2];
  MUST(pipe2(ends, O_CLOEXEC));
  pid_t pid = launch(words, state, ends[1]);
  close(ends[1]);
  int file = (int)MUST(openat(state, "pid", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  MUST(dprintf(file, "%d", pid));
  char byte;
  if (MUST(read(ends[0], &byte, 1)) != 1) _exit(125);
}

static void start(const char *directory) {
  int state = (int)MUST(open(directory, O_PATH | O_CLOEXEC));
  int fifo = (int)MUST(openat(state, "start", O_RDONLY | O_CLOEXEC));
  char byte;
  MUST(read(fifo, &byte, 1)); // its end: the program runs
  MUST(unlinkat(state, "start", 0));
}

static void delete(const char *directory, const char *cgroup) {
  int state = (int)MUST(open(directory, O_PATH | O_CLOEXEC));
  char text[16] = "";
  int file = (int)MUST(openat(state, "pid", O_RDONLY | O_CLOEXEC));
  MUST(read(file, text, sizeof text - 1));
  int process = (int)syscall(SYS_pidfd_open, atoi(text), 0);
  if (process >= 0) {
    syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
    struct pollfd end = {.fd = process, .events = POLLIN};
    poll(&end, 1, 10000);
  }
  remove_cgroup(cgroup);
  unlinkat(state, "start", 0);
  MUST(unlinkat(state, "pid", 0));
  MUST(rmdir(directory));
}

static int exec_(char **words) {
  int process = (int)MUST(syscall(SYS_pidfd_open, atoi(words[0]), 0));
  int cgroup = (int)MUST(open(words[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  read_filter(words[2]);
  MUST(setns(process, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP));
  pid_t pid = spawn(0, cgroup);
  if (pid == 0) {
    MUST(setsid());
    become(words[3]);
  }
  return wait_for(pid);
}

int main(int argc, char **argv) {
  if (argc == 1) return pause();
  if (argc < 3) return 2;
  char *mode = argv[1], **words = argv + 2;
  if (strcmp(mode, "run") == 0 && argc == 7) {
    int status = wait_for(launch(words, -1, -1));
    remove_cgroup(words[2]);
    return status;
  }
  if (strcmp(mode, "create") == 0 && argc == 8) create(words);
  else if (strcmp(mode, "start") == 0 && argc == 3) start(words[0]);
  else if (strcmp(mode, "delete") == 0 && argc == 4) delete(words[0], words[1]);
  else if (strcmp(mode, "exec") == 0 && argc == 6) return exec_(words);
  else return 2;
  return 0;
}
