import Testing

@testable import Cgroups

@Suite struct DeviceFilterTests {
  /// What a device program is asked: `struct bpf_cgroup_dev_ctx`.
  struct Question {
    var kind: DeviceRule.Kind
    var access: DeviceRule.Access
    var major: UInt32
    var minor: UInt32
  }

  /// Runs the eBPF of a filter. nil: an instruction that this interpreter does not have, or a jump out of the program.
  private func answer(_ filter: DeviceFilter, _ question: Question) -> Bool? {
    let context = [
      (question.kind == .block ? 1 : 2) | question.access.rawValue << 16, question.major, question.minor,
    ]
    var registers = [UInt64](repeating: 0, count: 11)
    func low(_ register: Int) -> UInt32 { UInt32(truncatingIfNeeded: registers[register]) }
    var place = 0
    while filter.instructions.indices.contains(place) {
      let word = filter.instructions[place]
      let (to, from) = (Int(word >> 8 & 15), Int(word >> 12 & 15))
      let offset = Int(Int16(truncatingIfNeeded: word >> 16))
      let immediate = UInt32(truncatingIfNeeded: word >> 32)
      let extended = UInt64(bitPattern: Int64(Int32(bitPattern: immediate)))
      place += 1
      switch UInt8(truncatingIfNeeded: word) {
      case 0x61: registers[to] = UInt64(context[offset / 4])
      case 0x54: registers[to] = UInt64(low(to) & immediate)
      case 0x5c: registers[to] = UInt64(low(to) & low(from))
      case 0x4c: registers[to] = UInt64(low(to) | low(from))
      case 0xa4: registers[to] = UInt64(low(to) ^ immediate)
      case 0x74: registers[to] = UInt64(low(to) >> immediate)
      case 0xbc: registers[to] = UInt64(low(from))
      case 0xb7: registers[to] = extended
      case 0x17: registers[to] &-= extended
      case 0x77: registers[to] >>= extended
      case 0x18:
        registers[to] = UInt64(immediate) | (filter.instructions[place] >> 32) << 32
        place += 1
      case 0x7f: registers[to] >>= registers[from] & 63
      case 0x5f: registers[to] &= registers[from]
      case 0x27: registers[to] &*= extended
      case 0x95: return registers[0] == 1
      default: return nil
      }
    }
    return nil
  }

  /// What the rules say, without a program.
  private func reference(_ rules: [DeviceRule], _ question: Question) -> Bool {
    [DeviceRule.Access.read, .write, .makeNode].filter { question.access.contains($0) }.allSatisfy { bit in
      rules.last { rule in
        (rule.kind == .all || rule.kind == question.kind) && (rule.major ?? question.major) == question.major
          && (rule.minor ?? question.minor) == question.minor && rule.access.contains(bit)
      }?.allow ?? false
    }
  }

  @Test func theLastRuleThatCoversAnAccessDecides() {
    let filter = DeviceFilter([
      DeviceRule(allow: true, kind: .all, access: .all),
      DeviceRule(allow: false, kind: .all, access: .all),
      DeviceRule(allow: true, kind: .character, access: .makeNode),
      DeviceRule(allow: true, kind: .character, major: 1, minor: 3, access: .all),
      DeviceRule(allow: true, kind: .block, major: 8, access: .read),
      DeviceRule(allow: true, kind: .block, major: 8, minor: 1, access: .write),
    ])
    func isAllowed(_ kind: DeviceRule.Kind, _ access: DeviceRule.Access, _ major: UInt32, _ minor: UInt32) -> Bool? {
      answer(filter, Question(kind: kind, access: access, major: major, minor: minor))
    }
    #expect(isAllowed(.character, [.read, .write], 1, 3) == true)
    #expect(isAllowed(.character, .read, 1, 1) == false)
    #expect(isAllowed(.character, .makeNode, 1, 1) == true)
    #expect(isAllowed(.character, [.makeNode, .read], 1, 1) == false)
    #expect(isAllowed(.block, .read, 8, 5) == true)
    #expect(isAllowed(.block, [.read, .write], 8, 5) == false)
    #expect(isAllowed(.block, [.read, .write], 8, 1) == true, "two rules allow one each")
    #expect(isAllowed(.block, .makeNode, 8, 5) == false)
    #expect(!filter.allowsEverything)
  }

  @Test func aRuleForAllDevicesMayCoverAPartOnly() {
    let rules = [
      DeviceRule(allow: true, kind: .character, major: 1, minor: 3, access: .all),
      DeviceRule(allow: true, kind: .all, access: .makeNode),
      DeviceRule(allow: false, kind: .all, major: 1, access: .write),
    ]
    let filter = DeviceFilter(rules)
    #expect(answer(filter, Question(kind: .character, access: .read, major: 1, minor: 3)) == true)
    #expect(answer(filter, Question(kind: .character, access: .write, major: 1, minor: 3)) == false)
    #expect(answer(filter, Question(kind: .block, access: .makeNode, major: 9, minor: 9)) == true)
  }

  @Test func numbersAreCompared32BitsWide() {
    let filter = DeviceFilter([DeviceRule(allow: true, kind: .block, major: 0xffff_fff0, access: .all)])
    #expect(answer(filter, Question(kind: .block, access: .read, major: 0xffff_fff0, minor: 0)) == true)
    #expect(answer(filter, Question(kind: .block, access: .read, major: 0xf0, minor: 0)) == false)
  }

  @Test func everythingNeedsNoProgram() {
    #expect(
      DeviceFilter([
        DeviceRule(allow: false, kind: .all, access: .all), DeviceRule(allow: true, kind: .all, access: .all),
        DeviceRule(allow: true, kind: .block, major: 8, access: .read),
      ]).allowsEverything)
    #expect(!DeviceFilter([DeviceRule(allow: true, kind: .all, access: .read)]).allowsEverything)
    let nothing = DeviceFilter([])
    #expect(!nothing.allowsEverything)
    #expect(answer(nothing, Question(kind: .character, access: .read, major: 1, minor: 3)) == false)
  }

  /// Every set of a few rules out of a small world of devices, against the rules themselves.
  @Test func programsSayWhatTheRulesSay() {
    var random = SystemRandomNumberGenerator()
    func rule() -> DeviceRule {
      DeviceRule(
        allow: .random(using: &random), kind: [.all, .block, .character].randomElement(using: &random) ?? .all,
        major: [nil, 1, 2].randomElement(using: &random) ?? nil,
        minor: [nil, 1, 2].randomElement(using: &random) ?? nil,
        access: DeviceRule.Access(rawValue: .random(in: 1...7, using: &random)))
    }
    var wrong: [String] = []
    for _ in 0..<2000 {
      let rules = (0..<Int.random(in: 0...7, using: &random)).map { _ in rule() }
      let filter = DeviceFilter(rules)
      for kind in [DeviceRule.Kind.block, .character] {
        for major in 1...3 as ClosedRange<UInt32> {
          for access in 1...7 as ClosedRange<UInt32> {
            let question = Question(
              kind: kind, access: DeviceRule.Access(rawValue: access), major: major, minor: major % 3 + 1)
            if answer(filter, question) != reference(rules, question) { wrong.append("\(rules) \(question)") }
          }
        }
      }
    }
    #expect(wrong.isEmpty, "\(wrong.first ?? "")")
  }
}
