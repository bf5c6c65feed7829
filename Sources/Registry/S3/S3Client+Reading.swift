internal import AsyncHTTPClient
internal import Glibc
public import NIOCore
internal import NIOHTTP1

/// An object's bytes as they come.
public struct S3Stream: AsyncSequence, Sendable {
  fileprivate let body: HTTPClientResponse.Body

  public struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var body: HTTPClientResponse.Body.AsyncIterator
    public mutating func next() async throws -> ByteBuffer? { try await body.next() }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: body.makeAsyncIterator()) }
}

extension S3Client {
  /// The bytes of an object in `range`. Does not block. Throws `S3Error`.
  public func stream(_ key: String, _ range: Range<Int64>) async throws -> S3Stream {
    let request = Request(
      method: .GET, key: key, headers: [("range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")])
    var delay = 100
    for attempt in 1... {
      do {
        return try await attemptStream(request)
      } catch let error as S3Error {
        guard attempt < 4, Self.isTransient(error) else { throw error }
      } catch {
        guard attempt < 4, !(error is CancellationError) else {
          throw S3Error.unreachable(endpoint: location.endpoint.url, "\(error)")
        }
      }
      try await Task.sleep(for: .milliseconds(Int.random(in: delay / 2...delay)))
      delay *= 3
    }
    throw S3Error.unreachable(endpoint: location.endpoint.url, "no attempt was made")
  }

  private func attemptStream(_ request: Request) async throws -> S3Stream {
    let (url, headers) = signed(request)
    var outgoing = HTTPClientRequest(url: url)
    outgoing.headers = headers
    let answer = try await http.execute(outgoing, deadline: .now() + .hours(12), logger: Self.quiet)
    guard answer.status == .partialContent || answer.status == .ok else {
      let body = try await answer.body.collect(upTo: 64 << 10)
      throw Self.refusal(
        Answer(status: Int(answer.status.code), headers: answer.headers, body: body), request.what)
        ?? .malformedAnswer(what: request.what, "its status is \(answer.status.code)")
    }
    return S3Stream(body: answer.body)
  }
}

extension S3Client {
  /// Reads an object of `size` bytes from its start to its end, in pieces. Blocks. Throws `S3Error`.
  func read(_ key: String, size: Int64, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let piece: Int64 = 8 << 20
    for start in stride(from: 0, to: size, by: Int64.Stride(piece)) {
      let end = min(start + piece, size)
      let request = Request(method: .GET, key: key, headers: [("range", "bytes=\(start)-\(end - 1)")])
      let answer = try send(request)
      guard answer.body.readableBytes == Int(end - start) else {
        throw S3Error.malformedAnswer(
          what: request.what, "it has \(answer.body.readableBytes) bytes in place of \(end - start)")
      }
      try answer.body.withUnsafeReadableBytes(body)
    }
  }
}
