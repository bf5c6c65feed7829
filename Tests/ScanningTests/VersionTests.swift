import Testing

@testable import Scanning

@Suite struct VersionTests {
  /// Pairs of which the first is the older, by the schemes' own documents and tools.
  @Test(arguments: [
    (VersionScheme.alpine, "0.1.0_alpha", "2.2.39-r1"), (.alpine, "1.0.4-r3", "1.0.4-r4"),
    (.alpine, "1.1_alpha1", "1.1"),
    (.alpine, "1.3_alpha", "1.3_alpha2"), (.alpine, "2.3.0b-r1", "2.3.0b-r2"), (.alpine, "3.1_p16", "3.1_p17"),
    (.alpine, "1.06-r6", "006"), (.alpine, "0.9.8c-r1", "0.9.8d"), (.alpine, "4.2.52_p2-r1", "4.2.52_p4-r2"),
    (.alpine, "1.0.0_pre20191002222144-r0", "1.0.0_pre20210530193627-r0"), (.alpine, "0.1.0_alpha_pre2", "0.1.0_alpha"),
    (.alpine, "1.0_p9-r0", "1.0_p10-r0"), (.alpine, "1.02", "1.1"), (.alpine, "2.02.06", "2.8.5-r3"),
    (.alpine, "1.2.12.04", "1.2.12.05"), (.alpine, "0.9.28-r2", "0.9.28.1"),
    (.rpm, "1.0", "1.0.1"), (.rpm, "2.0.1", "2.0.1a"), (.rpm, "5.5p1", "5.5p2"), (.rpm, "5.5p9", "5.5p10"),
    (.rpm, "10xyz", "10.1xyz"), (.rpm, "xyz.4", "8"), (.rpm, "1.0~rc1", "1.0"), (.rpm, "1.0~rc1~git123", "1.0~rc1"),
    (.rpm, "1.0", "1.0^"), (.rpm, "1.0^git1", "1.01"), (.rpm, "1.0^20160101", "1.0.1"), (.rpm, "9:1", "10:0"),
    (.rpm, "1.0-1.el9", "1.0-2.el9"), (.rpm, "4.999", "5.0"),
    (.semantic, "1.0.0-alpha", "1.0.0-alpha.1"), (.semantic, "1.0.0-alpha.1", "1.0.0-alpha.beta"),
    (.semantic, "1.0.0-beta.2", "1.0.0-beta.11"), (.semantic, "1.0.0-rc.1", "1.0.0"), (.semantic, "v1.9.0", "1.10.0"),
    (.semantic, "0.0.0-20190101000000-abc", "0.0.0-20200101000000-abc"),
    (.gem, "1.0.a", "1.0"), (.gem, "1.0.a10", "1.0.b1"), (.gem, "1.8.2.b", "1.8.2"), (.gem, "1.0-1", "1.0"),
    (.gem, "1.2.9", "1.2.10"),
    (.composer, "1.0-beta1", "1.0"), (.composer, "1.0-alpha", "1.0-beta"), (.composer, "1.0-RC1", "1.0.0"),
    (.composer, "1.0", "1.0-p1"), (.composer, "1.2.9", "1.2.10"), (.composer, "dev-main", "0.1"),
  ])
  func ordersVersions(_ scheme: VersionScheme, _ older: String, _ newer: String) {
    #expect(scheme.compare(older, newer) < 0)
    #expect(scheme.compare(newer, older) > 0)
    #expect(scheme.compare(older, older) == 0)
  }

  @Test(arguments: [
    (VersionScheme.debian, "1.0-0", "1.0"), (.debian, "0:1.0", "1.0"), (.debian, "1.00", "1.0"), (.rpm, "1.0-1", "1.0"),
    (.rpm, "2.0.1-a", "2_0_1-a"), (.semantic, "1.0.0+a", "1.0.0+b"), (.semantic, "v1.2", "1.2.0"), (.gem, "1.0.0", "1"),
    (.composer, "v1.0", "1.0.0.0"), (.composer, "1.0-stable", "1.0"), (.python, "1.0", "1"),
    (.python, "1.0-a.1", "1a1"),
    (.maven, "1.0", "1"), (.maven, "1-ga", "1.0-final"), (.maven, "1.0.0-rc", "1-cr"), (.alpine, "1.0-r0", "1.0-r00"),
  ])
  func takesSpellingsOfOneVersionAsEqual(_ scheme: VersionScheme, _ left: String, _ right: String) {
    #expect(scheme.compare(left, right) == 0)
    #expect(scheme.compare(right, left) == 0)
  }

  @Test(arguments: VersionScheme.allCases)
  func hasAnOrderForAnything(_ scheme: VersionScheme) {
    let texts = [
      "", "-", ":", "~", "^", "..", "\u{fffd}", "1:", "-1", "1..2", "a", "_", "1_", "1~", "+", "!", "1!", "1+",
    ]
    for left in texts {
      for right in texts {
        let order = scheme.compare(left, right)
        #expect(order.signum() == -scheme.compare(right, left).signum(), "\(left) and \(right)")
      }
    }
    // Numbers of any length, and in time.
    let long = String(repeating: "9", count: 100_000)
    #expect(scheme.compare(long, long + "9") == 0)
  }
}
