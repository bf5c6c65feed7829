import DockerfileSyntax
import Testing

/// Cases whose results were looked up in docker's builder.
@Suite("substitution, as docker does it") struct SubstitutionRulesTests {
  static let variables = [
    "HOME": "/srv", "NULL": "", "GREEK": "λόγος", "P": "a/b/a/c.tar.gz", "STARS": "x*y*z", "Q": "??!",
  ]

  @Test(arguments: [
    ("plain", "plain"), ("it\\'s", "it's"), ("a'b c'd", "ab cd"), ("\"it's\"", "it's"), ("'$HOME'", "$HOME"),
    ("\"'$HOME'\"", "'/srv'"),
    // Only quotes, dollars and the escape can be escaped in double quotes.
    (#""a\tb""#, #"a\tb"#), (#""a\\b""#, #"a\b"#), (#""\$HOME""#, "$HOME"), (#"'a\'"#, #"a\"#), (#"a\tb"#, "atb"),
    ("trailing\\", "trailing"),
  ])
  func quotesAndEscapes(text: String, expected: String) throws {
    #expect(try ShellLexer().word(text, Self.variables) == expected)
  }

  @Test(arguments: [
    ("$", "$"), ("a$", "a$"), ("$.", "$."), ("$HOME_x", ""), ("$HOME.x", "/srv.x"), ("$1x", "x"), ("$12x", "x"),
    ("$GREEK!", "λόγος!"),
    ("${NULL:-d}", "d"), ("${NULL-d}", ""), ("${NO:-}", ""), ("${NO:-${NULL:-$HOME}}", "/srv"),
    ("${HOME:+-${HOME}}", "-/srv"),
    ("${NO:-'a b'}", "a b"), ("${NO:-\"$HOME\"}", "/srv"), ("${?:-none}", "none"), ("${NULL?set}", ""),
    ("${HOME:?set}", "/srv"),
  ])
  func alternatives(text: String, expected: String) throws {
    #expect(try ShellLexer().word(text, Self.variables) == expected)
  }

  @Test(arguments: [
    ("${P#*/}", "b/a/c.tar.gz"), ("${P##*/}", "c.tar.gz"), ("${P%.*}", "a/b/a/c.tar"), ("${P%%.*}", "a/b/a/c"),
    ("${P#nope}", "a/b/a/c.tar.gz"),
    ("${P#}", "a/b/a/c.tar.gz"), ("${P#*}", "a/b/a/c.tar.gz"), ("${P##*}", ""), ("${P%%*}", ""), ("${Q#\\?}", "?!"),
    ("${Q##?\\?}", "!"),
    ("${STARS#*\\*}", "y*z"), ("${STARS%%\\**}", "x"), ("${NO#x}", ""), ("${P#${NULL}a}", "/b/a/c.tar.gz"),
  ])
  func trimming(text: String, expected: String) throws {
    #expect(try ShellLexer().word(text, Self.variables) == expected)
  }

  @Test(arguments: [
    ("${P/a/X}", "X/b/a/c.tar.gz"), ("${P//a/X}", "X/b/X/c.tXr.gz"), ("${P/a*c/X}", "X.tar.gz"),
    ("${P//\\//-}", "a-b-a-c.tar.gz"),
    ("${P/a/}", "/b/a/c.tar.gz"), ("${STARS//\\*/+}", "x+y+z"), ("${P//?a/X}", "a/bX/c.Xr.gz"), ("${NO//a/b}", ""),
    ("${P/$NULL/^}", "^a/b/a/c.tar.gz"),
  ])
  func replacing(text: String, expected: String) throws {
    #expect(try ShellLexer().word(text, Self.variables) == expected)
  }

  @Test(arguments: [
    "'open", "\"open", "${", "${}", "${:}", "${{HOME}}", "${HOME", "${HOME:-x", "${HOME:=x}", "${HOME=x}", "${HOME^}",
    "${P//a}", "${P/a", "${P#\\x}",
    "${NULL:?}", "${NO?}", "${NO:?why}",
  ])
  func mistakes(text: String) {
    #expect(throws: ExpansionError.self) { try ShellLexer().word(text, Self.variables) }
  }

  @Test func theReasonIsTheAuthorsOrDockers() {
    func reason(_ text: String) -> String {
      do { return try ShellLexer().word(text, ["NULL": "", "A": "b"]) } catch { return "\(error)" }
    }
    #expect(reason("${NO:?give $A}") == "NO: give b")
    #expect(reason("${NO?}") == "NO: is not allowed to be unset")
    #expect(reason("${NULL:?}") == "NULL: is not allowed to be empty")
  }

  @Test(arguments: [
    ("a b", ["a", "b"]), ("a\\ b", ["a b"]), ("'a b' c", ["a b", "c"]), ("$TWO", ["1", "2"]), ("\"$TWO\"", ["1 2"]),
    ("x$TWO", ["x1", "2"]),
    ("$NONE", []), ("''", []), ("  a  ", ["a"]),
  ])
  func wordsSplitWhereNothingQuotesThem(text: String, expected: [String]) throws {
    #expect(try ShellLexer().words(text, ["TWO": "1 2"]) == expected)
  }

  @Test func anotherEscapeLeavesBackslashesAlone() throws {
    let lexer = ShellLexer(escape: UInt8(ascii: "`"))
    #expect(try lexer.word("c:\\dir\\`$x", ["x": "1"]) == "c:\\dir\\$x")
    #expect(try lexer.word("c:\\$x", ["x": "1"]) == "c:\\1")
  }

  @Test func heredocsKeepTheirQuotes() throws {
    #expect(try ShellLexer.content("a='$A' \"${A:-x}\" \\$A 'open\n", ["A": "1"]) == "a='1' \"1\" $A 'open\n")
  }

  @Test func neitherDepthNorLengthIsWithoutBound() {
    let deep = String(repeating: "${NO:-", count: 5000) + String(repeating: "}", count: 5000)
    #expect(throws: ExpansionError.tooDeep) { try ShellLexer().word(deep, [:]) }
    let long = ["A": String(repeating: "x", count: 1 << 19)]
    #expect(throws: ExpansionError.tooLong) { try ShellLexer().word("$A$A$A", long) }
  }
}
