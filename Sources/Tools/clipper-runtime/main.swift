import CStart
import Glibc
import OCIRuntime

var count: CInt = 0
var arguments: [String] = []
if let words = clipper_command_line(&count) {
  for word in UnsafeBufferPointer(start: words, count: Int(count)) {
    if let word { arguments.append(String(cString: word)) }
  }
}
_exit(RuntimeProgram.run(arguments))
