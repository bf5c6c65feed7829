import Glibc
import OCIRuntime

exit(RuntimeProgram.run(CommandLine.arguments))
