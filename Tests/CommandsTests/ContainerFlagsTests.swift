import Engine
import Testing

@testable import Commands

@Suite struct ContainerFlagsTests {
  private func options(_ arguments: String...) throws -> ContainerOptions {
    try ContainerFlags(parsed: RunFlags.run.parse(arguments)).options()
  }

  @Test func whatFollowsTheImageIsTheProgrammes() throws {
    let options = try options("--rm", "-itw", "/x", "-p8080:80", "image:1", "ls", "--rm", "-p", "--help")
    #expect(options.image == "image:1" && options.command == ["ls", "--rm", "-p", "--help"])
    #expect(options.autoRemove && options.terminal && options.openStdin && options.workingDirectory == "/x")
    #expect(options.ports == [PortMapping(hostPort: 8080, containerPort: 80)])
  }

  @Test func togglesTakeValues() throws {
    let options = try options("--rm=false", "-i=true", "-t=false", "--", "image")
    #expect(!options.autoRemove && options.openStdin && !options.terminal)
  }

  @Test(
    arguments: [
      (["--no-such"], "unknown flag: --no-such"), (["-itX", "i"], "unknown shorthand flag: 'X' in -itX"),
      (["--name"], "flag needs an argument: --name"), (["-ip"], "flag needs an argument: 'p' in -ip"),
      (["--gpus", "all", "i"], "--gpus is not supported"), (["--rm=maybe", "i"], "write true or false"),
    ])
  func wrongFlagsAreNamedWithDockersStatus(_ arguments: [String], _ message: String) throws {
    do {
      _ = try RunFlags.run.parse(arguments)
      Issue.record("it was taken")
    } catch let failure as Failure {
      #expect(failure.status == 125 && failure.description.contains(message))
    }
  }

  @Test func portsHaveAddressesRangesAndProtocols() throws {
    #expect(
      try PortFlags.mappings("127.0.0.1:80-81:90-91/udp", flag: "p") == [
        PortMapping(hostAddress: "127.0.0.1", hostPort: 80, containerPort: 90, transport: .udp),
        PortMapping(hostAddress: "127.0.0.1", hostPort: 81, containerPort: 91, transport: .udp),
      ])
    #expect(try PortFlags.mappings("80", flag: "p") == [PortMapping(hostPort: 0, containerPort: 80)])
    #expect(try PortFlags.mappings("127.0.0.1:80:90", flag: "p").first?.hostPort == 80)
    for wrong in ["80:90-91", "a", "", "1:2:3:4", "80/sctp", "0", "70000"] {
      #expect(throws: Failure.self) { try PortFlags.mappings(wrong, flag: "p") }
    }
  }

  @Test func mountsOfAllFlags() throws {
    let options = try options(
      "-v", "data:/d:ro", "-v", "/h:/h", "-v", "/anonymous", "--mount", "type=tmpfs,dst=/t,tmpfs-size=1m", "--tmpfs",
      "/u:size=2k,noexec", "i")
    #expect(options.mounts.map(\.kind) == [.volume, .bind, .volume, .tmpfs, .tmpfs])
    #expect(options.mounts[0].readOnly && options.mounts[0].source == "data" && options.mounts[1].createSource)
    #expect(options.mounts[3].size == 1 << 20 && options.mounts[4].size == 2048 && options.mounts[4].options == ["noexec"])
    #expect(throws: Failure.self) { try self.options("--mount", "type=bind,dst=/x", "i") }
    #expect(throws: Failure.self) { try self.options("--mount", "type=bind,src=/x,dst=/x,volume-nocopy", "i") }
  }

  @Test func sizesAndDurations() throws {
    #expect(try Quantity.bytes("64m", flag: "m") == 64 << 20)
    #expect(try Quantity.bytes("1.5GiB", flag: "m") == 3 << 29)
    #expect(try Quantity.bytes("-1", flag: "m") == -1)
    #expect(throws: Failure.self) { try Quantity.bytes("1x", flag: "m") }
    #expect(Quantity.duration("1m30s") == 90_000_000_000 && Quantity.duration("1.5ms") == 1_500_000)
    #expect(Quantity.duration("5") == nil && Quantity.duration("") == nil)
  }

  @Test func keysThatDetachAreTakenOutAcrossReads() throws {
    var keys = try DetachKeys(nil)
    #expect(keys.pass([0x61, 0x10]) == ([0x61], false))
    #expect(keys.pass([0x11]) == ([], true))
    keys = try DetachKeys(nil)
    // The first key once more: only the last of them may begin the sequence.
    #expect(keys.pass([0x10, 0x10, 0x62]) == ([0x10, 0x10, 0x62], false))
    keys = try DetachKeys("ctrl-a,d")
    #expect(keys.pass([1, 0x64]) == ([], true))
    keys = try DetachKeys("")
    #expect(keys.pass([0x10, 0x11]) == ([0x10, 0x11], false))
    #expect(throws: Failure.self) { try DetachKeys("ctrl-1") }
  }
}
