import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Runs hooks in order, each with the container's state on its standard input. (runtime-spec, config.md, POSIX-platform
/// Hooks)
enum Hooks {
  /// Whose program it is, and where it runs. The runtime's programs begin in the bundle and have, where they name no
  /// environment, the runtime's, as with other runtimes; a container's program learns nothing of the host.
  enum Place {
    case runtime
    /// The runtime's program in the container's namespaces; the caller has entered the bundle.
    case namespaces
    case container
  }

  /// The first that fails ends it.
  static func run(
    _ hooks: [ContainerHook]?, _ point: String, _ place: Place = .runtime, state: @autoclosure () throws -> RuntimeState
  ) throws {
    guard let hooks, !hooks.isEmpty else { return }
    let state = try state()
    let text = try JSONText.encode(state)
    for hook in hooks { try run(hook, point, text, place, bundle: FilePath(state.bundle)) }
  }

  /// Those that fail are only warned of, and the others run.
  static func runAll(_ hooks: [ContainerHook]?, _ point: String, log: Log, state: @autoclosure () -> RuntimeState) {
    guard let hooks, !hooks.isEmpty else { return }
    let state = state()
    for hook in hooks {
      do { try run([hook], point, state: state) } catch { log.warning("\(error)") }
    }
  }

  private static func run(
    _ hook: ContainerHook, _ point: String, _ state: [UInt8], _ place: Place, bundle: FilePath
  ) throws {
    var spawn = Spawn(FilePath(hook.path), [])
    // The first argument is the hook's own affair.
    spawn.arguments = hook.args.flatMap { $0.isEmpty ? nil : $0 } ?? [hook.path]
    spawn.environment = hook.env ?? (place == .container ? [] : nil)
    if place == .runtime { spawn.directory = bundle }
    // One that hangs is ended with all that it has started.
    spawn.newGroup = true
    do {
      let seconds = min(hook.timeout ?? .max, Int(Int32.max))
      let milliseconds = seconds * 1000
      let run = try spawn.capture(input: state, limit: 64 << 10, discardsMore: true, milliseconds: milliseconds)
      guard run.status == .exited(0) else {
        let output = String(
          decoding: (run.errorOutput.isEmpty ? run.output : run.errorOutput).prefix(2048), as: UTF8.self)
        let how =
          switch run.status {
          case .exited(let code): "ended with status \(code)"
          case .signaled(let signal): "was ended by signal \(signal)"
          }
        throw RuntimeError.hook(
          point: point, path: hook.path, problem: output.isEmpty ? how : "\(how): \(trimmed(output))")
      }
    } catch let error as CaptureError {
      throw RuntimeError.hook(point: point, path: hook.path, problem: "failed: \(error)")
    }
  }

  private static func trimmed(_ text: String) -> String {
    String(text.reversed().drop { $0 == "\n" || $0 == " " }.reversed())
  }
}
