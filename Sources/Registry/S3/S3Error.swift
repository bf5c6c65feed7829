/// What went wrong with the object storage. No text of it has a secret.
public enum S3Error: Error, CustomStringConvertible, Sendable {
  case malformedURL(String)
  case noCredentials(String)
  /// The storage answered with an error of its own. (Amazon S3 API, Error responses)
  case refused(status: Int, code: String, message: String, what: String)
  /// No answer after all attempts.
  case unreachable(endpoint: String, String)
  case malformedAnswer(what: String, String)
  case unusable(String)

  public var description: String {
    switch self {
    case .malformedURL(let why):
      "the storage's URL is not of the form s3://BUCKET/PREFIX?endpoint=URL&region=NAME: \(why)"
    case .noCredentials(let why): "no credentials for the object storage: \(why)"
    case .refused(let status, let code, let message, let what):
      "the object storage refused \(what): \(code.isEmpty ? "HTTP \(status)" : code)\(message.isEmpty ? "" : ", \(message)")"
    case .unreachable(let endpoint, let why): "the object storage at \(endpoint) cannot be reached: \(why)"
    case .malformedAnswer(let what, let why): "the object storage's answer to \(what) makes no sense: \(why)"
    case .unusable(let why): "the object storage cannot be used: \(why)"
    }
  }

  /// There is no such object, or no such upload.
  var isMissing: Bool {
    if case .refused(404, let code, _, _) = self { return code != "NoSuchBucket" }
    return false
  }
}
