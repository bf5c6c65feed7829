// System calls that glibc's Swift module lacks, under the names of their man pages, and nothing else.
// Each returns what the kernel returns, -1 with errno set on failure.
//
// No feature macros here: a type such as fd_set must look as it does in the Glibc module, or a Swift module that sees
// both does not compile.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

int kernel_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int kernel_unshare(int flags);
int kernel_setns(int fd, int nstype);
int kernel_pivot_root(const char *new_root, const char *put_old);
int kernel_close_range(unsigned first, unsigned last, unsigned flags);
int kernel_fsopen(const char *fsname, unsigned flags);
int kernel_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux);
int kernel_fsmount(int fd, unsigned flags, unsigned attrs);
int kernel_move_mount(int from_dirfd, const char *from_path, int to_dirfd, const char *to_path, unsigned flags);
int kernel_open_tree(int dirfd, const char *path, unsigned flags);
int kernel_mount_setattr(int dirfd, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation,
                         int userns_fd);
int kernel_pidfd_open(pid_t pid, unsigned flags);
int kernel_pidfd_send_signal(int pidfd, int sig);
int kernel_renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned flags);
int kernel_memfd_create(const char *name, unsigned flags);
pid_t kernel_gettid(void);

// fork(2) as a raw clone3: no atfork handlers. `pidfd` may be NULL; `cgroup_fd` is used when it is not negative.
// Returns 0 in the child. The caller must have one thread only, or the child may run nothing but async-signal-safe code.
pid_t kernel_clone3(uint64_t flags, int *pidfd, int exit_signal, int cgroup_fd);

// Begins writing a part of a file out, without waiting. (sync_file_range(2), SYNC_FILE_RANGE_WRITE)
int kernel_sync_file_range(int fd, int64_t offset, int64_t length);

// glibc's heap: at most `count` arenas for all threads; freed memory back to the system. (mallopt(3), malloc_trim(3))
void kernel_limit_heaps(int count);
void kernel_trim_heaps(void);
