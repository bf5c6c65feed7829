internal import CKernel
import Glibc
public import SystemPackage

/// Flag of openat2: a descriptor that only stands for a place. (open(2), O_PATH)
public let pathOnly: CInt = 0o10000000
/// Flag of the `…at` calls: an empty name means the descriptor itself. (openat(2), AT_EMPTY_PATH)
public let emptyPath: CInt = 0x1000

/// Sets an extended attribute of an open file. (fsetxattr(2))
public func setExtendedAttribute(_ descriptor: CInt, _ name: String, _ value: [UInt8]) throws(Errno) {
  try Errno.check(fsetxattr(descriptor, name, value, value.count, 0))
}

/// An extended attribute of an open file; nil where it has none of this name. (fgetxattr(2))
public func extendedAttribute(_ descriptor: CInt, _ name: String) throws(Errno) -> [UInt8]? {
  var value = [UInt8](repeating: 0, count: 256)
  var count = fgetxattr(descriptor, name, &value, value.count)
  if count < 0, Errno.current == .outOfRange {
    // XATTR_SIZE_MAX
    value = [UInt8](repeating: 0, count: 64 << 10)
    count = fgetxattr(descriptor, name, &value, value.count)
  }
  if count < 0 {
    let error = Errno.current
    // ENODATA, and file systems without attributes.
    if error == .noData || error == .notSupported { return nil }
    throw error
  }
  return Array(value[..<count])
}

/// Names of an open file's extended attributes. (flistxattr(2))
public func extendedAttributeNames(_ descriptor: CInt) throws(Errno) -> [String] {
  var list = [CChar](repeating: 0, count: 1024)
  var count = flistxattr(descriptor, &list, list.count)
  if count < 0, Errno.current == .outOfRange {
    // XATTR_LIST_MAX
    list = [CChar](repeating: 0, count: 64 << 10)
    count = flistxattr(descriptor, &list, list.count)
  }
  if count < 0 {
    if Errno.current == .notSupported { return [] }
    throw Errno.current
  }
  return list[..<count].split(separator: 0).map { String(decoding: $0.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
}
