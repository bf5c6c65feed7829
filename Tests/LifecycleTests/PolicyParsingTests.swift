import Testing

@testable import Lifecycle

/// A policy of one rule, from the JSON of its parts.
private func policy(
  priority: String = "1", selection: String = #""tagStatus":"any","countType":"imageCountMoreThan","countNumber":1"#,
  action: String = #"{"type":"expire"}"#, more: String = ""
) -> String {
  #"{"rules":[{"rulePriority":\#(priority),"description":"what this rule is for","selection":{\#(selection)},"#
    + #""action":\#(action)\#(more)}]}"#
}

private func policy(_ selections: [String]) -> String {
  let rules = selections.enumerated().map { index, selection in
    let isArchive = selection.contains("sinceImageTransitioned")
    let count =
      isArchive ? "" : #","countType":"sinceImagePushed","countUnit":"days","countNumber":\#(index + 1)"#
    return #"{"rulePriority":\#(index + 1),"selection":{\#(selection)\#(count)},"action":{"type":"expire"}}"#
  }
  return #"{"rules":[\#(rules.joined(separator: ","))]}"#
}

@Suite struct LifecyclePolicyParsingTests {
  @Test func readsEveryMember() throws {
    let text = """
      {"rules": [
        {"rulePriority": 30, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 100},
         "action": {"type": "expire"}},
        {"rulePriority": 10, "description": "old releases",
         "selection": {"tagStatus": "tagged", "tagPatternList": ["v*", "*-final"], "storageClass": "standard",
                       "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 60},
         "action": {"type": "transition", "targetStorageClass": "archive"}},
        {"rulePriority": 20, "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed",
                                           "countUnit": "days", "countNumber": 14}, "action": {"type": "expire"}},
        {"rulePriority": 25, "selection": {"tagStatus": "tagged", "tagPrefixList": ["dev-"], "countType":
          "imageCountMoreThan", "countNumber": 5}, "action": {"type": "transition", "targetStorageClass": "archive"}},
        {"rulePriority": 40, "selection": {"tagStatus": "any", "storageClass": "archive", "countType":
          "sinceImageTransitioned", "countUnit": "days", "countNumber": 365}, "action": {"type": "expire"}}
      ]}
      """
    let rules = try LifecyclePolicy(parsing: text).rules
    #expect(rules.map(\.priority) == [10, 20, 25, 30, 40])
    #expect(rules.map(\.description) == ["old releases", nil, nil, nil, nil])
    #expect(
      rules.map(\.tags) == [
        .all([TagPattern("v*"), TagPattern("*-final")]), .untagged, .all([TagPattern(prefix: "dev-")]), .any, .any,
      ])
    #expect(rules.map(\.storageClass) == [.standard, .standard, .standard, .standard, .archive])
    #expect(
      rules.map(\.criterion) == [
        .sinceImagePulled(days: 60), .sinceImagePushed(days: 14), .imageCountMoreThan(5), .imageCountMoreThan(100),
        .sinceImageTransitioned(days: 365),
      ])
    #expect(rules.map(\.action) == [.archive, .expire, .archive, .expire, .expire])
  }

  static let malformed: [(String, String)] = [
    (String(repeating: " ", count: 99), "must have length greater than or equal to 100"),
    (String(repeating: " ", count: 30_721), "less than or equal to 30720"),
    (String(repeating: "[", count: 20_000), "Could not map policyString"),
    ("not JSON" + String(repeating: " ", count: 100), "Could not map policyString"),
    ("[1]" + String(repeating: " ", count: 100), #"instance type (array) does not match any allowed primitive type"#),
    ("{}" + String(repeating: " ", count: 100), #"object has missing required properties (["rules"])"#),
    (#"{"rules":[]}"# + String(repeating: " ", count: 100), "array is too short"),
    (#"{"rules":{}}"# + String(repeating: " ", count: 100), #"(allowed: ["array"])"#),
    (#"{"rules":[null]}"# + String(repeating: " ", count: 100), #"instance type (null)"#),
    (policy(more: #","when":1"#), #"not allowed by the schema: ["when"]"#),
    (policy(priority: "0"), "lower than the required minimum (minimum: 1, found: 0)"),
    (policy(priority: "1.5"), #"instance type (number)"#),
    (policy(priority: "3000000000"), "greater than the required maximum"),
    (
      policy(priority: #""1""#),
      #"instance type (string) does not match any allowed primitive type (allowed: ["integer"])"#
    ),
    (policy(priority: "true"), "instance type (boolean)"),
  ]

  @Test(arguments: malformed) func refusesWhatIsNoPolicy(_ text: String, _ message: String) {
    let error = #expect(throws: PolicyError.self) { try LifecyclePolicy(parsing: text) }
    #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
  }

  static let contradictions: [(String, String)] = [
    (#""tagStatus":"all","countType":"imageCountMoreThan","countNumber":1"#, #"("all") not found in enum"#),
    (#""tagStatus":"any","countType":"imageCountMoreThan","countNumber":0"#, "(minimum: 1, found: 0)"),
    (#""tagStatus":"any","countType":"imageCountMoreThan""#, #"missing required properties (["countNumber"])"#),
    (
      #""tagStatus":"any","countType":"imageCountMoreThan","countNumber":1,"countUnit":"days""#,
      "Must not specify countUnit"
    ),
    (#""tagStatus":"any","countType":"sinceImagePushed","countNumber":1"#, "Must specify countUnit"),
    (#""tagStatus":"any","countType":"sinceImagePushed","countNumber":1,"countUnit":"weeks""#, "(\"weeks\") not found"),
    (#""tagStatus":"any","countType":"imageSize","countNumber":1"#, #"("imageSize") not found in enum"#),
    (
      #""tagStatus":"tagged","countType":"imageCountMoreThan","countNumber":1"#,
      "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED."
    ),
    (
      #""tagStatus":"tagged","tagPrefixList":["a"],"tagPatternList":["a"],"countType":"imageCountMoreThan","countNumber":1"#,
      "not both"
    ),
    (
      #""tagStatus":"untagged","tagPrefixList":["a"],"countType":"imageCountMoreThan","countNumber":1"#,
      "Must not specify tagPrefixList when tagStatus=UNTAGGED"
    ),
    (
      #""tagStatus":"any","tagPatternList":[],"countType":"imageCountMoreThan","countNumber":1"#,
      "Must not specify tagPatternList when tagStatus=ANY"
    ),
    (
      #""tagStatus":"tagged","tagPatternList":[],"countType":"imageCountMoreThan","countNumber":1"#,
      "array is too short"
    ),
    (
      #""tagStatus":"tagged","tagPatternList":null,"countType":"imageCountMoreThan","countNumber":1"#,
      #"instance type (null) does not match any allowed primitive type (allowed: ["array"])"#
    ),
    (
      #""tagStatus":"tagged","tagPatternList":["a*b*c*d*e*"],"countType":"imageCountMoreThan","countNumber":1"#,
      "at most 4 wildcards"
    ),
    (
      #""tagStatus":"tagged","tagPatternList":["a","a"],"countType":"imageCountMoreThan","countNumber":1"#, "duplicate"
    ),
    (#""tagStatus":"tagged","tagPrefixList":[""],"countType":"imageCountMoreThan","countNumber":1"#, "not be empty"),
    (
      #""tagStatus":"any","storageClass":"archive","countType":"sinceImagePushed","countUnit":"days","countNumber":1"#,
      "storageClass=standard"
    ),
    (
      #""tagStatus":"any","countType":"sinceImageTransitioned","countUnit":"days","countNumber":90"#,
      "Must specify storageClass=archive"
    ),
    (
      #""tagStatus":"any","storageClass":"archive","countType":"sinceImageTransitioned","countUnit":"days","countNumber":89"#,
      "(minimum: 90, found: 89)"
    ),
    (
      #""tagStatus":"any","countType":"sinceImagePulled","countUnit":"days","countNumber":1"#, "goes with an action"
    ),
  ]

  @Test(arguments: contradictions) func refusesSelectionsThatContradictThemselves(
    _ selection: String, _ message: String
  ) {
    let error = #expect(throws: PolicyError.self) { try LifecyclePolicy(parsing: policy(selection: selection)) }
    #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
  }

  @Test(arguments: [
    #"{"type":"expire","targetStorageClass":"archive"}"#, #"{"type":"expire","targetStorageClass":null}"#,
    #"{"type":"transition"}"#, #"{"type":"transition","targetStorageClass":"standard"}"#,
  ]) func refusesActionsOfNoSchema(_ action: String) {
    let error = #expect(throws: PolicyError.self) { try LifecyclePolicy(parsing: policy(action: action)) }
    #expect(error?.description.contains("instance failed to match exactly one schema") == true)
  }

  @Test func refusesArchivingWhatIsArchived() {
    let selection =
      #""tagStatus":"any","storageClass":"archive","countType":"sinceImageTransitioned","countUnit":"days","countNumber":90"#
    #expect(throws: PolicyError.self) {
      try LifecyclePolicy(
        parsing: policy(selection: selection, action: #"{"type":"transition","targetStorageClass":"archive"}"#))
    }
    #expect(throws: Never.self) { try LifecyclePolicy(parsing: policy(selection: selection)) }
  }

  @Test func refusesRulesThatContradictEachOther() throws {
    let archived =
      #","storageClass":"archive","countType":"sinceImageTransitioned","countUnit":"days","countNumber":90"#
    let one = #""tagStatus":"tagged","tagPrefixList":["a"]"#
    let refused: [([String], String)] = [
      ([#""tagStatus":"untagged""#, #""tagStatus":"untagged""#], "Only one rule can select Untagged images"),
      ([#""tagStatus":"any""#, one], "Rule for tagStatus=ANY must have the lowest priority per storage class"),
      ([#""tagStatus":"any""#, #""tagStatus":"any""#], "Rule for tagStatus=ANY"),
      ([one, one], "must be unique"),
      (
        [
          #""tagStatus":"tagged","tagPatternList":["a*","b*"]"#, #""tagStatus":"tagged","tagPatternList":["b*","a*"]"#,
        ], "must be unique"
      ),
    ]
    for (selections, message) in refused {
      let error = #expect(throws: PolicyError.self) { try LifecyclePolicy(parsing: policy(selections)) }
      #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }
    // Each storage class is on its own.
    let both = [
      #""tagStatus":"untagged""#, one, one + archived, #""tagStatus":"any"\#(archived)"#, #""tagStatus":"any""#,
    ]
    #expect(try LifecyclePolicy(parsing: policy(both)).rules.count == 5)
    let many = (0..<51).map { #""tagStatus":"tagged","tagPrefixList":["\#($0)-"]"# }
    #expect(throws: PolicyError.tooMany(maximum: 50, found: 51)) { try LifecyclePolicy(parsing: policy(many)) }
    #expect(try LifecyclePolicy(parsing: policy(Array(many.prefix(50)))).rules.count == 50)
  }

  @Test func refusesTwoRulesOfOnePriority() {
    let text = policy([#""tagStatus":"untagged""#, #""tagStatus":"any""#]).replacingPriority
    let error = #expect(throws: PolicyError.self) { try LifecyclePolicy(parsing: text) }
    #expect(error?.description.contains("priorities must be unique") == true)
  }
}

extension String {
  /// The second rule gets the priority of the first.
  fileprivate var replacingPriority: String {
    split(separator: #""rulePriority":2"#, maxSplits: 1).joined(separator: #""rulePriority":1"#)
  }
}

@Suite struct TagPatternTests {
  static let cases: [(String, String, Bool)] = [
    ("a", "a", true), ("a", "ab", false), ("a*", "a", true), ("a*", "abc", true), ("*a", "ba", true),
    ("*a", "ab", false),
    ("*", "", true), ("*", "x", true), ("a*c", "abc", true), ("a*c", "ac", true), ("a*c", "acb", false),
    ("ab*ba", "aba", false), ("ab*ba", "abba", true), ("*test*1*2*3", "mytest-1-2-3", true),
    ("*test*1*2*3", "mytest-1-3-2", false), ("**", "x", true), ("*aab*", "aaab", true), ("*ab*ab*", "abab", true),
    ("*ab*ab*", "aba", false), ("é*", "élan", true), ("v1.0", "v1x0", false),
  ]

  @Test(arguments: cases) func matchesWildcards(_ pattern: String, _ tag: String, _ expected: Bool) {
    #expect(TagPattern(pattern).matches(tag) == expected)
  }

  @Test func takesAsterisksOfPrefixesLiterally() {
    #expect(TagPattern(prefix: "prod").matches("prod-1") && !TagPattern(prefix: "prod").matches("pro"))
    #expect(!TagPattern(prefix: "p*").matches("prod") && TagPattern(prefix: "p*").matches("p*d"))
  }
}
