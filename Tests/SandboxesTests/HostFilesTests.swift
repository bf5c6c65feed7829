import Sandboxes
import Testing

@Suite struct HostFilesTests {
  @Test func writesHostsAfterLocalhost() {
    let text = HostFiles.hosts([HostsEntry(address: "10.88.0.2", names: ["web", "3f2a"])])
    #expect(text.hasPrefix("127.0.0.1\tlocalhost\n"))
    #expect(text.hasSuffix("10.88.0.2\tweb 3f2a\n"))
  }

  @Test func leavesOutResolversThatAContainerCannotReach() {
    let host = "# comment\nsearch example.org\nnameserver 127.0.0.53\nnameserver 192.0.2.1\noptions ndots:2\n"
    #expect(
      HostFiles.resolvConf(host: host, isolated: true) == "search example.org\nnameserver 192.0.2.1\noptions ndots:2\n")
    #expect(HostFiles.resolvConf(host: host, isolated: false).contains("nameserver 127.0.0.53\n"))
  }

  @Test func takesWhatWasAskedFor() {
    let text = HostFiles.resolvConf(
      host: "nameserver 192.0.2.1\nsearch a\n", servers: ["8.8.8.8"], search: ["."], options: ["ndots:5"], isolated: true)
    #expect(text == "nameserver 8.8.8.8\noptions ndots:5\n")
  }
}
