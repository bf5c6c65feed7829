internal import FoundationEssentials
internal import Glibc
internal import Kernel
internal import SystemPackage

/// A program that keeps secrets: `docker-credential-<name>`. (docker-credential-helpers: get, store, erase)
struct CredentialHelper {
  let name: String
  /// Folders, separated by colons.
  let searchPath: String

  /// Milliseconds: the program may have to ask a person.
  private static let patience = 120_000
  /// What helpers say where they have nothing.
  private static let absent = "credentials not found in native keychain"

  private struct Entry: Codable {
    var ServerURL: String?
    var Username: String
    var Secret: String
  }

  /// nil where the helper has nothing for this server.
  func get(_ server: String) throws -> Credential? {
    let run = try run("get", Array(server.utf8))
    guard run.status == .exited(0) else {
      let message = Self.message(run)
      if message.contains(Self.absent) { return nil }
      throw CredentialError.helperFailed(name: name, reason: message)
    }
    guard let entry = try? JSONDecoder().decode(Entry.self, from: Data(run.output)) else {
      throw CredentialError.helperFailed(name: name, reason: "its answer is not the JSON of a credential")
    }
    if entry.Secret.isEmpty { return nil }
    return Credential(
      username: entry.Username == "<token>" ? "" : entry.Username,
      secret: entry.Username == "<token>" ? .identityToken(entry.Secret) : .password(entry.Secret))
  }

  func store(_ server: String, _ credential: Credential) throws {
    let entry =
      switch credential.secret {
      case .password(let password): Entry(ServerURL: server, Username: credential.username, Secret: password)
      case .identityToken(let token), .registryToken(let token):
        Entry(ServerURL: server, Username: "<token>", Secret: token)
      }
    let run = try run("store", Array(JSONEncoder().encode(entry)))
    guard run.status == .exited(0) else { throw CredentialError.helperFailed(name: name, reason: Self.message(run)) }
  }

  func erase(_ server: String) throws {
    let run = try run("erase", Array(server.utf8))
    guard run.status == .exited(0) || Self.message(run).contains(Self.absent) else {
      throw CredentialError.helperFailed(name: name, reason: Self.message(run))
    }
  }

  private func run(_ verb: String, _ input: [UInt8]) throws -> CapturedRun {
    // The name comes from a file: it must not lead out of the folders of PATH.
    guard !name.isEmpty, !name.contains("/"),
      let program = searchPath.split(separator: ":").map({ (folder) -> String in "\(folder)/docker-credential-\(name)" }
      ).first(where: {
        Glibc.access($0, X_OK) == 0
      })
    else { throw CredentialError.helperMissing(name: name) }
    do {
      return try Spawn(FilePath(program), [verb]).capture(input: input, milliseconds: Self.patience)
    } catch let error as CaptureError {
      throw CredentialError.helperFailed(name: name, reason: error.description)
    }
  }

  private static func message(_ run: CapturedRun) -> String {
    let said = String(decoding: run.errorOutput.isEmpty ? run.output : run.errorOutput, as: UTF8.self)
    let line = said.split { $0.isNewline }.first.map(String.init) ?? ""
    return line.isEmpty ? "it ended with status \(run.status.code)" : String(line.prefix(300))
  }
}
