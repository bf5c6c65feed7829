internal import ArgumentParser
internal import Engine
internal import Glibc

struct StatsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Show what containers use, as it changes.")

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Also containers that do not run.") var all = false
  @Flag(help: "Show it once.") var noStream = false
  @Flag(help: "Do not shorten IDs.") var noTrunc = false
  @Option(help: "table, json, or a template of Go's kind.") var format: String?
  @Argument(help: ArgumentHelp("Names or IDs; without any, all that run.", valueName: "container")) var containers:
    [String] = []

  func run() throws {
    let engine = try global.engine()
    let isLive = !noStream && Terminal.outputIsTerminal && (format == nil || format?.hasPrefix("table") == true)
    var before = try sample(engine)
    while true {
      // A share of the processor is one of a time.
      usleep(noStream ? 500_000 : 1_000_000)
      let now = try sample(engine)
      let rows = now.map { row($0, before[$0.container.id]) }
      let text = try Self.listing.render(rows, format: format)
      printOutput((isLive ? "\u{1b}[H\u{1b}[J" : "") + text)
      if noStream { return }
      before = now
    }
  }

  private struct Sample {
    let container: Container
    let statistics: ContainerStatistics?
  }

  private struct Samples: Sequence {
    var all: [Sample] = []
    subscript(id: String) -> Sample? { all.first { $0.container.id == id } }
    func makeIterator() -> IndexingIterator<[Sample]> { all.makeIterator() }
  }

  private func sample(_ engine: Engine) throws -> Samples {
    let chosen = try containers.isEmpty ? engine.containers(all: all) : containers.map { try engine.container($0) }
    return Samples(
      all: chosen.map { container in
        // It may end at any time.
        Sample(container: container, statistics: container.isRunning ? try? engine.statistics(of: container.id) : nil)
      })
  }

  private static let listing = Listing(
    [
      .init("CONTAINER ID", "ID"), .init("NAME", "Name"), .init("CPU %", "CPUPerc"),
      .init("MEM USAGE / LIMIT", "MemUsage"),
      .init("MEM %", "MemPerc"), .init("NET I/O", "NetIO"), .init("BLOCK I/O", "BlockIO"), .init("PIDS", "PIDs"),
    ], others: [.init("CONTAINER", "Container")])

  private func row(_ sample: Sample, _ before: Sample?) -> [String: Value] {
    let container = sample.container
    let now = sample.statistics ?? ContainerStatistics()
    var share = 0.0
    if let earlier = before?.statistics, now.taken > earlier.taken {
      share = Double(now.processorTime - earlier.processorTime) / Double(now.taken - earlier.taken) * 100
    }
    let memory = now.memoryLimit > 0 ? Double(now.memory) / Double(now.memoryLimit) * 100 : 0
    return [
      "ID": .string(noTrunc ? container.id : container.shortID), "Container": .string(container.shortID),
      "Name": .string(container.name), "CPUPerc": .string(Self.percent(share)),
      "MemPerc": .string(Self.percent(memory)),
      "MemUsage": .string("\(Phrase.binarySize(now.memory)) / \(Phrase.binarySize(now.memoryLimit))"),
      "NetIO": .string("\(Phrase.size(now.received)) / \(Phrase.size(now.sent))"),
      "BlockIO": .string("\(Phrase.size(now.blockRead)) / \(Phrase.size(now.blockWritten))"),
      "PIDs": .string(String(now.processes)),
    ]
  }

  private static func percent(_ value: Double) -> String {
    let hundredths = Int64((max(0, value) * 100).rounded())
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)%"
  }
}
