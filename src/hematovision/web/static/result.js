// One photo: its boxes and what mattered on or off, and the box in hand stands out.
import { $$, onKey } from "./page.js";

const isPressed = (buttons) => buttons[0]?.getAttribute("aria-pressed") === "true";
const press = (buttons, on) => { for (const button of buttons) button.setAttribute("aria-pressed", on); };
const onPress = (buttons, letter, act) => {
  for (const button of buttons) button.addEventListener("click", act);
  if (buttons.length) onKey(letter, act);
};
for (const tools of $$("[data-tools]")) tools.hidden = false;

const boxButtons = $$("[data-boxes]");
onPress(boxButtons, "b", () => {
  const on = !isPressed(boxButtons);
  press(boxButtons, on);
  for (const boxes of $$(".found")) boxes.toggleAttribute("hidden", !on);
});

const whyButtons = $$("[data-all-why]");
const reasons = $$("[data-why]");
onPress(whyButtons, "h", () => {
  const on = !isPressed(whyButtons);
  press(whyButtons, on);
  for (const why of reasons) why.open = on;
});
for (const why of reasons) {
  why.addEventListener("toggle", () => press(whyButtons, reasons.every(({ open }) => open)));
}

const markCurrent = () => {
  for (const box of $$(".found a")) {
    if (location.hash && box.getAttribute("href") === location.hash) box.setAttribute("aria-current", "true");
    else box.removeAttribute("aria-current");
  }
};
addEventListener("hashchange", markCurrent);
markCurrent();
