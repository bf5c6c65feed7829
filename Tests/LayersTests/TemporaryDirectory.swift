import Foundation
import SystemPackage
import TestDirectories

/// A directory that goes with the test.
final class TemporaryDirectory {
  let path: FilePath

  init() throws {
    path = try makeTestDirectory("clipper-test")
  }

  deinit { try? FileManager.default.removeItem(atPath: path.string) }

  func write(_ name: String, _ text: String) throws {
    let file = path.appending(name)
    try FileManager.default.createDirectory(
      atPath: file.removingLastComponent().string, withIntermediateDirectories: true)
    try text.write(toFile: file.string, atomically: false, encoding: .utf8)
  }

  func read(_ name: String) -> String? { try? String(contentsOfFile: path.appending(name).string, encoding: .utf8) }

  func exists(_ name: String) -> Bool {
    var status = stat()
    return lstat(path.appending(name).string, &status) == 0
  }

  func status(_ name: String) -> stat {
    var status = stat()
    lstat(path.appending(name).string, &status)
    return status
  }
}

/// For tests that make devices, owners and trusted attributes.
let isRoot = geteuid() == 0
