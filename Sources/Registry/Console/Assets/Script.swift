extension Asset {
  /// Buttons that copy, and `/` for the search. Pages lack nothing else without it.
  static let scriptText = #"""
    (() => {
      "use strict";
      const copy = async (node) => {
        const text = node.firstChild.textContent;
        try {
          await navigator.clipboard.writeText(text);
          return true;
        } catch {
          const range = document.createRange();
          range.selectNodeContents(node.firstChild);
          const selection = getSelection();
          selection.removeAllRanges();
          selection.addRange(range);
          return document.execCommand("copy");
        }
      };
      for (const node of document.querySelectorAll("[data-copy]")) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "copy";
        button.textContent = "Copy";
        button.setAttribute("aria-label", "Copy " + node.textContent);
        button.addEventListener("click", async () => {
          button.textContent = (await copy(node)) ? "Copied" : "Selected";
          setTimeout(() => { button.textContent = "Copy"; }, 1600);
        });
        if (node.tagName === "CODE") node.after(button); else node.append(button);
      }
      document.addEventListener("keydown", (event) => {
        if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
        if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
        const search = document.querySelector("input[type=search]");
        if (search) { event.preventDefault(); search.focus(); search.select(); }
      });
    })();
    """#
}
