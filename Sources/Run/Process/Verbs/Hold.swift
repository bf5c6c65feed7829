import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// `hold`: the process that keeps a pod's namespaces while its containers come and go.
struct Hold {
  private let pidFile: FilePath
  private let hostname: String?
  private let network: String?
  private let isHostNetwork: Bool
  /// Descriptors from 3 on that it keeps open.
  private let preserved: Int32

  init(_ words: ArraySlice<String>) throws {
    let arguments = try Arguments(
      words,
      [.option("pid-file"), .option("hostname"), .option("netns"), .flag("host-network"), .option("preserve-fds")],
      command: "hold")
    guard let path = arguments["pid-file"], arguments.operands.isEmpty else {
      throw RuntimeError.usage("hold: write hold --pid-file FILE [--hostname NAME] [--netns PATH | --host-network]")
    }
    guard arguments["netns"] == nil || !arguments.has("host-network") else {
      throw RuntimeError.usage("hold: --netns and --host-network exclude each other")
    }
    pidFile = FilePath(path)
    hostname = arguments["hostname"]
    network = arguments["netns"]
    isHostNetwork = arguments.has("host-network")
    preserved = try arguments.preservedDescriptors()
  }

  /// Returns when the process is there.
  func run() throws -> Int32 {
    if let network {
      try attempt("join the network namespace \(network)") { () throws(Errno) in
        let file = try openat2(workingDirectory, network, flags: O_RDONLY)
        try Namespaces.join(file.number, .network)
      }
    }
    var kinds: NamespaceSet = [.ipc, .uts]
    if network == nil, !isHostNetwork { kinds.insert(.network) }
    let (ours, theirs) = try SetupChannel.pair()
    let outcome = try attempt("make the process and its namespaces") { () throws(Errno) in try Cloning.clone(kinds) }
    switch outcome {
    case .child:
      do { try prepare(theirs, makesNetwork: kinds.contains(.network)) } catch { ContainerSetup.report(error, theirs) }
      try theirs.send(.ready)
      theirs.file.close()
      stay()
    case .parent(let pid):
      theirs.file.close()
      let answer = try ours.receive()
      switch answer?.message {
      case .ready?: break
      case .failed(let failure)?: throw RuntimeError.start(failure)
      default: throw RuntimeError.setupDied(signal: 0)
      }
      do throws(Errno) { try placeFile(pidFile, Array("\(pid)\n".utf8)) } catch {
        kill(pid, SIGKILL)
        throw RuntimeError.call(doing: "write the pid file \(pidFile)", error, .other)
      }
      return 0
    }
  }

  private func prepare(_ channel: SetupChannel, makesNetwork: Bool) throws {
    if makesNetwork {
      try attempt("bring the loopback interface up") { () throws(Errno) in try NetworkNamespace.bringLoopbackUp() }
    }
    try attempt("begin a session") { () throws(Errno) in try Errno.check(setsid()) }
    if let hostname {
      try attempt("set the host name \(hostname)") { () throws(Errno) in
        try Errno.check(sethostname(hostname, hostname.utf8.count))
      }
    }
    try attempt("leave the caller's streams and directory") { () throws(Errno) in
      let null = try openat2(workingDirectory, "/dev/null", flags: O_RDWR)
      for number in CInt(0)...2 { try Errno.check(dup2(null.number, number)) }
      try Errno.check(chdir("/"))
    }
    // What else the caller had open would live as long as the pod.
    try attempt("close what a pod must not have") { () throws(Errno) in
      try Execution.close(from: 3 + preserved, keeping: [channel.file.number])
    }
  }

  private func stay() -> Never {
    var set = sigset_t()
    sigfillset(&set)
    sigprocmask(SIG_SETMASK, &set, nil)
    dropProgramPages()
    trimHeaps()
    while true {
      var number: CInt = 0
      guard sigwait(&set, &number) == 0 else { continue }
      if number == SIGTERM || number == SIGINT { _exit(0) }
      while waitpid(-1, nil, WNOHANG) > 0 {}
    }
  }
}
