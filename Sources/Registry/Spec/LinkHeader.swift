/// A `Link` header, as registries use it for the next page. (RFC 8288; distribution-spec, Listing Tags)
public struct LinkHeader: Hashable, Sendable, CustomStringConvertible {
  /// A URL, often relative to the request.
  public let target: String
  public let relation: String

  public init(target: String, relation: String = "next") {
    self.target = target
    self.relation = relation
  }

  /// As a header's value: `</v2/…>; rel="next"`.
  public var description: String { "<\(target)>; rel=\"\(relation)\"" }

  /// The links of all `Link` headers of an answer. What cannot be read is left out.
  public static func parse(_ headers: [String]) -> [LinkHeader] {
    var links: [LinkHeader] = []
    for header in headers {
      var rest = Substring(header)
      while let open = rest.firstIndex(of: "<"), let close = rest[open...].firstIndex(of: ">") {
        let target = String(rest[rest.index(after: open)..<close])
        rest = rest[rest.index(after: close)...]
        let parameters = takeParameters(&rest)
        for relation in (parameters["rel"] ?? "").split(separator: " ") {
          links.append(LinkHeader(target: target, relation: relation.lowercased()))
        }
      }
    }
    return links
  }

  /// The target of the next page; nil on the last one.
  public static func next(_ headers: [String]) -> String? { parse(headers).first { $0.relation == "next" }?.target }

  /// `; name=value; name="value"` up to the comma before the next link.
  private static func takeParameters(_ rest: inout Substring) -> [String: String] {
    var parameters: [String: String] = [:]
    while true {
      rest = rest.trimmingSpaces()
      guard rest.first == ";" else { break }
      rest = rest.dropFirst().trimmingSpaces()
      let name = rest.prefix { $0 != "=" && $0 != ";" && $0 != "," }
      rest = rest[name.endIndex...]
      guard rest.first == "=" else { continue }
      rest = rest.dropFirst().trimmingSpaces()
      let value: Substring
      if rest.first == "\"" {
        rest = rest.dropFirst()
        value = rest.prefix { $0 != "\"" }
        rest = rest[value.endIndex...].dropFirst()
      } else {
        value = rest.prefix { $0 != ";" && $0 != "," && $0 != " " }
        rest = rest[value.endIndex...]
      }
      let key = name.trimmingSpaces().lowercased()
      if parameters[key] == nil { parameters[key] = String(value) }
    }
    return parameters
  }
}
