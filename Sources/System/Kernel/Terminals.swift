internal import CKernel
import Glibc
public import SystemPackage

/// A terminal's settings, to be put back.
public struct TerminalSettings: Sendable {
  fileprivate let value: termios
}

/// Pseudoterminals. (pty(7), ioctl_tty(2))
public enum Terminals {
  /// A new pair from the multiplexer of a devpts mount, with no path of a slave walked: what others may have mounted or
  /// linked at its name has no say. (CVE-2025-52565)
  ///
  /// - Parameter multiplexer: an open `ptmx`; it becomes the master.
  public static func openPeer(of multiplexer: CInt) throws(Errno) -> OwnedDescriptor {
    try Errno.check(kernel_unlock_pty(multiplexer))
    return OwnedDescriptor(try Errno.check(kernel_open_pty_peer(multiplexer, O_RDWR | O_NOCTTY | O_CLOEXEC)))
  }

  /// Makes a terminal the session's. The caller leads a session. (TIOCSCTTY)
  public static func becomeControlling(_ terminal: CInt) throws(Errno) {
    try Errno.check(kernel_set_controlling_terminal(terminal))
  }

  public static func setSize(_ terminal: CInt, rows: UInt16, columns: UInt16) throws(Errno) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    try Errno.check(ioctl(terminal, UInt(TIOCSWINSZ), &size))
  }

  public static func size(_ terminal: CInt) throws(Errno) -> (rows: UInt16, columns: UInt16) {
    var size = winsize()
    try Errno.check(ioctl(terminal, UInt(TIOCGWINSZ), &size))
    return (size.ws_row, size.ws_col)
  }

  /// Lets every byte through unchanged.
  ///
  /// - Returns: the settings before, for `restore`.
  public static func makeRaw(_ terminal: CInt) throws(Errno) -> TerminalSettings {
    var settings = termios()
    try Errno.check(tcgetattr(terminal, &settings))
    let before = settings
    cfmakeraw(&settings)
    try Errno.check(tcsetattr(terminal, TCSANOW, &settings))
    return TerminalSettings(value: before)
  }

  public static func restore(_ terminal: CInt, _ settings: TerminalSettings) {
    var settings = settings.value
    tcsetattr(terminal, TCSANOW, &settings)
  }
}
