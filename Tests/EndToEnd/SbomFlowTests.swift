import Testing

/// What an image in the local store consists of, as a person asks for it.
@Suite("sbom") struct SbomFlowTests {
  /// A root with Debian's table of packages and a lock file.
  private func machine() throws -> Machine {
    let machine = try Machine()
    try machine.succeed(
      """
      mkdir -p rootfs/etc rootfs/var/lib/dpkg rootfs/app
      printf 'ID=debian\\nVERSION_ID="12"\\n' > rootfs/etc/os-release
      printf 'Package: curl\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 7.88.1-10\\n' > rootfs/var/lib/dpkg/status
      printf 'django==4.2.1\\n' > rootfs/app/requirements.txt
      tar -C rootfs -cf rootfs.tar .
      clipper import rootfs.tar app:1
      """)
    return machine
  }

  @Test func writesTheSameBillTwice() throws {
    let machine = try machine()
    for format in ["spdx-json", "spdx-tag-value", "cyclonedx-json", "cyclonedx-json-1.5"] {
      let bill = try machine.succeed("clipper sbom --format \(format) app:1").out
      #expect(bill.contains("pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12"), "\(format)")
      #expect(bill.contains("pkg:pypi/django@4.2.1"), "\(format)")
      #expect(try machine.succeed("clipper image sbom --format \(format) app:1").out == bill, "\(format)")
    }
    try machine.succeed("SOURCE_DATE_EPOCH=86400 clipper sbom -o bill.json app:1")
    #expect(try machine.succeed("cat bill.json").out.contains(#""created" : "1970-01-02T00:00:00Z""#))
  }

  @Test func refusesWhatItCannotDo() throws {
    let machine = try machine()
    #expect(try machine.run("clipper sbom --format swid app:1").status != 0)
    #expect(try machine.run("clipper sbom none:1").status == 1)
    let time = try machine.run("SOURCE_DATE_EPOCH=yesterday clipper sbom -o bill.json app:1")
    #expect(time.status != 0 && time.err.contains("SOURCE_DATE_EPOCH"))
    try machine.succeed("test ! -e bill.json")
  }
}
