internal import CKernel
public import SystemPackage

/// Loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE and attaches it beside those that the cgroup has. (bpf(2))
///
/// - Parameter instructions: eBPF, 8 bytes each.
public func attachDeviceProgram(_ instructions: [UInt64], to cgroup: CInt) throws(Errno) {
  let program = OwnedDescriptor(
    try Errno.check(kernel_bpf_load_device_program(instructions, UInt32(instructions.count))))
  // BPF_F_ALLOW_MULTI: each program that is attached must allow an access.
  try Errno.check(kernel_bpf_attach_device_program(cgroup, program.number, 2))
}
