/// The shortest path of the same meaning by its text alone: no `.`, no empty parts, `..` resolved. (Go, path.Clean)
///
/// Empty becomes `.`; `..` above `/` is `/`.
public func cleanPath(_ path: String) -> String {
  // By bytes: a slash stays one whatever combines with it.
  let bytes = path.utf8
  let isAbsolute = bytes.first == UInt8(ascii: "/")
  let up = "..".utf8
  var parts: [Substring.UTF8View] = []
  for part in bytes.split(separator: UInt8(ascii: "/")) where !part.elementsEqual(".".utf8) {
    if !part.elementsEqual(up) {
      parts.append(part)
    } else if let last = parts.last, !last.elementsEqual(up) {
      parts.removeLast()
    } else if !isAbsolute {
      parts.append(part)
    }
  }
  let joined = String(decoding: Array(parts.joined(separator: "/".utf8)), as: UTF8.self)
  if isAbsolute { return "/" + joined }
  return joined.isEmpty ? "." : joined
}
