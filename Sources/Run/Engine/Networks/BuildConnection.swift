internal import Sandboxes
internal import SystemPackage

/// A place in the default network for the steps of a build, which are no containers. Given up with the object.
public final class BuildConnection: @unchecked Sendable {
  /// The network namespace.
  public let namespace: CInt
  /// The host's address in it.
  public let gateway: String
  private let engine: Engine
  // Nobody touches it between the initializer and the end.
  private let connection: Connection

  init(_ connection: Connection, namespace: CInt, gateway: String, _ engine: Engine) {
    self.connection = connection
    self.namespace = namespace
    self.gateway = gateway
    self.engine = engine
  }

  deinit { engine.disconnect(connection) }
}

extension Engine {
  /// - Parameter owner: ID of a work directory of the build, 64 hexadecimal digits: as long as that is locked, `sweep`
  ///   leaves the place alone.
  public func connectBuild(owner: String) throws -> BuildConnection {
    let network = Self.defaultNetwork
    let connection = try connect(owner: owner, to: network.name, names: [], mappings: [])
    do {
      guard let namespace = try connection.descriptors().first else {
        throw EngineError.input("the network \(network.name) gives no namespace")
      }
      return BuildConnection(connection, namespace: namespace, gateway: network.bridge.gateway.description, self)
    } catch {
      disconnect(connection)
      throw error
    }
  }

  /// `<root>/builds`: a directory with a lock for everything that a build needs while it goes on.
  var buildsDirectory: FilePath { locations.root.appending("builds") }
}
