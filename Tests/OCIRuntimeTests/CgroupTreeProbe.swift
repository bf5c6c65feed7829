import Cgroups

enum CgroupTreeProbe {
  /// Controllers of the host's version 2 tree; empty without one.
  static var controllers: Set<String>? { CgroupTree.find()?.controllers ?? [] }
}
