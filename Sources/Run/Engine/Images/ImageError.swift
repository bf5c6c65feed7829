public import ImageSpec

public enum ImageError: Error, CustomStringConvertible {
  case notFound(String)
  /// Part of an ID that begins several.
  case ambiguous(String)
  case noPlatform(name: String, wanted: Platform, available: [Platform])
  /// The name is of something that is no image, such as a signature.
  case notAnImage(String, mediaType: String)
  case inUse(name: String, container: String)
  /// It has several names and was asked for by its ID.
  case severalNames(id: String)
  /// An archive that is neither docker's nor an OCI layout, or is damaged.
  case archive(String)
  case input(String)

  public var description: String {
    switch self {
    case .notFound(let name): "No such image: \(name)"
    case .ambiguous(let id): "image ID \"\(id)\" is ambiguous: several begin so; write more of it"
    case .noPlatform(let name, let wanted, let available):
      "\(name) has no image for \(wanted); it has \(available.map(\.description).sorted().joined(separator: ", "))"
    case .notAnImage(let name, let mediaType): "\(name) is no image but \(mediaType)"
    case .inUse(let name, let container):
      "conflict: unable to remove \(name): container \(container.prefix(12)) is using it; remove the container first"
    case .severalNames(let id):
      "conflict: unable to remove \(id) (must be forced): the image has several names; remove them by name, or use --force"
    case .archive(let reason): "invalid archive: \(reason)"
    case .input(let reason): reason
    }
  }
}
