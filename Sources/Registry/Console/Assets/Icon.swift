extension Asset {
  /// A clipper under sail; its sails stand one above the other, as layers do.
  static let iconText = ##"""
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b5c6b"/><g fill="#fff"><path d="M15.300 4.500c3 .9 5.300 2.500 6.700 4.700h-6.700z"/><path d="M15.300 10.500h7.500c1 1.700 1.500 3.400 1.600 5.200h-9.100z" opacity=".85"/><path d="M15.300 17h9.100c-.1 1.700-.6 3.300-1.500 4.700h-7.600z" opacity=".68"/><path d="M13.700 7.300v14.400H6.400c3.900-3.800 6.300-8.600 7.300-14.400z" opacity=".92"/><path d="M4.600 23.500h22.800c-.8 2-2.200 3.300-4.200 4H9.300c-2.200-.6-3.800-1.900-4.700-4z"/></g></svg>

    """##
}
