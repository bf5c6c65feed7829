// In a fully static executable crtbeginT registers .eh_frame when the program starts, and libgcc then sorts all of it
// at the first unwind, which the end of any thread is: about 10 ms for a program of this size. The linker is told to
// call these in place of the registration (`--wrap`); unwinding goes on through the sorted .eh_frame_hdr.
void __wrap___register_frame_info(const void *begin, void *object) {
  (void)begin;
  (void)object;
}

void *__wrap___deregister_frame_info(const void *begin) {
  (void)begin;
  return 0;
}

// Swift's runtime looks at ten places for a program that prints backtraces of crashes. Only clipper-runtime is linked
// with this: there is none beside it, and it starts for every container.
char *__wrap_swift_copyAuxiliaryExecutablePath(const char *name) {
  (void)name;
  return 0;
}
