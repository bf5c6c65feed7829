// swift-tools-version: 6.1
import Foundation
import PackageDescription

// Modules stand in the order of the flow (ARCHITECTURE.md). Each lists every module that it imports:
// `make` builds with `--explicit-target-dependency-import-check error`.

let common: [SwiftSetting] = [
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
]
let settings = common + [.enableUpcomingFeature("MemberImportVisibility")]

/// For what clipper-runtime consists of. A generic type is asked for by its parts instead of by its name, which Swift's
/// runtime would take apart, check and look up anew in every process: with one container a process, that was a third of
/// the program's own time.
let quickTypes: [SwiftSetting] = [
  .unsafeFlags(["-Xfrontend", "-disable-concrete-type-metadata-mangled-name-accessors"])
]

let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioFoundation: Target.Dependency = .product(name: "NIOFoundationCompat", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let mustache: Target.Dependency = .product(name: "Mustache", package: "swift-mustache")
let sqlite: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// With this many packages the default linker takes minutes. What is wrapped, and why, is in Sources/Tools/CStart.
let linking: [LinkerSetting] = [
  .unsafeFlags([
    "-use-ld=lld", "-Xlinker", "--wrap=__register_frame_info", "-Xlinker", "--wrap=__deregister_frame_info",
  ])
]

/// The runtime is one file in every build: a container's init is the runtime's own program, and it must run where there is
/// no library at all.
let staticProgram: [LinkerSetting] = [
  .unsafeFlags([
    "-static-executable", "-Xlinker", "--entry=clipper_start", "-Xlinker", "--wrap=swift_copyAuxiliaryExecutablePath",
  ])
]

/// libpq with what it leaves to PostgreSQL's own libraries and to OpenSSL, as archives in every build: by shared libraries
/// it would bring 22 into each process, Kerberos and LDAP among them, and cost every command ten milliseconds.
let postgres: [LinkerSetting] = {
  let folders = (12...30).reversed().map { "/usr/lib/postgresql/\($0)/lib" }
  guard let folder = folders.first(where: { FileManager.default.fileExists(atPath: $0 + "/libpgcommon_shlib.a") }) else {
    return [.linkedLibrary("pq")]
  }
  let archives = ["libpq", "libpgcommon_shlib", "libpgport_shlib", "libssl", "libcrypto"]
  return [.unsafeFlags(["-L\(folder)"])] + archives.map { .linkedLibrary(":\($0).a") }
}()

func module(
  _ name: String, _ path: String, _ dependencies: [Target.Dependency] = [], _ more: [SwiftSetting] = []
) -> Target {
  .target(name: name, dependencies: dependencies, path: "Sources/\(path)", swiftSettings: settings + more)
}

/// A module that sees NIO. glibc's structs then belong to whichever of NIO's C modules includes their header first, and
/// that is none which could be imported for their members.
func networkModule(_ name: String, _ path: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, path: "Sources/\(path)", swiftSettings: common)
}

func systemLibrary(_ name: String, _ package: String) -> Target {
  .systemLibrary(name: name, path: "Sources/System/\(name)", pkgConfig: nil, providers: [.apt([package])])
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: dependencies + ["TestDirectories"], path: "Tests/\(name)Tests", swiftSettings: settings)
}

let package = Package(
  name: "clipper",
  products: [
    .executable(name: "clipper", targets: ["clipper"]),
    .executable(name: "clipper-runtime", targets: ["clipper-runtime"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // Build
    module("DockerfileSyntax", "Build/Dockerfile"),
    module("BuildGraph", "Build/Graph", ["DockerfileSyntax", "ImageSpec", crypto]),
    networkModule(
      "BuildSolver", "Build/Solver",
      [
        "BuildGraph", "DockerfileSyntax", "ImageSpec", "RuntimeSpec", "Layers", "Content", "Snapshots", "Sandboxes",
        "RegistryClient", "Kernel", crypto, system,
        .product(name: "AsyncHTTPClient", package: "async-http-client"), nioCore,
      ]),

    // Image
    module("ImageSpec", "Image/Spec"),
    module(
      "Layers", "Image/Layer", ["ImageSpec", "Kernel", "CZlib", "CDeflate", "CZstd", "CBzip2", "CLzma", crypto, system]),
    module("Content", "Image/Store", ["ImageSpec", "Kernel", sqlite, crypto, system]),

    // Registry
    module("DistributionSpec", "Registry/Spec", ["ImageSpec"]),
    module(
      "ConfigurationFiles", "Registry/Configuration", ["Kernel", system, .product(name: "Yams", package: "Yams")]),
    module(
      "Signatures", "Registry/Signatures",
      [
        "ImageSpec", crypto, .product(name: "_CryptoExtras", package: "swift-crypto"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
      ]),
    networkModule(
      "RegistryClient", "Registry/Client",
      [
        "DistributionSpec", "Signatures", "Content", "ImageSpec", "Kernel", "Layers", crypto, logging, nioCore, nioHTTP1,
        nioPosix, nioSSL, sqlite, system,
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
      ]),
    module("Lifecycle", "Registry/Lifecycle"),
    module("AccessPolicies", "Registry/Policy"),
    module("Metadata", "Registry/Metadata", ["Content", sqlite, system]),
    module("PostgresMetadata", "Registry/Postgres", ["Metadata", "CPostgres", logging]),
    module(
      "Scanning", "Registry/Scan", ["Metadata", "ImageSpec", "Content", "Layers", "Kernel", "CZlib", crypto, system]),
    networkModule(
      "RegistryServer", "Registry/Server",
      [
        "Signatures", "Lifecycle", "AccessPolicies", "Metadata", "Scanning", "DistributionSpec", "RegistryClient",
        "Content", "ImageSpec", "Kernel", "CCrypt", crypto, logging, nioCore, nioPosix, nioHTTP1, nioSSL, httpTypes, system,
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
      ]),
    networkModule(
      "ECRAPI", "Registry/ECR",
      [
        "Scanning", "Lifecycle", "AccessPolicies", "RegistryServer", "DistributionSpec", "ImageSpec", crypto, logging,
        httpTypes,
      ]),
    networkModule(
      "Console", "Registry/Console",
      [
        "RegistryServer", "AccessPolicies", "Lifecycle", "Scanning", "Metadata", "DistributionSpec", "Content",
        "ImageSpec", "Layers", "Kernel", "CZlib", crypto, logging, httpTypes, nioPosix, mustache, system,
      ]),

    networkModule(
      "S3Storage", "Registry/S3",
      [
        "RegistryServer", "Metadata", "DistributionSpec", "Content", "ImageSpec", crypto, logging, nioCore, nioPosix,
        nioHTTP1, nioSSL,
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
      ]),

    // Run
    module("RuntimeSpec", "Run/Spec", [], quickTypes),
    module("Snapshots", "Run/Snapshot", ["ImageSpec", "Layers", "Content", "Kernel", crypto, sqlite, system]),
    module("OCIRuntime", "Run/Process", ["RuntimeSpec", "Kernel", "Cgroups", "Netlink", "SystemBus", "CSeccomp", system], quickTypes),
    module("Sandboxes", "Run/Sandbox", ["RuntimeSpec", "Kernel", "Netlink", system]),
    networkModule(
      "Engine", "Run/Engine",
      [
        "ImageSpec", "RegistryClient", "Content", "Snapshots", "Layers", "Sandboxes", "RuntimeSpec", "Kernel",
        "Cgroups", sqlite, system, crypto,
      ]),

    // Serve
    networkModule(
      "KubeManifests", "Serve/Kube",
      [
        "Engine", "ImageSpec", "RuntimeSpec", "RegistryClient", "Sandboxes", "Content", "Kernel", sqlite,
        .product(name: "Yams", package: "Yams"), system,
      ]),

    // System
    .target(name: "CKernel", path: "Sources/System/CKernel"),
    module("Kernel", "System/Kernel", ["CKernel", system], quickTypes),
    module("Cgroups", "System/Cgroups", ["Kernel", system], quickTypes),
    module("SystemBus", "System/SystemBus", ["Kernel", system]),
    module("Netlink", "System/Netlink", ["Kernel", "CKernel", system]),
    systemLibrary("CSeccomp", "libseccomp-dev"),
    systemLibrary("CZlib", "zlib1g-dev"),
    systemLibrary("CDeflate", "libdeflate-dev"),
    systemLibrary("CZstd", "libzstd-dev"),
    systemLibrary("CBzip2", "libbz2-dev"),
    systemLibrary("CLzma", "liblzma-dev"),
    systemLibrary("CCrypt", "libcrypt-dev"),
    .target(name: "CPostgres", path: "Sources/System/CPostgres", linkerSettings: postgres),

    // Tools
    networkModule(
      "Commands", "Tools/Commands",
      [
        "Engine", "BuildSolver", "BuildGraph", "DockerfileSyntax", "KubeManifests", "RegistryServer", "ECRAPI", "Console",
        "ConfigurationFiles", "S3Storage", "PostgresMetadata", "Metadata", "Signatures", "Scanning", "Lifecycle",
        "AccessPolicies", "RegistryClient", "DistributionSpec", "ImageSpec", "Content", "Snapshots", "Sandboxes", "Layers",
        "Kernel",
        "RuntimeSpec", arguments, logging, system,
      ]),
    .target(name: "CStart", path: "Sources/Tools/CStart"),
    .executableTarget(
      name: "clipper", dependencies: ["Commands", "CStart"], path: "Sources/Tools/clipper", swiftSettings: settings,
      linkerSettings: linking),
    .executableTarget(
      name: "clipper-runtime", dependencies: ["OCIRuntime", "CStart"], path: "Sources/Tools/clipper-runtime",
      swiftSettings: settings, linkerSettings: linking + staticProgram),

    // Tests mirror the modules.
    .testTarget(
      name: "BuildSolverTests",
      dependencies: [
        "BuildSolver", "BuildGraph", "DockerfileSyntax", "ImageSpec", "Content", "Snapshots", "Layers",
        "RegistryClient", "Kernel", "TestDirectories",
        system,
      ], path: "Tests/BuildSolverTests", swiftSettings: common),
    tests("DockerfileSyntax", ["DockerfileSyntax"]),
    tests("BuildGraph", ["BuildGraph", "DockerfileSyntax", "ImageSpec"]),
    tests("DistributionSpec", ["DistributionSpec", "ImageSpec"]),
    tests("AccessPolicies", ["AccessPolicies"]),
    tests("Signatures", ["Signatures", "ImageSpec", crypto, .product(name: "_CryptoExtras", package: "swift-crypto")]),
    tests("OCIRuntime", ["OCIRuntime", "RuntimeSpec", "Cgroups", "Netlink", "SystemBus", "Kernel", "CKernel", system]),
    tests("Kernel", ["Kernel", system]),
    tests("Cgroups", ["Cgroups", "Kernel", system]),
    tests("Layers", ["Layers", "ImageSpec", "Kernel", system]),
    tests("Content", ["Content", "ImageSpec", system]),
    tests("Scanning", ["Scanning", "Metadata", "Content", "ImageSpec", "Layers", "Kernel", system]),
    tests("RegistryClient", ["RegistryClient", "DistributionSpec", "Content", "ImageSpec", "Kernel", system]),
    .testTarget(
      name: "EngineTests", dependencies: ["Engine", "ImageSpec", "RuntimeSpec", "Sandboxes", "Kernel", "TestDirectories", system],
      path: "Tests/EngineTests", swiftSettings: common),
    .testTarget(
      name: "KubeManifestsTests",
      dependencies: [
        "KubeManifests", "Engine", "ImageSpec", "RuntimeSpec", "RegistryClient", "Sandboxes", "Content", "Kernel",
        "TestDirectories",
        system,
      ], path: "Tests/KubeManifestsTests", swiftSettings: common),
    tests("Netlink", ["Netlink"]),
    tests("SystemBus", ["SystemBus", "Kernel", system]),
    tests("ConfigurationFiles", ["ConfigurationFiles", "Kernel", system]),
    tests("Commands", ["Commands", "Engine", "ConfigurationFiles", "RegistryServer", system]),
    tests("Sandboxes", ["Sandboxes", "RuntimeSpec", "Kernel", system]),
    tests("Snapshots", ["Snapshots", "Content", "Layers", "ImageSpec", "Kernel", system]),
    tests("Lifecycle", ["Lifecycle"]),
    tests(
      "RegistryServer",
      [
        "RegistryServer", "RegistryClient", "Lifecycle", "AccessPolicies", "Metadata", "TestServices", "DistributionSpec",
        "Content", "ImageSpec", "Kernel", crypto, logging, httpTypes, nioCore, system,
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
      ]),
    tests(
      "Console",
      [
        "Console", "RegistryServer", "Metadata", "DistributionSpec", "Content", "ImageSpec", "Layers", "Kernel", crypto, logging,
        httpTypes, nioCore, system,
        .product(name: "HummingbirdCore", package: "hummingbird"),
      ]),
    tests(
      "ECRAPI",
      [
        "ECRAPI", "RegistryServer", "RegistryClient", "Signatures", "Scanning", "Metadata", "TestServices",
        "DistributionSpec", "Content", "ImageSpec", "Layers", "Kernel", logging, httpTypes, nioCore, system,
        .product(name: "HummingbirdCore", package: "hummingbird"),
      ]),
    // What strangers send, to every parser that reads it: see tools/fuzz.
    .target(
      name: "FuzzTargets",
      dependencies: [
        "DockerfileSyntax", "BuildGraph", "Signatures", "Scanning", "AccessPolicies", "DistributionSpec", "ImageSpec",
        "Layers", "RegistryClient", "ConfigurationFiles", "RegistryServer", "ECRAPI", "Console", "S3Storage", "Lifecycle",
        "KubeManifests", httpTypes, nioCore,
      ], path: "Tests/Fuzz/Targets", swiftSettings: common),
    .testTarget(
      name: "FuzzTests", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Replay", swiftSettings: common),
    .target(name: "TestDirectories", dependencies: ["Kernel", system], path: "Tests/Directories", swiftSettings: settings),
    .target(
      name: "TestServices", dependencies: ["Metadata", "PostgresMetadata", "TestDirectories", "Kernel", logging, system],
      path: "Tests/Services", swiftSettings: settings),
    tests("Metadata", ["Metadata", "PostgresMetadata", "TestServices", "Content", "Kernel", logging, system]),
    .testTarget(
      name: "S3StorageTests",
      dependencies: [
        "S3Storage", "RegistryServer", "PostgresMetadata", "Metadata", "TestServices", "DistributionSpec", "Content",
        "ImageSpec", "Kernel", "TestDirectories", logging, nioCore, nioHTTP1, system,
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
      ], path: "Tests/S3StorageTests", swiftSettings: common),
    // The flow as a person sees it: the programs themselves, and other tools as their clients.
    .testTarget(
      name: "EndToEnd", dependencies: ["TestServices", "TestDirectories", "Kernel", system], path: "Tests/EndToEnd",
      exclude: ["Attacks", "Cluster", "RuntimePeers", "ECRClients"], swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)

// `tools/fuzz` links a program of libFuzzer's own against the targets.
if Context.environment["CLIPPER_PART"] == "fuzz" {
  package.products.append(.library(name: "FuzzTargets", type: .dynamic, targets: ["FuzzTargets"]))
}

// `tools/mutants` builds a part and its tests many times over, and nothing else.
let parts: [String: Set<String>] = [
  "runtime": ["clipper-runtime", "OCIRuntimeTests"],
  "registry": ["RegistryServerTests", "ECRAPITests", "ConsoleTests", "AccessPoliciesTests"],
]
if let name = Context.environment["CLIPPER_PART"], var part = parts[name] {
  var size = 0
  while part.count > size {
    size = part.count
    for target in package.targets where part.contains(target.name) {
      for case .byNameItem(let name, _) in target.dependencies { part.insert(name) }
    }
  }
  package.targets.removeAll { !part.contains($0.name) }
  package.products.removeAll { !part.contains($0.name) }
  if name == "runtime" {
    package.dependencies.removeAll {
      guard case .sourceControl(_, let location, _) = $0.kind else { return true }
      return !location.hasSuffix("/swift-system")
    }
  }
}
