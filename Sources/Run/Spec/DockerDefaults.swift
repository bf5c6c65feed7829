/// What Docker gives a container that asks for nothing else. (moby, daemon/pkg/oci)
public enum DockerDefaults {
  public static let capabilities = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
  ]

  /// All capabilities of Linux 6.18, for `--privileged` and `--cap-add ALL`; the number is the position.
  public static let allCapabilities = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
  ]

  public static let maskedPaths = [
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware",
  ]

  public static let readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

  /// Devices that every container may use, and making any device node; all else is refused.
  public static let deviceRules: [LinuxDeviceRule] = [
    LinuxDeviceRule(allow: false, access: "rwm"),
    LinuxDeviceRule(allow: true, type: "c", access: "m"),
    LinuxDeviceRule(allow: true, type: "b", access: "m"),
    LinuxDeviceRule(allow: true, type: "c", major: 1, minor: 5, access: "rwm"),
    LinuxDeviceRule(allow: true, type: "c", major: 1, minor: 3, access: "rwm"),
    LinuxDeviceRule(allow: true, type: "c", major: 1, minor: 9, access: "rwm"),
    LinuxDeviceRule(allow: true, type: "c", major: 1, minor: 8, access: "rwm"),
    LinuxDeviceRule(allow: true, type: "c", major: 1, minor: 7, access: "rwm"),
    LinuxDeviceRule(allow: true, type: "c", major: 5, minor: 0, access: "rwm"),
    LinuxDeviceRule(allow: true, type: "c", major: 5, minor: 1, access: "rwm"),
    LinuxDeviceRule(allow: true, type: "c", major: 5, minor: 2, access: "rwm"),
    LinuxDeviceRule(allow: true, type: "c", major: 136, access: "rwm"),
  ]

  /// /proc, /dev and the rest below a container's root.
  /// - Parameter shmSize: bytes of /dev/shm.
  public static func mounts(shmSize: Int64 = 64 << 20) -> [ContainerMount] {
    [
      ContainerMount(destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]),
      ContainerMount(
        destination: "/dev", type: "tmpfs", source: "tmpfs",
        options: ["nosuid", "strictatime", "mode=755", "size=65536k"]),
      ContainerMount(
        destination: "/dev/pts", type: "devpts", source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
      ContainerMount(
        destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"]),
      ContainerMount(
        destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid", "noexec", "nodev"]),
      ContainerMount(
        destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"]),
      ContainerMount(
        destination: "/dev/shm", type: "tmpfs", source: "shm",
        options: ["nosuid", "noexec", "nodev", "mode=1777", "size=\(shmSize)"]),
    ]
  }
}
