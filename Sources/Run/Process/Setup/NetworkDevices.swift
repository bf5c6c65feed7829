import Glibc
import Kernel
import Netlink
import RuntimeSpec
import SystemPackage

/// Interfaces of the host that become the container's. (runtime-spec, config-linux.md, Network Devices)
struct NetworkDevices {
  /// By name: host's, container's. In the order of the host's names, so that templates count the same way each time.
  private let names: [(String, String)]

  init(_ devices: [String: LinuxNetDevice]) {
    names = devices.sorted { $0.key < $1.key }.map { name, device in
      (name, device.name.flatMap { $0.isEmpty ? nil : $0 } ?? name)
    }
  }

  /// All of them, or none: whether they can be moved is seen before the first one goes.
  ///
  /// - Parameters:
  ///   - joined: the network namespace, where the container does not have a new one.
  ///   - pid: of the container's process, in its new namespaces already.
  func move(to joined: OpenFile?, of pid: pid_t) throws {
    let target =
      try joined
      ?? OpenFile(
        attempt("open the container's network namespace") { () throws(Errno) in
          try openat2(workingDirectory, "/proc/\(pid)/ns/net", flags: O_RDONLY)
        })
    if try attempt(
      "look at the network namespace", .other,
      { () throws(Errno) in
        try Names.isOwn(.network, target.number)
      })
    {
      throw RuntimeError.configuration(
        property: "linux.netDevices", problem: "are to be moved to the host's own network namespace")
    }
    do {
      let here = try RouteSocket()
      let there = try routes(of: target)
      let moves = try plan(here, there)
      for (interface, name) in moves {
        try InterfaceMove(interface: interface, name: name).run(from: here, to: there, namespace: target.number)
      }
    } catch let error as NetlinkError {
      throw RuntimeError.start(StartFailure(kind: .other, message: "linux.netDevices: cannot \(error)"))
    }
  }

  private func plan(_ here: RouteSocket, _ there: RouteSocket) throws -> [(Interface, String)] {
    let present = try here.interfaces()
    let taken = Set(try there.interfaces().map(\.name))
    return try names.map { name, new in
      guard let interface = present.first(where: { $0.name == name }) else {
        throw RuntimeError.configuration(
          property: "linux.netDevices", problem: "has \(name), and the host has no such network interface")
      }
      guard !taken.contains(new) else {
        throw RuntimeError.configuration(
          property: "linux.netDevices.\(name).name",
          problem: "is \(new), which exists in the container's network namespace")
      }
      return (interface, new)
    }
  }

  /// A socket stays in the namespace in which it was made.
  private func routes(of namespace: OpenFile) throws -> RouteSocket {
    let own = try attempt("open the own network namespace") { () throws(Errno) in
      try openat2(workingDirectory, "/proc/self/ns/net", flags: O_RDONLY)
    }
    try attempt("enter the container's network namespace") { () throws(Errno) in
      try Namespaces.join(namespace.number, .network)
    }
    let made = Result { try RouteSocket() }
    try attempt("return from the container's network namespace") { () throws(Errno) in
      try Namespaces.join(own.number, .network)
    }
    return try made.get()
  }
}
