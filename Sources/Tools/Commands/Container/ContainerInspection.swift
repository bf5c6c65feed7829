internal import ArgumentParser
internal import Engine
internal import ImageSpec
internal import Sandboxes
internal import SystemPackage

struct ContainerInspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show all that is known of containers.")

  @OptionGroup var global: GlobalOptions
  @Option(name: .shortAndLong, help: "json, or a template of Go's kind.") var format: String?
  @Flag(name: .shortAndLong, help: "Show the bytes that the container has written.") var size = false
  @Argument(help: ArgumentHelp("Names or IDs.", valueName: "container")) var containers: [String]

  func run() throws {
    try inspectObjects(containers, format: format, try global.engine()) { name, engine in
      try inspection(of: engine.container(name), engine, showsSize: size)
    }
  }
}

/// Prints what was found; what was not is said, and is the status.
func inspectObjects(
  _ names: [String], format: String?, _ engine: Engine, _ inspect: (String, Engine) throws -> Value
) throws {
  var failed = false
  var found: [Value] = []
  for name in names {
    do { found.append(try inspect(name, engine)) } catch {
      printError("Error: \(error)")
      failed = true
    }
  }
  printOutput(try renderInspections(found, format: format))
  if failed { throw ExitCode(1) }
}

/// A container in the shape of docker's `container inspect`.
func inspection(of container: Container, _ engine: Engine, showsSize: Bool = false) throws -> Value {
  let record = container.record
  var members: [String: Value] = [
    "Id": .string(container.id), "Name": .string("/" + container.name), "Created": .string(record.created.description),
    "Path": .string(record.arguments.first ?? ""), "Args": strings(Array(record.arguments.dropFirst())),
    "State": state(container), "Image": .string(record.imageID.description),
    "ImageManifestDescriptor": .object(["digest": .string(record.manifest.description)]),
    "RestartCount": .integer(Int64(container.state.restartCount)), "Driver": .string("overlay2"),
    "Platform": .string("linux"),
    "LogPath": .string(engine.logPath(of: container)), "HostnamePath": .string(engine.path(of: "hostname", container)),
    "HostsPath": .string(engine.path(of: "hosts", container)),
    "ResolvConfPath": .string(engine.path(of: "resolv.conf", container)),
    "Config": try config(record), "HostConfig": hostConfig(container), "Mounts": .array(record.mounts.map(mount)),
    "NetworkSettings": try network(container, engine),
  ]
  if let pod = record.options.pod { members["Pod"] = .string(pod) }
  if showsSize {
    let own = engine.changedBytes(of: container)
    members["SizeRw"] = .integer(own)
    if let image = try? engine.image(record.imageID.description) {
      members["SizeRootFs"] = .integer(own + (try engine.size(of: image)))
    }
  }
  return .object(members)
}

private func strings(_ values: [String]) -> Value { .array(values.map { .string($0) }) }
private func strings(_ values: [String: String]) -> Value { .object(values.mapValues { .string($0) }) }
private func integer(_ value: (some BinaryInteger)?) -> Value { .integer(Int64(value ?? 0)) }

private func state(_ container: Container) -> Value {
  let state = container.state
  let never = "0001-01-01T00:00:00Z"
  var members: [String: Value] = [
    "Status": .string(state.status.rawValue), "Running": .bool(state.isRunning),
    "Paused": .bool(state.status == .paused),
    "Restarting": .bool(state.status == .restarting), "OOMKilled": .bool(state.isOutOfMemory),
    "Dead": .bool(state.status == .dead),
    "Pid": integer(state.pid), "ExitCode": integer(state.exitCode), "Error": .string(state.error ?? ""),
    "StartedAt": .string(state.startedAt ?? never), "FinishedAt": .string(state.finishedAt ?? never),
  ]
  if let health = state.health {
    members["Health"] = .object([
      "Status": .string(health.status.rawValue), "FailingStreak": integer(health.failingStreak),
      "Log": .array(
        health.log.map {
          .object([
            "Start": .string($0.start), "End": .string($0.end), "ExitCode": integer($0.exitCode),
            "Output": .string($0.output),
          ])
        }),
    ])
  }
  return .object(members)
}

private func config(_ record: ContainerRecord) throws -> Value {
  let options = record.options
  var members: [String: Value] = [
    "Hostname": .string(record.hostname), "Domainname": .string(options.domainName ?? ""), "User": .string(record.user),
    "AttachStdin": .bool(options.openStdin && !options.detach), "AttachStdout": .bool(!options.detach),
    "AttachStderr": .bool(!options.detach), "Tty": .bool(options.terminal), "OpenStdin": .bool(options.openStdin),
    "StdinOnce": .bool(options.openStdin && !options.detach), "Env": strings(record.environment),
    "Cmd": record.command.isEmpty ? .null : strings(record.command), "Image": .string(options.image),
    "WorkingDir": .string(
      record.workingDirectory == "/" && options.workingDirectory == nil ? "" : record.workingDirectory),
    "Entrypoint": record.entrypoint.isEmpty ? .null : strings(record.entrypoint), "Labels": strings(record.labels),
    "StopSignal": .string(SignalName.text(record.stopSignal)), "StopTimeout": integer(record.stopTimeout),
    "Volumes": .object(
      Dictionary(record.mounts.filter { $0.kind == .volume }.map { ($0.target, Value.object([:])) }) { first, _ in first
      }),
  ]
  if !record.exposedPorts.isEmpty {
    members["ExposedPorts"] = .object(
      Dictionary(record.exposedPorts.map { ($0, Value.object([:])) }) { first, _ in first })
  }
  if let check = record.healthcheck { members["Healthcheck"] = try Value(encoding: check) }
  return .object(members)
}

private func hostConfig(_ container: Container) -> Value {
  let options = container.record.options
  let resources = options.resources
  var bindings: [String: Value] = [:]
  for (target, ports) in Dictionary(grouping: options.ports, by: { "\($0.containerPort)/\($0.transport.rawValue)" }) {
    bindings[target] = .array(
      ports.map {
        .object([
          "HostIp": .string($0.hostAddress ?? ""), "HostPort": .string($0.hostPort == 0 ? "" : String($0.hostPort)),
        ])
      })
  }
  var security = options.noNewPrivileges ? ["no-new-privileges"] : []
  if options.seccomp == .unconfined { security.append("seccomp=unconfined") }
  func namespace(_ kind: HostNamespace, _ standard: String) -> Value {
    .string(options.hostNamespaces.contains(kind) ? "host" : standard)
  }
  return .object([
    "Binds": strings(
      options.mounts.filter { $0.kind != .tmpfs && $0.source != nil }.map { mount in
        "\(mount.source ?? ""):\(mount.target)\(mount.readOnly ? ":ro" : "")"
      }),
    "NetworkMode": .string(container.networkName), "PortBindings": .object(bindings),
    "PublishAllPorts": .bool(options.publishAll), "AutoRemove": .bool(options.autoRemove),
    "Init": .bool(options.useInit),
    "RestartPolicy": .object([
      "Name": .string(options.restart.policy.rawValue), "MaximumRetryCount": integer(options.restart.maximumRetries),
    ]),
    "CapAdd": strings(options.addedCapabilities), "CapDrop": strings(options.droppedCapabilities),
    "Dns": strings(options.dns),
    "DnsSearch": strings(options.dnsSearch), "DnsOptions": strings(options.dnsOptions),
    "ExtraHosts": strings(options.extraHosts),
    "GroupAdd": strings(options.additionalGroups), "Privileged": .bool(options.privileged),
    "ReadonlyRootfs": .bool(options.readOnlyRoot), "SecurityOpt": strings(security),
    "Sysctls": strings(options.sysctls),
    "ShmSize": .integer(options.shmSize ?? 64 << 20), "PidMode": namespace(.pid, ""),
    "IpcMode": namespace(.ipc, "private"),
    "UTSMode": namespace(.uts, ""), "UsernsMode": .string(""), "CgroupnsMode": .string("private"),
    "Memory": integer(resources.memory), "MemorySwap": integer(resources.memorySwap),
    "MemoryReservation": integer(resources.memoryReservation),
    "NanoCpus": .integer(Int64((resources.cpus ?? 0) * 1e9)), "CpuShares": integer(resources.cpuShares),
    "CpusetCpus": .string(resources.cpusetCPUs ?? ""), "PidsLimit": resources.pidsLimit.map { .integer($0) } ?? .null,
    "BlkioWeight": integer(resources.ioWeight), "OomScoreAdj": integer(resources.oomScoreAdjustment),
    "Ulimits": .array(
      options.ulimits.map {
        .object(["Name": .string($0.name), "Soft": .integer($0.soft), "Hard": .integer($0.hard)])
      }),
    "Devices": .array(
      options.devices.map {
        .object([
          "PathOnHost": .string($0.hostPath), "PathInContainer": .string($0.containerPath),
          "CgroupPermissions": .string($0.permissions),
        ])
      }),
    "Tmpfs": .object(
      Dictionary(
        options.mounts.filter { $0.kind == .tmpfs }.map { ($0.target, Value.string($0.options.joined(separator: ","))) }
      ) {
        first, _ in first
      }),
    "LogConfig": .object([
      "Type": .string(options.log.driver.rawValue),
      "Config": strings(
        options.log.maxSize.map { ["max-size": String($0), "max-file": String(options.log.maxFiles)] } ?? [:]),
    ]),
  ])
}

private func mount(_ mount: ContainerRecord.Mount) -> Value {
  var members: [String: Value] = [
    "Type": .string(mount.kind.rawValue), "Source": .string(mount.source ?? ""), "Destination": .string(mount.target),
    "Mode": .string(mount.options.joined(separator: ",")), "RW": .bool(!mount.readOnly),
    "Propagation": .string(mount.kind == .bind ? mount.propagation ?? "rprivate" : ""),
  ]
  if let name = mount.name {
    members["Name"] = .string(name)
    members["Driver"] = .string("local")
  }
  return .object(members)
}

private func network(_ container: Container, _ engine: Engine) throws -> Value {
  var ports: [String: Value] = [:]
  if container.isRunning {
    for port in container.record.exposedPorts { ports[port.contains("/") ? port : port + "/tcp"] = .null }
    for (target, published) in Dictionary(grouping: container.ownPublications, by: \.targetText) {
      ports[target] = .array(
        published.map {
          .object([
            "HostIp": .string($0.hostAddress?.description ?? "0.0.0.0"), "HostPort": .string(String($0.hostPort)),
          ])
        })
    }
  }
  var place: [String: Value] = [
    "IPAddress": .string(""), "IPPrefixLen": .integer(0), "Gateway": .string(""), "MacAddress": .string(""),
  ]
  var own = place
  own["NetworkID"] = .string("")
  own["Aliases"] = strings(container.record.options.networkAliases)
  if container.isRunning, let endpoint = container.endpoint, let found = try? engine.network(endpoint.network) {
    for (key, value) in [
      "IPAddress": Value.string(endpoint.address.description), "IPPrefixLen": integer(found.bridge.subnet.prefixLength),
      "Gateway": .string(found.bridge.gateway.description),
      "MacAddress": .string(MACAddress(for: endpoint.address).description),
    ] {
      own[key] = value
      if found.isDefault { place[key] = value }
    }
    own["NetworkID"] = .string(found.id)
    own["DNSNames"] = strings(endpoint.names)
  }
  place["Ports"] = .object(ports)
  place["Networks"] = .object([container.networkName: .object(own)])
  return .object(place)
}

extension Engine {
  fileprivate func path(of file: String, _ container: Container) -> String {
    locations.root.appending("containers").appending(container.id).appending(file).string
  }

  fileprivate func logPath(of container: Container) -> String {
    container.record.options.log.driver == .jsonFile ? path(of: "log.json", container) : ""
  }
}
