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
  /// A cgroup that cannot be made is an error also when nothing is to be limited.
  var requiresCgroup = false
  /// systemd makes the cgroup. (`--systemd-cgroup`)
  var usesSystemd = false
  /// The caller's NOTIFY_SOCKET is handed on.
  var handsNotificationsOn = false
  /// With false nothing is limited, and the container stays in the caller's cgroup.
  var usesCgroup = true

  func run(_ bundle: Bundle, _ configure: (inout LaunchRequest) throws -> Void) throws -> (Container, LaunchedProcess) {
    guard bundle.config.process != nil else {
      throw RuntimeError.configuration(property: "process", problem: "is missing")
    }
    let unit = usesSystemd ? try SystemdUnit(bundle, id: id) : nil
    let directory = try place()
    var cgroup: Cgroup?
    var container: Container?
    var control: ResourceControl.Group?
    let record: ConfigRecord
    do { record = try ConfigRecord(in: directory) } catch {
      rmdir(directory.string)
      throw error
    }
    do {
      try record.write(bundle.text)
      var bundle = bundle
      if handsNotificationsOn, let socket = NotifySocket(directory) { bundle = try socket.offer(in: bundle) }
      let tree = CgroupTree.find()
      let place = cgroupPlace(bundle, tree)
      if unit == nil { cgroup = try place.make() }
      log.debug("the cgroup of \(id) is \(unit?.name ?? cgroup?.name ?? "none")")
      control = try bundle.config.linux?.intelRdt.map { try ResourceControl().make($0, id: id) }
      var request = LaunchRequest(id: id, bundle: bundle)
      request.cgroups = tree
      if let unit {
        request.cgroupAround = { pid in
          // Before systemd hears of it: killed in between, we leave a unit that `delete` finds by its name.
          try Container(directory: directory, saved: saved(nil, bundle, nil, unit, control)).save()
          let made = try place.make(unit, around: pid)
          cgroup = made
          return made
        }
      }
      request.cgroup = cgroup
      request.seccompCache = root.seccompCache
      try configure(&request)
      // Others of the same user must not look into a process that is about to enter the container. With an unprivileged
      // user's namespace the process hides itself later: its mappings could not be written otherwise.
      if geteuid() == 0 {
        try attempt("hide this process from the others") { () throws(Errno) in try Privileges.setDumpable(false) }
      }
      let preparation = try Preparation(bundle, seccompCache: request.seccompCache, process: bundle.config.process)
      let launched = try Launch(request: request, preparation: preparation, log: log).run { pid in
        let made = Container(directory: directory, saved: try saved(pid, bundle, cgroup, unit, control))
        try made.save()
        log.debug("process \(pid) sets container \(id) up")
        if let control { try ResourceControl().add(pid, to: control) }
        container = made
      }
      guard let container else { throw RuntimeError.state("the container's process was never known") }
      return withExtendedLifetime(record) { (container, launched) }
    } catch {
      if let cgroup {
        try? cgroup.kill()
        if let unit { try? SystemdManager(user: unit.user).stop(unit) }
        try? cgroup.remove()
      }
      if let control { try? ResourceControl().remove(control) }
      // Whoever has deleted it meanwhile may have made another one of the same ID.
      if record.isThere { try? root.remove(id) }
      // (runtime-spec, runtime.md, Lifecycle, steps 3 to 5, 12 and 13)
      if let container {
        Hooks.runAll(bundle.config.hooks?.poststop, "poststop", log: log, state: container.state(.stopped))
      }
      throw error
    }
  }

  func cgroupPlace(_ bundle: Bundle, _ tree: CgroupTree? = CgroupTree.find()) -> ContainerCgroup {
    ContainerCgroup(
      bundle, id: id, tree: usesCgroup ? tree : nil, log: log, takesOver: replacesOrphan, isRequired: requiresCgroup)
  }

  private func place() throws -> FilePath {
    do { return try root.make(id) } catch {
      guard replacesOrphan, let problem = error as? RuntimeError, problem.kind == .busy else { throw error }
      if let old = try? root.load(id) {
        if let process = try? old.process() {
          try? sendSignal(process.number, SIGKILL)
          waitForEnd(process.number)
        }
        if let cgroup = old.cgroup, cgroup.exists {
          try cgroup.kill()
          try cgroup.remove()
        }
        if let control = old.saved.resourceControl { try ResourceControl().remove(control) }
      }
      try root.remove(id)
      return try root.make(id)
    }
  }

  /// - Parameter pid: nil where there is none yet: the container counts as stopped.
  func saved(
    _ pid: pid_t?, _ bundle: Bundle, _ cgroup: Cgroup?, _ unit: SystemdUnit?, _ control: ResourceControl.Group?
  ) throws -> SavedState {
    SavedState(
      id: id, pid: pid ?? 0, pidStartTime: pid.flatMap { ProcessStatus($0)?.startTime } ?? 0,
      bundle: bundle.path.string, rootfs: bundle.rootPath.string, created: Timestamp.now().text,
      uid: geteuid(), cgroup: cgroup?.name, systemdUnit: unit, annotations: bundle.config.annotations,
      resourceControl: control)
  }
}
