public import AccessPolicies

/// What is wrong with what says who may use a registry.
public enum AccessError: Error, CustomStringConvertible {
  case unreadable(String, String)
  case unwritable(String, String)
  case malformedLine(String, line: Int, String)
  case invalidUserName(String)
  case passwordTooLong(bytes: Int)
  case emptyPassword
  case hashFailed(String)
  case userRemoved(String)
  case invalidAccount(String)
  case invalidPolicyName(String)
  case policyUnknown(String)
  case policyExists(String)
  case policyManaged(String)
  case policyAttached(String, users: [String])
  case policyMalformed(String, PolicyError)
  case invalidDuration(Int64)

  public var description: String {
    switch self {
    case .unreadable(let place, let why): "cannot read \(place): \(why)"
    case .unwritable(let place, let why): "cannot write \(place): \(why)"
    case .malformedLine(let place, let line, let what): "\(place):\(line): \(what)"
    case .invalidUserName(let name):
      "\"\(name.prefix(80))\" cannot be a user's name: 1 to 128 letters, digits and . _ @ + - ; AWS is taken by ECR's sign-in"
    case .passwordTooLong(let bytes):
      "the password has \(bytes) bytes; bcrypt reads 72 and would ignore the rest: choose a shorter one"
    case .emptyPassword: "the password is empty"
    case .hashFailed(let why): "cannot hash the password: \(why)"
    case .userRemoved(let name): "the user \(name) was removed; clipper registry user add makes it anew"
    case .invalidAccount(let account): "\"\(account.prefix(40))\" is no account: its id has twelve digits"
    case .invalidPolicyName(let name):
      "\"\(name.prefix(80))\" cannot be a policy's name: 1 to 128 letters, digits and _ + = , . @ -"
    case .policyUnknown(let name):
      "there is no policy \(name.prefix(160)); clipper registry policy list shows those that are"
    case .policyExists(let name): "the policy \(name) exists; give another name, or replace it with --replace"
    case .policyManaged(let name): "the policy \(name) is built in, and cannot be changed"
    case .policyAttached(let name, let users):
      "the policy \(name) is attached to \(users.prefix(8).joined(separator: ", ")); detach it first"
    case .policyMalformed(let name, let error): "policy \(name): \(error)"
    case .invalidDuration(let seconds): "\(seconds) seconds: a key lasts 15 minutes to 36 hours"
    }
  }
}
