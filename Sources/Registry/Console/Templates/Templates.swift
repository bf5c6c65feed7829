internal import Mustache

/// The pages' templates. They are part of the program, which is one file wherever it runs.
enum Templates {
  private static let texts = [
    "layout": layout, "leaf": leaf,
    "repositories": repositories, "repository": repository, "settings": settings, "activity": activity, "lifecycle": lifecycle, "scan": scan, "findings": findings, "image": image, "steps": steps,
    "configuration": configuration, "layer": layer, "wasted": wasted, "sign-in": signIn, "error": error,
  ]

  /// Each begins with the kind of escaping that its values get: partials do not inherit it.
  static func library() throws -> MustacheLibrary {
    MustacheContentTypes.register(StrictHTML(), named: StrictHTML.name)
    var library = MustacheLibrary()
    for (name, text) in texts { try library.register("{{% CONTENT_TYPE: \(StrictHTML.name)}}\(text)", named: name) }
    return library
  }
}
