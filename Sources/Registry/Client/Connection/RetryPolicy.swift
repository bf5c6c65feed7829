internal import AsyncHTTPClient
internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// How often something is tried, and how long is waited in between.
public struct RetryPolicy: Sendable {
  /// Attempts in all, the first one included.
  public var attempts = 5
  /// Attempts to open a connection where nobody listens: a registry that is down is said to be down soon.
  public var connectAttempts = 3
  /// Before the second attempt; doubles from one to the next.
  public var firstDelay: Duration = .milliseconds(400)
  public var longestDelay: Duration = .seconds(15)
  /// The longest that a `Retry-After` is obeyed; a longer one ends the attempts.
  public var longestWish: Duration = .seconds(90)
  /// Waits; tests replace it.
  public var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  /// Spreads clients that failed together: a factor for each delay.
  public var jitter: @Sendable () -> Double = { Double.random(in: 0.8...1.2) }

  public init() {}

  /// Before attempt `attempt + 1`, counted from 1.
  func delay(after attempt: Int) -> Duration {
    var delay = firstDelay
    for _ in 1..<max(1, min(attempt, 16)) { delay *= 2 }
    let bounded = min(delay, longestDelay)
    return bounded * jitter()
  }
}

/// Why an attempt failed that may be repeated.
struct TransientFailure: Error {
  let reason: String
  /// What the registry asked for in `Retry-After`.
  var wait: Duration?
  /// Nobody listened: it never came to a connection.
  var neverConnected = false
}

extension TransientFailure {
  /// nil for an error that is not about the connection.
  init?(_ error: any Error) {
    switch error {
    case let failure as TransientFailure: self = failure
    case let error as HTTPClientError: self.init(error)
    case let error as NIOConnectionError:
      let reason = error.connectionErrors.first.map { TransientFailure.words($0.error) } ?? "cannot connect"
      let name: String? =
        error.dnsAError != nil && error.dnsAAAAError != nil && error.connectionErrors.isEmpty
        ? "no host has the name \(error.host)" : nil
      self.init(reason: name ?? reason, neverConnected: true)
    case let error as IOError:
      self.init(reason: TransientFailure.words(error), neverConnected: error.errnoCode == ECONNREFUSED)
    case let error as ChannelError:
      if case .connectTimeout = error {
        self.init(reason: "no answer within the time for connecting", neverConnected: true)
      } else {
        self.init(reason: "the connection was lost")
      }
    case is SocketAddressError: self.init(reason: "no host has this name", neverConnected: true)
    case is HTTPParserError: self.init(reason: "what answers there does not speak HTTP")
    case let error as NIOSSLError: self.init(reason: "TLS: \(error)")
    default: return nil
    }
  }

  private init?(_ error: HTTPClientError) {
    switch error {
    case .readTimeout: self.init(reason: "the registry went silent in the middle of its answer")
    case .writeTimeout: self.init(reason: "the registry stopped taking in what was sent")
    case .connectTimeout, .getConnectionFromPoolTimeout:
      self.init(reason: "no answer within the time for connecting", neverConnected: true)
    case .tlsHandshakeTimeout: self.init(reason: "no answer within the time for TLS", neverConnected: true)
    case .deadlineExceeded: self.init(reason: "no answer in time")
    case .remoteConnectionClosed, .uncleanShutdown: self.init(reason: "the registry hung up")
    case .httpProxyHandshakeTimeout, .invalidProxyResponse: self.init(reason: "the proxy does not answer as one", neverConnected: true)
    default: return nil
    }
  }

  private static func words(_ error: any Error) -> String {
    guard let error = error as? IOError else {
      if let error = error as? ChannelError, case .connectTimeout = error { return "no answer within the time for connecting" }
      return "\(error)"
    }
    switch error.errnoCode {
    case ECONNREFUSED: return "connection refused"
    case ECONNRESET, EPIPE: return "the registry hung up"
    case EHOSTUNREACH, ENETUNREACH: return "no route to it"
    case ETIMEDOUT: return "the connection timed out"
    default: return String(cString: strerror(error.errnoCode))
    }
  }
}

/// `Retry-After`: seconds, or an HTTP date. (RFC 9110, section 10.2.3)
enum RetryAfter {
  static func parse(_ header: String, now: Int64) -> Duration? {
    let text = header.split(separator: " ").joined(separator: " ")
    if let seconds = Int64(text), seconds >= 0 { return .seconds(min(seconds, 1 << 30)) }
    guard let date = httpDate(text) else { return nil }
    return .seconds(max(0, date - now))
  }

  /// Unix seconds of `Sun, 06 Nov 1994 08:49:37 GMT`.
  static func httpDate(_ text: String) -> Int64? {
    let parts = text.split { $0 == " " || $0 == "," || $0 == ":" }
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    guard parts.count == 8, let day = Int64(parts[1]), let month = months.firstIndex(of: String(parts[2])),
      let year = Int64(parts[3]), let hour = Int64(parts[4]), let minute = Int64(parts[5]), let second = Int64(parts[6]),
      (1970...9999).contains(year), (1...31).contains(day), (0...23).contains(hour), (0...59).contains(minute),
      (0...60).contains(second)
    else { return nil }
    // Days since 1970 of the proleptic Gregorian calendar, years beginning in March.
    let month1 = Int64(month) + 1
    let shifted = month1 <= 2 ? year - 1 : year
    let era = shifted / 400
    let ofEra = shifted - era * 400
    let ofYear = (153 * (month1 + (month1 > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let days = era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468
    return days * 86_400 + hour * 3600 + minute * 60 + second
  }
}
