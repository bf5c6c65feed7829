import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

extension VerbContext {
  /// Starts a container and stays with it, in the background. The caller hears of the start by `readyDescriptor`.
  func supervise(_ words: ArraySlice<String>) throws -> Int32 {
    let arguments = try Arguments(words, [], command: "supervise")
    guard let path = arguments.operands.first, arguments.operands.count == 1 else {
      throw RuntimeError.usage("supervise: write supervise FILE")
    }
    try protectProgram()
    let text = try attempt("read \(path)") { () throws(Errno) in try readFile(FilePath(path), limit: 16 << 20) }
    let supervision = try JSONText.decode(Supervision.self, text, name: path)
    switch try attempt("go to the background", .other, { () throws(Errno) in try Cloning.clone() }) {
    case .parent: return 0
    case .child: Supervisor(supervision, self).run()
    }
  }
}

/// How the start went, for who waits for it.
struct StartReport {
  private let descriptor: CInt?

  init(_ supervision: Supervision) { descriptor = supervision.readyDescriptor }

  func send(_ report: SupervisorReport) {
    guard let descriptor else { return }
    if let text = try? JSONText.encode(report) { try? writeAll(descriptor, text + [UInt8(ascii: "\n")]) }
    close(descriptor)
  }
}

/// The program's standard streams, or its terminal, on the supervisor's side.
final class Streams {
  var input: OpenFile?
  var output: OpenFile?
  var errorOutput: OpenFile?
  var terminal: OpenFile?

  /// What goes to the program; closed when it has been handed over.
  private(set) var theirs: (OpenFile, OpenFile, OpenFile)?

  /// Pipes; none for a terminal, which comes with the process.
  init(terminal: Bool, hasInput: Bool) throws {
    guard !terminal else { return }
    let (outputReader, outputWriter) = try Self.pipe(readerIsOurs: true)
    let (errorReader, errorWriter) = try Self.pipe(readerIsOurs: true)
    output = outputReader
    errorOutput = errorReader
    let inputReader: OpenFile
    if hasInput {
      let (reader, writer) = try Self.pipe(readerIsOurs: false)
      inputReader = reader
      input = writer
    } else {
      inputReader = OpenFile(
        try attempt("open /dev/null") { () throws(Errno) in try openat2(workingDirectory, "/dev/null", flags: O_RDONLY)
        })
    }
    theirs = (inputReader, outputWriter, errorWriter)
  }

  func handOver() {
    guard let (input, output, errorOutput) = theirs else { return }
    for file in [input, output, errorOutput] { file.close() }
    theirs = nil
  }

  static func pipe(readerIsOurs: Bool) throws -> (OpenFile, OpenFile) {
    let (reader, writer) = try attempt("open a pipe") { () throws(Errno) in try makePipe() }
    let ours = readerIsOurs ? reader : writer
    _ = fcntl(ours, F_SETFL, fcntl(ours, F_GETFL) | O_NONBLOCK)
    return (OpenFile(OwnedDescriptor(reader)), OpenFile(OwnedDescriptor(writer)))
  }
}
