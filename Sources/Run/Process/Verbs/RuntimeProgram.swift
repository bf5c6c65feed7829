import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The program `clipper-runtime`: runc's command line, and what Clipper itself asks of it (`supervise`, `hold`).
public enum RuntimeProgram {
  public static let version = "0.1.0"

  /// Runs a command line and returns the exit status: 1 for errors of the runtime's own, 0, or the container's.
  public static func run(_ arguments: [String]) -> Int32 {
    // Process 1 of a container that asked for an init: everything after the name is the program's.
    if arguments.first == "clipper-init", arguments.count > 3, arguments[1] == "init" {
      return ContainerInit.run(program: arguments[2], Array(arguments[3...]))
    }
    var log = Log()
    do {
      try InheritedDescriptors.completeStandardStreams()
      return try run(arguments, &log)
    } catch let help as HelpRequest {
      output(help.text)
      return 0
    } catch {
      log.error("\(error)")
      return 1
    }
  }

  private static let flags: [Arguments.Flag] = [
    .option("root", value: "DIR", help: "state of the containers (/run/clipper/runtime)"),
    .option("log", value: "FILE", help: "append errors and warnings to FILE"),
    .option("log-format", value: "text|json", help: "how messages are written (text)"),
    .flag("debug", help: "say each step"),
    .flag("systemd-cgroup", help: "let systemd make the cgroups"),
    .option(
      "cgroup-manager", value: "cgroupfs|systemd|disabled", help: "who makes the cgroups (cgroupfs); disabled: nobody"),
    .option("rootless", value: "auto|true|false", help: "go on where cgroups are not allowed (auto)"),
    .option("criu", value: "PATH", help: "the program for checkpoint and restore (criu in PATH)"),
    .flag("version", "v", help: "print the versions"), .flag("help", "h", help: "print this"),
  ]

  private static func run(_ arguments: [String], _ log: inout Log) throws -> Int32 {
    let global = try Arguments(
      arguments.dropFirst(), flags, command: "clipper-runtime", operandsEndFlags: true)
    log = try Log(file: global["log"], format: global["log-format"], debugging: global.has("debug"))
    let manager = try cgroupManager(global)
    if global.has("version") {
      output("clipper-runtime version \(version)\nspec: \(RuntimeConfig.version)\nlibseccomp: \(SeccompCompiler.version)\n")
      return 0
    }
    guard let verb = global.operands.first, !global.has("help") else {
      output(Help.program(flags))
      return 0
    }
    let root = try global["root"].map { try Bundle.absolute(FilePath($0)) } ?? StateDirectory.standard
    var context = VerbContext(root: StateDirectory(root: root), log: log, arguments: arguments)
    context.criu = try global["criu"].map { try Bundle.absolute(FilePath($0)) }
    context.usesSystemd = manager == "systemd"
    context.usesCgroup = manager != "disabled"
    context.requiresCgroup = try requiresCgroup(global["rootless"])
    return try run(verb, global.operands.dropFirst(), context)
  }

  private static func run(_ verb: String, _ words: ArraySlice<String>, _ context: VerbContext) throws -> Int32 {
    switch verb {
    case "create": return try CreateVerb(words, context).create()
    case "run": return try CreateVerb(words, context, runs: true).run()
    case "start": return try context.start(words)
    case "state": return try context.state(words)
    case "kill": return try KillVerb(words, context).run()
    case "delete": return try context.delete(words)
    case "list": return try context.list(words)
    case "pause": return try context.freeze(words, true)
    case "resume": return try context.freeze(words, false)
    case "update": return try UpdateVerb(words, context).run()
    case "events": return try EventsVerb(words, context).run()
    case "ps": return try ProcessesVerb(words, context).run()
    case "exec": return try ExecVerb(words, context).run()
    case "checkpoint": return try CheckpointVerb(words, context).run()
    case "restore": return try RestoreVerb(words, context).run()
    case "spec": return try context.spec(words)
    case "features": return try context.features(words)
    case "supervise": return try context.supervise(words)
    case "hold": return try Hold(words).run()
    case "help", "h":
      guard let named = words.first, named != verb else {
        output(Help.program(flags))
        return 0
      }
      return try run(named, ["--help"], context)
    default: throw RuntimeError.usage("the command \(verb) is not known: clipper-runtime --help names them")
    }
  }

  /// crun's flag, which podman gives to every runtime for containers without a cgroup; runc's for systemd besides it.
  private static func cgroupManager(_ global: Arguments) throws -> String {
    let manager = global["cgroup-manager"] ?? (global.has("systemd-cgroup") ? "systemd" : "cgroupfs")
    guard ["cgroupfs", "systemd", "disabled"].contains(manager) else {
      throw RuntimeError.usage("--cgroup-manager is \"\(manager)\": use cgroupfs, systemd or disabled")
    }
    return manager
  }

  /// `--rootless`, as runc reads it: with false, a cgroup that the caller has no right to make is an error.
  private static func requiresCgroup(_ value: String?) throws -> Bool {
    switch value?.lowercased() {
    case nil, "", "auto", "1", "t", "true": return false
    case "0", "f", "false": return true
    default: throw RuntimeError.usage("--rootless is \"\(value ?? "")\": use auto, true or false")
    }
  }

  static func output(_ text: String) { try? writeAll(1, Array(text.utf8)) }
}

/// What every command needs.
struct VerbContext {
  let root: StateDirectory
  let log: Log
  /// nil looks for it in $PATH.
  var criu: FilePath?
  /// The whole command line, for a program that executes itself again.
  let arguments: [String]
  var requiresCgroup = false
  /// systemd makes the cgroups of new containers. (`--systemd-cgroup`)
  var usesSystemd = false
  /// With false containers stay in the caller's. (`--cgroup-manager disabled`)
  var usesCgroup = true

  /// Before anything of a container can see this process. (CVE-2019-5736)
  func protectProgram() throws { try OwnProgram.protect(arguments: arguments, environment: currentEnvironment()) }
}

func currentEnvironment() -> [String] {
  var names: [String] = []
  var next = environ
  while let entry = next.pointee {
    names.append(String(cString: entry))
    next += 1
  }
  return names
}
