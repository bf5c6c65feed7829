// The floor of a container start: the system calls that nobody can do without, and nothing around them.
// usage: floor LOWER WORKDIR PROGRAM [ARG...]   LOWER: an unpacked root; WORKDIR: empty, for upper, work and root
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int result, const char *what) {
  if (result < 0) {
    perror(what);
    _exit(125);
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  char upper[4096], work[4096], root[4096], options[16384];
  snprintf(upper, sizeof upper, "%s/upper", argv[2]);
  snprintf(work, sizeof work, "%s/work", argv[2]);
  snprintf(root, sizeof root, "%s/root", argv[2]);
  mkdir(upper, 0755);
  mkdir(work, 0755);
  mkdir(root, 0755);
  snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", argv[1], upper, work);

  struct clone_args args;
  memset(&args, 0, sizeof args);
  args.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  args.exit_signal = SIGCHLD;
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  must(pid, "clone3");
  if (pid == 0) {
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
    must(mount("overlay", root, "overlay", 0, options), "overlay");
    must(chdir(root), "chdir");
    mkdir("proc", 0755);
    mkdir("dev", 0755);
    mkdir("sys", 0755);
    must(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
    must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755"), "dev");
    must(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL), "sys");
    must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "umount");
    must(chdir("/"), "chdir /");
    execve(argv[3], argv + 3, (char *[]){"PATH=/bin", NULL});
    must(-1, "execve");
  }
  int status;
  must(waitpid(pid, &status, 0), "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
