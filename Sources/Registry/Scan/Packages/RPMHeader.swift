/// The header of a package as rpm's databases keep it: an index of tags, then their data. (rpm, Header format)
enum RPMHeader {
  private enum Tag {
    static let name = 1000
    static let version = 1001
    static let release = 1002
    static let epoch = 1003
    static let vendor = 1011
    static let license = 1014
    static let architecture = 1022
    static let sourcePackage = 1044
  }

  /// Entries of an index and bytes of its data. (rpm, lib/header.c)
  private static let indexLimit = 1 << 16
  static let sizeLimit = 256 << 20

  /// nil where the bytes are no header, or that of a key (`gpg-pubkey`).
  static func package(_ bytes: UnsafeRawBufferPointer) -> Package? {
    let reader = ByteReader(bytes: bytes, isBigEndian: true)
    guard let count = reader.u32(0), let size = reader.u32(4), (1...indexLimit).contains(count), size <= sizeLimit,
      let data = reader.slice(8 + count * 16, size)
    else { return nil }
    var offsets: [Int: Int] = [:]
    for index in 0..<count {
      guard let tag = reader.u32(8 + index * 16), let offset = reader.u32(16 + index * 16) else { return nil }
      offsets[tag] = offset
    }
    func text(_ tag: Int) -> String? {
      guard let offset = offsets[tag], offset < data.count else { return nil }
      let found = String(decoding: data[offset...].prefix(4096).prefix { $0 != 0 }, as: UTF8.self)
      return found.isEmpty || found == "(none)" ? nil : found
    }
    guard let name = text(Tag.name), name != "gpg-pubkey", let version = text(Tag.version) else { return nil }
    let epoch = offsets[Tag.epoch].flatMap { ByteReader(bytes: data, isBigEndian: true).u32($0) } ?? 0
    let release = text(Tag.release).map { "-\($0)" } ?? ""
    guard var package = Package(.rpm, name, (epoch == 0 ? "" : "\(epoch):") + version + release) else { return nil }
    package.architecture = text(Tag.architecture)
    package.licenses = text(Tag.license).map { [$0] } ?? []
    package.supplier = text(Tag.vendor)
    package.source = text(Tag.sourcePackage).flatMap(source)
    return package
  }

  /// `name-version-release.src.rpm`
  private static func source(_ file: String) -> Package.Source? {
    guard file.hasSuffix(".rpm") else { return nil }
    let parts = file.dropLast(4).split(separator: "-")
    guard parts.count >= 3 else { return nil }
    // The architecture ends what is the release.
    let release = parts[parts.count - 1].split(separator: ".").dropLast().joined(separator: ".")
    return .init(name: parts.dropLast(2).joined(separator: "-"), version: "\(parts[parts.count - 2])-\(release)")
  }
}
