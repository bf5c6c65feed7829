internal import FoundationEssentials
internal import Glibc

/// An access key of the object storage.
struct S3Credentials: Sendable {
  let id: String
  let secret: String
  /// Of temporary keys.
  let token: String?

  /// From the file that the location names, or the environment, or the AWS CLI's own file.
  static func find(_ location: S3Location, environment: [String: String]) throws(S3Error) -> S3Credentials {
    if let file = location.credentialFile {
      return try read(file, profile: location.profile ?? "default")
    }
    if location.profile == nil, let id = environment["AWS_ACCESS_KEY_ID"],
      let secret = environment["AWS_SECRET_ACCESS_KEY"]
    {
      return S3Credentials(id: id, secret: secret, token: environment["AWS_SESSION_TOKEN"])
    }
    let file = environment["AWS_SHARED_CREDENTIALS_FILE"] ?? environment["HOME"].map { $0 + "/.aws/credentials" }
    let profile = location.profile ?? environment["AWS_PROFILE"] ?? "default"
    if let file, access(file, F_OK) == 0 { return try read(file, profile: profile) }
    throw .noCredentials(
      "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file with credentials=FILE in the storage's URL")
  }

  /// `[profile]` and `name = value` lines. (AWS CLI, Configuration and credential file settings)
  static func read(_ path: String, profile: String) throws(S3Error) -> S3Credentials {
    guard let data = try? Data(contentsOf: URL(filePath: path)), data.count <= 1 << 20,
      let text = String(validating: data, as: UTF8.self)
    else { throw .noCredentials("cannot read \(path)") }
    var section = ""
    var values: [String: String] = [:]
    for line in text.split(whereSeparator: \.isNewline) {
      let trimmed = trim(line)
      if trimmed.isEmpty || trimmed.hasPrefix("#") || trimmed.hasPrefix(";") { continue }
      if trimmed.hasPrefix("["), trimmed.hasSuffix("]") {
        section = trim(trimmed.dropFirst().dropLast())
        continue
      }
      let halves = trimmed.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if section == profile, halves.count == 2 { values[trim(halves[0]).lowercased()] = trim(halves[1]) }
    }
    guard let id = values["aws_access_key_id"], let secret = values["aws_secret_access_key"] else {
      throw .noCredentials("\(path) has no aws_access_key_id and aws_secret_access_key for [\(profile)]")
    }
    return S3Credentials(id: id, secret: secret, token: values["aws_session_token"])
  }

  private static func trim(_ text: some StringProtocol) -> String {
    String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" || $0 == "\r" }.reversed())
  }
}
