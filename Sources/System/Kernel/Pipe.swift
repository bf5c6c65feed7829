internal import CKernel
import Glibc
public import SystemPackage

/// A pipe whose ends no program that is started meanwhile inherits. (pipe2(2), O_CLOEXEC)
public func makePipe() throws(Errno) -> (reader: CInt, writer: CInt) {
  var ends: [CInt] = [-1, -1]
  try Errno.check(kernel_pipe2(&ends, O_CLOEXEC))
  return (ends[0], ends[1])
}
