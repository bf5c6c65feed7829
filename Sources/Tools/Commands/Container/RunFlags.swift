/// The flags of `create` and `run`, by docker's names.
enum RunFlags {
  static let run = FlagSet(
    command: "clipper run", usage: "clipper run [OPTIONS] IMAGE [COMMAND] [ARG...]",
    abstract: "Create and run a new container from an image.", flags: common + runOnly + GlobalFlags.all + refused)

  static let create = FlagSet(
    command: "clipper create", usage: "clipper create [OPTIONS] IMAGE [COMMAND] [ARG...]",
    abstract: "Create a new container, without starting it.", flags: common + GlobalFlags.all + refused)

  private static let runOnly: [FlagSet.Flag] = [
    .toggle("detach", "d", "Run container in background and print container ID"),
    .value("detach-keys", nil, "keys", "Key sequence for detaching a container"),
    .toggle("sig-proxy", nil, "Proxy received signals to the process (default true)"),
  ]

  private static let common: [FlagSet.Flag] = process + storage + network + life + resources + isolation

  private static let process: [FlagSet.Flag] = [
    .value("attach", "a", "stream", "Attach to stdin, stdout or stderr"),
    .toggle("interactive", "i", "Keep stdin open"),
    .toggle("tty", "t", "Allocate a terminal"),
    .value("name", nil, "string", "Assign a name to the container"),
    .value("env", "e", "NAME=value", "Set environment variables"),
    .value("env-file", nil, "file", "Read environment variables from a file"),
    .value("workdir", "w", "dir", "Working directory inside the container"),
    .value("user", "u", "user[:group]", "User and group, names or numbers"),
    .value("group-add", nil, "group", "Add another group"),
    .value("entrypoint", nil, "program", "Overwrite the image's entrypoint"),
    .value("hostname", "h", "string", "Container host name"),
    .value("domainname", nil, "string", "Container NIS domain name"),
    .value("label", "l", "key=value", "Set labels"),
    .value("label-file", nil, "file", "Read labels from a file"),
    .value("annotation", nil, "key=value", "Add an annotation, passed on to the runtime"),
    .value("cidfile", nil, "file", "Write the container ID to the file"),
    .value("pull", nil, "when", "Pull image before running: always, missing or never"),
    .value("platform", nil, "os/arch", "Platform of the image"),
    .toggle("quiet", "q", "Suppress the pull output"),
    .toggle("init", nil, "Run an init inside the container that forwards signals and reaps processes"),
  ]

  private static let storage: [FlagSet.Flag] = [
    .value("volume", "v", "src:dst[:opts]", "Bind mount a directory or a volume"),
    .value("mount", nil, "mount", "Attach a mount: type=bind|volume|tmpfs,src=…,dst=…"),
    .value("tmpfs", nil, "dir[:opts]", "Mount a tmpfs directory"),
    .value("volumes-from", nil, "container[:ro]", "Mount the volumes of another container"),
    .toggle("read-only", nil, "Mount the container's root file system as read only"),
    .value("shm-size", nil, "bytes", "Size of /dev/shm"),
    .value("device", nil, "host[:path[:rwm]]", "Add a host device to the container"),
  ]

  private static let network: [FlagSet.Flag] = [
    .value("network", nil, "network", "Connect to a network: bridge, none, host, container:NAME or NAME"),
    .value("net", nil, "network", "The same as --network"),
    .value("network-alias", nil, "name", "Another name in the network"),
    .value("net-alias", nil, "name", "The same as --network-alias"),
    .value("publish", "p", "[ip:]host:port", "Publish a container's port to the host"),
    .toggle("publish-all", "P", "Publish all exposed ports to random ports"),
    .value("expose", nil, "port", "Expose a port or a range of ports"),
    .value("add-host", nil, "name:ip", "Add a line to /etc/hosts"),
    .value("dns", nil, "ip", "Set DNS servers"),
    .value("dns-search", nil, "domain", "Set DNS search domains"),
    .value("dns-option", nil, "option", "Set DNS options"),
    .value("dns-opt", nil, "option", "The same as --dns-option"),
  ]

  private static let life: [FlagSet.Flag] = [
    .toggle("rm", nil, "Remove the container and its anonymous volumes when it exits"),
    .value("restart", nil, "policy", "no, on-failure[:max], always or unless-stopped"),
    .value("stop-signal", nil, "signal", "Signal to stop the container"),
    .value("stop-timeout", nil, "seconds", "Seconds until a container that is being stopped is killed"),
    .value("health-cmd", nil, "command", "Command to run to check health"),
    .value("health-interval", nil, "time", "Time between running the check"),
    .value("health-retries", nil, "count", "Consecutive failures needed to report unhealthy"),
    .value("health-start-period", nil, "time", "Time in which failures do not count"),
    .value("health-start-interval", nil, "time", "Time between checks in the start period"),
    .value("health-timeout", nil, "time", "Maximum time for one check to run"),
    .toggle("no-healthcheck", nil, "Disable the image's health check"),
    .value("log-driver", nil, "driver", "json-file or none"),
    .value("log-opt", nil, "key=value", "max-size and max-file of the log"),
  ]

  private static let resources: [FlagSet.Flag] = [
    .value("memory", "m", "bytes", "Memory limit"),
    .value("memory-swap", nil, "bytes", "Limit of memory and swap together: -1 for unlimited swap"),
    .value("memory-reservation", nil, "bytes", "Memory soft limit"),
    .value("cpus", nil, "number", "Number of CPUs"),
    .value("cpu-period", nil, "µs", "Period of the CPU limit"),
    .value("cpu-quota", nil, "µs", "Time in each period"),
    .value("cpu-shares", "c", "number", "Relative weight of the CPU"),
    .value("cpuset-cpus", nil, "list", "CPUs in which to allow execution (0-3, 0,1)"),
    .value("pids-limit", nil, "number", "Limit of processes (-1 for unlimited)"),
    .value("blkio-weight", nil, "number", "Block IO weight, 10 to 1000"),
    .value("oom-score-adj", nil, "number", "Preference of the host's out-of-memory killer (-1000 to 1000)"),
    .value("ulimit", nil, "name=soft[:hard]", "Limits of setrlimit(2)"),
  ]

  private static let isolation: [FlagSet.Flag] = [
    .value("cap-add", nil, "capability", "Add Linux capabilities"),
    .value("cap-drop", nil, "capability", "Drop Linux capabilities"),
    .toggle("privileged", nil, "Give extended privileges to this container"),
    .value("security-opt", nil, "option", "no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined"),
    .value("sysctl", nil, "name=value", "Parameters of the container's namespaces"),
    .value("pid", nil, "host", "PID namespace: host"),
    .value("ipc", nil, "mode", "IPC namespace: private or host"),
    .value("uts", nil, "host", "UTS namespace: host"),
    .value("cgroupns", nil, "private", "Cgroup namespace: private"),
    .value("userns", nil, "host", "User namespace: host"),
  ]

  private static let refused: [FlagSet.Flag] =
    [
      "blkio-weight-device", "cgroup-parent", "cpu-count", "cpu-percent", "cpu-rt-period", "cpu-rt-runtime",
      "cpuset-mems",
      "device-cgroup-rule", "device-read-bps", "device-read-iops", "device-write-bps", "device-write-iops",
      "disable-content-trust", "gpus", "io-maxbandwidth", "io-maxiops", "ip", "ip6", "isolation", "kernel-memory",
      "link",
      "link-local-ip", "mac-address", "memory-swappiness", "oom-kill-disable", "runtime", "storage-opt",
      "use-api-socket",
      "volume-driver",
    ].map { .refused($0) }
}
