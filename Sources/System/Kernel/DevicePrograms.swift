internal import CKernel
public import SystemPackage

/// Programs of type BPF_PROG_TYPE_CGROUP_DEVICE on cgroups: each that is attached must allow an access. (bpf(2))
public enum DevicePrograms {
  /// Tells ours from those of others on the same cgroup, as systemd's.
  public static let name = "clipper_devices"
  /// BPF_F_ALLOW_MULTI: beside what others attach here and above.
  private static let allowMulti: UInt32 = 2
  /// BPF_F_REPLACE
  private static let replace: UInt32 = 4
  /// BPF_CGROUP_MAX_PROGS of the kernel.
  private static let most = 64

  /// Attaches a program beside those that the cgroup has.
  ///
  /// - Parameters:
  ///   - instructions: eBPF, 8 bytes each.
  ///   - name: at most 15 characters.
  public static func attach(
    _ instructions: [UInt64], to cgroup: CInt, name: String = DevicePrograms.name
  ) throws(Errno) {
    let program = try load(instructions, name)
    try Errno.check(kernel_bpf_attach_device_program(cgroup, program.number, allowMulti, 0))
  }

  /// Attaches a program in place of those that were attached here before, without a moment in between; nil only takes
  /// those off. Programs of others stay.
  public static func replace(_ instructions: [UInt64]?, on cgroup: CInt) throws(Errno) {
    var old = try identifiers(on: cgroup).filter { isOurs($0) }
    if let instructions {
      let program = try load(instructions, name)
      if let first = old.first, let replaced = open(first) {
        old.removeFirst()
        try Errno.check(
          kernel_bpf_attach_device_program(cgroup, program.number, allowMulti | replace, replaced.number))
      } else {
        try Errno.check(kernel_bpf_attach_device_program(cgroup, program.number, allowMulti, 0))
      }
    }
    for identifier in old {
      guard let program = open(identifier) else { continue }
      try Errno.check(kernel_bpf_detach_device_program(cgroup, program.number))
    }
  }

  /// IDs of all programs that are attached to the cgroup itself.
  public static func identifiers(on cgroup: CInt) throws(Errno) -> [UInt32] {
    var identifiers = [UInt32](repeating: 0, count: most)
    let count = try Errno.check(kernel_bpf_query_device_programs(cgroup, &identifiers, UInt32(most)))
    return Array(identifiers.prefix(Int(count)))
  }

  private static func load(_ instructions: [UInt64], _ name: String) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(try Errno.check(kernel_bpf_load_device_program(instructions, UInt32(instructions.count), name)))
  }

  private static func open(_ identifier: UInt32) -> OwnedDescriptor? {
    let number = kernel_bpf_open_program(identifier)
    return number < 0 ? nil : OwnedDescriptor(number)
  }

  private static func isOurs(_ identifier: UInt32) -> Bool {
    guard let program = open(identifier) else { return false }
    var name = [CChar](repeating: 0, count: 16)
    guard kernel_bpf_program_name(program.number, &name) == 0 else { return false }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) == self.name
  }
}
