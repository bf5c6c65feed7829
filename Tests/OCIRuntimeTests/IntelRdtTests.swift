import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import TestDirectories
import Testing

@testable import OCIRuntime

/// On a directory that looks like resctrl. (runtime-spec, config-linux.md, IntelRdt)
@Suite final class IntelRdtTests {
  private let root: FilePath
  private var control: ResourceControl { ResourceControl(root: root) }

  init() throws {
    root = try makeTestDirectory("clipper-resctrl", in: "/var/tmp")
    try write("    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n", "schemata")
    try write("", "tasks")
    try makeDirectories(root.appending("mon_groups"))
  }

  deinit { try? removeTree(root) }

  private func write(_ text: String, _ name: String) throws {
    try writeFileAtomically(root.appending(name), Array(text.utf8))
  }

  private func read(_ name: String) -> String {
    (try? readFile(root.appending(name))).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  private func configuration(_ change: (inout LinuxIntelRdt) -> Void) -> LinuxIntelRdt {
    var rdt = LinuxIntelRdt()
    change(&rdt)
    return rdt
  }

  @Test func aClassOfItsOwnGoesWithTheContainer() throws {
    let group = try control.make(
      configuration {
        $0.l3CacheSchema = "L3:0=7f0;1=1f"
        $0.memBwSchema = "MB:0=20;1=70"
        $0.schemata = ["L2:0=f"]
      }, id: "box")
    #expect(group == ResourceControl.Group(directory: root.appending("box").string, isOurs: true))
    // Each line is a write of its own, and the last one is what a plain file keeps the beginning of.
    #expect(read("box/schemata").hasPrefix("L2:0=f\n"))
    try control.add(4242, to: group)
    #expect(read("box/tasks") == "4242")
    try control.update(group, l3CacheSchema: "L3:0=7;1=7", memBwSchema: nil)
    #expect(read("box/schemata").hasPrefix("L3:0=7;1=7\n"))
    // The kernel's files go with the directory.
    unlink(root.appending("box/schemata").string)
    unlink(root.appending("box/tasks").string)
    try control.remove(group)
    #expect(access(root.appending("box").string, F_OK) != 0)
  }

  @Test func aClassOfOthersIsJoinedAndStays() throws {
    try makeDirectories(root.appending("gold"))
    try write("L3:0=7f0;1=01f\n    MB:0= 20;1=070\n", "gold/schemata")
    let group = try control.make(configuration { $0.closID = "gold" }, id: "box")
    #expect(!group.isOurs)
    _ = try control.make(
      configuration {
        $0.closID = "gold"
        $0.l3CacheSchema = "L3:1=1f;0=7F0"
        $0.memBwSchema = "MB:0=20"
      }, id: "box")
    try control.remove(group)
    #expect(access(root.appending("gold").string, F_OK) == 0)
  }

  @Test func aClassWithOtherSharesIsAnError() throws {
    try makeDirectories(root.appending("gold"))
    try write("L3:0=7f0;1=1f\n", "gold/schemata")
    for line in ["L3:0=7f1", "L3:2=1", "L3:x"] {
      #expect(throws: RuntimeError.self) {
        try control.make(
          configuration {
            $0.closID = "gold"; $0.l3CacheSchema = line
          }, id: "box")
      }
    }
  }

  @Test func aClassThatIsNotThereNeedsASchema() throws {
    #expect(throws: RuntimeError.self) { try control.make(configuration { $0.closID = "silver" }, id: "box") }
    let group = try control.make(
      configuration {
        $0.closID = "silver"; $0.schemata = ["MB:0=50"]
      }, id: "box")
    #expect(!group.isOurs)
    #expect(read("silver/schemata") == "MB:0=50\n")
  }

  @Test func monitoringIsTheContainersOwn() throws {
    let group = try control.make(
      configuration {
        $0.closID = "/"; $0.enableMonitoring = true
      }, id: "box")
    #expect(group == ResourceControl.Group(directory: root.string, isOurs: false, monitoring: "box"))
    try control.add(7, to: group)
    #expect(read("tasks") == "7" && read("mon_groups/box/tasks") == "7")
    #expect(read("schemata").contains("L3:0=7ff"))
    unlink(root.appending("mon_groups/box/tasks").string)
    try control.remove(group)
    #expect(access(root.appending("mon_groups/box").string, F_OK) != 0)
    #expect(access(root.string, F_OK) == 0)
  }

  @Test func whatFailsLeavesNothing() throws {
    try removeTree(root.appending("mon_groups"))
    #expect(throws: RuntimeError.self) {
      try control.make(configuration { $0.enableMonitoring = true }, id: "box")
    }
    #expect(access(root.appending("box").string, F_OK) != 0)
  }

  @Test func withoutTheFileSystemItIsRefused() throws {
    let nowhere = ResourceControl(root: root.appending("nowhere"))
    let error = #expect(throws: RuntimeError.self) { try nowhere.make(LinuxIntelRdt(), id: "box") }
    #expect("\(error.map { "\($0)" } ?? "")".contains("no file system resctrl is mounted"))
  }

  @Test func namesThatLeadElsewhereAreRefused() {
    func problem(_ change: (inout LinuxIntelRdt) -> Void) -> String {
      var config = RuntimeConfig(process: ContainerProcess(args: ["true"]), root: ContainerRoot(path: "rootfs"))
      config.linux = LinuxConfig(namespaces: [LinuxNamespace(type: .mount)])
      config.linux?.intelRdt = configuration(change)
      return "\(#expect(throws: RuntimeError.self) { try BundleCheck(config).check(config.linux!) }!)"
    }
    for name in ["..", "a/b", "info", "mon_groups"] { #expect(problem { $0.closID = name }.contains("closID")) }
    #expect(problem { $0.memBwSchema = "L3:0=1" }.contains("memBwSchema"))
    #expect(problem { $0.l3CacheSchema = "L3:0=1\nMB:0=1" }.contains("l3CacheSchema"))
    #expect(problem { $0.enableMBM = true }.contains("enableMonitoring"))
  }
}
