import Cgroups
import Glibc
import Kernel
import Synchronization
import SystemPackage

@testable import OCIRuntime
@testable import SystemBus

/// A message bus with a systemd behind it that does what a test tells it to: it makes and removes cgroups and moves
/// processes as the real one does, on any machine with a cgroup v2 tree.
final class FakeSystemd: Sendable {
  enum Behaviour: Sendable {
    case obeys
    /// Answers a method with an error of this name.
    case refuses(String, error: String)
    /// The job of StartTransientUnit ends so.
    case jobEnds(String)
    /// Does what it is asked and never answers this method.
    case ignores(String)
    /// Says nothing of a job's end.
    case forgetsJobs
    /// There is such a unit already; resetting it clears it, or does not.
    case unitExists(resetHelps: Bool)
    /// Makes the unit and leaves the process where it is.
    case leavesProcess
    /// Answers with bytes that are no message.
    case babbles
  }

  struct Call: Sendable {
    let member: String
    let values: [BusValue]

    /// Of StartTransientUnit or SetUnitProperties.
    var properties: [String: BusValue] {
      var found: [String: BusValue] = [:]
      guard values.count > 2, case .array(_, let list) = values[2] else { return [:] }
      for case .structure(let pair) in list {
        if let name = pair[0].text, case .variant(let value) = pair[1] { found[name] = value }
      }
      return found
    }
  }

  private struct State {
    var calls: [Call] = []
    var units: [String: Cgroup] = [:]
    var isReset = false
    var jobs = 0
  }

  let path: FilePath
  /// Names of this fake's slices begin so.
  let slice = "clippertest\(UInt32.random(in: 0...UInt32.max)).slice"
  private let behaviour: Behaviour
  /// Given the units' cgroups, as a user's systemd has them.
  private let owner: UInt32?
  private let state = Mutex(State())
  private let listener: CInt

  init(in directory: FilePath, _ behaviour: Behaviour = .obeys, owner: UInt32? = nil) throws {
    path = directory.appending("bus\(UInt32.random(in: 0...UInt32.max))")
    self.behaviour = behaviour
    self.owner = owner
    listener = try Errno.check(socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.string.utf8)) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try Errno.check(bound)
    chmod(path.string, 0o777)
    try Errno.check(listen(listener, 16))
    Self.thread { [self] in
      while let client = try? LocalSockets.accept(listener, nonBlocking: false).release() {
        Self.thread { [self] in
          serve(client)
          close(client)
        }
      }
      close(listener)
    }
  }

  /// Ends the accepting, and what is left of the cgroups.
  func stop() {
    shutdown(listener, CInt(SHUT_RDWR))
    for cgroup in state.withLock({ $0.units.values }) where cgroup.exists {
      try? cgroup.kill()
      try? cgroup.remove()
    }
    if let tree = CgroupTree.find() { rmdir(tree.mount.appending(slice).string) }
  }

  var address: String { "unix:path=\(path)" }
  var calls: [Call] { state.withLock { $0.calls } }
  func calls(of member: String) -> [Call] { calls.filter { $0.member == member } }
  var units: [String] { state.withLock { $0.units.keys.sorted() } }
  func cgroup(of unit: String) -> Cgroup? { state.withLock { $0.units[unit] } }

  // MARK: Transfer

  private static func thread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body)).toOpaque()
    pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
        return nil
      }, box)
    pthread_detach(thread)
  }

  private static func read(_ client: CInt, _ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    guard count > 0 else { return [] }
    return recv(client, &bytes, count, CInt(MSG_WAITALL)) == count ? bytes : nil
  }

  private func serve(_ client: CInt) {
    // The greeting ends with BEGIN.
    var greeting: [UInt8] = []
    while !String(decoding: greeting, as: UTF8.self).hasSuffix("BEGIN\r\n") {
      guard let next = Self.read(client, 1) else { return }
      greeting += next
    }
    Self.send(client, Array("DATA\r\nOK 00\r\n".utf8))
    while let prefix = Self.read(client, 16), let length = try? BusMessage.length(prefix[...]),
      let rest = Self.read(client, length - 16), let message = try? BusMessage((prefix + rest)[...]),
      let values = try? message.values()
    {
      state.withLock { $0.calls.append(Call(member: message.member ?? "", values: values)) }
      answer(message, values, client)
    }
  }

  private static func send(_ client: CInt, _ bytes: [UInt8]) {
    Glibc.send(client, bytes, bytes.count, CInt(MSG_NOSIGNAL))
  }

  private func reply(_ call: BusMessage, _ client: CInt, _ values: [BusValue] = []) {
    var message = BusMessage(.result, serial: 1)
    message.replySerial = call.serial
    Self.send(client, message.encoded(values))
  }

  private func refuse(_ call: BusMessage, _ client: CInt, _ error: String) {
    var message = BusMessage(.error, serial: 1)
    message.replySerial = call.serial
    message.errorName = error
    Self.send(client, message.encoded([.string("the fake says no")]))
  }

  private func endJob(_ call: BusMessage, _ client: CInt, _ unit: String, _ result: String) {
    let number = state.withLock { state -> Int in
      state.jobs += 1
      return state.jobs
    }
    let job = BusValue.objectPath("/org/freedesktop/systemd1/job/\(number)")
    reply(call, client, [job])
    if case .forgetsJobs = behaviour { return }
    // Another's job first.
    for (path, result) in [(BusValue.objectPath("/job/other"), "failed"), (job, result)] {
      var signal = BusMessage(.signal, serial: 2)
      signal.path = "/org/freedesktop/systemd1"
      signal.interface = "org.freedesktop.systemd1.Manager"
      signal.member = "JobRemoved"
      Self.send(client, signal.encoded([.uint32(UInt32(number)), path, .string(unit), .string(result)]))
    }
  }

  // MARK: Methods

  private func answer(_ call: BusMessage, _ values: [BusValue], _ client: CInt) {
    let member = call.member ?? ""
    switch behaviour {
    case .refuses(member, let error): return refuse(call, client, error)
    case .babbles where member == "StartTransientUnit":
      return Self.send(client, Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
    default: break
    }
    let unit = values.first?.text ?? ""
    switch member {
    case "StartTransientUnit": start(call, unit, values, client)
    case "StopUnit":
      guard let cgroup = state.withLock({ $0.units.removeValue(forKey: unit) }) else {
        return refuse(call, client, "org.freedesktop.systemd1.NoSuchUnit")
      }
      try? cgroup.kill()
      try? cgroup.remove()
      endJob(call, client, unit, "done")
    case "AttachProcessesToUnit":
      guard let cgroup = cgroup(of: unit), case .array(_, let pids) = values[2], case .uint32(let pid)? = pids.first,
        let below = try? cgroup.tree.cgroup(at: cgroup.name + (values[1].text ?? "")),
        (try? below.add(Int32(pid))) != nil
      else { return refuse(call, client, "org.freedesktop.systemd1.NoSuchUnit") }
      reply(call, client)
    case "ResetFailedUnit":
      state.withLock { $0.isReset = true }
      reply(call, client)
    case "Get": property(call, values, client)
    default: reply(call, client)
    }
  }

  private func start(_ call: BusMessage, _ unit: String, _ values: [BusValue], _ client: CInt) {
    if case .unitExists(let resetHelps) = behaviour, !(resetHelps && state.withLock { $0.isReset }) {
      return refuse(call, client, "org.freedesktop.systemd1.UnitExists")
    }
    if case .jobEnds(let result) = behaviour { return endJob(call, client, unit, result) }
    let properties = Call(member: "", values: values).properties
    guard let tree = CgroupTree.find(),
      let cgroup = try? tree.cgroup(at: "/\(properties["Slice"]?.text ?? slice)/\(unit)"),
      (try? cgroup.makeDirectory()) != nil
    else { return refuse(call, client, "org.fake.NoTree") }
    state.withLock { $0.units[unit] = cgroup }
    if case .array(_, let pids)? = properties["PIDs"], case .uint32(let pid)? = pids.first {
      if case .leavesProcess = behaviour {} else { try? cgroup.add(Int32(pid)) }
    }
    if let owner {
      chown(cgroup.path.string, owner, owner)
      for name in (try? directoryEntries(of: cgroup.path)) ?? [] {
        chown(cgroup.path.appending(name).string, owner, owner)
      }
    }
    if case .ignores("StartTransientUnit") = behaviour { return }
    endJob(call, client, unit, "done")
  }

  private func property(_ call: BusMessage, _ values: [BusValue], _ client: CInt) {
    switch values.last?.text {
    case "Version": reply(call, client, [.variant(.string("252.38-1~deb12u1"))])
    case "ControlGroup":
      let unit = state.withLock { state in
        state.units.first { name, _ in SystemdUnit.objectPath(of: name) == call.path }
      }
      reply(call, client, [.variant(.string(unit?.value.name ?? ""))])
    default: refuse(call, client, "org.freedesktop.DBus.Error.UnknownProperty")
    }
  }
}
