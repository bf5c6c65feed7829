internal import FoundationEssentials
public import NIOCore
internal import NIOHTTP1

extension S3Client {
  /// A part that is on its way, with its bytes in case that it has to be sent again.
  public struct SentPart: Sendable {
    let request: Request
    let future: EventLoopFuture<Answer>
  }

  /// Begins an object that comes in parts, and returns the upload's ID.
  public func beginMultipart(_ key: String) throws -> String {
    let request = Request(method: .POST, key: key, query: [("uploads", "")], headers: objectHeaders)
    guard let id = try send(request).xml(request.what)["UploadId"]?.text, !id.isEmpty else {
      throw S3Error.malformedAnswer(what: request.what, "it has no UploadId")
    }
    return id
  }

  /// Sends a part without waiting for its end. Parts are counted from 1; all but the last have 5 MiB at least.
  public func sendPart(_ key: String, upload: String, number: Int, _ body: ByteBuffer) -> SentPart {
    let request = Request(
      method: .PUT, key: key, query: [("partNumber", String(number)), ("uploadId", upload)], body: body)
    return SentPart(request: request, future: begin(request))
  }

  /// Waits for a part, and returns its entity tag.
  public func finishPart(_ part: SentPart) throws -> String {
    let answer = try finish(part.future, part.request)
    guard let tag = answer.headers.first(name: "etag"), !tag.isEmpty else {
      throw S3Error.malformedAnswer(what: part.request.what, "it has no ETag")
    }
    return tag
  }

  /// Makes the parts an object. `size` is that of all of them.
  public func completeMultipart(_ key: String, upload: String, parts: [String], size: Int64) throws {
    let list = parts.enumerated().map { number, tag in
      "<Part><PartNumber>\(number + 1)</PartNumber><ETag>\(S3XML.escaped(tag))</ETag></Part>"
    }
    let body = ByteBuffer(string: "<CompleteMultipartUpload>\(list.joined())</CompleteMultipartUpload>")
    do {
      _ = try send(Request(method: .POST, key: key, query: [("uploadId", upload)], body: body))
    } catch {
      // An answer that was lost: the object is there, and the upload is not any more.
      guard error.isMissing, try self.size(key) == size else { throw error }
    }
  }

  /// Ends an upload and removes its parts; one that is not there is fine.
  public func abortMultipart(_ key: String, upload: String) throws {
    do {
      _ = try send(Request(method: .DELETE, key: key, query: [("uploadId", upload)]))
    } catch {
      guard error.isMissing else { throw error }
    }
  }

  /// An object in parts that is neither finished nor given up.
  struct UnfinishedUpload: Sendable {
    let key: String
    let upload: String
    /// Milliseconds since 1970; nil where the storage does not say it in a way that is known.
    let begun: Int64?
  }

  /// All uploads whose keys begin with `prefix`, some at a time. (Amazon S3 API, ListMultipartUploads)
  func unfinishedUploads(under prefix: String, _ body: ([UnfinishedUpload]) throws -> Void) throws {
    var marker: (key: String, upload: String)?
    while true {
      let after = marker.map { [("key-marker", $0.key), ("upload-id-marker", $0.upload)] } ?? []
      let request = Request(method: .GET, query: [("uploads", ""), ("prefix", prefix)] + after)
      let answer = try send(request).xml(request.what)
      try body(
        answer.all("Upload").compactMap { upload in
          guard let key = upload["Key"]?.text, let id = upload["UploadId"]?.text else { return nil }
          return UnfinishedUpload(key: key, upload: id, begun: (upload["Initiated"]?.text).flatMap(Self.milliseconds))
        })
      guard answer["IsTruncated"]?.text == "true" else { return }
      let next = (key: answer["NextKeyMarker"]?.text ?? "", upload: answer["NextUploadIdMarker"]?.text ?? "")
      guard next > (marker ?? ("", "")) else {
        throw S3Error.malformedAnswer(what: request.what, "it says that more follows, and not where")
      }
      marker = next
    }
  }

  /// Of `2026-01-02T03:04:05.678Z`.
  private static func milliseconds(_ time: String) -> Int64? {
    guard let date = try? Date(time.prefix { $0 != "." && $0 != "Z" } + "Z", strategy: .iso8601) else { return nil }
    return Int64(exactly: (date.timeIntervalSince1970 * 1000).rounded())
  }
}
