// A text that scrolls within its box can be reached by the keyboard; one that does not is no stop on the way.
function reach(root) {
  for (const box of root.querySelectorAll(".text, .sample .asked")) {
    if (box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

document.addEventListener("toggle", (event) => reach(event.target), true);
addEventListener("resize", () => reach(document));
reach(document);
