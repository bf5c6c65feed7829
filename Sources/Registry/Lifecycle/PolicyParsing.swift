import FoundationEssentials

extension LifecyclePolicy {
  /// Characters of a policy. (botocore, ecr/2015-09-21, LifecyclePolicyText)
  public static let lengths = 100...30_720
  public static let ruleLimit = 50
  /// Days that an archived image is kept at least. (ECR, archive storage class)
  public static let archiveMinimum = 90

  /// Parses a policy and checks all that it says. (ECR, lifecycle policy properties)
  public init(parsing text: String) throws(PolicyError) {
    let length = text.unicodeScalars.count
    guard Self.lengths.contains(length) else { throw .length(length) }
    let value: PolicyValue
    do { value = try JSONDecoder().decode(PolicyValue.self, from: Data(text.utf8)) } catch { throw .notJSON }
    let list = try value.object(required: ["rules"])["rules", default: .null].array(atMost: Self.ruleLimit)
    var rules: [Rule] = []
    for element in list { rules.append(try Rule(element)) }
    rules.sort { $0.priority < $1.priority }
    try Self.check(rules)
    self.rules = rules
  }

  /// What holds between rules.
  private static func check(_ rules: [Rule]) throws(PolicyError) {
    for (rule, next) in zip(rules, rules.dropFirst()) where rule.priority == next.priority {
      throw .mismatch("Rule priorities must be unique; \(rule.priority) is there twice")
    }
    for storageClass in StorageClass.allCases {
      let rules = rules.filter { $0.storageClass == storageClass }
      guard rules.count(where: { $0.tags == .untagged }) <= 1 else {
        throw .mismatch("Only one rule can select Untagged images per storage class.")
      }
      guard rules.dropLast().allSatisfy({ $0.tags != .any }) else {
        throw .mismatch("Rule for tagStatus=ANY must have the lowest priority per storage class")
      }
      var seen = Set<Set<TagPattern>>()
      for rule in rules {
        guard case .all(let patterns) = rule.tags else { continue }
        // Of two rules with the same tags the second could never act.
        guard seen.insert(Set(patterns)).inserted else {
          throw .mismatch("Tag prefixes and patterns of a rule must be unique per storage class")
        }
      }
    }
  }
}

extension LifecyclePolicy.Rule {
  fileprivate init(_ value: PolicyValue) throws(PolicyError) {
    let members = try value.object(required: ["rulePriority", "selection", "action"], optional: ["description"])
    let selection = try members["selection", default: .null].object(
      required: ["tagStatus", "countType", "countNumber"],
      optional: ["tagPatternList", "tagPrefixList", "storageClass", "countUnit"])
    let countType = try CountType(selection["countType", default: .null])
    let storageClass = try Self.storageClass(selection["storageClass"], countType)
    try Self.checkUnit(selection["countUnit"], countType)
    let action = try Self.action(members["action", default: .null])
    try Self.check(action, countType)
    let least = countType == .sinceImageTransitioned ? LifecyclePolicy.archiveMinimum : 1
    let number = try selection["countNumber", default: .null].integer(atLeast: least)
    self.init(
      priority: try members["rulePriority", default: .null].integer(atLeast: 1),
      description: try members["description"].map { value throws(PolicyError) in try value.string() },
      tags: try Self.tags(selection), storageClass: storageClass, criterion: countType.criterion(number), action: action
    )
  }

  private enum CountType: String, CaseIterable {
    case imageCountMoreThan, sinceImagePushed, sinceImagePulled, sinceImageTransitioned

    init(_ value: PolicyValue) throws(PolicyError) {
      let allowed = Self.allCases.map(\.rawValue)
      self = Self(rawValue: try value.choice(allowed)) ?? .imageCountMoreThan
    }

    func criterion(_ number: Int) -> LifecyclePolicy.Criterion {
      switch self {
      case .imageCountMoreThan: .imageCountMoreThan(number)
      case .sinceImagePushed: .sinceImagePushed(days: number)
      case .sinceImagePulled: .sinceImagePulled(days: number)
      case .sinceImageTransitioned: .sinceImageTransitioned(days: number)
      }
    }
  }

  private static func tags(_ selection: [String: PolicyValue]) throws(PolicyError) -> LifecyclePolicy.Tags {
    let status = try selection["tagStatus", default: .null].choice(["any", "tagged", "untagged"])
    guard status == "tagged" else {
      for name in ["tagPatternList", "tagPrefixList"] where selection[name] != nil {
        throw .mismatch("Must not specify \(name) when tagStatus=\(status.uppercased())")
      }
      return status == "any" ? .any : .untagged
    }
    switch (selection["tagPatternList"], selection["tagPrefixList"]) {
    case (nil, nil): throw .mismatch("Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.")
    case (.some, .some): throw .mismatch("Must specify either tagPrefixList or tagPatternList, not both")
    case (let list?, nil): return .all(try patterns(list) { TagPattern($0) })
    case (nil, let list?): return .all(try patterns(list) { TagPattern(prefix: $0) })
    }
  }

  private static func patterns(_ list: PolicyValue, _ make: (String) -> TagPattern) throws(PolicyError) -> [TagPattern]
  {
    var patterns: [TagPattern] = []
    // The text's own length is the limit.
    for element in try list.array(atMost: LifecyclePolicy.lengths.upperBound) {
      let text = try element.string()
      guard !text.isEmpty else { throw .mismatch("Tag prefixes and patterns must not be empty") }
      guard text.utf8.count(where: { $0 == UInt8(ascii: "*") }) <= TagPattern.wildcardLimit else {
        throw .mismatch(
          "A tag pattern has at most \(TagPattern.wildcardLimit) wildcards (*): \"\(text.prefix(80))\"")
      }
      patterns.append(make(text))
    }
    guard Set(patterns).count == patterns.count else {
      throw .mismatch("array must not contain duplicate elements")
    }
    return patterns
  }

  private static func storageClass(_ value: PolicyValue?, _ countType: CountType) throws(PolicyError) -> StorageClass {
    let text = try value.map { value throws(PolicyError) in try value.choice(["standard", "archive"]) }
    if countType == .sinceImageTransitioned {
      guard text == "archive" else {
        throw .mismatch("Must specify storageClass=archive when countType=sinceImageTransitioned")
      }
      return .archive
    }
    guard text != "archive" else {
      throw .mismatch("countType=\(countType.rawValue) selects images of storageClass=standard")
    }
    return .standard
  }

  private static func checkUnit(_ value: PolicyValue?, _ countType: CountType) throws(PolicyError) {
    guard countType != .imageCountMoreThan else {
      guard value == nil else { throw .mismatch("Must not specify countUnit when countType=imageCountMoreThan") }
      return
    }
    guard let value else { throw .mismatch("Must specify countUnit when countType=\(countType.rawValue)") }
    _ = try value.choice(["days"])
  }

  private static func action(_ value: PolicyValue) throws(PolicyError) -> LifecyclePolicy.Action {
    let members = try value.object(required: ["type"], optional: ["targetStorageClass"])
    let type = try members["type", default: .null].choice(["expire", "transition"])
    switch (type, members["targetStorageClass"]) {
    case ("expire", nil): return .expire
    case ("transition", .string("archive")?): return .archive
    default:
      // targetStorageClass goes with a transition, and with nothing else.
      throw .mismatch("instance failed to match exactly one schema (matched 0 out of 2)")
    }
  }

  private static func check(_ action: LifecyclePolicy.Action, _ countType: CountType) throws(PolicyError) {
    switch (countType, action) {
    case (.sinceImagePulled, .expire):
      throw .mismatch("countType=sinceImagePulled goes with an action of type=transition")
    case (.sinceImageTransitioned, .archive):
      throw .mismatch("countType=sinceImageTransitioned goes with an action of type=expire")
    default: break
    }
  }
}
