import Glibc
import Kernel
import RuntimeSpec
import SystemBus

/// systemd, asked over the bus. (org.freedesktop.systemd1(5))
struct SystemdManager {
  private static let service = "org.freedesktop.systemd1"
  private static let path = "/org/freedesktop/systemd1"
  private static let interface = "org.freedesktop.systemd1.Manager"

  private let bus: BusConnection
  /// For one question, and for one job.
  private let milliseconds: UInt64

  /// - Parameter user: the user's own systemd.
  init(user: Bool) throws {
    do throws(BusError) { try self.init(at: try Self.addresses(user: user), milliseconds: 30_000) } catch {
      throw RuntimeError.resources("cannot speak with \(user ? "the user's" : "the system's") systemd: \(error)")
    }
  }

  init(at addresses: [BusAddress], milliseconds: UInt64) throws(BusError) {
    bus = try BusConnection(addresses, BusDeadline(milliseconds: milliseconds))
    self.milliseconds = milliseconds
  }

  private static func addresses(user: Bool) throws(BusError) -> [BusAddress] {
    func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
    guard user else { return try BusAddress.system(environment, isRoot: geteuid() == 0) }
    // Root of a user namespace may also be one whose own systemd is the system's in there.
    guard geteuid() == 0 else { return try BusAddress.user(environment) }
    let own = (try? BusAddress.user(environment)) ?? []
    return own + (try BusAddress.system(environment, isRoot: true))
  }

  private var deadline: BusDeadline { BusDeadline(milliseconds: milliseconds) }

  private func call(_ member: String, _ values: [BusValue] = []) throws(BusError) -> [BusValue] {
    try bus.call(Self.service, Self.path, Self.interface, member, values, deadline)
  }

  private func property(_ path: String, _ interface: String, _ name: String) throws(BusError) -> String {
    let values = try bus.call(
      Self.service, path, "org.freedesktop.DBus.Properties", "Get", [.string(interface), .string(name)], deadline)
    guard let text = values.first?.text else { throw .malformed("the property \(name), which is no string") }
    return text
  }

  // MARK: Units

  /// Makes the unit and waits until it is there. One of the same name that only has failed is put away first.
  func start(_ unit: SystemdUnit, _ properties: [SystemdProperty]) throws {
    do throws(BusError) {
      try expectJobs(unit)
      let known = try understood(properties)
      let result: String
      do throws(BusError) { result = try begin(unit, known) } catch {
        guard case .reply("org.freedesktop.systemd1.UnitExists", _) = error else { throw error }
        try reset(unit)
        result = try begin(unit, known)
      }
      guard result == "done" else {
        try? reset(unit)
        throw .reply(name: "the job ended as \"\(result)\"; systemctl status \(unit.name) tells more", message: "")
      }
    } catch {
      if case .reply("org.freedesktop.systemd1.UnitExists", _) = error {
        throw RuntimeError.start(
          StartFailure(
            kind: .busy,
            message: "systemd has a unit \(unit.name) already: stop it (systemctl stop \(unit.name)), or name another "
              + "one in linux.cgroupsPath"))
      }
      throw RuntimeError.resources("systemd cannot make the unit \(unit.name): \(error)")
    }
  }

  private func begin(_ unit: SystemdUnit, _ properties: [SystemdProperty]) throws(BusError) -> String {
    let none = BusType.structure([.string, .array(.structure([.string, .variant]))])
    let job = try call(
      "StartTransientUnit",
      [.string(unit.name), .string("replace"), Self.array(properties), .array(of: none, [])])
    return try wait(for: job, "starting \(unit.name)")
  }

  private static func array(_ properties: [SystemdProperty]) -> BusValue {
    .array(of: .structure([.string, .variant]), properties.map(\.busValue))
  }

  /// Without what this systemd does not know yet, and would refuse.
  private func understood(_ properties: [SystemdProperty]) throws(BusError) -> [SystemdProperty] {
    guard properties.contains(where: { $0.version > 0 }) else { return properties }
    let text = try property(Self.path, Self.interface, "Version")
    // `252.38-1~deb12u1`, `v245.4`, `255-rc1`
    let version = Int(text.drop { !$0.isNumber }.prefix { $0.isNumber }) ?? 0
    return properties.filter { $0.version <= version }
  }

  /// Changes properties until the unit ends.
  func change(_ unit: SystemdUnit, _ properties: [SystemdProperty]) throws {
    do throws(BusError) {
      let known = try understood(properties)
      guard !known.isEmpty else { return }
      _ = try call("SetUnitProperties", [.string(unit.name), .boolean(true), Self.array(known)])
    } catch {
      throw RuntimeError.resources("systemd cannot change the unit \(unit.name): \(error)")
    }
  }

  /// Moves a process to the unit, which is delegated: systemd may where the caller must not.
  ///
  /// - Parameter path: of a cgroup below the unit's; empty: the unit's own.
  func attach(_ pid: Int32, to unit: SystemdUnit, _ path: String) throws {
    do throws(BusError) {
      _ = try call(
        "AttachProcessesToUnit",
        [.string(unit.name), .string(path), .array(of: .uint32, [.uint32(UInt32(bitPattern: pid))])])
    } catch {
      throw RuntimeError.resources("systemd cannot move a process to the unit \(unit.name): \(error)")
    }
  }

  /// The unit's cgroup, from the mount on.
  func cgroup(of unit: SystemdUnit) throws -> String {
    do throws(BusError) {
      return try property(
        SystemdUnit.objectPath(of: unit.name), "\(Self.service).\(unit.isSlice ? "Slice" : "Scope")", "ControlGroup")
    } catch {
      throw RuntimeError.resources("systemd does not tell the cgroup of the unit \(unit.name): \(error)")
    }
  }

  /// Stops the unit, and clears that it has failed; one that is gone is fine.
  func stop(_ unit: SystemdUnit) throws {
    do throws(BusError) {
      try expectJobs(unit)
      do throws(BusError) {
        let job = try call("StopUnit", [.string(unit.name), .string("replace")])
        _ = try wait(for: job, "stopping \(unit.name)")
      } catch {
        guard case .reply("org.freedesktop.systemd1.NoSuchUnit", _) = error else { throw error }
      }
      try reset(unit)
    } catch {
      throw RuntimeError.resources("systemd cannot stop the unit \(unit.name): \(error)")
    }
  }

  private func reset(_ unit: SystemdUnit) throws(BusError) {
    do throws(BusError) { _ = try call("ResetFailedUnit", [.string(unit.name)]) } catch {
      guard case .reply("org.freedesktop.systemd1.NoSuchUnit", _) = error else { throw error }
    }
  }

  // MARK: Jobs

  private func expectJobs(_ unit: SystemdUnit) throws(BusError) {
    try bus.expect(Self.interface, "JobRemoved", match: "arg2='\(unit.name)'", deadline)
    _ = try call("Subscribe")
  }

  /// How the job that a call returned has ended. (JobRemoved: number, job, unit, result)
  private func wait(for answer: [BusValue], _ doing: String) throws(BusError) -> String {
    guard case .objectPath(let job)? = answer.first else { throw .malformed("a job without its path") }
    let deadline = deadline
    while true {
      let signal = try bus.signal(doing, deadline)
      guard signal.values.count == 4, signal.values[1] == .objectPath(job), let result = signal.values[3].text else {
        continue
      }
      return result
    }
  }
}
