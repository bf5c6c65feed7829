internal import Content
internal import FoundationEssentials
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import RegistryClient

/// What ADD fetched from a URL, kept in the content store as long as this process lives.
struct RemoteFile: Sendable {
  let content: ContentStore
  let name: String
  let digest: Digest
  let size: Int64
  /// Unix seconds, from Last-Modified.
  let modified: Int64?

  func open() throws -> OwnedDescriptor { try content.open(digest) }

  /// - Parameter checksum: what it must be; then one that is there already is not fetched again.
  static func fetch(
    _ url: String, checksum: String?, _ content: ContentStore, _ registry: RegistryClient,
    progress: @escaping @Sendable (Int64, Int64?) -> Void
  ) async throws -> RemoteFile {
    let expected = try checksum.map { try Digest(parsing: $0) }
    if let expected, try content.retain(expected) {
      return RemoteFile(
        content: content, name: name(of: url), digest: expected, size: try content.size(of: expected), modified: nil)
    }
    let ingest = try content.ingest()
    do {
      let file = try await registry.download(url: url, to: ingest, progress: progress)
      let written = try ingest.commit(expecting: expected)
      return RemoteFile(
        content: content, name: name(of: url), digest: written.digest, size: written.size,
        modified: expected == nil ? file.lastModified.flatMap(seconds) : nil)
    } catch {
      ingest.discard()
      throw error
    }
  }

  /// The last part of the URL's path. (buildkit, dockerfile2llb)
  static func name(of url: String) -> String {
    let rest = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    guard rest.count == 4 else { return "__unnamed__" }
    let path = rest[3].prefix { $0 != "?" && $0 != "#" }
    guard let last = path.split(separator: "/").last, last != ".", last != ".." else { return "__unnamed__" }
    return decoded(last)
  }

  private static func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
        value != 0, value != UInt8(ascii: "/")
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// `Sun, 06 Nov 1994 08:49:37 GMT`. (RFC 9110, 5.6.7)
  static func seconds(_ text: String) -> Int64? {
    let words = text.split(separator: " ")
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    guard words.count == 6, let day = Int32(words[1]), let month = months.firstIndex(of: String(words[2])),
      let year = Int32(words[3])
    else { return nil }
    let clock = words[4].split(separator: ":").compactMap { Int32($0) }
    guard clock.count == 3 else { return nil }
    var time = tm()
    (time.tm_year, time.tm_mon, time.tm_mday) = (year - 1900, Int32(month), day)
    (time.tm_hour, time.tm_min, time.tm_sec) = (clock[0], clock[1], clock[2])
    return Int64(timegm(&time))
  }
}
