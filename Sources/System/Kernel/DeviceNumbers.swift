/// A device's number from its parts, in glibc's form of 64 bits. (makedev(3))
public func deviceNumber(major: UInt32, minor: UInt32) -> UInt {
  let (major, minor) = (UInt(major), UInt(minor))
  return (major & 0xfff) << 8 | (major & ~0xfff) << 32 | minor & 0xff | (minor & ~0xff) << 12
}

public func deviceMajor(_ device: UInt) -> UInt32 {
  UInt32(truncatingIfNeeded: device >> 8 & 0xfff | device >> 32 & ~0xfff)
}

public func deviceMinor(_ device: UInt) -> UInt32 {
  UInt32(truncatingIfNeeded: device & 0xff | device >> 12 & ~0xff)
}
