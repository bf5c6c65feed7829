import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Makes a container: place, cgroup, process. What fails leaves nothing behind.
struct ContainerStart {
  let root: StateDirectory
  let id: String
  let log: Log
  /// Takes the place of a container of the same ID whose supervisor was killed: the caller holds the supervisor's lock.
  /// Its program ends with the supervisor, except where it has changed its user since. (PR_SET_PDEATHSIG)
  var replacesOrphan = false

  func run(_ bundle: Bundle, _ configure: (inout LaunchRequest) throws -> Void) throws -> (Container, LaunchedProcess) {
    guard bundle.config.process != nil else {
      throw RuntimeError.configuration(property: "process", problem: "is missing")
    }
    let directory = try place()
    var cgroup: Cgroup?
    do {
      let file = directory.appending("config.json")
      try attempt("write \(file)") { () throws(Errno) in
        let copy = try openat2(workingDirectory, file.string, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        try writeAll(copy.number, bundle.text)
      }
      let tree = CgroupTree.find()
      cgroup = try ContainerCgroup(bundle, id: id, tree: tree, log: log, takesOver: replacesOrphan).make()
      var request = LaunchRequest(id: id, bundle: bundle)
      request.cgroups = tree
      request.cgroup = cgroup
      request.seccompCache = root.seccompCache
      try configure(&request)
      // Others of the same user must not look into a process that is about to enter the container. With an unprivileged
      // user's namespace the process hides itself later: its mappings could not be written otherwise.
      if geteuid() == 0 {
        try attempt("hide this process from the others") { () throws(Errno) in try Privileges.setDumpable(false) }
      }
      let preparation = try Preparation(bundle, seccompCache: request.seccompCache, process: bundle.config.process)
      var container: Container?
      let launched = try Launch(request: request, preparation: preparation, log: log).run { pid in
        let made = Container(directory: directory, saved: try saved(pid, bundle, cgroup))
        try made.save()
        container = made
      }
      guard let container else { throw RuntimeError.state("the container's process was never known") }
      return (container, launched)
    } catch {
      if let cgroup {
        try? cgroup.kill()
        try? cgroup.remove()
      }
      try? root.remove(id)
      throw error
    }
  }

  private func place() throws -> FilePath {
    do { return try root.make(id) } catch {
      guard replacesOrphan, case RuntimeError.containerExists = error else { throw error }
      if let old = try? root.load(id) {
        if let process = try? old.process() {
          try? sendSignal(process.number, SIGKILL)
          waitForEnd(process.number)
        }
        if let cgroup = old.cgroup, cgroup.exists {
          try cgroup.kill()
          try cgroup.remove()
        }
      }
      try root.remove(id)
      return try root.make(id)
    }
  }

  private func saved(_ pid: pid_t, _ bundle: Bundle, _ cgroup: Cgroup?) throws -> SavedState {
    SavedState(
      id: id, pid: pid, pidStartTime: ProcessStatus(pid)?.startTime ?? 0, bundle: bundle.path.string,
      created: Timestamp.now().text,
      uid: geteuid(), cgroup: cgroup?.name, annotations: bundle.config.annotations)
  }
}

/// The cgroup of a container.
struct ContainerCgroup {
  private let bundle: Bundle
  private let id: String
  private let tree: CgroupTree?
  private let log: Log
  /// What a killed supervisor has left in it is ended.
  private let takesOver: Bool

  init(_ bundle: Bundle, id: String, tree: CgroupTree?, log: Log, takesOver: Bool) {
    self.bundle = bundle
    self.id = id
    self.tree = tree
    self.log = log
    self.takesOver = takesOver
  }

  /// nil where there is none and nothing asks for one: processes are then known by their PID namespace alone.
  func make() throws -> Cgroup? {
    let resources = bundle.config.linux?.resources
    let limits = try resources.map { try Limits.limits($0) } ?? CgroupLimits()
    let needed = limits.controllers
    guard let tree else {
      if let first = needed.sorted(by: { $0.key < $1.key }).first {
        throw RuntimeError.resources(
          CgroupError.controllerMissing(first.key, limit: first.value, reason: .versionOne).description)
      }
      return nil
    }
    do { return try furnish(try tree.cgroup(at: name()), limits) } catch {
      guard let problem = error as? CgroupError else { throw error }
      // Without rights to the tree a container runs outside of it, when nothing was to be limited.
      if needed.isEmpty, problem.isRefusal {
        log.debug("no cgroup for \(id): \(problem)")
        return nil
      }
      throw RuntimeError.resources(problem.description)
    }
  }

  private func furnish(_ cgroup: Cgroup, _ limits: CgroupLimits) throws -> Cgroup {
    // Another container's would be limited, and ended, together with this one.
    if takesOver, cgroup.exists {
      try cgroup.kill()
      try cgroup.remove()
    } else if cgroup.isPopulated {
      throw RuntimeError.start(
        StartFailure(
          kind: .busy,
          message: "the cgroup \(cgroup.name) holds processes already: name another one in linux.cgroupsPath"))
    }
    try cgroup.create(for: limits)
    do {
      try cgroup.apply(limits)
      // On a host whose devices controller sits in version 1 it works all the same: the program is of version 2.
      try restrictDevices(cgroup, DeviceFilter(try Limits.deviceRules(bundle.config.linux?.resources)))
      return cgroup
    } catch {
      try? cgroup.remove()
      throw error
    }
  }

  private func restrictDevices(_ cgroup: Cgroup, _ filter: DeviceFilter) throws {
    do { try cgroup.restrictDevices(filter) } catch {
      // An unprivileged user may not load a program, and has no rights to devices that it would take away.
      guard geteuid() != 0 else { throw error }
      log.debug("devices are not restricted by the cgroup: \(error)")
    }
  }

  /// `linux.cgroupsPath`: absolute from the mount on; relative below `/clipper`; systemd's `slice:prefix:name` as the
  /// path that systemd would make, without asking it.
  private func name() throws -> String {
    guard let path = bundle.config.linux?.cgroupsPath, !path.isEmpty else { return "/clipper/\(id)" }
    if path.hasPrefix("/") { return path }
    let parts = path.split(separator: ":", omittingEmptySubsequences: false).map { String($0) }
    if parts.count == 3, !path.contains("/") {
      let slice = parts[0].isEmpty ? "system.slice" : parts[0]
      guard slice.hasSuffix(".slice") else {
        throw RuntimeError.configuration(
          property: "linux.cgroupsPath", problem: "is \"\(path)\", whose first part is no slice")
      }
      // a-b.slice lies in a.slice.
      var above = ""
      var names: [String] = []
      for part in slice.dropLast(6).split(separator: "-") {
        above = above.isEmpty ? String(part) : "\(above)-\(part)"
        names.append("\(above).slice")
      }
      let unit =
        parts[2].hasSuffix(".slice")
        ? parts[2] : (parts[1].isEmpty ? "\(parts[2]).scope" : "\(parts[1])-\(parts[2]).scope")
      return "/" + (names + [unit]).joined(separator: "/")
    }
    return "/clipper/\(path)"
  }
}
