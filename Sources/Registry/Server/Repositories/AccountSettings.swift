public import AccessPolicies
import Metadata

/// What an account chooses for a region. (Amazon ECR, PutAccountSetting)
public enum AccountSetting: String, Hashable, Sendable, CaseIterable {
  /// Whether a push may take a blob from another repository in place of sending it.
  case blobMounting = "BLOB_MOUNTING"
  /// What the registry's policy covers.
  case registryPolicyScope = "REGISTRY_POLICY_SCOPE"
  case basicScanType = "BASIC_SCAN_TYPE_VERSION"

  /// The values that are honoured here, the default first.
  ///
  /// Mounting is on unlike in AWS: the distribution-spec has it, and a caller mounts only what it may read.
  public var values: [String] {
    switch self {
    case .blobMounting: ["ENABLED", "DISABLED"]
    case .registryPolicyScope: ["V2", "V1"]
    case .basicScanType: ["AWS_NATIVE"]
    }
  }
}

extension SettingKind {
  static let account = SettingKind("account")
}

extension Registry {
  public func accountSetting(_ setting: AccountSetting) throws -> String {
    try self.setting(.account, setting.rawValue, as: String.self) ?? setting.values[0]
  }

  /// What the registry's policy decides on: all actions, unless the account has chosen ECR's first scope.
  public func registryPolicyScope() throws -> RegistryPolicyScope { try metadata.read { try registryPolicyScope($0) } }

  func registryPolicyScope(_ session: any SQLSession) throws -> RegistryPolicyScope {
    let chosen = try setting(session, .account, AccountSetting.registryPolicyScope.rawValue, as: String.self)
    return chosen.flatMap(RegistryPolicyScope.init) ?? .v2
  }

  /// `value` is one of the setting's.
  public func setAccountSetting(_ setting: AccountSetting, _ value: String) throws {
    try setSetting(.account, setting.rawValue, value)
  }
}
