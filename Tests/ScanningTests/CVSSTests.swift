import Testing

@testable import Scanning

@Suite struct CVSSTests {
  @Test(arguments: [
    ("AV:L/AC:M/Au:M/C:C/I:P/A:P", 5.3), ("AV:L/AC:H/Au:M/C:N/I:P/A:C", 4.4), ("AV:A/AC:H/Au:M/C:C/I:C/A:P", 5.9),
    ("AV:A/AC:H/Au:M/C:P/I:N/A:N", 1.2), ("AV:N/AC:M/Au:S/C:N/I:N/A:P", 3.5), ("AV:A/AC:L/Au:N/C:P/I:N/A:C", 6.8),
    ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8), ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
    ("CVSS:3.1/AV:N/AC:H/PR:H/UI:R/S:U/C:L/I:L/A:H", 5.3), ("CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:L/A:N", 3.6),
    ("CVSS:3.1/AV:N/AC:L/PR:L/UI:R/S:C/C:H/I:L/A:N", 7.6), ("CVSS:3.1/AV:A/AC:L/PR:L/UI:N/S:C/C:L/I:N/A:L", 5.4),
    ("CVSS:3.1/AV:P/AC:H/PR:H/UI:N/S:C/C:N/I:N/A:H", 4.7), ("CVSS:3.1/AV:A/AC:H/PR:H/UI:N/S:U/C:L/I:N/A:L", 3.1),
    ("CVSS:3.1/AV:P/AC:L/PR:N/UI:R/S:U/C:L/I:H/A:H", 6.2), ("CVSS:3.1/AV:L/AC:L/PR:L/UI:R/S:C/C:N/I:H/A:L", 6.7),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
    ("CVSS:4.0/AV:L/AC:H/AT:P/PR:H/UI:N/VC:L/VI:H/VA:L/SC:H/SI:H/SA:H", 7.1),
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:A/VC:H/VI:N/VA:H/SC:N/SI:L/SA:N", 6.8),
    ("CVSS:4.0/AV:A/AC:H/AT:N/PR:N/UI:A/VC:L/VI:L/VA:N/SC:H/SI:L/SA:H", 5.0),
    ("CVSS:4.0/AV:A/AC:H/AT:P/PR:L/UI:N/VC:H/VI:L/VA:L/SC:H/SI:N/SA:L", 7.1),
    ("CVSS:4.0/AV:A/AC:H/AT:N/PR:N/UI:N/VC:L/VI:L/VA:H/SC:N/SI:H/SA:H", 7.2),
    ("CVSS:4.0/AV:P/AC:H/AT:N/PR:L/UI:N/VC:L/VI:N/VA:H/SC:N/SI:L/SA:N", 4.3),
    ("CVSS:4.0/AV:N/AC:H/AT:P/PR:N/UI:P/VC:H/VI:N/VA:H/SC:L/SI:L/SA:N", 6.1),
    ("CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:N/VC:N/VI:N/VA:L/SC:L/SI:L/SA:L", 1.0),
    ("CVSS:4.0/AV:N/AC:H/AT:P/PR:N/UI:A/VC:H/VI:H/VA:H/SC:N/SI:N/SA:L", 7.5),
    ("CVSS:4.0/AV:P/AC:H/AT:N/PR:L/UI:P/VC:H/VI:L/VA:L/SC:H/SI:H/SA:H", 6.1),
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0),
  ])
  func computesTheBaseScore(_ vector: String, _ score: Double) throws {
    #expect(try #require(CVSS(vector: vector)).score == score)
  }

  @Test(arguments: [
    "", "CVSS:3.1", "CVSS:5.0/AV:N", "AV:N/AC:L", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", "high",
    "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
  ])
  func refusesWhatIsNoVector(_ text: String) { #expect(CVSS(vector: text) == nil) }

  @Test func rates() {
    #expect(Severity(score: 0, version: .v3) == .informational)
    #expect(Severity(score: 3.9, version: .v3) == .low)
    #expect(Severity(score: 6.9, version: .v4) == .medium)
    #expect(Severity(score: 8.9, version: .v3) == .high)
    #expect(Severity(score: 9, version: .v3) == .critical)
    #expect(Severity(score: 10, version: .v2) == .high)
    #expect(Severity(word: "MODERATE") == .medium && Severity(word: "not yet assigned") == nil)
  }
}
