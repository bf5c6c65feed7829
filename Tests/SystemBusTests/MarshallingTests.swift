import Testing

@testable import SystemBus

struct MarshallingTests {
  static let values: [BusValue] = [
    .byte(0xff), .boolean(true), .boolean(false), .int16(-2), .uint16(0xfffe), .int32(.min), .uint32(.max),
    .int64(.min), .uint64(.max), .double(-1.5), .string(""), .string("grüße, 世界"), .objectPath("/"),
    .objectPath("/org/freedesktop/systemd1"), .signature("a{sv}(ii)"), .descriptor(3), .variant(.string("x")),
    .variant(.variant(.byte(1))), .bytes([1, 2, 3]), .strings(["a", "", "bcd"]), .array(of: .uint64, []),
    .array(
      of: .structure([.string, .variant]), [.structure([.string("PIDs"), .variant(.array(of: .uint32, [.uint32(1)]))])]),
    .structure([.byte(1), .structure([.int64(2)]), .byte(3), .double(4)]),
    .array(of: .entry(key: .string, value: .variant), [.entry(key: .string("k"), value: .variant(.int32(7)))]),
  ]

  @Test(arguments: values, [BusEncoder.ByteOrder.little, .big])
  func whatIsWrittenIsRead(_ value: BusValue, _ order: BusEncoder.ByteOrder) throws {
    // An odd start, so that padding matters.
    var encoder = BusEncoder(order)
    encoder.append(.byte(9))
    encoder.append(value)
    var decoder = BusDecoder(encoder.bytes[...], order)
    #expect(try decoder.value(.byte) == .byte(9))
    #expect(try decoder.value(value.type) == value)
    #expect(decoder.isAtEnd)
    #expect(try BusType.single(value.type.code) == value.type)
  }

  /// The examples of the specification: strings and an array of INT64. (D-Bus Specification, Marshaling)
  @Test func bytesAreTheSpecifications() {
    var strings = BusEncoder()
    for text in ["foo", "+", "bar"] { strings.append(.string(text)) }
    #expect(
      strings.bytes == [3, 0, 0, 0, 0x66, 0x6f, 0x6f, 0, 1, 0, 0, 0, 0x2b, 0, 0, 0, 3, 0, 0, 0, 0x62, 0x61, 0x72, 0])
    var array = BusEncoder(.big)
    array.append(.array(of: .int64, [.int64(5)]))
    #expect(array.bytes == [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5])
    var variant = BusEncoder()
    variant.append(.variant(.uint32(6)))
    #expect(variant.bytes == [1, 0x75, 0, 0, 6, 0, 0, 0])
  }

  /// The first message of every client, as dbus-daemon sees it.
  @Test func aCallIsTheReferences() throws {
    var hello = BusMessage(.call, serial: 1)
    hello.path = "/org/freedesktop/DBus"
    hello.interface = "org.freedesktop.DBus"
    hello.member = "Hello"
    hello.destination = "org.freedesktop.DBus"
    let bytes = hello.encoded([])
    #expect(bytes[..<16] == [0x6c, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0x6d, 0, 0, 0])
    #expect(bytes[16..<24] == [1, 1, 0x6f, 0, 0x15, 0, 0, 0])
    #expect(bytes.count == 128)
    #expect(try BusMessage.length(bytes[..<16]) == bytes.count)
  }

  @Test(arguments: [BusEncoder.ByteOrder.little, .big])
  func messagesComeBack(_ order: BusEncoder.ByteOrder) throws {
    var message = BusMessage(.error, serial: 7)
    message.errorName = "org.freedesktop.systemd1.UnitExists"
    message.replySerial = 3
    message.sender = ":1.2"
    message.destination = ":1.5"
    let read = try BusMessage(message.encoded([.string("why"), .byte(1)], order)[...])
    #expect(read.kind == .error)
    #expect(read.serial == 7)
    #expect(read.replySerial == 3)
    #expect(read.errorName == message.errorName)
    #expect(try read.values() == [.string("why"), .byte(1)])
  }

  @Test(arguments: [
    "a", "(", "()", ")", "{sv}", "a{sv", "a{vs}", "a{s}", "a{svv}", "z", "(i", "i)", "e", "r", "é",
    String(repeating: "a", count: 33) + "y",
    String(repeating: "(", count: 33) + "y" + String(repeating: ")", count: 33),
    String(repeating: "y", count: 256),
  ])
  func refusesSignature(_ signature: String) {
    #expect(throws: BusError.self) { try BusType.types(in: signature) }
  }

  @Test func refusesValues() {
    func refused(_ type: BusType, _ bytes: [UInt8]) {
      #expect(throws: BusError.self, "\(type) of \(bytes)") {
        var decoder = BusDecoder(bytes[...], .little)
        _ = try decoder.value(type)
      }
    }
    refused(.boolean, [2, 0, 0, 0])
    refused(.uint32, [1, 0, 0])
    refused(.string, [1, 0, 0, 0, 0x61])
    refused(.string, [1, 0, 0, 0, 0x61, 1])
    refused(.string, [2, 0, 0, 0, 0x61, 0, 0])
    refused(.string, [1, 0, 0, 0, 0xff, 0])
    refused(.string, [0xff, 0xff, 0xff, 0xff, 0x61, 0])
    refused(.objectPath, [1, 0, 0, 0, 0x61, 0])
    refused(.objectPath, [2, 0, 0, 0, 0x2f, 0x2f, 0])
    refused(.objectPath, [3, 0, 0, 0, 0x2f, 0x61, 0x2f, 0])
    refused(.signature, [1, 0x28, 0])
    refused(.variant, [0, 0])
    refused(.variant, [2, 0x79, 0x79, 0, 1, 2])
    refused(.array(.uint32), [3, 0, 0, 0, 1, 2, 3, 4])
    refused(.array(.byte), [0xff, 0xff, 0xff, 0x7f, 1])
    refused(.array(.string), [5, 0, 0, 0, 1, 0, 0, 0, 0x61, 0])
    refused(.structure([.byte, .uint32]), [1, 9, 0, 0, 1, 0, 0, 0])
  }

  /// A variant in a variant in … costs three bytes a level.
  @Test func variantsDoNotNestForEver() {
    let levels: [[UInt8]] = Array(repeating: [1, 0x76, 0], count: 5000)
    let deep: [UInt8] = Array(levels.joined()) + [1, 0x79, 0, 1]
    #expect(throws: BusError.self) {
      var decoder = BusDecoder(deep[...], .little)
      _ = try decoder.value(.variant)
    }
  }

  @Test func refusesMessages() throws {
    let good = BusMessage(.signal, serial: 1).encoded([.strings(["a"])])
    _ = try BusMessage(good[...])
    func refused(_ change: (inout [UInt8]) -> Void) {
      var bytes = good
      change(&bytes)
      #expect(throws: BusError.self, "\(bytes)") {
        _ = try BusMessage.length(bytes.prefix(16))
        _ = try BusMessage(bytes[...]).values()
      }
    }
    refused { $0[0] = 0x78 }
    refused { $0[3] = 2 }
    refused { $0[4] = 200 }
    refused { $0[7] = 0x7f }
    refused { $0[8] = 0 }
    refused { $0[12] = 0xff }
    refused { $0[15] = 0xff }
    refused { $0.removeLast() }
    refused { $0.append(0) }
    refused { $0 = Array($0.prefix(10)) }
    // The signature's field says an object path.
    refused { $0[16] = 1 }
  }

  /// Kinds and header fields of later versions are passed over.
  @Test func ignoresWhatIsNotKnown() throws {
    var signal = BusMessage(.signal, serial: 1)
    signal.path = "/a"
    var bytes = signal.encoded([.byte(1)])
    bytes[1] = 77
    // The path's field, the first.
    bytes[16] = 99
    let read = try BusMessage(bytes[...])
    #expect(read.kind == nil)
    #expect(read.path == nil)
    #expect(try read.values() == [.byte(1)])
  }

  /// Whatever comes, it is an error or a message, and never the end of the program.
  @Test func survivesEveryChangedByte() {
    var call = BusMessage(.call, serial: 5)
    call.path = "/a"
    call.member = "M"
    let good = call.encoded(Self.values)
    var state: UInt32 = 1
    for _ in 0..<20_000 {
      var bytes = good
      for _ in 0..<3 {
        state = state &* 1_664_525 &+ 1_013_904_223
        let place = Int(state >> 8) % bytes.count
        state = state &* 1_664_525 &+ 1_013_904_223
        bytes[place] = UInt8(truncatingIfNeeded: state >> 16)
      }
      _ = try? BusMessage(bytes[...]).values()
      _ = try? BusMessage.length(bytes.prefix(16))
      _ = try? BusMessage(bytes.prefix(Int(state >> 8) % bytes.count)).values()
    }
  }
}
