import Testing

@testable import ECRAPI

/// The services against botocore's models, which `tools/ecr-model` keeps at hand.
@Suite struct ECRModelTests {
  /// Operations that do not answer yet.
  static let pending: Set<String> = []

  @Test func everyOperationOfTheModelAnswers() {
    let (here, modelled) = (Set(Service.ecr.operations.keys), Set(Service.ecr.model.operations.keys))
    #expect(modelled.count == 58)
    #expect(here.isSubset(of: modelled))
    #expect(modelled.subtracting(here) == Self.pending, "what answers by now leaves the list")
  }

  @Test func everyOperationOfThePublicModelAnswers() {
    let (here, modelled) = (Set(Service.ecrPublic.operations.keys), Set(Service.ecrPublic.model.operations.keys))
    #expect(modelled.count == 23)
    #expect(here == modelled)
  }

  @Test(arguments: Service.all.map(\.signingName))
  func everyMemberOfAnInputIsKnown(_ service: String) throws {
    let service = try #require(Service.all.first { $0.signingName == service })
    for (name, operation) in service.operations {
      let model = try #require(service.model.operations[name])
      guard case .structure(let members, _)? = service.model.shapes[model.input] else {
        Issue.record("\(model.input) is no structure")
        continue
      }
      #expect(operation.members == Set(members.keys), "\(name)")
    }
  }

  @Test func everyShapeThatIsNamedIsThere() {
    for model in [ServiceModel.ecr, .ecrPublic] {
      for operation in model.operations.values { #expect(model.shapes[operation.input] != nil) }
      for shape in model.shapes.values {
        switch shape {
        case .structure(let members, let required):
          #expect(members.values.allSatisfy { model.shapes[$0] != nil } && required.allSatisfy { members[$0] != nil })
        case .list(let element, _): #expect(model.shapes[element] != nil)
        default: break
        }
      }
    }
  }

  @Test(arguments: [
    ("CreateRepository", #"{}"#, "'repositoryName' failed to satisfy constraint: 'Member must not be null'"),
    (
      "CreateRepository", #"{"repositoryName":null}"#,
      "'repositoryName' failed to satisfy constraint: 'Member must not be"
    ),
    ("CreateRepository", #"{"repositoryName":"UPPER"}"#, "'must satisfy regular expression '[a-z0-9]+"),
    ("CreateRepository", #"{"repositoryName":"a"}"#, "'Member must have length greater than or equal to 2'"),
    (
      "CreateRepository", #"{"repositoryName":"app","encryptionConfiguration":{"encryptionType":"ROT13"}}"#,
      "'encryptionConfiguration.encryptionType' failed to satisfy constraint: 'Member must satisfy enum value set: "
        + "[AES256, KMS, KMS_DSSE]'"
    ),
    ("CreateRepository", #"{"repositoryName":"app","tags":[{"Key":"a","value":"b"}]}"#, "'tags.1.member.value' failed"),
    ("DescribeRepositories", #"{"maxResults":1001}"#, "'Member must have value less than or equal to 1000'"),
    (
      "BatchGetImage", #"{"repositoryName":"app","imageIds":[]}"#,
      "'Member must have length greater than or equal to 1'"
    ),
    ("DescribeRepositories", #"{"registryId":"12"}"#, "'registryId' failed to satisfy constraint: 'must satisfy"),
  ])
  func constraintsFailInTheWordsOfAWS(_ operation: String, _ body: String, _ message: String) async throws {
    let answer = try await TestECR().call(operation, body)
    #expect(answer.type == "InvalidParameterException" && answer.message.contains(message), "\(answer.text)")
  }
}

@Suite struct PatternTests {
  @Test(arguments: [
    ("[0-9]{12}", "123456789012", true), ("[0-9]{12}", "12345678901", false), ("[0-9]{12}", "1234567890123", false),
    ("^(a|bc)+$", "abcbca", true), ("^(a|bc)+$", "ab", false), ("^$|x[a-c]?", "", true), ("^$|x[a-c]?", "xb", true),
    ("^$|x[a-c]?", "xd", false), ("[a-zA-Z0-9-_+.]+:[a-f]+", "sha-2_5+6.x:ab", true),
    ("\\/[\\w+=,.@-]+", "/Ab_1@-", true),
    ("\\/[\\w+=,.@-]+", "/ü", false), ("a{2,3}b*", "aabbb", true), ("a{2,3}b*", "aaaa", false),
    ("a{2,}", "aaaaa", true),
    ("a{2,}", "a", false), (".", "é", true), ("(?:a*)*", "", true), ("\\d+", "12", true),
  ])
  func matches(_ pattern: String, _ text: String, _ expected: Bool) {
    #expect(Pattern(parsing: pattern).matches(text) == expected)
  }

  /// An engine that goes back would try 2^100 ways here.
  @Test func takesNoLongerForAHostileText() {
    let pattern = Pattern(parsing: "^[a-z0-9*](?:[._\\-/a-z0-9*]?[a-z0-9*]+)*$")
    #expect(!pattern.matches(String(repeating: "a", count: 254) + "!"))
    #expect(pattern.matches(String(repeating: "a", count: 255)))
  }
}
