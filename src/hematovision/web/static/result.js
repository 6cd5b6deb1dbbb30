// One photo: its boxes on or off, and the box in hand stands out.
import { $$, onKey } from "./page.js";

const buttons = $$("[data-boxes]");
const toggle = () => {
  const on = buttons[0].getAttribute("aria-pressed") !== "true";
  for (const button of buttons) button.setAttribute("aria-pressed", on);
  for (const boxes of $$(".found")) boxes.toggleAttribute("hidden", !on);
};
for (const tools of $$("[data-tools]")) tools.hidden = false;
for (const button of buttons) button.addEventListener("click", toggle);
if (buttons.length) onKey("b", toggle);

const markCurrent = () => {
  for (const box of $$(".found a")) {
    if (location.hash && box.getAttribute("href") === location.hash) box.setAttribute("aria-current", "true");
    else box.removeAttribute("aria-current");
  }
};
addEventListener("hashchange", markCurrent);
markCurrent();
