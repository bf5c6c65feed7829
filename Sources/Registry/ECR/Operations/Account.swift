internal import RegistryServer

struct AccountSettingOutput: Encodable {
  let name: String
  let value: String
}

extension AccountSetting {
  /// Throws `ECRError` for a name that is none.
  fileprivate init(_ name: String) throws {
    guard let setting = AccountSetting(rawValue: name) else {
      throw ECRError.invalidParameter(
        "name", "must be one of \(AccountSetting.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    self = setting
  }
}

struct GetAccountSetting: OperationInput {
  var name: String

  enum CodingKeys: String, CodingKey, CaseIterable { case name }

  func run(_ call: Call) throws -> AccountSettingOutput {
    AccountSettingOutput(name: name, value: try call.registry.accountSetting(AccountSetting(name)))
  }
}

struct PutAccountSetting: OperationInput {
  var name: String
  var value: String

  enum CodingKeys: String, CodingKey, CaseIterable { case name, value }

  func run(_ call: Call) throws -> AccountSettingOutput {
    let setting = try AccountSetting(name)
    guard setting.values.contains(value) else {
      throw ECRError.invalidParameter(
        "value", "must be \(setting.values.joined(separator: " or ")); this registry has nothing else for \(name)")
    }
    try call.registry.setAccountSetting(setting, value)
    return AccountSettingOutput(name: name, value: value)
  }
}

extension Operation {
  static let account = [Operation(GetAccountSetting.self), Operation(PutAccountSetting.self)]
}
