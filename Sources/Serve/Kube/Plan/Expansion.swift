/// Replaces `$(NAME)` by a variable's value; `$$` is a dollar sign, and a reference to nothing stays as it is written.
/// (Kubernetes, third_party/forked/golang/expansion)
public func expandVariables(_ text: String, _ variables: [String: String]) -> String {
  guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
  var result: [UInt8] = []
  var rest = Array(text.utf8)[...]
  let dollar = UInt8(ascii: "$")
  while let byte = rest.popFirst() {
    guard byte == dollar, let next = rest.first else {
      result.append(byte)
      continue
    }
    if next == dollar {
      rest.removeFirst()
      result.append(dollar)
    } else if next == UInt8(ascii: "("), let end = rest.firstIndex(of: UInt8(ascii: ")")) {
      let name = String(decoding: rest[(rest.startIndex + 1)..<end], as: UTF8.self)
      result += variables[name].map { Array($0.utf8) } ?? [dollar] + rest[...end]
      rest = rest[(end + 1)...]
    } else {
      result.append(dollar)
    }
  }
  return String(decoding: result, as: UTF8.self)
}
