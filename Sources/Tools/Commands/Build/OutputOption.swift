/// `--output`: `type=…,dest=…`, a directory, or `-`.
struct OutputOption: Hashable {
  enum Kind: String {
    case image, oci, docker, local, tar
  }

  var kind: Kind
  /// nil is standard output, or the store for `docker` and `image`.
  var destination: String?
  /// Of an image: further names.
  var names: [String] = []

  init(parsing text: String) throws {
    guard text.contains("=") else {
      (kind, destination) = text == "-" ? (.tar, nil) : (.local, text)
      return
    }
    var kind: Kind?
    for field in text.split(separator: ",") {
      let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2 else {
        throw Failure("invalid output \"\(text)\": \(field) is not name=value", status: 125)
      }
      switch parts[0].lowercased() {
      case "type":
        guard let known = Kind(rawValue: parts[1]) else {
          throw Failure(
            "output type \"\(parts[1])\" is not supported by clipper build: use image, oci, docker, local or tar",
            status: 125)
        }
        kind = known
      case "dest": destination = parts[1] == "-" ? nil : parts[1]
      case "name": names.append(parts[1])
      default: throw Failure("output option \"\(parts[0])\" is not supported by clipper build", status: 125)
      }
    }
    guard let kind else { throw Failure("invalid output \"\(text)\": type is missing", status: 125) }
    self.kind = kind
    if kind == .local, destination == nil { throw Failure("output type=local needs dest=DIRECTORY", status: 125) }
    if kind == .image, destination != nil {
      throw Failure("output type=image has no dest: it stays in the store", status: 125)
    }
  }

  /// docker's own image store is this one: without a file the image just stays in it.
  var isStore: Bool { kind == .image || kind == .docker && destination == nil }
  var writesStandardOutput: Bool { !isStore && kind != .local && destination == nil }
}
