#pragma once

// The command line as the kernel gave it. Swift finds its own by the memory map that /proc has of the process.
char *const *clipper_command_line(int *count);
