#define _GNU_SOURCE
#include "CKernel.h"

#include <errno.h>
#include <link.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/nsfs.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <string.h>

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

int kernel_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
  return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

int kernel_pipe2(int ends[2], int flags) { return (int)syscall(SYS_pipe2, ends, flags); }
int kernel_fork(void) { return fork(); }
int kernel_unshare(int flags) { return unshare(flags); }
int kernel_setns(int fd, int nstype) { return setns(fd, nstype); }
int kernel_pivot_root(const char *new_root, const char *put_old) { return (int)syscall(SYS_pivot_root, new_root, put_old); }
int kernel_close_range(unsigned first, unsigned last, unsigned flags) { return (int)syscall(SYS_close_range, first, last, flags); }
int kernel_fsopen(const char *fsname, unsigned flags) { return (int)syscall(SYS_fsopen, fsname, flags); }

int kernel_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux) {
  return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}

int kernel_fsmount(int fd, unsigned flags, unsigned attrs) { return (int)syscall(SYS_fsmount, fd, flags, attrs); }

int kernel_move_mount(int from_dirfd, const char *from_path, int to_dirfd, const char *to_path, unsigned flags) {
  return (int)syscall(SYS_move_mount, from_dirfd, from_path, to_dirfd, to_path, flags);
}

int kernel_open_tree(int dirfd, const char *path, unsigned flags) { return (int)syscall(SYS_open_tree, dirfd, path, flags); }

int kernel_mount_setattr(int dirfd, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation,
                         int userns_fd) {
  struct {
    uint64_t attr_set, attr_clr, propagation, userns_fd;
  } attr = {set, clear, propagation, (uint64_t)userns_fd};
  return (int)syscall(SYS_mount_setattr, dirfd, path, flags, &attr, sizeof attr);
}

int kernel_pidfd_open(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }
int kernel_pidfd_send_signal(int pidfd, int sig) { return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0); }

int kernel_renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned flags) {
  return (int)syscall(SYS_renameat2, olddirfd, oldpath, newdirfd, newpath, flags);
}

int kernel_memfd_create(const char *name, unsigned flags) { return (int)syscall(SYS_memfd_create, name, flags); }
pid_t kernel_gettid(void) { return (pid_t)syscall(SYS_gettid); }

pid_t kernel_clone3(uint64_t flags, int *pidfd, int exit_signal, int cgroup_fd) {
  struct clone_args args;
  memset(&args, 0, sizeof args);
  args.flags = flags;
  args.exit_signal = (uint64_t)exit_signal;
  if (pidfd != NULL) {
    args.flags |= CLONE_PIDFD;
    args.pidfd = (uint64_t)(uintptr_t)pidfd;
  }
  if (cgroup_fd >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)cgroup_fd;
  }
  return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

int kernel_sync_file_range(int fd, int64_t offset, int64_t length) {
  return sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

#ifdef __GLIBC__
void kernel_limit_heaps(int count) { mallopt(M_ARENA_MAX, count); }
void kernel_trim_heaps(void) { malloc_trim(0); }
#else
void kernel_limit_heaps(int count) { (void)count; }
void kernel_trim_heaps(void) {}
#endif

int kernel_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
  return prctl(option, a, b, c, d);
}

int kernel_capget(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2];
  int result = (int)syscall(SYS_capget, &header, data);
  if (result == 0) {
    *effective = data[0].effective | (uint64_t)data[1].effective << 32;
    *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    *inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
  }
  return result;
}

int kernel_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2] = {
      {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
      {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
  };
  return (int)syscall(SYS_capset, &header, data);
}

int kernel_seccomp_set_filter(unsigned flags, const void *instructions, unsigned short count) {
  struct sock_fprog program = {.len = count, .filter = (struct sock_filter *)instructions};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

int kernel_join_session_keyring(const char *name) { return (int)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name); }

int kernel_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags) {
  return (int)syscall(SYS_execveat, dirfd, path, argv, envp, flags);
}

#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
int kernel_faccessat2(int dirfd, const char *path, int mode, int flags) {
  return (int)syscall(SYS_faccessat2, dirfd, path, mode, flags);
}

long kernel_getcwd(char *buffer, unsigned long size) { return syscall(SYS_getcwd, buffer, size); }
int kernel_ioprio_set(int which, int who, int ioprio) { return (int)syscall(SYS_ioprio_set, which, who, ioprio); }

int kernel_sched_setattr(uint32_t policy, uint64_t flags, int32_t nice, uint32_t priority, uint64_t runtime,
                         uint64_t deadline, uint64_t period) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
  } attributes = {56, policy, flags, nice, priority, runtime, deadline, period, 0, 0};
  return (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

int kernel_set_mempolicy(int mode, const unsigned long *nodes, unsigned long maxnode) {
  return (int)syscall(SYS_set_mempolicy, mode, nodes, maxnode);
}

int kernel_sched_setaffinity(const void *mask, unsigned long size) {
  return (int)syscall(SYS_sched_setaffinity, 0, size, mask);
}

int kernel_namespace_type(int fd) { return ioctl(fd, NS_GET_NSTYPE); }

int kernel_spawn_chdir(void *actions, const char *path) { return posix_spawn_file_actions_addchdir_np(actions, path); }

#ifndef SYS_fspick
#define SYS_fspick 433
#endif
int kernel_fspick(int dirfd, const char *path, unsigned flags) { return (int)syscall(SYS_fspick, dirfd, path, flags); }

int kernel_personality(unsigned long persona) { return personality(persona); }

int kernel_bpf_load_device_program(const void *instructions, unsigned count, const char *name) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = (uint64_t)(uintptr_t)instructions;
  attr.insn_cnt = count;
  attr.license = (uint64_t)(uintptr_t) "GPL";
  strncpy(attr.prog_name, name, sizeof attr.prog_name - 1);
  return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
}

int kernel_bpf_attach_device_program(int cgroup_fd, int program_fd, unsigned flags, int replaced_fd) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.target_fd = (uint32_t)cgroup_fd;
  attr.attach_bpf_fd = (uint32_t)program_fd;
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = flags;
  attr.replace_bpf_fd = (uint32_t)replaced_fd;
  return (int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr);
}

int kernel_bpf_detach_device_program(int cgroup_fd, int program_fd) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.target_fd = (uint32_t)cgroup_fd;
  attr.attach_bpf_fd = (uint32_t)program_fd;
  attr.attach_type = BPF_CGROUP_DEVICE;
  return (int)syscall(SYS_bpf, BPF_PROG_DETACH, &attr, sizeof attr);
}

int kernel_bpf_query_device_programs(int cgroup_fd, uint32_t *ids, unsigned capacity) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.query.target_fd = (uint32_t)cgroup_fd;
  attr.query.attach_type = BPF_CGROUP_DEVICE;
  attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
  attr.query.prog_cnt = capacity;
  if (syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof attr) < 0) return -1;
  return (int)attr.query.prog_cnt;
}

int kernel_bpf_open_program(uint32_t id) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.prog_id = id;
  return (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof attr);
}

int kernel_bpf_program_name(int program_fd, char name[16]) {
  struct bpf_prog_info info;
  union bpf_attr attr;
  memset(&info, 0, sizeof info);
  memset(&attr, 0, sizeof attr);
  attr.info.bpf_fd = (uint32_t)program_fd;
  attr.info.info_len = sizeof info;
  attr.info.info = (uint64_t)(uintptr_t)&info;
  if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) < 0) return -1;
  memcpy(name, info.name, 16);
  name[15] = 0;
  return 0;
}

#define MAX_DESCRIPTORS 8

ssize_t kernel_send_with_descriptors(int socket, const void *data, size_t size, const int *descriptors, int count, int flags) {
  struct iovec part = {.iov_base = (void *)data, .iov_len = size};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * MAX_DESCRIPTORS)];
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > MAX_DESCRIPTORS) {
    errno = EINVAL;
    return -1;
  }
  if (count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(header), descriptors, sizeof(int) * (size_t)count);
  }
  return sendmsg(socket, &message, flags);
}

ssize_t kernel_receive_with_descriptors(int socket, void *data, size_t size, int *descriptors, int *count, int flags) {
  struct iovec part = {.iov_base = data, .iov_len = size};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * MAX_DESCRIPTORS)];
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
  ssize_t result = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  *count = 0;
  if (result < 0) return result;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    int received = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (int i = 0; i < received; i++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(header) + sizeof(int) * (size_t)i, sizeof descriptor);
      if (*count < MAX_DESCRIPTORS) {
        descriptors[(*count)++] = descriptor;
      } else {
        close(descriptor);
      }
    }
  }
  return result;
}

int kernel_accept4(int socket, int flags) { return accept4(socket, NULL, NULL, flags); }
int kernel_setresuid(uint32_t real, uint32_t effective, uint32_t saved) { return setresuid(real, effective, saved); }
int kernel_setresgid(uint32_t real, uint32_t effective, uint32_t saved) { return setresgid(real, effective, saved); }

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif
int kernel_unlock_pty(int master) {
  int locked = 0;
  return ioctl(master, TIOCSPTLCK, &locked);
}
int kernel_open_pty_peer(int master, int flags) { return ioctl(master, TIOCGPTPEER, flags); }
int kernel_set_controlling_terminal(int fd) { return ioctl(fd, TIOCSCTTY, 0); }

static int each_segment(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  void (*body)(void *, size_t) = *(void (**)(void *, size_t))context;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t relro_start = 0, relro_end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) {
      relro_start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
      relro_end = relro_start + info->dlpi_phdr[i].p_memsz;
    }
  }
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
    uintptr_t start = info->dlpi_addr + segment->p_vaddr;
    uintptr_t end = start + segment->p_memsz;
    // Relocated once at start and protected since: its content is nowhere else.
    if (start < relro_end && relro_start < end) continue;
    start = (start + page - 1) & ~(page - 1);
    end &= ~(page - 1);
    if (start < end) body((void *)start, end - start);
  }
  return 1; // the program itself comes first
}

void kernel_each_read_only_segment(void (*body)(void *start, size_t size)) {
  dl_iterate_phdr(each_segment, &body);
}

ssize_t kernel_copy_file_range(int from, int to, size_t count) {
  return syscall(SYS_copy_file_range, from, NULL, to, NULL, count, 0u);
}

int kernel_clone_file(int from, int to) { return ioctl(to, 0x40049409 /* FICLONE */, from); }

static void drop(void *start, size_t size) { madvise(start, size, MADV_DONTNEED); }

int kernel_accept4_without_program(int socket, int flags) {
  kernel_each_read_only_segment(drop);
  return accept4(socket, NULL, NULL, flags);
}
