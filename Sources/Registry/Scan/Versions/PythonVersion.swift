/// PEP 440, as the version specifiers of PyPA have it.
struct PythonVersion {
  static func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
    switch (PythonVersion(left), PythonVersion(right)) {
    case (let left?, let right?): left.order(against: right)
    // What is no version is older than all that are.
    case (nil, _?): -1
    case (_?, nil): 1
    case (nil, nil): orderBytes(left[...], right[...])
    }
  }

  private var epoch: Bytes = []
  private var release: [Bytes] = []
  /// 0 for alpha, 1 for beta, 2 for a candidate.
  private var pre: (rank: Int, number: Bytes)?
  private var post: Bytes?
  private var development: Bytes?
  private var local: [Bytes]?

  init?(_ text: [UInt8]) {
    let normal = text.map(\.lowercase)
    var rest = normal[...].drop { $0 == 0x20 }
    while rest.last == 0x20 { rest.removeLast() }
    if rest.first == UInt8(ascii: "v") { rest = rest.dropFirst() }
    if let bang = rest.firstIndex(of: UInt8(ascii: "!")) {
      epoch = rest[..<bang]
      guard !epoch.isEmpty, epoch.allSatisfy(\.isDigit) else { return nil }
      rest = rest[(bang + 1)...]
    }
    if let plus = rest.firstIndex(of: UInt8(ascii: "+")) {
      let fields = rest[(plus + 1)...].split(omittingEmptySubsequences: false, whereSeparator: Self.isSeparator)
      guard fields.allSatisfy({ !$0.isEmpty && $0.allSatisfy { $0.isDigit || $0.isLetter } }) else { return nil }
      local = fields
      rest = rest[..<plus]
    }
    guard takeRelease(&rest), takePre(&rest), takePost(&rest), takeDevelopment(&rest), rest.isEmpty else { return nil }
  }

  private static func isSeparator(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
  }

  private mutating func takeRelease(_ rest: inout Bytes) -> Bool {
    repeat {
      if !release.isEmpty { rest = rest.dropFirst() }
      let digits = rest.take(while: \.isDigit)
      guard !digits.isEmpty else { return false }
      release.append(digits)
    } while rest.first == UInt8(ascii: ".") && rest.dropFirst().first?.isDigit == true
    return true
  }

  /// One of `words` with separators around, and its number, which may be left out.
  private static func take(_ words: [String], _ rest: inout Bytes) -> (word: String, number: Bytes)? {
    var after = rest
    if after.first.map(isSeparator) == true { after = after.dropFirst() }
    guard let word = words.first(where: { after.starts(with: $0.utf8) }) else { return nil }
    after = after.dropFirst(word.utf8.count)
    rest = after
    if after.first.map(isSeparator) == true { after = after.dropFirst() }
    let number = after.take(while: \.isDigit)
    if !number.isEmpty { rest = after }
    return (word, number)
  }

  private mutating func takePre(_ rest: inout Bytes) -> Bool {
    // Longer words first: each begins with a shorter one.
    let ranks = ["alpha": 0, "a": 0, "beta": 1, "b": 1, "preview": 2, "pre": 2, "rc": 2, "c": 2]
    if let found = Self.take(["alpha", "a", "beta", "b", "preview", "pre", "rc", "c"], &rest) {
      pre = (ranks[found.word] ?? 0, found.number)
    }
    return true
  }

  private mutating func takePost(_ rest: inout Bytes) -> Bool {
    if rest.first == UInt8(ascii: "-"), rest.dropFirst().first?.isDigit == true {
      rest = rest.dropFirst()
      post = rest.take(while: \.isDigit)
    } else if let found = Self.take(["post", "rev", "r"], &rest) {
      post = found.number
    }
    return true
  }

  private mutating func takeDevelopment(_ rest: inout Bytes) -> Bool {
    if let found = Self.take(["dev"], &rest) { development = found.number }
    return true
  }

  private func order(against other: PythonVersion) -> Int {
    let epochs = orderNumbers(epoch, other.epoch)
    if epochs != 0 { return epochs }
    for index in 0..<max(release.count, other.release.count) {
      let numbers = orderNumbers(
        index < release.count ? release[index] : [], index < other.release.count ? other.release[index] : [])
      if numbers != 0 { return numbers }
    }
    let pres = Scanning.order(preRank, other.preRank)
    if pres != 0 { return pres }
    if let pre, let otherPre = other.pre {
      let numbers = orderNumbers(pre.number, otherPre.number)
      if numbers != 0 { return numbers }
    }
    let posts = Self.order(post, other.post, absent: -1)
    if posts != 0 { return posts }
    let developments = Self.order(development, other.development, absent: 1)
    return developments != 0 ? developments : Self.orderLocals(local, other.local)
  }

  /// A development version without anything else comes before all that is announced, a release after it.
  private var preRank: Int {
    if let pre { return pre.rank }
    return post == nil && development != nil ? -1 : 3
  }

  private static func order(_ left: Bytes?, _ right: Bytes?, absent: Int) -> Int {
    switch (left, right) {
    case (nil, nil): 0
    case (nil, _?): absent
    case (_?, nil): -absent
    case (let left?, let right?): orderNumbers(left, right)
    }
  }

  private static func orderLocals(_ left: [Bytes]?, _ right: [Bytes]?) -> Int {
    guard let left, let right else { return Scanning.order(left == nil ? 0 : 1, right == nil ? 0 : 1) }
    for (leftField, rightField) in zip(left, right) {
      let fields =
        switch (leftField.allSatisfy(\.isDigit), rightField.allSatisfy(\.isDigit)) {
        case (true, true): orderNumbers(leftField, rightField)
        // Words are older than numbers.
        case (true, false): 1
        case (false, true): -1
        case (false, false): orderBytes(leftField, rightField)
        }
      if fields != 0 { return fields }
    }
    return Scanning.order(left.count, right.count)
  }
}
