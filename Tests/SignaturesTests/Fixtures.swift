import Testing

// Written by Python's cryptography, in the forms that cosign writes: another implementation than the one under test.

/// The image that all of them are of.
let signedImage = "sha256:5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f"

let payload = #"{"critical":{"identity":{"docker-reference":"registry.example/team/app"},"image":{"docker-manifest-digest":"sha256:5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f"},"type":"cosign container image signature"},"optional":null}"#

struct SignedFixture: Sendable, CustomTestStringConvertible {
  let name: String
  let key: String
  /// Of `payload`.
  let signature: String
  let bundle: String

  var testDescription: String { name }
}

let fixtures = [
  SignedFixture(
    name: "ECDSA P-256",
    key: """
      -----BEGIN PUBLIC KEY-----
      MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3a0eksdCV4FS6nLYrn5ESOD18jjB
      Llvp8MCOlxLEL6medFoEmskbAFxrkr47Ytnc1Ufq0c3V2PQ0AmBdtObj9w==
      -----END PUBLIC KEY-----
      """,
    signature: "MEQCIAsXSIjyb6AMA23znQ+n39UMwYBmGDqnTxn5rJEbWhDJAiAFrCdayZ9um/LHfD9YB0zeAo1q1BtxQalfP0ZaSb+cLA==",
    bundle: #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"},"tlogEntries":[]},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZiJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3NpZ3N0b3JlLmRldi9jb3NpZ24vc2lnbi92MSIsInByZWRpY2F0ZSI6e319","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MEQCIHrm29std6LNO3nwjM6FynKenwC5mKmj9F0ji5nEhIpiAiAVJGLH03T3+GU+4nHZ/glPYGvgqRQZKCzciddMsCYF+g=="}]}}"#),
  SignedFixture(
    name: "ECDSA P-384 with SHA-384",
    key: """
      -----BEGIN PUBLIC KEY-----
      MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEexv+3a8or9rREnTw5QYa/NbrgA1ZWF0i
      jKt/A8IEeWGzLQUrSnjE9KcHSFnEW/PY9NlEPdobc9XxtecryZzUyPu1KmV849qT
      uoNDOrBziCi/g3pOmlgskp7tB1+eyJfb
      -----END PUBLIC KEY-----
      """,
    signature: "MGUCMEP0qjFizufPDlJTt51RzLn0fl3ZPNwlMqGCXs+Nfcl8vWs94AZ/z2+UO/0hAAKDxQIxAKNQKLNMcQLeClqKqFJxEFPphFi/rqETNBXUooPJXj+GvXJp8qwkzxvZqyj+DKauyQ==",
    bundle: #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"},"tlogEntries":[]},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZiJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3NpZ3N0b3JlLmRldi9jb3NpZ24vc2lnbi92MSIsInByZWRpY2F0ZSI6e319","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MGUCMQDUzjGZTWPBYh7RlxJCL5SNafdPTQAJPkYePXtviohkp7S0WKy4uUaMfNK7u5rQpgoCMEYBZsAktlxwAh7/x5iPxl2h4B9mW8q7gL2qIpK7jH1ZoFsRb8ZDP95jiJd6SNX1Eg=="}]}}"#),
  SignedFixture(
    name: "ECDSA P-384 with SHA-256",
    key: """
      -----BEGIN PUBLIC KEY-----
      MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEexv+3a8or9rREnTw5QYa/NbrgA1ZWF0i
      jKt/A8IEeWGzLQUrSnjE9KcHSFnEW/PY9NlEPdobc9XxtecryZzUyPu1KmV849qT
      uoNDOrBziCi/g3pOmlgskp7tB1+eyJfb
      -----END PUBLIC KEY-----
      """,
    signature: "MGUCMDPR1t2qMYUFkuBFcoHlqCA1uX9/ribN6ou4As/0hoeg29iTA2NhL2qU5LwKEVEKMwIxAMzxOXjSjWNH6nsxIetE4VccmHm+eDVoZ65+rvkfNXRlmyfilmz4rbl5i6mZX+xvvA==",
    bundle: #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"},"tlogEntries":[]},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZiJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3NpZ3N0b3JlLmRldi9jb3NpZ24vc2lnbi92MSIsInByZWRpY2F0ZSI6e319","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MGYCMQD5JjzWDZKy1K5BDrPM3RJiP9JaALOMtQiFK6654wp4ypsyTyj/YQ4U0VFohxr/yvICMQCzvXt9PvG7xwNMcAbp3qxwQ2TitO6IE1r2PzvGFmBu4p4XevB5lDBqkkDYxS8CO9A="}]}}"#),
  SignedFixture(
    name: "ECDSA P-521",
    key: """
      -----BEGIN PUBLIC KEY-----
      MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBEnr6PHX8DfH6qRq+7l8oanWRT4mI
      mfxpgk0znZ1FuzB60vDI2Ug3TB4mIEAKXWY/EzrX6TbHcjd6zJ9ww4cUEYUAPRGU
      IFmkvl/GNHUmcS5XFJoD2aX0XKQga+grutnc6KAz0+Rzu7q1cA8mpVrjtJZWXWfx
      ptKViSDk4CJMoXYlgzM=
      -----END PUBLIC KEY-----
      """,
    signature: "MIGGAkF0u0qo9zyE2uiXEQ0LW1LLpbAYdV1/PqL0EFt7kpUgDI066PZ3rIx1LMQkVxZN20nV8Mf6osOto/tC4vjqIAl1fgJBcMxS8d74CJsCtCz6+4cKF6xRzpHk3e9huFVv54X5a7fsg4hBXsVWnLnXz0B8vzXpq49k14pickoQkkobJBUJT2M=",
    bundle: #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"},"tlogEntries":[]},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZiJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3NpZ3N0b3JlLmRldi9jb3NpZ24vc2lnbi92MSIsInByZWRpY2F0ZSI6e319","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MIGHAkIBhDwn/904vbxUpZ2pksehOM5pOCliJLCYPkHrjTvCahApXHxwbjUt5aXKi3RLl1x0aCpM8lfbTDYdqIbc/X0KbrkCQW/60s6lAPPR2O/PVhiCFL7a3Slwrmlud7Purvc8AXFolMRsLwehZfTdAgzSoES5bLsNA/y6BwFG2nLlFeriasWf"}]}}"#),
  SignedFixture(
    name: "RSA PKCS #1",
    key: """
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw8AmC9kcCgcj4hq60/SG
      TmKXzbzXZllCBzUwkOqMwr0vnU+PbU0AiwAAVb9BmJSsVzuRMgRCZrzNXTZQ3kXx
      HqaD+jOZl0cvtstrJNIADzA/+j3dZnHXpopSZJBSwXv8qGFRFN0EzqCfDTed+QTS
      xGm1068L/pczs4h/Oh+RHaX3+GZJp8cuEFhc04S8zGEDGEYyYq4HUwvVn9YeQN84
      YdUeYj5/4yXctI/QrYhXV4kGFBSXoY41615VYafAhdPv5mPuxsByVLptbrHJjtWp
      GZnRW4q/pL477SWI6MlWYxBV7RlZqfQK0++CA/t5huvy2QIKmpYhzgrB50XTBuSv
      rQIDAQAB
      -----END PUBLIC KEY-----
      """,
    signature: "BpRz/XJ5vrfwFK3wvpQFXf30eK63jn9U/wiUJqlqjyeXZZN+tpqVuRkdTkEtztt+SVTsLu0Xj8nnLnYuC0hkuCU6KVtCsSogSCc5zLTriKagzKOTp3JMaNnByWi0kNJADgd+kTaGFDLDAO9Zv2dCKrmHhpPI+XtaJpbGVwqmzUQy/v1VvV28Fm4IFlq8T4dBx0S6jKMlZdjgWyvVisnJrKXQdnnP+rIZs2bc6EVYl7OkGJMjkL4w6vO5LRdOYIxqWzvZBTe7nZlXsRpgxlClVG/XxJ7adJQ6IcHyfd7pEueLI/U4MB01EGFblFJQGDtVeb3061NyNK8eICovsScqAA==",
    bundle: #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"},"tlogEntries":[]},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZiJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3NpZ3N0b3JlLmRldi9jb3NpZ24vc2lnbi92MSIsInByZWRpY2F0ZSI6e319","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"qhLfzTLtXlFi+0YKaZKyyF8orY30B3kaIqefYGeJ0gPmCIWpiwUfA96oIp5FDMemBh+rGVqachZDvDqg/ZIW1Br5eSUo4E4FWuRJ+xyL+a6ox/BisPpCfNWDtBx+0v8XbglUKwW9uAdBgUOcUHOgvwquhIioWdgTo0Su7qi/uxq3ma/NS1pMtCscohtsO4B+YDokc8ZSrGWTO1rrZu8kSGSI25hpTYtr3AUcHK7/R2YtFCWurJ6p0yzPltnmB3V7wfNVOktFWifA3CC7wbzbn47BvwmIre2MMGM2yNoiKfMW4n4i9j9mmcJrnRxmFTwh8pfR0lY8D+RymcR+XA02Rw=="}]}}"#),
  SignedFixture(
    name: "RSA PSS",
    key: """
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw8AmC9kcCgcj4hq60/SG
      TmKXzbzXZllCBzUwkOqMwr0vnU+PbU0AiwAAVb9BmJSsVzuRMgRCZrzNXTZQ3kXx
      HqaD+jOZl0cvtstrJNIADzA/+j3dZnHXpopSZJBSwXv8qGFRFN0EzqCfDTed+QTS
      xGm1068L/pczs4h/Oh+RHaX3+GZJp8cuEFhc04S8zGEDGEYyYq4HUwvVn9YeQN84
      YdUeYj5/4yXctI/QrYhXV4kGFBSXoY41615VYafAhdPv5mPuxsByVLptbrHJjtWp
      GZnRW4q/pL477SWI6MlWYxBV7RlZqfQK0++CA/t5huvy2QIKmpYhzgrB50XTBuSv
      rQIDAQAB
      -----END PUBLIC KEY-----
      """,
    signature: "wbvwyY7xbOIgYGGH2+1lIiTZRzoHPIOkVk+Vypey4RJhWQFEpun1hQ0xpr2H/6G47UuZ/pcfnDDRQzmTnbjt9DdUR0GedUKQeo+kQvURtEPCUu63ASMo0Xuu3K8SR/zxMvDiH035b0MTY0RIkaOeu+vjNCC+Ol3C0WEV7qYACps4k7grjyIbRrLmRxQwCo8IMGIbJnGoE00ky/4O/KnqH3zDrOho2RMJJnpDOuNWx5jzBDkkaKjgFhRPd9iorRBpnwb8vqCZxAQgmn+Bokp7Jj3R8W3xPzR4JHP7eAWQvfhNgDLUzTbAa/9azWibDfPuRgwkUytjKiMlDNzAhf3XKA==",
    bundle: #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"},"tlogEntries":[]},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZiJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3NpZ3N0b3JlLmRldi9jb3NpZ24vc2lnbi92MSIsInByZWRpY2F0ZSI6e319","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"EIz5RdbtHUx7TvTU1+1VrFJyh4O2LkLsdWY8MVfrwh5OCle3vPKpPfTFFF9YCwKqE64WdZDxXRT6lHd6nyBFyqUDyzOYMTYKTGisQx5bvdjgNQWyCQPC9M4PiSKA2caHU1kAL1AeBs+X7G5uvVBYR5XpE+0vtYL4xpJMbJgHhTWEgoukJmDGe72qcSPFfMoya3uWC1bm/r28bRfyaXYVbJ5neGSQCyRooR4jMy3tR+wil+f8HdoA6303/vxCA8IPdVcfUAszMq7bYyskyGVsqktWRDjCObh9ANEpC4vTOG7W1NBlxqV56gPSI7q6WKwg8RAxpyBLNsEgX+zPjA1T1Q=="}]}}"#),
  SignedFixture(
    name: "Ed25519",
    key: """
      -----BEGIN PUBLIC KEY-----
      MCowBQYDK2VwAyEA829SQ1OBOQUXp98F4mDWmM9xkhC/cN0almgoFDGsBMI=
      -----END PUBLIC KEY-----
      """,
    signature: "ZZsgdoI2uNXdtXWnhvIJeNAxCqNa+prFY7lerg1iJSXF72PhtoUdJcSJq9TCb6AF4m9/zGt8ofWiOlAMLh6oBg==",
    bundle: #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"},"tlogEntries":[]},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZjVmNWY1ZiJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3NpZ3N0b3JlLmRldi9jb3NpZ24vc2lnbi92MSIsInByZWRpY2F0ZSI6e319","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"rzeXLSAfDqHopG6AudKn6r3WyYGIzk9yfI8l2+ZRGwFYzDBQEx1LaP2dPPNlALMAjFT3dhr4e2SHheLlAe9MAQ=="}]}}"#),
]
