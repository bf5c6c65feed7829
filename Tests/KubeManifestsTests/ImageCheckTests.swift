import Glibc
import ImageSpec
import SystemPackage
import TestDirectories
import Testing

@testable import KubeManifests

@Suite struct ImageCheckTests {
  private func config(
    user: String? = "65532:65532", entrypoint: [String]? = ["/app"], change: (inout ContainerConfig) -> Void = { _ in }
  ) -> ImageConfig {
    var container = ContainerConfig()
    container.user = user
    container.entrypoint = entrypoint
    change(&container)
    return ImageConfig(platform: .host, config: container)
  }

  private func subjects(_ level: ImageCheck.Level, _ check: ImageCheck) -> [String] {
    check.findings.filter { $0.level == level }.map(\.subject)
  }

  @Test func aGoodImagePasses() {
    let check = ImageCheck(config(), files: ImageFiles())
    #expect(check.passes && subjects(.advice, check).isEmpty)
  }

  @Test(arguments: [nil, "", "0", "0:0", "root", "app", "app:1000"])
  func aUserThatCouldBeRootFails(_ user: String?) {
    let check = ImageCheck(config(user: user))
    #expect(subjects(.failure, check) == ["user"])
    #expect(check.findings.contains { $0.fix?.contains("USER 65532") == true })
  }

  @Test func anImageWithoutProgramFails() {
    #expect(subjects(.failure, ImageCheck(config(entrypoint: nil))) == ["program"])
  }

  @Test func anImageOfAnotherPlatformFails() {
    var other = config()
    other.architecture = "s390x"
    #expect(subjects(.failure, ImageCheck(other)) == ["platform"])
    other.os = "windows"
    #expect(subjects(.failure, ImageCheck(other)) == ["platform"])
  }

  @Test func whatRunsOtherwiseThanMeantIsAdvice() {
    let check = ImageCheck(
      config(user: "5:0", entrypoint: ["/bin/sh", "-c", "app --x"]) {
        $0.exposedPorts = ["80/tcp": EmptyObject(), "8080/tcp": EmptyObject()]
        $0.volumes = ["/data": EmptyObject()]
        $0.healthcheck = Healthcheck(test: ["CMD", "ok"])
      }, files: ImageFiles(privileged: ["/usr/bin/su"], writable: ["/data", "/srv"]))
    #expect(check.passes)
    #expect(subjects(.advice, check) == ["user", "program", "ports", "volumes", "root", "health", "files"])
  }

  @Test func layersAreReadAsOverlaidOnOneAnother() throws {
    let root = try makeTestDirectory("clipper-image-files").string
    defer { _ = removeAll(root) }
    for directory in ["upper/bin", "upper/link", "lower/bin", "lower/srv", "lower/gone"] {
      try makeAll("\(root)/\(directory)")
    }
    symlink("/etc", "\(root)/lower/link")
    for (file, mode) in [("lower/bin/su", 0o4755), ("lower/bin/plain", 0o755), ("lower/gone/su", 0o4755), ("upper/bin/plain", 0o644)] {
      let number = open("\(root)/\(file)", O_CREAT | O_WRONLY, 0o600)
      fchmod(number, mode_t(mode))
      close(number)
    }
    chown("\(root)/lower/srv", 4711, 4711)
    // A whiteout hides what a lower layer holds; making one needs root.
    let hides = mknod("\(root)/upper/gone", S_IFCHR, 0) == 0
    let files = try ImageFiles(layers: [FilePath("\(root)/upper"), FilePath("\(root)/lower")], user: 4711)
    #expect(files.privileged == (hides ? ["/bin/su"] : ["/bin/su", "/gone/su"]))
    if geteuid() == 0 { #expect(files.writable == ["/srv"]) }
  }

  private func makeAll(_ path: String) throws {
    var made = ""
    for part in path.split(separator: "/") {
      made += "/\(part)"
      mkdir(made, 0o755)
    }
  }

  private func removeAll(_ path: String) -> CInt { system("rm -rf '\(path)'") }
}
