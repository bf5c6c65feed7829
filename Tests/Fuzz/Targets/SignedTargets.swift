import FoundationEssentials
import HTTPTypes
import RegistryServer

@testable import ECRAPI

extension FuzzTarget {
  static let signed = [
    // Lines: Authorization, X-Amz-Date, path and query, and other headers.
    FuzzTarget(text: "sigv4") { text in
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
      var headers = HTTPFields()
      if let value = lines.first, HTTPField.isValidValue(value) { headers[.authorization] = value }
      if lines.count > 1, HTTPField.isValidValue(lines[1]) { headers[.amazonDate] = lines[1] }
      let request = RegistryRequest(
        method: .post, target: lines.count > 2 ? lines[2] : "/", headers: headers, authority: "host")
      if let found = try? SignatureVerifier.parameters(request.headers[.authorization] ?? "") {
        require(!found.signedHeaders.isEmpty && !found.signature.isEmpty, "a signature of nothing")
      }
      if let date = request.headers[.amazonDate], let time = SignatureTime(parsing: date) {
        require(time.description == date, "\(time) is not \(date)")
      }
      let signed = SignedRequest(
        method: "POST", path: request.path, query: request.rawQuery,
        headers: lines.dropFirst(3).map { (name: "x", value: $0) }, payloadHash: "x")
      let canonical = signed.canonicalRequest(signedHeaders: ["x"])
      require(signed.canonicalPath.hasPrefix("/"), "the path \(signed.canonicalPath)")
      require(!canonical.isEmpty, "nothing to sign")
    },
    // The first byte chooses the operation.
    FuzzTarget("ecr") { bytes in
      let body = Array(bytes.dropFirst())
      let operations = operationNames
      guard let first = bytes.first, JSONDepth.isWithin(32, body) else { return }
      let name = operations[Int(first) % operations.count]
      guard let operation = ServiceModel.ecr.operations[name] else { return }
      _ = try? JSONDecoder().decode(
        CheckedInput.self, from: Data(body), configuration: .init(model: .ecr, shape: operation.input))
    },
  ]

  private static let operationNames = ServiceModel.ecr.operations.keys.sorted()
}
