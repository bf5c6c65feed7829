import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// Looking at the cgroups of containers, for the suites that have a pure cgroup v2 tree.
extension RuntimeHost {
  func cgroup(_ id: String) -> FilePath {
    FilePath("/sys/fs/cgroup/clipper/\(directory.lastComponent?.string ?? "")-\(id)")
  }

  func file(_ id: String, _ name: String) throws -> String {
    let text = try read(cgroup(id).appending(name))
    return String(text.prefix(text.count - (text.hasSuffix("\n") ? 1 : 0)))
  }

  /// A kernel's file, which is not replaced but written to.
  func put(_ path: FilePath, _ text: String) throws {
    let file = try openat2(workingDirectory, path.string, flags: O_WRONLY)
    try writeAll(file.number, Array(text.utf8))
  }

  func counter(_ id: String, _ name: String, _ counter: String) throws -> UInt64 {
    let line = try file(id, name).split(separator: "\n").first { $0.hasPrefix("\(counter) ") }
    return line.flatMap { UInt64($0.dropFirst(counter.count + 1)) } ?? 0
  }

  func pid(_ id: String) throws -> Int32 {
    try #require(Int32(try read(directory.appending("\(id).pid"))))
  }

  func change(_ config: inout RuntimeConfig, _ body: (inout LinuxResources) -> Void) {
    var resources = config.linux?.resources ?? LinuxResources()
    body(&resources)
    config.linux?.resources = resources
  }

  func started(_ id: String, _ script: String = "exec sleep 1000", resources: (inout LinuxResources) -> Void) throws {
    try started(id, ["sh", "-c", script]) { change(&$0, resources) }
  }

  func shell(_ script: String, resources: (inout LinuxResources) -> Void) throws -> Result {
    try shell(script) { change(&$0, resources) }
  }
}
