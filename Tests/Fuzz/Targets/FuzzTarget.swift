/// A parser that reads what strangers send, to be fed with anything: it must come to an end, and soon, without a trap.
/// What it takes must hold what its documentation promises, which the bodies check.
public struct FuzzTarget: Sendable {
  /// Its corpus is the folder of this name in Tests/Fuzz/Corpora.
  public let name: String
  public let run: @Sendable ([UInt8]) -> Void

  init(_ name: String, _ run: @escaping @Sendable ([UInt8]) -> Void) {
    self.name = name
    self.run = run
  }

  /// One that reads text.
  init(text name: String, _ run: @escaping @Sendable (String) -> Void) {
    self.init(name) { run(String(decoding: $0, as: UTF8.self)) }
  }

  /// Each list stands in the file of its targets.
  public static let all: [FuzzTarget] = wire + senders + content + signed + policies + scans + files
}

/// Ends the process, whatever the optimiser thinks of preconditions.
func require(_ condition: Bool, _ promise: @autoclosure () -> String) {
  guard condition else { fatalError("broken promise: \(promise())") }
}
