import HummingbirdCore
import Kernel
import Logging
import NIOCore
import NIOPosix

extension RegistryServer {
  /// Serves until `stop` returns, then finishes the requests under way, for `grace` at most.
  ///
  /// - Parameters:
  ///   - tls: plain HTTP where nil. With it, plain HTTP is answered too, to this host alone.
  ///   - limits: what each connection may take.
  ///   - onReady: called once all addresses are bound, with the ports as they are.
  ///   - stop: waited for once all addresses are bound.
  /// - Throws: `ServeError` where an address cannot be bound.
  public func serve(
    on addresses: [ListenAddress], tls: TLSIdentity?, grace: Duration = .seconds(20),
    options: ServeOptions = ServeOptions(),
    onReady: @escaping @Sendable ([ListenAddress]) async -> Void, until stop: @escaping @Sendable () async -> Void
  ) async throws {
    raiseOpenFileLimit()
    _ = ProcessFigures.started
    state.shows(metricsTo: options.metricsAccess)
    state.takesCertificates(tls?.clients?.name)
    defer { options.accessLog?.flush() }
    // Two loops feed the network of one host; the work is done elsewhere.
    let loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    do {
      try await serve(on: addresses, tls, grace, options, loops, onReady, stop)
    } catch {
      try? await loops.shutdownGracefully()
      throw error
    }
    try await loops.shutdownGracefully()
    try await blocking {
      self.uploads.suspendAll()
      try self.registry.recordPulls()
      try self.registry.pushes.record()
    }
  }

  private func serve(
    on own: [ListenAddress], _ tls: TLSIdentity?, _ grace: Duration, _ options: ServeOptions, _ loops: MultiThreadedEventLoopGroup,
    _ onReady: @escaping @Sendable ([ListenAddress]) async -> Void, _ stop: @escaping @Sendable () async -> Void
  ) async throws {
    let (bound, binding) = AsyncStream.makeStream(of: (Int, UInt16).self)
    let addresses = own + options.operationAddresses
    let census = ConnectionCensus(metrics, perAddress: options.limits.perAddress)
    let servers = addresses.enumerated().map { index, address in
      var connection = Connection(server: self, tls: tls, options: options, census: census)
      if index >= own.count { connection = operationConnection(options, census) }
      return Server(
        childChannelSetup: connection,
        configuration: ServerConfiguration(
          address: .hostname(address.bindHost, port: Int(address.port)), backlog: 1024,
          availableConnectionsDelegate: MaximumAvailableConnections(options.limits.connections, logger: quietLogger)),
        onServerRunning: { binding.yield((index, UInt16($0.localAddress?.port ?? 0))) },
        eventLoopGroup: loops, logger: quietLogger)
    }
    let door = localDoor()
    defer { door?.withdraw() }
    let local = door.map { door in
      Server(
        childChannelSetup: Connection(server: self, tls: nil, options: options, census: census, door: door),
        configuration: ServerConfiguration(address: .unixDomainSocket(path: door.socket.string), backlog: 64),
        onServerRunning: { _ in }, eventLoopGroup: loops, logger: quietLogger)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      if let local {
        // Without it engines on this store send bytes, as they do to any registry.
        group.addTask {
          do { try await local.run() } catch {
            self.logger.warning("the store's own socket cannot be served", metadata: ["error": "\(error)"])
          }
        }
      }
      for (server, address) in zip(servers, addresses) {
        group.addTask {
          do { try await server.run() } catch let error as IOError {
            throw ServeError(error, address)
          } catch is SocketAddressError.UnknownHost {
            throw ServeError.addressNotHere(address)
          }
        }
      }
      group.addTask {
        await self.waitUntilBound(bound, addresses) { addresses in
          do { try door?.announce(addresses, externalURL: self.externalURL) } catch {
            self.logger.warning("the store's own socket cannot be announced", metadata: ["error": "\(error)"])
          }
          await onReady(addresses)
        }
        await stop()
        self.state.drains()
        // Load balancers look first, and new clients still get an answer meanwhile.
        try? await Task.sleep(for: options.drainDelay)
        await Self.drain(servers + (local.map { [$0] } ?? []), grace)
        census.cut()
        throw Stopped()
      }
      group.addTask { await self.keepUp(tls) }
      group.addTask { await self.collectRegularly() }
      if let cache = self.cache { group.addTask { await cache.run() } }
      group.addTask {
        await self.registry.jobs.run(logger: self.logger) { work in try await self.blocking(work) }
      }
      defer { group.cancelAll() }
      do {
        // A server that ends by itself has failed; the others then stop too.
        while let _ = try await group.next() {}
      } catch is Stopped {}
    }
  }

  private func localDoor() -> LocalDoor? {
    guard !registry.storage.isShared else { return nil }
    do {
      guard let door = try LocalDoor(root: registry.store.root) else { return nil }
      try door.prepare()
      return door
    } catch {
      logger.warning("the store's own socket cannot be made", metadata: ["error": "\(error)"])
      return nil
    }
  }

  /// Plain HTTP for whoever watches the server: nothing of the registry is reached by it.
  private func operationConnection(_ options: ServeOptions, _ census: ConnectionCensus) -> Connection {
    var own = options
    own.proxies = TrustedProxies()
    own.accessLog = nil
    var connection = Connection(server: self, tls: nil, options: own, census: census)
    connection.answer = { request in
      await self.respondToOperator(request, ownAddress: true)
        ?? .failure(.unknownEndpoint, "this address has /metrics, /healthz and /readyz")
    }
    return connection
  }

  /// The one way out of the servers' group that is no failure.
  private struct Stopped: Error {}

  private func waitUntilBound(
    _ bound: AsyncStream<(Int, UInt16)>, _ addresses: [ListenAddress],
    _ onReady: @Sendable ([ListenAddress]) async -> Void
  ) async {
    var actual = addresses
    var count = 0
    for await (index, port) in bound {
      actual[index] = ListenAddress(host: addresses[index].host, port: port)
      count += 1
      if count == addresses.count {
        await onReady(actual)
        return
      }
    }
  }

  /// Waits until all connections have ended, for `grace` at most.
  private static func drain(_ servers: [Server<Connection>], _ grace: Duration) async {
    let (ended, end) = AsyncStream.makeStream(of: Void.self)
    // Not a part of this task: a shutdown cannot be given up, and ends when the last connection is cut.
    Task {
      await withTaskGroup(of: Void.self) { closing in
        for server in servers { closing.addTask { try? await server.shutdownGracefully() } }
      }
      end.finish()
    }
    let clock = Task {
      try? await Task.sleep(for: grace)
      end.finish()
    }
    for await _ in ended {}
    clock.cancel()
  }

  /// What a server does beside answering, until its task is cancelled.
  private func keepUp(_ tls: TLSIdentity?) async {
    var minutes = 0
    while !Task.isCancelled {
      do { try await Task.sleep(for: .seconds(60)) } catch { return }
      minutes += 1
      let isHour = minutes % 60 == 0
      do {
        try await blocking {
          tls?.reloadIfChanged()
          self.uploads.suspendIdle()
          try self.registry.followExclusions()
          try self.registry.recordPulls()
          try self.registry.pushes.record()
          if isHour { tls?.reload() }
          if isHour, try self.readOnlyRefusal() == nil {
            try self.registry.prunePreviews()
            try self.uploads.expire(olderThan: self.state.garbage.uploadsFor.milliseconds)
          }
        }
        try await scheduleLifecycles()
        // What a push needed for its pieces is not needed while nobody asks.
        trimHeaps()
      } catch {
        logger.error("upkeep failed", metadata: ["error": "\(error)"])
      }
    }
  }

  /// The HTTP layer tells of each connection that ends early; that is for debugging.
  private var quietLogger: Logger {
    var logger = logger
    if logger.logLevel > .debug { logger.logLevel = .critical }
    return logger
  }
}

public enum ServeError: Error, Hashable, Sendable, CustomStringConvertible {
  case malformedAddress(String, String)
  case portInUse(ListenAddress)
  case portNotAllowed(ListenAddress)
  case addressNotHere(ListenAddress)
  case cannotListen(ListenAddress, String)

  public var description: String {
    switch self {
    case .malformedAddress(let text, let why): "cannot listen on \"\(text.prefix(160))\": \(why)"
    case .portInUse(let address):
      "cannot listen on \(address): port \(address.port) is in use by another program; stop it (ss -ltnp shows it), or "
        + "choose another with --listen"
    case .portNotAllowed(let address):
      "cannot listen on \(address): ports below 1024 are for root; choose another with --listen"
    case .addressNotHere(let address): "cannot listen on \(address): this host does not have that address, or does not know that name"
    case .cannotListen(let address, let why): "cannot listen on \(address): \(why)"
    }
  }
}

extension ServeError {
  fileprivate init(_ error: IOError, _ address: ListenAddress) {
    self =
      switch error.errnoCode {
      case 98 /* EADDRINUSE */: .portInUse(address)
      case 13 /* EACCES */: .portNotAllowed(address)
      case 99 /* EADDRNOTAVAIL */: .addressNotHere(address)
      default: .cannotListen(address, "\(error)")
      }
  }
}
