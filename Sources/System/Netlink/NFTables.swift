/// The parts of nf_tables' language that Clipper's table is written in. (linux/netfilter/nf_tables.h)
enum NFTables {
  static let newTable: UInt16 = 0, getTable: UInt16 = 1, deleteTable: UInt16 = 2
  static let newChain: UInt16 = 3, getChain: UInt16 = 4, deleteChain: UInt16 = 5
  static let newRule: UInt16 = 6, deleteRule: UInt16 = 8
  static let newSet: UInt16 = 9
  static let newElement: UInt16 = 12, getElement: UInt16 = 13, deleteElement: UInt16 = 14

  /// Types by which nft(8) shows keys and values; several make one by six bits each.
  enum DataType: UInt32 {
    case address = 7
    case transport = 12
    case port = 13
    case interfaceName = 41

    var length: UInt32 {
      switch self {
      case .address, .transport, .port: 4
      case .interfaceName: 16
      }
    }

    /// Bytes before padding.
    var width: Int {
      switch self {
      case .address: 4
      case .transport: 1
      case .port: 2
      case .interfaceName: 16
      }
    }
  }

  enum Value {
    case none
    case verdict
    case data([DataType])
  }

  static func message(_ type: UInt16, _ flags: NetlinkMessage.Flags, acknowledge: Bool = false) -> NetlinkMessage {
    // nfgenmsg: family IPv4, version 0, resource 0
    NetlinkMessage(
      type: 10 << 8 | type, flags: acknowledge ? flags.union([.request, .acknowledge]) : flags.union(.request),
      body: [2, 0, 0, 0])
  }

  /// A transaction: all of it happens, or nothing.
  static func batch(_ messages: [NetlinkMessage]) -> [NetlinkMessage] {
    // The resource of a batch is the subsystem, in network order.
    let begin = NetlinkMessage(type: 0x10, flags: .request, body: [0, 0, 0, 10])
    let end = NetlinkMessage(type: 0x11, flags: .request, body: [0, 0, 0, 10])
    return [begin] + messages + [end]
  }

  static func table(_ name: String) -> NetlinkMessage {
    var message = message(newTable, .create)
    message.attribute(1, name)
    return message
  }

  /// A chain at a hook, or without one a chain that others jump to.
  static func chain(_ table: String, _ name: String, hook: (type: String, number: UInt32, priority: Int32)? = nil) -> NetlinkMessage {
    var message = message(newChain, .create)
    message.attribute(1, table)
    message.attribute(3, name)
    if let hook {
      message.nested(4) { nested in
        nested.attribute(1, hook.number.networkBytes)
        nested.attribute(2, hook.priority.networkBytes)
      }
      message.attribute(5, UInt32(1).networkBytes)
      message.attribute(7, hook.type)
    }
    return message
  }

  static func removeChain(_ table: String, _ name: String) -> NetlinkMessage {
    var message = message(deleteChain, [])
    message.attribute(1, table)
    message.attribute(3, name)
    return message
  }

  /// Removes all rules of a chain.
  static func flush(_ table: String, _ chain: String) -> NetlinkMessage {
    var message = message(deleteRule, [])
    message.attribute(1, table)
    message.attribute(2, chain)
    return message
  }

  static func rule(_ table: String, _ chain: String, _ expressions: [Expression]) -> NetlinkMessage {
    var message = message(newRule, [.create, .append])
    message.attribute(1, table)
    message.attribute(2, chain)
    message.nested(4) { list in
      for expression in expressions {
        list.nested(1) { element in
          element.attribute(1, expression.name)
          element.nested(2) { expression.write(&$0) }
        }
      }
    }
    return message
  }

  /// - Parameter interval: elements are ranges.
  static func set(
    _ table: String, _ name: String, id: UInt32, key: [DataType], value: Value = .none, interval: Bool = false
  ) -> NetlinkMessage {
    var flags: UInt32 = interval ? 4 : 0
    var message = message(newSet, .create)
    message.attribute(1, table)
    message.attribute(2, name)
    if case .none = value {} else { flags |= 8 }
    message.attribute(3, flags.networkBytes)
    message.attribute(4, typeNumber(key).networkBytes)
    message.attribute(5, key.reduce(0) { $0 + $1.length }.networkBytes)
    switch value {
    case .none: break
    case .verdict:
      message.attribute(6, UInt32(0xffff_ff00).networkBytes)
      message.attribute(7, UInt32(0).networkBytes)
    case .data(let types):
      message.attribute(6, typeNumber(types).networkBytes)
      message.attribute(7, types.reduce(0) { $0 + $1.length }.networkBytes)
    }
    message.attribute(10, id.networkBytes)
    return message
  }

  private static func typeNumber(_ types: [DataType]) -> UInt32 { types.reduce(0) { $0 << 6 | $1.rawValue } }

  struct Element {
    var key: [UInt8]
    var value: ElementValue = .none
    /// The first key after a range.
    var isEnd = false

    enum ElementValue {
      case none
      case data([UInt8])
      case jump(String)
    }
  }

  static func elements(
    _ type: UInt16, _ flags: NetlinkMessage.Flags, _ table: String, _ set: String, _ elements: [Element]
  ) -> NetlinkMessage {
    var message = message(type, flags)
    message.attribute(1, table)
    message.attribute(2, set)
    message.nested(3) { list in
      for element in elements {
        list.nested(1) { item in
          item.nested(1) { $0.attribute(1, element.key) }
          switch element.value {
          case .none: break
          case .data(let bytes): item.nested(2) { $0.attribute(1, bytes) }
          case .jump(let chain): item.nested(2) { $0.nested(2) { verdict(&$0, code: -3, chain: chain) } }
          }
          if element.isEnd { item.attribute(3, UInt32(1).networkBytes) }
        }
      }
    }
    return message
  }

  fileprivate static func verdict(_ message: inout NetlinkMessage, code: Int32, chain: String? = nil) {
    message.attribute(1, code.networkBytes)
    if let chain { message.attribute(2, chain) }
  }

  /// Pads each part of a key or value to four bytes.
  static func concatenated(_ parts: [UInt8]...) -> [UInt8] {
    parts.flatMap { $0 + [UInt8](repeating: 0, count: (4 - $0.count % 4) % 4) }
  }

  static func interfaceName(_ name: String) -> [UInt8] {
    let bytes = Array(name.utf8.prefix(15))
    return bytes + [UInt8](repeating: 0, count: 16 - bytes.count)
  }
}

extension NFTables {
  /// One step of a rule. Registers are those of four bytes, counted from 0.
  enum Expression {
    case inputInterface(into: UInt32)
    case outputInterface(into: UInt32)
    case transportProtocol(into: UInt32)
    case sourceAddress(into: UInt32)
    case destinationAddress(into: UInt32)
    case destinationPort(into: UInt32)
    case isEqual(UInt32, [UInt8])
    case isNotEqual(UInt32, [UInt8])
    case isMember(of: String, from: UInt32, inverted: Bool = false)
    /// The rule ends here for a key that is not in the map.
    case map(String, from: UInt32, into: UInt32)
    case verdictMap(String, from: UInt32)
    /// The destination address is one of this host.
    case destinationIsLocal
    /// The connection's destination was translated.
    case isTranslated
    case isNotTranslated
    /// The next of 0, 1, … modulo.
    case counter(into: UInt32, modulus: UInt32)
    case value(into: UInt32, [UInt8])
    /// Address in the first register, port in the second.
    case translateDestination(address: UInt32, port: UInt32)
    case masquerade
    case accept
    case drop

    var parts: [Expression] {
      switch self {
      case .destinationIsLocal: [.fib(into: 15), .isEqual(15, hostOrder(2 /* RTN_LOCAL */))]
      case .isTranslated:
        [.connectionStatus(into: 15), .mask(15, hostOrder(0x20 /* IPS_DST_NAT */)), .isNotEqual(15, hostOrder(0))]
      case .isNotTranslated:
        [.connectionStatus(into: 15), .mask(15, hostOrder(0x20)), .isEqual(15, hostOrder(0))]
      default: [self]
      }
    }

    // Only as parts of others.
    case fib(into: UInt32)
    case connectionStatus(into: UInt32)
    case mask(UInt32, [UInt8])

    var name: String {
      switch self {
      case .inputInterface, .outputInterface, .transportProtocol: "meta"
      case .sourceAddress, .destinationAddress, .destinationPort: "payload"
      case .isEqual, .isNotEqual: "cmp"
      case .isMember, .map, .verdictMap: "lookup"
      case .fib, .destinationIsLocal: "fib"
      case .connectionStatus, .isTranslated, .isNotTranslated: "ct"
      case .mask: "bitwise"
      case .counter: "numgen"
      case .value, .accept, .drop: "immediate"
      case .translateDestination: "nat"
      case .masquerade: "masq"
      }
    }

    func write(_ data: inout NetlinkMessage) {
      switch self {
      case .inputInterface(let register): Self.meta(&data, 6, register)
      case .outputInterface(let register): Self.meta(&data, 7, register)
      case .transportProtocol(let register): Self.meta(&data, 16, register)
      case .sourceAddress(let register): Self.payload(&data, register, base: 1, offset: 12, length: 4)
      case .destinationAddress(let register): Self.payload(&data, register, base: 1, offset: 16, length: 4)
      case .destinationPort(let register): Self.payload(&data, register, base: 2, offset: 2, length: 2)
      case .isEqual(let register, let value): Self.compare(&data, register, 0, value)
      case .isNotEqual(let register, let value): Self.compare(&data, register, 1, value)
      case .isMember(let set, let register, let inverted):
        data.attribute(1, set)
        data.attribute(2, Self.number(register))
        if inverted { data.attribute(5, UInt32(1).networkBytes) }
      case .map(let set, let from, let into):
        data.attribute(1, set)
        data.attribute(2, Self.number(from))
        data.attribute(3, Self.number(into))
      case .verdictMap(let set, let from):
        data.attribute(1, set)
        data.attribute(2, Self.number(from))
        data.attribute(3, UInt32(0).networkBytes)
      case .fib(let register):
        data.attribute(1, Self.number(register))
        data.attribute(2, UInt32(3 /* NFT_FIB_RESULT_ADDRTYPE */).networkBytes)
        data.attribute(3, UInt32(2 /* NFTA_FIB_F_DADDR */).networkBytes)
      case .connectionStatus(let register):
        data.attribute(1, Self.number(register))
        data.attribute(2, UInt32(2 /* NFT_CT_STATUS */).networkBytes)
      case .mask(let register, let mask):
        data.attribute(1, Self.number(register))
        data.attribute(2, Self.number(register))
        data.attribute(3, UInt32(mask.count).networkBytes)
        data.nested(4) { $0.attribute(1, mask) }
        data.nested(5) { $0.attribute(1, [UInt8](repeating: 0, count: mask.count)) }
      case .counter(let register, let modulus):
        data.attribute(1, Self.number(register))
        data.attribute(2, modulus.networkBytes)
        data.attribute(3, UInt32(0 /* NFT_NG_INCREMENTAL */).networkBytes)
        data.attribute(4, UInt32(0).networkBytes)
      case .value(let register, let bytes):
        data.attribute(1, Self.number(register))
        data.nested(2) { $0.attribute(1, bytes) }
      case .translateDestination(let address, let port):
        data.attribute(1, UInt32(1 /* NFT_NAT_DNAT */).networkBytes)
        data.attribute(2, UInt32(2 /* NFPROTO_IPV4 */).networkBytes)
        data.attribute(3, Self.number(address))
        data.attribute(5, Self.number(port))
      case .masquerade: break
      case .accept: Self.verdict(&data, 1)
      case .drop: Self.verdict(&data, 0)
      case .destinationIsLocal, .isTranslated, .isNotTranslated: break
      }
    }

    /// NFT_REG32_00 is 8.
    private static func number(_ register: UInt32) -> [UInt8] { (8 + register).networkBytes }

    private static func meta(_ data: inout NetlinkMessage, _ key: UInt32, _ register: UInt32) {
      data.attribute(1, number(register))
      data.attribute(2, key.networkBytes)
    }

    private static func payload(_ data: inout NetlinkMessage, _ register: UInt32, base: UInt32, offset: UInt32, length: UInt32) {
      data.attribute(1, number(register))
      data.attribute(2, base.networkBytes)
      data.attribute(3, offset.networkBytes)
      data.attribute(4, length.networkBytes)
    }

    private static func compare(_ data: inout NetlinkMessage, _ register: UInt32, _ operation: UInt32, _ value: [UInt8]) {
      data.attribute(1, number(register))
      data.attribute(2, operation.networkBytes)
      data.nested(3) { $0.attribute(1, value) }
    }

    private static func verdict(_ data: inout NetlinkMessage, _ code: Int32) {
      data.attribute(1, UInt32(0).networkBytes)
      data.nested(2) { $0.nested(2) { NFTables.verdict(&$0, code: code) } }
    }

    private func hostOrder(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
  }
}
