import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// `state` and `list`: what is said about containers, with runc's properties.
extension VerbContext {
  func state(_ words: ArraySlice<String>) throws -> Int32 {
    let id = try Arguments(words, [], command: "state").id("state")
    let text = try JSONText.encode(try ContainerReport(root.load(id)), pretty: true)
    RuntimeProgram.output(String(decoding: text, as: UTF8.self) + "\n")
    return 0
  }

  func list(_ words: ArraySlice<String>) throws -> Int32 {
    let arguments = try Arguments(
      words,
      [
        .option("format", "f", value: "table|json", help: "how they are listed (table)"),
        .flag("quiet", "q", help: "IDs alone"),
      ], command: "list")
    try arguments.noOperands("list")
    let format = arguments["format"] ?? "table"
    guard format == "table" || format == "json" else {
      throw RuntimeError.usage("list: --format is \"\(format)\": use table or json")
    }
    let containers = try loadAll()
    if arguments.has("quiet") {
      RuntimeProgram.output(containers.map { $0.id + "\n" }.joined())
      return 0
    }
    let reports = containers.map { ContainerReport($0) }
    if format == "json" {
      RuntimeProgram.output(String(decoding: try JSONText.encode(reports), as: UTF8.self) + "\n")
    } else {
      let rows = reports.map { [$0.id, "\($0.pid)", $0.status.rawValue, $0.bundle, $0.created, $0.owner] }
      RuntimeProgram.output(Self.table([["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]] + rows))
    }
    return 0
  }

  /// One that is being made, or has just been removed, is left out; one that cannot be read is warned of.
  private func loadAll() throws -> [Container] {
    try root.identifiers().compactMap { id in
      do { return try root.load(id) } catch RuntimeError.noSuchContainer, RuntimeError.invalidID { return nil } catch {
        log.warning("\(error)")
        return nil
      }
    }
  }

  /// Columns as runc's: twelve characters at least, three between them.
  private static func table(_ rows: [[String]]) -> String {
    guard let first = rows.first else { return "" }
    let widths = first.indices.map { column in max((rows.map { $0[column].count }.max() ?? 0) + 3, 12) }
    return rows.map { row in
      let cells = row.enumerated().map { index, cell in
        index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
      }
      return cells.joined() + "\n"
    }.joined()
  }
}

private struct ContainerReport: Encodable {
  let ociVersion: String
  let id: String
  let pid: Int32
  let status: RuntimeState.Status
  let bundle: String
  let rootfs: String
  let created: String
  let annotations: [String: String]?
  let owner: String

  init(_ container: Container) {
    let state = container.state
    ociVersion = state.ociVersion
    id = state.id
    pid = state.pid ?? 0
    status = state.status
    bundle = state.bundle
    rootfs = container.saved.rootfs
    created = container.saved.created
    annotations = state.annotations
    owner = Self.name(of: container.saved.uid)
  }

  /// By the host's /etc/passwd; `#UID` for one that it does not name. (as runc)
  private static func name(of uid: UInt32) -> String {
    if uid == 0 { return "root" }
    for line in ((try? readFile("/etc/passwd", limit: 16 << 20)) ?? []).split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
      if fields.count >= 3, UInt32(String(decoding: fields[2], as: UTF8.self)) == uid {
        return String(decoding: fields[0], as: UTF8.self)
      }
    }
    return "#\(uid)"
  }
}
