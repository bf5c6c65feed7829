internal import CDeflate
internal import Dispatch
internal import Glibc
internal import Kernel
internal import Synchronization
internal import SystemPackage

/// Compresses a file from its current offset as gzip, on all processors.
///
/// The output is a sequence of members of one mebibyte of input each (RFC 1952, 2.2 allows it and every reader takes
/// it). Each is compressed for itself, so the same input gives the same bytes on any machine and any number of cores.
///
/// - Parameters:
///   - level: libdeflate's, 1 (fast) to 12.
///   - write: gets the compressed bytes in order.
public func compressGzip(
  from descriptor: CInt, level: Int = 5, to write: ([UInt8]) throws -> Void
) throws {
  let processors = max(1, Int(sysconf(CInt(_SC_NPROCESSORS_ONLN))))
  let compressors = (0..<processors).map { _ in MemberCompressor(level: level) }
  let blocks = processors * 4
  var isFirst = true
  while true {
    var inputs: [[UInt8]] = []
    while inputs.count < blocks {
      let block = try readBlock(descriptor)
      if block.isEmpty { break }
      inputs.append(block)
    }
    // An empty file is one empty member.
    if inputs.isEmpty, isFirst { inputs.append([]) }
    isFirst = false
    if inputs.isEmpty { return }
    let members = compressAll(inputs, compressors)
    for member in members { try write(member) }
    if inputs.count < blocks { return }
  }
}

private let memberSize = 1 << 20

private func readBlock(_ descriptor: CInt) throws -> [UInt8] {
  try [UInt8](unsafeUninitializedCapacity: memberSize) { buffer, count in
    while count < memberSize {
      let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...])
      let got: Int
      do throws(Errno) { got = try Errno.retrying { read(descriptor, rest.baseAddress, rest.count) } } catch {
        throw LayerError.system(operation: "read", entry: "the archive", error)
      }
      if got == 0 { return }
      count += got
    }
  }
}

private func compressAll(_ inputs: [[UInt8]], _ compressors: [MemberCompressor]) -> [[UInt8]] {
  let next = Atomic<Int>(0)
  let outputs = Mutex([[UInt8]](repeating: [], count: inputs.count))
  DispatchQueue.concurrentPerform(iterations: compressors.count) { worker in
    while true {
      let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard index < inputs.count else { return }
      let member = compressors[worker].compress(inputs[index])
      outputs.withLock { $0[index] = member }
    }
  }
  return outputs.withLock { $0 }
}

/// Used by one thread at a time.
private final class MemberCompressor: @unchecked Sendable {
  private let compressor: OpaquePointer?

  init(level: Int) { compressor = libdeflate_alloc_compressor(CInt(level)) }
  deinit { libdeflate_free_compressor(compressor) }

  func compress(_ input: [UInt8]) -> [UInt8] {
    let bound = libdeflate_gzip_compress_bound(compressor, input.count)
    return [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
      count = input.withUnsafeBytes {
        libdeflate_gzip_compress(compressor, $0.baseAddress, $0.count, buffer.baseAddress, bound)
      }
    }
  }
}
