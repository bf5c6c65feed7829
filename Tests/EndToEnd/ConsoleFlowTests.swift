import Foundation
import Testing

/// The registry's web page as a browser has it.
@Suite("console", .serialized, .enabled(if: Browser.isThere, "needs chromium, root and busybox-static"))
struct ConsoleFlowTests {
  /// `browse FLAGS… PATH`: a page of the registry in a browser that has no profile and no patience for certificates.
  private static let browser = """
    browse() {
      timeout 90 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --ignore-certificate-errors \\
        --user-data-dir=$PWD/profile --enable-logging=stderr --virtual-time-budget=5000 "${@:1:$#-1}" \\
        "https://$HOST${@: -1}" 2>>browser.log
    }
    """

  @Test func aBrowserShowsWhatWasPushedAndRunsNothingButTheOneScript() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write(
      "Dockerfile",
      """
      FROM base:1
      LABEL note="</script><script>document.title='taken'</script>" other="\\" onload=alert(1) x='"
      RUN echo one > /one
      RUN rm /one
      """)
    try machine.succeed(
      """
      \(RegistryFlowTests.serve(port: 15090, options: "--anonymous pull"))
      \(Self.browser)
      clipper build -q -t app:1 .
      clipper push app:1 $HOST/team/app:1
      test "$(curl -s -o /dev/null -w '%{redirect_url}' --cacert ca.crt https://$HOST/)" = https://$HOST/ui/
      browse --dump-dom /ui/ > list.html
      grep -q 'href="/ui/r/team/app"' list.html
      browse --dump-dom /ui/r/team/app > repository.html
      grep -q "docker pull $HOST/team/app:1" repository.html
      # The script ran: its hash is the one that the policy names.
      grep -q '<button type="button" class="copy"' repository.html
      browse --dump-dom /ui/r/team/app/-/tag/1 > image.html
      grep -q '<title>team/app:1' image.html
      grep -qF "document.title='taken'" image.html
      layer=$(grep -o '/ui/r/team/app/-/image/[^"]*/layer/1' image.html | head -1)
      browse --dump-dom $layer/bin > layer.html
      grep -q busybox layer.html
      for page in /ui/ /ui/r/team/app /ui/r/team/app/-/tag/1 ${layer%/layer/1}/wasted $layer/bin; do
        browse --window-size=390,844 --screenshot=phone.png $page
        browse --window-size=1280,900 --blink-settings=preferredColorScheme=0 --screenshot=dark.png $page
        test $(stat -c %s phone.png) -gt 8000
        test $(stat -c %s dark.png) -gt 8000
      done
      # Nothing in a page was stopped by the policy: nothing in it is other than meant.
      refused grep -iE 'refused to|content security policy|uncaught' browser.log
      """)
  }

  @Test func theFormSignsInAndOut() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.succeed(
      """
      \(RegistryFlowTests.serve(port: 15091))
      \(Self.browser)
      clipper push base:1 $HOST/team/base:1
      browse --dump-dom /ui/r/team/base > door.html
      grep -q 'name="password"' door.html
      refused grep pull door.html
      form() { curl -s --cacert ca.crt -b jar -c jar -o /dev/null -w '%{http_code}' -H "Origin: https://$HOST" "$@"; }
      test "$(form -d "user=ada&password=wrong" https://$HOST/ui/sign-in)" = 401
      test "$(form -d "user=ada&password=$PASSWORD&next=/ui/activity" https://$HOST/ui/sign-in)" = 303
      grep -q '#HttpOnly_127.0.0.1.*TRUE.*__Host-clipper' jar
      curl -s --cacert ca.crt -b jar https://$HOST/ui/activity | has 'team/</span>base'
      test "$(form -X POST https://$HOST/ui/sign-out)" = 303
      test "$(form https://$HOST/ui/r/team/base)" = 303
      """)
  }
}

private enum Browser {
  static var isThere: Bool {
    let able = Host.runsContainers && Host.has("chromium")
    if !able { print("SKIPPED: the registry's web page in Chromium: needs chromium, root and busybox-static") }
    return able
  }
}
