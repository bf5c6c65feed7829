import SystemBus
import Testing

struct VariantTextTests {
  @Test(
    arguments: [
      ("true", .boolean(true)), (" false ", .boolean(false)), ("5", .int32(5)), ("-5", .int32(-5)), ("+5", .int32(5)),
      ("0x10", .int32(16)), ("010", .int32(8)), ("1.5", .double(1.5)), ("1e3", .double(1000)),
      ("uint64 18446744073709551615", .uint64(.max)), ("@t 7", .uint64(7)), ("byte 255", .byte(255)),
      ("int16 -3", .int16(-3)), ("uint16 3", .uint16(3)), ("int64 -9", .int64(-9)), ("uint32 0x1f", .uint32(31)),
      ("double 2", .double(2)), ("'inactive-or-failed'", .string("inactive-or-failed")), ("\"a'b\"", .string("a'b")),
      (#"'a\'b\n\u00e9'"#, .string("a'b\né")), ("objectpath '/a'", .objectPath("/a")),
      ("signature 'as'", .signature("as")),
      ("b'ab'", .bytes([0x61, 0x62, 0])), ("['a', 'b']", .strings(["a", "b"])), ("@as []", .strings([])),
      ("[1, 2.5]", .array(of: .double, [.double(1), .double(2.5)])),
      ("[uint32 1, 2]", .array(of: .uint32, [.uint32(1), .uint32(2)])),
      ("@au [1]", .array(of: .uint32, [.uint32(1)])), ("<'x'>", .variant(.string("x"))),
      ("('/dev/null', 'rwm')", .structure([.string("/dev/null"), .string("rwm")])),
      ("@(tt) (1, 2)", .structure([.uint64(1), .uint64(2)])),
      ("[[], [1]]", .array(of: .array(.int32), [.array(of: .int32, []), .array(of: .int32, [.int32(1)])])),
      (
        "{'a': <1>}",
        .array(of: .entry(key: .string, value: .variant), [.entry(key: .string("a"), value: .variant(.int32(1)))])
      ),
      ("@a{sv} {}", .array(of: .entry(key: .string, value: .variant), [])),
    ] as [(String, BusValue)])
  func reads(_ text: String, _ value: BusValue) throws {
    #expect(try VariantText.value(text) == value)
  }

  @Test(arguments: [
    "", " ", "word", "'open", "[1", "[1 2]", "[]", "{'a' 1}", "{1: 2", "1 2", "byte 256", "byte -1", "uint32 x",
    "uint32 'a'", "int32 1.5", "[1, 'a']", "@ 1", "@zz 1", "@ii 1", "4294967296", "(1, )x", "()", "<1", "'\\u00'",
    "uint32 uint64 1", "--5", String(repeating: "[", count: 100), "signature '('", "@as ['a', 1]",
    "'" + String(repeating: "a", count: 70_000) + "'",
  ])
  func refuses(_ text: String) {
    #expect(throws: VariantText.Problem.self) { try VariantText.value(text) }
  }
}
