// The entry of clipper-runtime, before any library has begun. A runtime that a container could come to write to
// executes itself from a read-only mount of its file (CVE-2019-5736; OCIRuntime's OwnProgram says more). Done here, the
// first of the two starts costs a few system calls: what a C library and Swift find out about the machine takes longer
// than that under a hypervisor. Where anything is not as expected the program starts as it is, and OwnProgram sees to
// it.
//
// Nothing may be called here: no library is relocated, no thread-local storage is there.
#include <linux/mount.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "CStart.h"

#define READ_ONLY 1          // ST_RDONLY
#define WORKING_DIRECTORY -100  // AT_FDCWD
#define CLOSE_ON_EXECUTE 02000000
#define EMPTY_PATH 0x1000
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

#if defined(__x86_64__)
__asm__(
    ".text\n.globl clipper_start\n.type clipper_start,@function\nclipper_start:\n"
    "  mov %rsp, %rbx\n  mov %rdx, %r12\n  mov %rsp, %rdi\n  and $-16, %rsp\n"
    "  call clipper_protect\n"
    "  mov %rbx, %rsp\n  mov %r12, %rdx\n  xor %ebp, %ebp\n  jmp _start\n");

static inline long call(long number, long a, long b, long c, long d, long e) {
  register long fourth __asm__("r10") = d;
  register long fifth __asm__("r8") = e;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
__asm__(
    ".text\n.globl clipper_start\n.type clipper_start,%function\nclipper_start:\n"
    "  mov x19, x0\n  mov x0, sp\n"
    "  bl clipper_protect\n"
    "  mov x0, x19\n  b _start\n");

static inline long call(long number, long a, long b, long c, long d, long e) {
  register long n __asm__("x8") = number;
  register long first __asm__("x0") = a;
  register long second __asm__("x1") = b;
  register long third __asm__("x2") = c;
  register long fourth __asm__("x3") = d;
  register long fifth __asm__("x4") = e;
  __asm__ volatile("svc 0"
                   : "+r"(first)
                   : "r"(n), "r"(second), "r"(third), "r"(fourth), "r"(fifth)
                   : "memory");
  return first;
}
#else
#error "clipper_start is missing for this machine"
#endif

static inline int equal(const char *text, const char *other) {
  while (*text != 0 && *text == *other) {
    text++;
    other++;
  }
  return *text == *other;
}

static int count;
static char **words;

char *const *clipper_command_line(int *number) {
  *number = count;
  return words;
}

// Verbs that make a process for a container. A container of such a name costs one more execve.
static inline int meets_containers(char *const *arguments) {
  for (; *arguments != 0; arguments++) {
    const char *word = *arguments;
    if (equal(word, "run") || equal(word, "exec") || equal(word, "create") || equal(word, "supervise")) return 1;
  }
  return 0;
}

__attribute__((used, no_stack_protector)) void clipper_protect(long *stack) {
  char **arguments = (char **)(stack + 1);
  char **environment = arguments + stack[0] + 1;
  count = (int)stack[0];
  words = arguments;
  if (stack[0] < 2 || !meets_containers(arguments + 1) || call(SYS_geteuid, 0, 0, 0, 0, 0) != 0) return;
  long program = call(SYS_openat, WORKING_DIRECTORY, (long)"/proc/self/exe", CLOSE_ON_EXECUTE, 0, 0);
  if (program < 0) return;
  struct statfs status;
  if (call(SYS_fstatfs, program, (long)&status, 0, 0, 0) == 0 && !(status.f_flags & READ_ONLY)) {
    long mount = call(SYS_open_tree, program, (long)"", OPEN_TREE_CLONE | CLOSE_ON_EXECUTE | EMPTY_PATH, 0, 0);
    if (mount >= 0) {
      volatile struct mount_attr attributes;
      attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
      attributes.attr_clr = 0;
      attributes.propagation = 0;
      attributes.userns_fd = 0;
      if (call(SYS_mount_setattr, mount, (long)"", EMPTY_PATH, (long)&attributes, sizeof attributes) == 0)
        call(SYS_execveat, mount, (long)"", (long)arguments, (long)environment, EMPTY_PATH);
      call(SYS_close, mount, 0, 0, 0, 0);
    }
  }
  call(SYS_close, program, 0, 0, 0, 0);
}
