import Testing

@testable import AccessPolicies

@Suite struct PolicyParsingTests {
  private func error(_ text: String, as kind: PolicyDocument.Kind) -> PolicyError? {
    do throws(PolicyError) {
      _ = try PolicyDocument(parsing: text, as: kind)
      return nil
    } catch {
      return error
    }
  }

  @Test func readsARepositoryPolicyAsConsolesWriteIt() throws {
    let text = """
      {
        "Version": "2008-10-17",
        "Statement": [
          {
            "Sid": "new statement",
            "Effect": "Allow",
            "Principal": {"AWS": ["arn:aws:iam::123456789012:root", "210987654321"], "Service": "codebuild.amazonaws.com"},
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          },
          {"Sid": "new statement", "Effect": "Deny", "Principal": "*", "Action": "ecr:DeleteRepository",
           "Condition": {"StringLike": {"aws:sourceArn": "arn:aws:lambda:us-east-1:123456789012:function:*"}}}
        ]
      }
      """
    let policy = try PolicyDocument(parsing: text, as: .repository)
    #expect(policy.statements.map(\.sid) == ["new statement", "new statement"] && policy.version == .y2008)
    #expect(policy.text == text)
  }

  @Test func takesOneStatementWithoutAList() throws {
    let policy = try PolicyDocument(
      parsing: #"{"Version":"2012-10-17","Id":"x","Statement":{"Effect":"Allow","Action":"ecr:*","Resource":"*"}}"#,
      as: .identity)
    #expect(policy.statements.count == 1 && policy.id == "x")
  }

  /// What is wrong, and the words that must tell it.
  @Test(arguments: [
    ("", "ends"), ("[]", "not an object"), ("{}", "Statement is missing"), (#"{"Statement":[]}"#, "no statement"),
    (#"{"Statement":[{}]} x"#, "follows"), (#"{"Statement":[],"Statement":[]}"#, "twice"),
    (#"{"Version":"2012-10-18","Statement":[{}]}"#, "Version: not one of"),
    (#"{"statement":[]}"#, "written Statement"), (#"{"Statement":[{}]}"#, "Effect is missing"),
    (#"{"Statement":[{"Effect":"allow"}]}"#, "not Allow or Deny"),
    (#"{"Statement":[{"Effect":"Allow"}]}"#, "Action is missing"),
    (#"{"Statement":[{"Effect":"Allow","Action":"ecr:*","NotAction":"ecr:*"}]}"#, "exclude"),
    (#"{"Statement":[{"Effect":"Allow","Action":[]}]}"#, "empty"),
    (#"{"Statement":[{"Effect":"Allow","Action":"GetImage"}]}"#, "no action"),
    (#"{"Statement":[{"Effect":"Allow","Action":"ec*:GetImage"}]}"#, "no action"),
    (#"{"Statement":[{"Effect":"Allow","Action":"ecr:*"}]}"#, "Resource is missing"),
    (#"{"Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":"app"}]}"#, "no ARN"),
    (#"{"Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":"*","Principal":"*"}]}"#, "Principal has no place"),
    (#"{"Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":"*","Conditions":{}}]}"#, "not known here"),
    (#"{"Statement":[{"Effect":"Allow","Action":"ecr:*","Resource":1}]}"#, "not a text"),
    ("{\"Statement\":\"\u{1}\"}", "control"), (#"{"Statement":"\ud800"}"#, "surrogate"),
  ])
  func saysWhatIsWrong(_ text: String, _ words: String) {
    let found = error(text, as: .identity)
    #expect(found?.description.contains(words) == true, "\(String(describing: found))")
  }

  @Test(arguments: [
    (#"{"Bytes":{"aws:username":"x"}}"#, "operator is not known"),
    (#"{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#, "key is not supported"),
    (#"{"stringequals":{"aws:username":"x"}}"#, "operator is not known"),
    (#"{"NullIfExists":{"aws:username":"true"}}"#, "operator is not known"),
    (#"{"SomeValues:StringEquals":{"aws:username":"x"}}"#, "ForAnyValue"),
    (#"{"Bool":{"aws:username":"true"}}"#, "does not fit"),
    (#"{"Bool":{"aws:SecureTransport":"yes"}}"#, "true and false"),
    (#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}"#, "no address"),
    (#"{"IpAddress":{"aws:SourceIp":"10.0.0"}}"#, "no address"),
    (#"{"DateLessThan":{"aws:CurrentTime":"2026-02-30"}}"#, "no time"),
    (#"{"NumericEquals":{"aws:EpochTime":"soon"}}"#, "no number"),
    (#"{"StringEquals":{"aws:TagKeys":"x"}}"#, "several values"), (#"{"StringEquals":{"aws:username":[]}}"#, "empty"),
    (#"{"StringEquals":{"aws:username":{}}}"#, "a value is"),
    (#"{"StringEquals":{"aws:username":"${aws:nobody}"}}"#, "variable"),
    (#"{"StringEquals":{"aws:username":"${aws:username"}}"#, "closing brace"),
    (#"{"ArnLike":{"aws:PrincipalArn":"*"}}"#, "no ARN"),
    (#"{"StringEquals":{"ecr:ResourceTag/":"x"}}"#, "not supported"),
  ])
  func refusesConditionsThatItCannotKeep(_ condition: String, _ words: String) {
    let text =
      #"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ecr:*","Resource":"*","Condition":\#(condition)}]}"#
    let found = error(text, as: .identity)
    #expect(found?.description.contains(words) == true, "\(String(describing: found))")
    #expect(found?.path.hasPrefix("Statement[0].Condition") == true)
  }

  @Test(arguments: [
    (#""AWS""#, "a principal is"), (#"{}"#, "empty"), (#"{"Federated":"x"}"#, "Federated"),
    (#"{"CanonicalUser":"x"}"#, "CanonicalUser"),
    (#"{"AWS":"arn:aws:iam::123456789012:user/a*"}"#, "wildcards"), (#"{"AWS":"12345"}"#, "no principal"),
    (#"{"AWS":"arn:aws:s3::123456789012:x"}"#, "no principal"), (#"{"Service":"codebuild"}"#, "no service"),
  ])
  func refusesPrincipalsThatCannotBe(_ principal: String, _ words: String) {
    let found = error(
      #"{"Statement":[{"Effect":"Allow","Action":"ecr:*","Principal":\#(principal)}]}"#, as: .repository)
    #expect(found?.description.contains(words) == true, "\(String(describing: found))")
  }

  @Test func keepsElementsInTheirKindsOfPolicies() {
    let resource = #"{"Statement":[{"Effect":"Allow","Action":"ecr:*","Principal":"*","Resource":"*"}]}"#
    #expect(error(resource, as: .repository)?.message.contains("Resource has no place") == true)
    #expect(error(resource, as: .registry) == nil)
    let exclusion = #"{"Statement":[{"Effect":"Allow","Action":"ecr:*","NotPrincipal":{"AWS":"123456789012"}}]}"#
    #expect(error(exclusion, as: .repository)?.message.contains("Deny alone") == true)
    let bare = #"{"Statement":[{"Effect":"Allow","Action":"ecr:*"}]}"#
    #expect(error(bare, as: .repository)?.message == "Principal is missing")
  }

  @Test func tellsTheLine() {
    let found = error("{\n  \"Statement\": [\n    {\"Effect\": \"Allow\",\n     \"Action\": \"x\"}]}", as: .identity)
    #expect(found?.line == 4 && found?.path == "Statement[0].Action")
  }

  @Test func boundsSizeAndDepth() {
    #expect(error(String(repeating: " ", count: 10_241), as: .repository)?.message.contains("10240") == true)
    #expect(error(String(repeating: "[", count: 10_000), as: .identity)?.message.contains("too deep") == true)
    #expect(
      error(#"{"Statement":"# + String(repeating: #"{"a":"#, count: 2000), as: .identity)?.message.contains("too deep")
        == true)
  }

  @Test(arguments: ManagedPolicy.allCases)
  func hasPoliciesThatItWouldTakeItself(_ policy: ManagedPolicy) throws {
    let read = try PolicyDocument(parsing: policy.document.text, as: .identity)
    #expect(read == policy.document && read.statements.count == 1)
    #expect(ManagedPolicy(named: policy.arn) == policy && ManagedPolicy(named: policy.rawValue) == policy)
  }
}
