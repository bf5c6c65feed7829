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
// fork(2), which Swift does not let through.
int kernel_fork(void);
int kernel_pipe2(int ends[2], int flags);
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

// prctl(2) without its variable arguments.
int kernel_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);

// Version 3 of capget(2) and capset(2) for the calling thread: bit n is capability n.
int kernel_capget(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable);
int kernel_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);

// seccomp(2), SECCOMP_SET_MODE_FILTER: `count` instructions of 8 bytes. The listener's descriptor with
// SECCOMP_FILTER_FLAG_NEW_LISTENER, else 0.
int kernel_seccomp_set_filter(unsigned flags, const void *instructions, unsigned short count);

// keyctl(2), KEYCTL_JOIN_SESSION_KEYRING.
int kernel_join_session_keyring(const char *name);

int kernel_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags);
int kernel_faccessat2(int dirfd, const char *path, int mode, int flags);
// The system call itself: glibc's getcwd hides that a directory cannot be reached from the root.
long kernel_getcwd(char *buffer, unsigned long size);
int kernel_ioprio_set(int which, int who, int ioprio);
int kernel_sched_setattr(uint32_t policy, uint64_t flags, int32_t nice, uint32_t priority, uint64_t runtime,
                         uint64_t deadline, uint64_t period);
int kernel_set_mempolicy(int mode, const unsigned long *nodes, unsigned long maxnode);
int kernel_sched_setaffinity(const void *mask, unsigned long size);
// ioctl_nsfs(2), NS_GET_NSTYPE: the CLONE_NEW… flag of the namespace that a descriptor is open at.
int kernel_namespace_type(int fd);
// posix_spawn_file_actions_addchdir_np(3), by a pointer to posix_spawn_file_actions_t.
int kernel_spawn_chdir(void *actions, const char *path);
int kernel_fspick(int dirfd, const char *path, unsigned flags);
int kernel_personality(unsigned long persona);

// bpf(2): loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE (`count` instructions of 8 bytes, a name of at most 15
// characters), attaches it to a cgroup, in place of `replaced_fd` with BPF_F_REPLACE, and takes it off again.
int kernel_bpf_load_device_program(const void *instructions, unsigned count, const char *name);
int kernel_bpf_attach_device_program(int cgroup_fd, int program_fd, unsigned flags, int replaced_fd);
int kernel_bpf_detach_device_program(int cgroup_fd, int program_fd);
// How many programs are attached to the cgroup itself; ENOSPC where they are more than `capacity`.
int kernel_bpf_query_device_programs(int cgroup_fd, uint32_t *ids, unsigned capacity);
int kernel_bpf_open_program(uint32_t id);
int kernel_bpf_program_name(int program_fd, char name[16]);

// Descriptors over an AF_UNIX socket. (cmsg(3), SCM_RIGHTS) At most 8; those received are close-on-exec.
ssize_t kernel_send_with_descriptors(int socket, const void *data, size_t size, const int *descriptors, int count, int flags);
ssize_t kernel_receive_with_descriptors(int socket, void *data, size_t size, int *descriptors, int *count, int flags);

int kernel_accept4(int socket, int flags);
int kernel_accept4_without_program(int socket, int flags);
int kernel_setresuid(uint32_t real, uint32_t effective, uint32_t saved);
int kernel_setresgid(uint32_t real, uint32_t effective, uint32_t saved);

// pty: unlocks a master; opens its slave without a path. (ioctl_tty(2), TIOCSPTLCK, TIOCGPTPEER)
int kernel_unlock_pty(int master);
int kernel_open_pty_peer(int master, int flags);
int kernel_set_controlling_terminal(int fd);

// Runs `body` for each readable, not writable segment of this program that nothing has been written to since it was
// mapped. (dl_iterate_phdr(3))
void kernel_each_read_only_segment(void (*body)(void *start, size_t size));

ssize_t kernel_copy_file_range(int from, int to, size_t count);
// ioctl_ficlone(2): shares the blocks of a file with another of the same file system.
int kernel_clone_file(int from, int to);
