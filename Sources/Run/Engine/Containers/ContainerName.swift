/// Names of containers, volumes, networks and pods.
enum ContainerName {
  static func isValid(_ name: String) -> Bool {
    guard let first = name.utf8.first, isAlphanumeric(first), name.utf8.count <= 255 else { return false }
    return name.utf8.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    default: false
    }
  }

  /// Two words, `brave_heron`; from the third try on with a number.
  static func random(attempt: Int = 0) -> String {
    let name = "\(pick(adjectives))_\(pick(birds))"
    return attempt < 2 ? name : "\(name)\(Int.random(in: 0...999))"
  }

  private static func pick(_ words: [StaticString]) -> String { String(describing: words[Int.random(in: 0..<words.count)]) }

  private static let adjectives: [StaticString] = [
    "able", "amber", "ample", "apt", "avid", "blithe", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid",
    "cheery", "civil", "clear", "clever", "cosmic", "crisp", "curious", "daring", "deft", "eager", "early", "easy",
    "elated", "epic", "fair", "fancy", "fearless", "fine", "fleet", "fond", "frank", "fresh", "gentle", "glad", "golden",
    "good", "grand", "happy", "hardy", "hearty", "honest", "humble", "ideal", "jolly", "jovial", "keen", "kind", "lively",
    "loyal", "lucid", "lucky", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "peppy", "plucky",
    "polite", "prime", "proud", "quick", "quiet", "rapid", "ready", "robust", "rosy", "serene", "sharp", "shiny",
    "sincere", "sleek", "smart", "snug", "solid", "spry", "steady", "stoic", "sunny", "super", "swift", "tidy", "trusty",
    "upbeat", "valiant", "vivid", "warm", "wise", "witty", "zesty",
  ]

  private static let birds: [StaticString] = [
    "albatross", "auk", "avocet", "bittern", "bluebird", "bunting", "bustard", "buzzard", "chickadee", "condor", "coot",
    "cormorant", "crane", "crossbill", "curlew", "dipper", "dotterel", "dove", "duck", "dunlin", "eagle", "egret",
    "eider", "falcon", "finch", "flamingo", "gannet", "godwit", "goldfinch", "goose", "grebe", "grouse", "guillemot",
    "gull", "harrier", "hawk", "heron", "hoopoe", "ibis", "jackdaw", "jay", "kestrel", "kingfisher", "kite", "kiwi",
    "lapwing", "lark", "linnet", "loon", "magpie", "mallard", "martin", "merlin", "nightjar", "nuthatch", "oriole",
    "osprey", "ouzel", "owl", "partridge", "pelican", "petrel", "pheasant", "pigeon", "pintail", "pipit", "plover",
    "puffin", "quail", "raven", "redpoll", "redshank", "robin", "rook", "ruff", "sanderling", "shearwater", "shrike",
    "siskin", "skua", "snipe", "sparrow", "spoonbill", "starling", "stork", "swallow", "swan", "swift", "teal", "tern",
    "thrush", "turnstone", "wagtail", "warbler", "waxwing", "whimbrel", "widgeon", "woodcock", "wren", "yellowhammer",
  ]

  /// 64 hexadecimal digits.
  static func newID() -> String {
    var text = ""
    for _ in 0..<4 {
      let digits = String(UInt64.random(in: 0...UInt64.max), radix: 16)
      text += String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
    // The short form must not read as a number: it is also a host's name.
    return text.utf8.prefix(12).allSatisfy({ (0x30...0x39).contains($0) }) ? newID() : text
  }
}
