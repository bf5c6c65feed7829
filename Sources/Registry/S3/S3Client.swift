internal import AsyncHTTPClient
internal import Crypto
internal import FoundationEssentials
internal import Glibc
internal import Logging
public import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// Object storage by the S3 protocol. Functions block, but for `stream`; all are safe from any thread.
public final class S3Client: Sendable {
  public let location: S3Location
  private let signature: S3Signature
  let http: HTTPClient

  /// Attempts in all at what may be tried again.
  private static let attempts = 6
  /// Bytes of an answer that is no object.
  private static let answerLimit = 8 << 20
  static let quiet = Logger(label: "s3", factory: { _ in SwiftLogNoOpLogHandler() })

  public init(_ location: S3Location, environment: [String: String]) throws {
    self.location = location
    signature = S3Signature(
      credentials: try S3Credentials.find(location, environment: environment), region: location.region)
    var tls = TLSConfiguration.makeClientConfiguration()
    if let file = location.certificateFile ?? environment["AWS_CA_BUNDLE"] {
      do {
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(file))
      } catch {
        throw S3Error.unusable("\(file) has no readable PEM certificates (\(error))")
      }
    }
    var settings = HTTPClient.Configuration(
      tlsConfiguration: tls, redirectConfiguration: .disallow,
      timeout: .init(connect: .seconds(5), read: .seconds(60), write: .seconds(60)))
    settings.httpVersion = .http1Only
    settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
    settings.connectionPool.retryConnectionEstablishment = false
    http = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: settings)
  }

  deinit { http.shutdown { _ in } }

  struct Request: Sendable {
    var method: HTTPMethod
    /// nil for the bucket.
    var key: String?
    var query: [(String, String)] = []
    /// Names in lower case.
    var headers: [(String, String)] = []
    var body: ByteBuffer?
    var timeout: TimeAmount = .seconds(300)

    /// For messages.
    var what: String { "\(method.rawValue) \(key ?? "the bucket")" }
  }

  struct Answer: Sendable {
    let status: Int
    let headers: HTTPHeaders
    let body: ByteBuffer

    func xml(_ what: String) throws(S3Error) -> S3XML {
      guard let document = S3XML(parsing: Array(body.readableBytesView)) else {
        throw .malformedAnswer(what: what, "it is not XML")
      }
      return document
    }
  }

  // MARK: requests

  func signed(_ request: Request) -> (url: String, headers: HTTPHeaders) {
    // Over TLS nobody alters the body on its way: it need not be hashed once more.
    let hash =
      location.endpoint.isSecure && request.body != nil
      ? S3Signature.unsignedPayload : S3Signature.hash(request.body ?? ByteBuffer())
    let path = location.path(request.key)
    let headers = signature.headers(
      method: request.method.rawValue, authority: location.authority, path: path, query: request.query,
      headers: request.headers, payloadHash: hash, time: Glibc.time(nil))
    let query = S3Signature.canonical(request.query)
    let url =
      "\(location.endpoint.isSecure ? "https" : "http")://\(location.authority)\(path)\(query.isEmpty ? "" : "?" + query)"
    return (url, HTTPHeaders(headers))
  }

  /// Begins a request; its answer comes while the caller does something else.
  func begin(_ request: Request) -> EventLoopFuture<Answer> {
    do {
      let (url, headers) = signed(request)
      let outgoing = try HTTPClient.Request(
        url: url, method: request.method, headers: headers, body: request.body.map { .byteBuffer($0) })
      let delegate = ResponseAccumulator(request: outgoing, maxBodySize: Self.answerLimit)
      return http.execute(
        request: outgoing, delegate: delegate, deadline: .now() + request.timeout, logger: Self.quiet
      ).futureResult.map { Answer(status: Int($0.status.code), headers: $0.headers, body: $0.body ?? ByteBuffer()) }
    } catch {
      return MultiThreadedEventLoopGroup.singleton.any().makeFailedFuture(error)
    }
  }

  /// Sends a request, again where that may help. Throws `S3Error`.
  func send(_ request: Request) throws(S3Error) -> Answer { try finish(begin(request), request) }

  /// Waits for a request that has begun, and repeats it where that may help. Throws `S3Error`.
  func finish(_ first: EventLoopFuture<Answer>, _ request: Request) throws(S3Error) -> Answer {
    var future = first
    var delay: UInt32 = 100_000
    for attempt in 1... {
      let failure: S3Error
      switch outcome(future, request.what) {
      case .success(let answer): return answer
      case .failure(let error): failure = error
      }
      guard attempt < Self.attempts, Self.isTransient(failure) else { throw failure }
      usleep(UInt32.random(in: delay / 2...delay))
      delay = min(delay * 2, 5_000_000)
      future = begin(request)
    }
    throw .unreachable(endpoint: location.endpoint.url, "no attempt was made")
  }

  private func outcome(_ future: EventLoopFuture<Answer>, _ what: String) -> Result<Answer, S3Error> {
    do {
      let answer = try future.wait()
      return Self.refusal(answer, what).map { .failure($0) } ?? .success(answer)
    } catch {
      return .failure(.unreachable(endpoint: location.endpoint.url, "\(error)"))
    }
  }

  static func refusal(_ answer: Answer, _ what: String) -> S3Error? {
    let document =
      answer.headers.first(name: "content-type")?.contains("xml") == true || answer.status >= 300
      ? S3XML(parsing: Array(answer.body.readableBytesView)) : nil
    // Copies and completions may fail after they have said 200. (Amazon S3 API, CompleteMultipartUpload)
    guard answer.status >= 300 || document?.name == "Error" else { return nil }
    return .refused(
      status: answer.status, code: document?["Code"]?.text ?? "", message: document?["Message"]?.text ?? "", what: what)
  }

  static func isTransient(_ error: S3Error) -> Bool {
    guard case .refused(let status, let code, _, _) = error else { return true }
    let codes = [
      "SlowDown", "InternalError", "RequestTimeout", "ServiceUnavailable", "OperationAborted", "ThrottlingException",
    ]
    return [429, 500, 502, 503, 504].contains(status) || codes.contains(code)
  }

  // MARK: objects

  /// Of every object that is made.
  var objectHeaders: [(String, String)] {
    let type = [("content-type", "application/octet-stream")]
    switch location.encryption {
    case nil: return type
    case .aes256?: return type + [("x-amz-server-side-encryption", "AES256")]
    case .kms(let key)?:
      return type + [("x-amz-server-side-encryption", "aws:kms")]
        + (key.map { [("x-amz-server-side-encryption-aws-kms-key-id", $0)] } ?? [])
    }
  }

  public func put(_ key: String, _ body: ByteBuffer) throws {
    _ = try send(Request(method: .PUT, key: key, headers: objectHeaders, body: body))
  }

  /// Stores an object where none is of that key. Returns false where there is one.
  public func putIfAbsent(_ key: String, _ body: ByteBuffer) throws -> Bool {
    do {
      _ = try send(
        Request(method: .PUT, key: key, headers: objectHeaders + [("if-none-match", "*")], body: body))
      return true
    } catch S3Error.refused(412, _, _, _) {
      return false
    } catch S3Error.refused(409, _, _, _) {
      // Two at once: one of them wins. (Amazon S3, Conditional writes)
      return false
    } catch S3Error.refused(501, _, _, _) {
      // A storage without conditional writes, where two that start at once cannot be told apart.
      if try size(key) != nil { return false }
      try put(key, body)
      return true
    }
  }

  /// A whole object of at most `limit` bytes; nil where there is none.
  public func get(_ key: String, limit: Int) throws -> ByteBuffer? {
    do {
      let answer = try send(Request(method: .GET, key: key))
      guard answer.body.readableBytes <= limit else {
        throw S3Error.malformedAnswer(
          what: "GET \(key)", "it has \(answer.body.readableBytes) bytes, more than \(limit)")
      }
      return answer.body
    } catch let error as S3Error {
      if error.isMissing { return nil }
      throw error
    }
  }

  /// Bytes of an object; nil where there is none.
  public func size(_ key: String) throws -> Int64? {
    do {
      let answer = try send(Request(method: .HEAD, key: key))
      guard let size = answer.headers.first(name: "content-length").flatMap({ Int64($0) }) else {
        throw S3Error.malformedAnswer(what: "HEAD \(key)", "it has no length")
      }
      return size
    } catch let error as S3Error {
      if error.isMissing { return nil }
      throw error
    }
  }

  /// Removes objects; those that are not there are fine.
  public func delete(_ keys: [String]) throws {
    for start in stride(from: 0, to: keys.count, by: 1000) {
      let batch = keys[start..<min(start + 1000, keys.count)]
      let objects = batch.map { "<Object><Key>\(S3XML.escaped($0))</Key></Object>" }.joined()
      let body = ByteBuffer(string: "<Delete><Quiet>true</Quiet>\(objects)</Delete>")
      // Not for safety: S3 demands it of this one operation. (Amazon S3 API, DeleteObjects)
      let sum = Array(Insecure.MD5.hash(data: Array(body.readableBytesView)))
      let request = Request(
        method: .POST, query: [("delete", "")], headers: [("content-md5", Data(sum).base64EncodedString())], body: body)
      let answer = try send(request)
      for failure in try answer.xml("DeleteObjects").all("Error") where failure["Code"]?.text != "NoSuchKey" {
        throw S3Error.refused(
          status: 200, code: failure["Code"]?.text ?? "", message: failure["Message"]?.text ?? "",
          what: "the deletion of \(failure["Key"]?.text ?? "an object")")
      }
    }
  }

  /// A link by which whoever has it may read the object for `seconds`.
  public func presignedURL(_ key: String, seconds: Int) -> String {
    let path = location.path(key)
    let query = signature.presigned(
      authority: location.authority, path: path, query: [], seconds: seconds, time: Glibc.time(nil))
    return "\(location.endpoint.isSecure ? "https" : "http")://\(location.authority)\(path)?\(query)"
  }
}
