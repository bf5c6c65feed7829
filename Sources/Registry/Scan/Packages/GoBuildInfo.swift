/// Looks for the modules that Go's linker writes into a program, while the program's bytes go by.
/// (Go, debug/buildinfo: the form of Go 1.18 and later, whose texts follow the header)
struct GoBuildInfo {
  private static let magic: [UInt8] = [0xff] + Array(" Go buildinf:".utf8)
  private static let headerSize = 32
  /// Bytes of the two texts.
  private static let limit = 2 << 20

  private enum State {
    /// The last bytes, at most one less than the magic has, that may begin it.
    case searching(tail: [UInt8])
    case collecting([UInt8])
    case done
  }

  private var state = State.searching(tail: [])
  /// Bytes that went by.
  private var offset = 0
  private(set) var packages: [Package] = []

  mutating func write(_ bytes: UnsafeRawBufferPointer) {
    defer { offset += bytes.count }
    switch state {
    case .done: return
    case .collecting(var collected):
      state = .done
      collected += bytes.prefix(Self.limit - collected.count)
      collect(collected)
    case .searching(let tail): search(tail, bytes)
    }
  }

  /// The end of the program.
  mutating func finish() {
    if case .collecting(let collected) = state { collect(collected, isComplete: true) }
  }

  private mutating func search(_ tail: [UInt8], _ bytes: UnsafeRawBufferPointer) {
    // Where the header spans two pieces.
    if !tail.isEmpty {
      let joined = tail + bytes.prefix(Self.magic.count - 1)
      if let found = joined.withUnsafeBytes({ Self.find($0, from: offset - tail.count) }) {
        return collect(
          Array(joined[found..<min(joined.count, tail.count)]) + bytes.dropFirst(max(0, found - tail.count)))
      }
    }
    if let found = Self.find(bytes, from: offset) { return collect(Array(bytes[found...].prefix(Self.limit))) }
    state = .searching(tail: Array((tail + bytes.suffix(Self.magic.count - 1)).suffix(Self.magic.count - 1)))
  }

  /// The header is aligned to 16 bytes. The magic is also in programs that look for it, but not at such a place.
  private static func find(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
    var index = (16 - start % 16) % 16
    while index + magic.count <= bytes.count {
      if bytes[index] == 0xff, bytes[index..<(index + magic.count)].elementsEqual(magic) { return index }
      index += 16
    }
    return nil
  }

  private mutating func collect(_ collected: [UInt8], isComplete: Bool = false) {
    let needsMore = { !isComplete && collected.count < Self.limit }
    guard collected.count >= Self.headerSize else {
      state = isComplete ? .done : .collecting(collected)
      return
    }
    // The second flag tells that the texts follow.
    guard collected[15] & 2 != 0 else {
      state = .done
      return
    }
    var rest = collected[Self.headerSize...]
    guard let version = Self.text(&rest), let modules = Self.text(&rest) else {
      state = needsMore() ? .collecting(collected) : .done
      return
    }
    state = .done
    packages = Self.packages(version: String(decoding: version, as: UTF8.self), modules: modules)
  }

  private static func text(_ rest: inout Bytes) -> Bytes? {
    var length = 0
    for shift in stride(from: 0, to: 35, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      length |= Int(byte & 0x7f) << shift
      if byte & 0x80 == 0 {
        guard length <= rest.count else { return nil }
        defer { rest = rest.dropFirst(length) }
        return rest.prefix(length)
      }
    }
    return nil
  }

  private static func packages(version: String, modules: Bytes) -> [Package] {
    var packages: [Package] = []
    if version.hasPrefix("go"), let release = version.dropFirst(2).split(separator: " ").first {
      Package(.golang, "stdlib", release).map { packages.append($0) }
    }
    // The text stands between two marks of 16 bytes.
    for line in Lines(Array(modules.dropFirst(16).dropLast(16))) {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count >= 3 else { continue }
      switch fields[0] {
      // A program that was built in its own tree has no version.
      case "mod", "dep":
        if fields[2] != "(devel)" { Package(.golang, fields[1], fields[2]).map { packages.append($0) } }
      case "=>":
        // It stands for the module before.
        if !packages.isEmpty { packages.removeLast() }
        Package(.golang, fields[1], fields[2]).map { packages.append($0) }
      default: break
      }
    }
    return packages
  }
}
