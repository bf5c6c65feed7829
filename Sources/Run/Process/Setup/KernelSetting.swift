import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A sysctl by its key. (sysctl(8))
struct KernelSetting {
  let key: String
  /// Below /proc/sys.
  let components: [String]

  /// The first separator decides: where it is a slash, dots belong to names, and where it is a dot, slashes stand for
  /// the dots of names (`net.ipv4.conf.eth0/1.forwarding`).
  init(_ key: String) {
    self.key = key
    let isPath = key.first { $0 == "/" || $0 == "." } == "/"
    components = key.split(separator: isPath ? "/" : ".").map { part in
      isPath ? String(part) : String(part.map { $0 == "/" ? "." : $0 })
    }
  }

  /// Whose setting it is; nil: everybody's.
  var namespace: LinuxNamespace.Kind? {
    let name = components.joined(separator: ".")
    if Self.interprocess.contains(name) || name.hasPrefix("fs.mqueue.") { return .ipc }
    if name.hasPrefix("net.") { return .network }
    if name == "kernel.hostname" || name == "kernel.domainname" { return .uts }
    return name.hasPrefix("user.") ? .user : nil
  }

  private static let interprocess: Set<String> = [
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
    "kernel.shm_rmid_forced",
  ]

  /// Through a proc file system of our own that is attached nowhere: whatever lies on the container's /proc cannot turn
  /// a write to another file. (CVE-2025-52881)
  static func write(_ settings: [String: String]) throws {
    guard !settings.isEmpty else { return }
    let proc = try ProcFS.own(onlyProcesses: false)
    for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
      let path = "sys/" + KernelSetting(key).components.joined(separator: "/")
      try attempt("set the sysctl \(key) to \"\(value)\"") { () throws(Errno) in
        let file = try proc.open(path, flags: O_WRONLY)
        try writeAll(file.number, Array(value.utf8))
      }
    }
  }
}
