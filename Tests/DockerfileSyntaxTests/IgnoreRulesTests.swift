import DockerfileSyntax
import Testing

/// Cases whose results were looked up in docker's matcher.
@Suite(".dockerignore, as docker reads it") struct IgnoreRulesTests {
  private func ignores(_ patterns: String, _ path: String) throws -> Bool {
    try IgnoreFile(parsing: patterns, file: ".dockerignore").ignores(path)
  }

  @Test(arguments: [
    ("**", "a", true), ("**", "a/b", true), ("**/", "a/b", true), ("**/**", "a/b", true), ("src/**", "src", false),
    ("src/**", "src/a/b", true),
    ("**/src", "src", true), ("**/src", "a/src/b", true), ("**src", "a/mysrc", true), ("**/src/*", "a/src/b", true),
    ("**/src/**", "a/src/b/c", true),
    ("**/*.o", "x.o", true), ("**/**/*.o", "a/b/x.o", true), ("**/*.o", "a/x.oo", false), ("a**/*.o", "ab/x.o", true),
    ("a**/*.o", "a/b/c/x.o", true),
    ("a/*.o**", "a/x.o", true), ("**/.git", ".git", true), ("**/.git", "my.git", false), ("a/**/b", "a/b", true),
    ("a/**/b", "a/x/y/b", true),
  ])
  func doubleStars(patterns: String, path: String, ignored: Bool) throws {
    #expect(try ignores(patterns, path) == ignored)
  }

  @Test(arguments: [
    ("a*", "ab/c", true), ("a*/b", "a/c/b", false), ("a*b?c*x", "abxbbxdbxebxczzx", true),
    ("a*b?c*x", "abxbbxdbxebxczzy", false),
    ("a?b", "a/b", false), ("a?b", "a☺b", true), ("a???b", "a☺b", false), ("x[b-d]y", "xcy", true),
    ("x[b-d]y", "xay", false), ("x[^b-d]y", "xzy", true),
    ("x[^a]y", "x☺y", true), ("[α-ω]", "λ", true), ("x[!a]y", "x!y", true), ("[\\]]", "]", true), ("[x\\-]", "-", true),
    ("a\\*b", "a*b", true),
    ("a\\*b", "axb", false), ("a(b).|$+{c", "a(b).|$+{c", true), (".*", ".env", true), (".*", "env", false),
    ("a.b", "axb", false),
    // A class is the one thing that matches a slash.
    ("a[^x]b", "a/b", true),
  ])
  func wildcards(patterns: String, path: String, ignored: Bool) throws {
    #expect(try ignores(patterns, path) == ignored)
  }

  @Test(arguments: [
    ("*\n!a", "a/b", false), ("**\n!docs/web", "docs/web/index", false),
    ("**\n!docs/web\ndocs/web/index", "docs/web/index", true),
    ("docs\n!docs/*.md", "docs/a.md", false), ("docs\n!docs/*.md", "docs/a.txt", true), ("!a\n*", "a", true),
    ("a/*\n!a/b\na/b/c", "a/b/c", true),
    ("a/*\n!a/b\na/b/c", "a/b/d", false), ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
    ("*.md\n!README*.md\nREADME-secret.md", "README-x.md", false),
    ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false),
    ("! spaced", "spaced", false), ("x\n  !x  ", "x", false),
  ])
  func theLastThatMatchesDecides(patterns: String, path: String, ignored: Bool) throws {
    #expect(try ignores(patterns, path) == ignored)
  }

  @Test(arguments: [
    ("\u{feff}a", "a", true), ("a\r\nb\r\n", "b", true), (" # no comment", "# no comment", true), ("#a\na", "a", true),
    ("\n\n  \na", "a", true),
    ("/a/b", "a/b", true), ("//a", "a", true), ("a/", "a/b", true), ("./a/./b", "a/b", true), ("a/../../b", "b", false),
    ("/", "a", false), (".", "a", false),
    ("e\u{301}", "\u{e9}", false),
  ])
  func lines(patterns: String, path: String, ignored: Bool) throws { #expect(try ignores(patterns, path) == ignored) }

  @Test(arguments: ["!", "a\n!  ", "[", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[^", "a[", "a\\"])
  func whatIsNoPatternIsRefusedWithItsLine(patterns: String) {
    do {
      _ = try IgnoreFile(parsing: patterns, file: "app.dockerignore")
      Issue.record("\(patterns) was taken")
    } catch { #expect("\(error)".hasPrefix("app.dockerignore:\(patterns.split(separator: "\n").count): ")) }
  }

  /// What walks a tree asks for a directory once, and then for what is in it.
  @Test func aWalkFindsWhatAWholePathFinds() throws {
    let file = try IgnoreFile(parsing: "*\n!keep\nkeep/tmp\n!keep/tmp/one", file: ".dockerignore")
    #expect(file.hasExceptions)
    let (keep, info) = file.ignores("keep", parent: .init())
    let (tmp, inner) = file.ignores("keep/tmp", parent: info)
    #expect(
      !keep && tmp && !file.ignores("keep/tmp/one", parent: inner).ignored
        && file.ignores("keep/tmp/two", parent: inner).ignored)
    #expect(try !IgnoreFile(parsing: "a", file: "").hasExceptions && IgnoreFile(parsing: "#", file: "").isEmpty)
  }
}
