import Testing

@testable import AccessPolicies

private let own = "123456789012"
private let other = "210987654321"

private func request(
  _ action: ActionName = "ecr:BatchGetImage", by user: String? = "ada", of account: String = own,
  on name: String = "team/app", _ edit: (inout AccessRequest) -> Void = { _ in }
) -> AccessRequest {
  var request = AccessRequest(
    principal: user.map { .user($0, account: account) } ?? .anonymous, action: action,
    resource: "arn:aws:ecr:eu-central-1:\(own):repository/\(name)", account: own, region: "eu-central-1",
    sourceAddress: "192.0.2.7", isSecure: true, time: 1_790_000_000)
  edit(&request)
  return request
}

private func identity(_ statements: String...) throws -> PolicyDocument {
  try PolicyDocument(
    parsing: "{\"Version\":\"2012-10-17\",\"Statement\":[\(statements.joined(separator: ","))]}", as: .identity)
}

private func resource(_ statements: String..., as kind: PolicyDocument.Kind = .repository) throws -> PolicyDocument {
  try PolicyDocument(
    parsing: "{\"Version\":\"2012-10-17\",\"Statement\":[\(statements.joined(separator: ","))]}", as: kind)
}

private let allowAll = #"{"Effect":"Allow","Action":"*","Resource":"*"}"#

@Suite struct EvaluationTests {
  @Test func deniesByDefault() {
    #expect(!ApplicablePolicies().evaluate(request()).isAllowed)
    #expect(!ApplicablePolicies().evaluate(request(by: nil)).isAllowed)
  }

  @Test func aDenyAnywhereDecides() throws {
    let deny = #"{"Effect":"Deny","Action":"ecr:batchgetimage","Resource":"*"}"#
    let denyForAll = #"{"Effect":"Deny","Action":"ecr:Batch*","Principal":"*"}"#
    let allowed = try identity(allowAll)
    #expect(ApplicablePolicies(identity: [allowed]).evaluate(request()).isAllowed)
    for policies in [
      ApplicablePolicies(identity: [allowed, try identity(deny)]),
      ApplicablePolicies(identity: [try identity(deny, allowAll)]),
      ApplicablePolicies(identity: [allowed], repository: try resource(denyForAll)),
    ] {
      #expect(policies.evaluate(request()).outcome == .explicitlyDenied)
    }
    let registry = try resource(#"{"Effect":"Deny","Action":"ecr:*","Principal":"*","Resource":"*"}"#, as: .registry)
    let both = ApplicablePolicies(identity: [allowed], registry: registry)
    #expect(both.evaluate(request()).isAllowed, "the first scope leaves pulls alone")
    #expect(both.evaluate(request("ecr:CreateRepository")).outcome == .explicitlyDenied)
    #expect(both.evaluate(request(), scope: .v2).outcome == .explicitlyDenied)
  }

  @Test func withinAnAccountOneSideIsEnough() throws {
    let named = try resource(
      #"{"Effect":"Allow","Action":"ecr:*","Principal":{"AWS":"arn:aws:iam::\#(own):user/ada"}}"#)
    #expect(ApplicablePolicies(repository: named).evaluate(request()).isAllowed)
    #expect(!ApplicablePolicies(repository: named).evaluate(request(by: "bob")).isAllowed)
    // An account is trusted, which says nothing of its users yet.
    let account = try resource(#"{"Effect":"Allow","Action":"ecr:*","Principal":{"AWS":"\#(own)"}}"#)
    #expect(!ApplicablePolicies(repository: account).evaluate(request()).isAllowed)
  }

  @Test func acrossAccountsBothSidesMustAllow() throws {
    let allowed = try identity(allowAll)
    for principal in [
      #""*""#, #"{"AWS":"\#(other)"}"#, #"{"AWS":"arn:aws:iam::\#(other):root"}"#,
      #"{"AWS":["arn:aws:iam::\#(other):user/ada"]}"#,
    ] {
      let trusting = try resource(#"{"Effect":"Allow","Action":"ecr:*","Principal":\#(principal)}"#)
      #expect(!ApplicablePolicies(identity: [allowed]).evaluate(request(of: other)).isAllowed)
      #expect(!ApplicablePolicies(repository: trusting).evaluate(request(of: other)).isAllowed)
      #expect(ApplicablePolicies(identity: [allowed], repository: trusting).evaluate(request(of: other)).isAllowed)
    }
    let foreign = try resource(#"{"Effect":"Allow","Action":"ecr:*","Principal":{"AWS":"\#(own)"}}"#)
    #expect(!ApplicablePolicies(identity: [allowed], repository: foreign).evaluate(request(of: other)).isAllowed)
  }

  @Test func withoutCredentialsTheServersWordCountsAlone() throws {
    let everybody = try resource(#"{"Effect":"Allow","Action":"ecr:BatchGetImage","Principal":{"AWS":"*"}}"#)
    let all = try resource(#"{"Effect":"Allow","Action":"ecr:*","Principal":"*","Resource":"*"}"#, as: .registry)
    #expect(ApplicablePolicies(repository: everybody).evaluate(request()).isAllowed)
    #expect(!ApplicablePolicies(repository: everybody).evaluate(request(by: nil)).isAllowed)
    #expect(!ApplicablePolicies(registry: all).evaluate(request(by: nil), scope: .v2).isAllowed)
    #expect(ApplicablePolicies(server: everybody).evaluate(request(by: nil)).isAllowed)
    #expect(!ApplicablePolicies(server: everybody).evaluate(request("ecr:PutImage", by: nil)).isAllowed)
    let denying = try resource(#"{"Effect":"Deny","Action":"ecr:*","Principal":"*"}"#)
    #expect(!ApplicablePolicies(repository: denying, server: everybody).evaluate(request(by: nil)).isAllowed)
  }

  @Test(arguments: [
    (#""Action":["ecr:ReplicateImage","ecr:createrepository"]"#, true), (#""Action":"ecr:*""#, true),
    (#""Action":"ecr:Batch*""#, true), (#""NotAction":"ecr:PutImage""#, true), (#""Action":"ecr:PutImage""#, false),
    (#""Action":["ecr:ReplicateImage","ecr:BatchGet*"]"#, false),
  ])
  func theFirstScopeKnowsItsActions(_ action: String, _ isCovered: Bool) throws {
    let policy = try resource(#"{"Effect":"Allow",\#(action),"Principal":"*","Resource":"*"}"#, as: .registry)
    #expect(RegistryPolicyScope.v1.covers(policy) == isCovered)
    #expect(RegistryPolicyScope.v2.covers(policy))
  }

  @Test func aServiceIsNobody() throws {
    let service = try resource(#"{"Effect":"Allow","Action":"ecr:*","Principal":{"Service":"lambda.amazonaws.com"}}"#)
    #expect(!ApplicablePolicies(repository: service).evaluate(request()).isAllowed)
    #expect(!ApplicablePolicies(repository: service).evaluate(request(by: nil)).isAllowed)
  }

  @Test func negationsTakeInTheRest() throws {
    let notAction = try identity(#"{"Effect":"Allow","NotAction":"ecr:Delete*","Resource":"*"}"#)
    #expect(ApplicablePolicies(identity: [notAction]).evaluate(request()).isAllowed)
    #expect(!ApplicablePolicies(identity: [notAction]).evaluate(request("ecr:DeleteRepository")).isAllowed)
    let notResource = try identity(
      #"{"Effect":"Allow","Action":"*","NotResource":"arn:aws:ecr:*:*:repository/secret/*"}"#)
    #expect(ApplicablePolicies(identity: [notResource]).evaluate(request()).isAllowed)
    #expect(!ApplicablePolicies(identity: [notResource]).evaluate(request(on: "secret/app")).isAllowed)
    let notPrincipal = try resource(
      #"{"Effect":"Deny","Action":"*","NotPrincipal":{"AWS":"arn:aws:iam::\#(own):user/ada"}}"#)
    let policies = ApplicablePolicies(identity: [try identity(allowAll)], repository: notPrincipal)
    #expect(policies.evaluate(request()).isAllowed && !policies.evaluate(request(by: "bob")).isAllowed)
    #expect(!policies.evaluate(request(by: nil)).isAllowed)
  }

  @Test(arguments: [
    ("arn:aws:ecr:*:*:repository/team/*", true), ("arn:aws:ecr:eu-central-1:123456789012:repository/team/app", true),
    ("arn:aws:ecr:*:123456789012:*", true), ("arn:aws:ecr:*:*:repository/team/a?p", true), ("*", true),
    ("arn:*:ecr:*:*:*", true), ("arn:aws:ecr:us-*:*:repository/*", false), ("arn:aws:ecr:*:*:repository/team", false),
    ("arn:aws:ecr:*:210987654321:repository/*", false), ("arn:aws:ecr:*:*:repository/team/a?", false),
    // What stands for the region must not take in the account as well.
    ("arn:aws:ecr:eu*12:repository/team/app::", false), ("arn:aws:ecr:*:repository/*:*:*", false),
    ("arn:aws:ecr:*:*:repository/${aws:username}/*", false), ("arn:aws:ecr:*:*:repository/team/${*}", false),
  ])
  func matchesResourcesPartByPart(_ pattern: String, _ matches: Bool) throws {
    let policy = try identity(#"{"Effect":"Allow","Action":"ecr:*","Resource":"\#(pattern)"}"#)
    #expect(ApplicablePolicies(identity: [policy]).evaluate(request()).isAllowed == matches)
  }

  @Test func putsValuesInPlaceOfVariables() throws {
    let home = #"{"Effect":"Allow","Action":"ecr:*","Resource":"arn:aws:ecr:*:*:repository/${aws:username}/*"}"#
    let policies = ApplicablePolicies(identity: [try identity(home)])
    #expect(policies.evaluate(request(on: "ada/app")).isAllowed && !policies.evaluate(request(on: "bob/app")).isAllowed)
    // A value's asterisk stands for itself.
    #expect(!policies.evaluate(request(by: "*", on: "bob/app")).isAllowed)
    let old = try PolicyDocument(parsing: #"{"Version":"2008-10-17","Statement":\#(home)}"#, as: .identity)
    #expect(!ApplicablePolicies(identity: [old]).evaluate(request(on: "ada/app")).isAllowed)
    let byTag =
      #"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"${ecr:ResourceTag/owner, 'ada'}"}}}"#
    let tagged = ApplicablePolicies(identity: [try identity(byTag)])
    #expect(tagged.evaluate(request()).isAllowed)
    #expect(!tagged.evaluate(request { $0.resourceTags = ["owner": "bob"] }).isAllowed)
    #expect(tagged.evaluate(request(by: "bob") { $0.resourceTags = ["owner": "bob"] }).isAllowed)
    let missing = byTag.replacing(", 'ada'", with: "")
    #expect(!ApplicablePolicies(identity: [try identity(missing)]).evaluate(request()).isAllowed)
  }

  @Test(arguments: [
    (#"{"StringEquals":{"aws:username":["bob","ada"]}}"#, true), (#"{"StringEquals":{"aws:username":"Ada"}}"#, false),
    (#"{"StringEqualsIgnoreCase":{"AWS:UserName":"ADA"}}"#, true),
    (#"{"StringNotEquals":{"aws:username":["bob","ada"]}}"#, false),
    (#"{"StringNotEquals":{"aws:username":["bob"]}}"#, true), (#"{"StringLike":{"aws:username":"a*"}}"#, true),
    (#"{"StringEquals":{"aws:username":"a*"}}"#, false), (#"{"StringNotLike":{"aws:username":"a?a"}}"#, false),
    (#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/a*"}}"#, true),
    (#"{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/a*"}}"#, false),
    (#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/ada"}}"#, true),
    (#"{"StringEquals":{"aws:PrincipalAccount":"123456789012"}}"#, true),
    (#"{"StringEquals":{"aws:ResourceAccount":"${aws:PrincipalAccount}"}}"#, true),
    (#"{"Bool":{"aws:SecureTransport":true}}"#, true), (#"{"Bool":{"aws:SecureTransport":"false"}}"#, false),
    (#"{"Bool":{"aws:ViaAWSService":"false"}}"#, true),
    (#"{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.0/24"]}}"#, true),
    (#"{"IpAddress":{"aws:SourceIp":"192.0.2.8"}}"#, false),
    (#"{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/29"}}"#, false),
    (#"{"NotIpAddress":{"aws:SourceIp":"2001:db8::/32"}}"#, true),
    (#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, true),
    (#"{"IpAddress":{"aws:SourceIp":"::/0"}}"#, false),
    (#"{"DateGreaterThan":{"aws:CurrentTime":"2026-09-21T14:13:19Z"}}"#, true),
    (#"{"DateGreaterThan":{"aws:CurrentTime":"2026-09-21T14:13:20Z"}}"#, false),
    (#"{"DateLessThanEquals":{"aws:CurrentTime":"2026-09-21T16:13:20+02:00"}}"#, true),
    (#"{"DateLessThan":{"aws:EpochTime":"1790000001"}}"#, true),
    (#"{"DateLessThan":{"aws:CurrentTime":"2026-09-21"}}"#, false),
    (#"{"NumericGreaterThanEquals":{"aws:EpochTime":1790000000}}"#, true),
    (#"{"NumericNotEquals":{"aws:EpochTime":[1,1790000000]}}"#, false),
    (#"{"StringEquals":{"ecr:ResourceTag/Team":"core"}}"#, true),
    (#"{"StringEquals":{"aws:ResourceTag/team":"core"}}"#, true),
    (#"{"StringEquals":{"aws:ResourceTag/none":"core"}}"#, false),
    (#"{"StringNotEquals":{"aws:ResourceTag/none":"core"}}"#, true),
    (#"{"StringEqualsIfExists":{"aws:ResourceTag/none":"core"}}"#, true),
    (#"{"StringEqualsIfExists":{"aws:ResourceTag/team":"x"}}"#, false),
    (#"{"Null":{"aws:ResourceTag/none":"true","aws:ResourceTag/team":"false"}}"#, true),
    (#"{"Null":{"aws:ResourceTag/none":false}}"#, false),
    (#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b","c"]}}"#, true),
    (#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a"]}}"#, false),
    (#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","z"]}}"#, true),
    (#"{"ForAnyValue:StringLike":{"aws:TagKeys":"z*"}}"#, false),
    (#"{"ForAllValues:StringNotEquals":{"aws:TagKeys":["z"]}}"#, true),
    (#"{"StringEquals":{"aws:RequestTag/a":"1"}}"#, true),
    (#"{"StringEquals":{"aws:sourceAccount":"123456789012"}}"#, false),
    // Lines are all to hold.
    (#"{"StringEquals":{"aws:username":"ada","aws:RequestedRegion":"eu-west-1"}}"#, false),
    (#"{"StringEquals":{"aws:username":"ada"},"Bool":{"aws:SecureTransport":"false"}}"#, false),
  ])
  func holdsConditionsAgainstTheRequest(_ condition: String, _ holds: Bool) throws {
    let policy = try identity(#"{"Effect":"Allow","Action":"ecr:*","Resource":"*","Condition":\#(condition)}"#)
    let asked = request {
      $0.resourceTags = ["Team": "core"]
      $0.requestTags = ["a": "1", "b": "2"]
    }
    #expect(ApplicablePolicies(identity: [policy]).evaluate(asked).isAllowed == holds)
  }

  @Test func whatARequestLacksPassesAllValuesAndNotAny() throws {
    for (quantifier, passes) in [("ForAllValues", true), ("ForAnyValue", false)] {
      let policy = try identity(
        #"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"\#(quantifier):StringEquals":{"aws:TagKeys":["a"]}}}"#
      )
      #expect(ApplicablePolicies(identity: [policy]).evaluate(request()).isAllowed == passes)
    }
  }

  @Test(arguments: [
    ("::ffff:192.0.2.7", true), ("192.0.2.7", true), ("2001:db8::1", false), ("fe80::1%eth0", false), ("unix", false),
  ])
  func readsAddressesAsSocketsWriteThem(_ address: String, _ isInside: Bool) throws {
    let inside = try identity(
      #"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}"#)
    let guarded = try identity(
      allowAll,
      #"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}"#)
    for policy in [inside, guarded] {
      let decision = ApplicablePolicies(identity: [policy]).evaluate(request { $0.sourceAddress = address })
      #expect(decision.isAllowed == isInside)
    }
  }

  @Test(arguments: [
    (ManagedPolicy.pullOnly, "ecr:BatchGetImage", true), (.pullOnly, "ecr:ListImages", false),
    (.readOnly, "ecr:ListImages", true),
    (.readOnly, "ecr:PutImage", false), (.powerUser, "ecr:PutImage", true), (.powerUser, "ecr:DeleteRepository", false),
    (.fullAccess, "ecr:DeleteRepository", true), (.fullAccess, "ecr-public:PutImage", false),
    (.publicFullAccess, "ecr-public:PutImage", true),
    (.publicFullAccess, "ecr:PutImage", false), (.administrator, "iam:CreateUser", true),
  ])
  func managedPoliciesAllowWhatTheirNamesSay(_ policy: ManagedPolicy, _ action: String, _ isAllowed: Bool) {
    let decision = ApplicablePolicies(identity: [policy.document]).evaluate(request(ActionName(action)))
    #expect(decision.isAllowed == isAllowed)
  }

  @Test func hostilePatternsCostNothing() throws {
    let stars = String(repeating: "*a", count: 4000)
    let policy = try identity(#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:ecr:*:*:\#(stars)b"}"#)
    let long = request(on: String(repeating: "a", count: 20_000))
    #expect(!ApplicablePolicies(identity: [policy]).evaluate(long).isAllowed)
  }

  @Test func questionMarksStandForOneCharacterOfAnyLength() {
    #expect(Wildcards("a?c").matches("aäc") && !Wildcards("a?c").matches("ac") && !Wildcards("a?c").matches("abbc"))
    #expect(Wildcards("*?").matches("x") && !Wildcards("*?").matches("") && Wildcards("**").matches(""))
  }
}
