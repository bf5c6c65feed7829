import Netlink
import Testing

@Suite struct AddressTests {
  @Test(arguments: [("10.88.0.1", 0x0a58_0001), ("0.0.0.0", 0), ("255.255.255.255", 0xffff_ffff)] as [(String, UInt32)])
  func readsAddresses(_ text: String, _ number: UInt32) {
    #expect(IPv4Address(text)?.number == number)
    #expect(IPv4Address(text)?.description == text)
  }

  @Test(arguments: ["", "10.0.0", "10.0.0.256", "10.0.0.1.2", "010.0.0.1", "a.b.c.d", "10..0.1", " 10.0.0.1", "::1"])
  func refusesOtherText(_ text: String) { #expect(IPv4Address(text) == nil) }

  @Test func knowsWhatARangeHolds() throws {
    let network = try #require(IPv4Network("10.88.0.0/16"))
    #expect(network.contains(try #require(IPv4Address("10.88.255.255"))))
    #expect(!network.contains(try #require(IPv4Address("10.89.0.0"))))
    #expect(network.broadcast.description == "10.88.255.255")
    #expect(network.count == 65536)
    #expect(network.address(at: 2)?.description == "10.88.0.2")
    #expect(network.address(at: 65536) == nil)
    #expect(network.overlaps(try #require(IPv4Network("10.0.0.0/8"))))
    #expect(!network.overlaps(try #require(IPv4Network("10.89.0.0/16"))))
    #expect(IPv4Network("0.0.0.0/0")?.count == 1 << 32)
  }

  @Test(arguments: ["10.88.0.1/16", "10.88.0.0/33", "10.88.0.0", "10.88.0.0/016", "10.88.0.0/-1"])
  func refusesRangesThatAreNone(_ text: String) { #expect(IPv4Network(text) == nil) }

  @Test func derivesAMACAddress() throws {
    #expect(MACAddress(for: try #require(IPv4Address("10.88.0.2"))).description == "02:42:0a:58:00:02")
  }
}
