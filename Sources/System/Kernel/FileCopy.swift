internal import CKernel
import Glibc
public import SystemPackage

/// Copies a file's content into an empty file in the cheapest way that the two file systems have: shared blocks, a copy
/// inside the kernel, or bytes through `buffer`. To the end of `source`, whatever its size was said to be.
///
/// - Parameter buffer: for files that fit, and as the last way; at least a page.
public func copyFile(from source: CInt, to target: CInt, size: Int64, buffer: UnsafeMutableRawBufferPointer)
  throws(Errno)
{
  // For a small file one read and one write are less than asking for a better way.
  if size > Int64(buffer.count) {
    if kernel_clone_file(source, target) == 0 { return }
    while true {
      let count = kernel_copy_file_range(source, target, 1 << 30)
      if count == 0 { return }
      if count < 0 {
        let error = Errno.current
        if error == .interrupted { continue }
        let isMissing: [Errno] = [.improperLink, .invalidArgument, .noFunction, .notSupported, .badFileDescriptor]
        if isMissing.contains(error) { break }
        throw error
      }
    }
  }
  // Offsets are where a broken-off copy left them.
  while true {
    let count = try Errno.retrying { read(source, buffer.baseAddress, buffer.count) }
    if count == 0 { return }
    try writeAll(target, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
  }
}
