// What every page has: the theme switch, the keyboard map, Ctrl+Enter for the black button.
export const $ = (query, root = document) => root.querySelector(query);
export const $$ = (query, root = document) => [...root.querySelectorAll(query)];

/** Tell whether a key is meant for a field, a dialog or the browser, and not for the page. */
export const isBusy = (event) =>
  Boolean(event.target.closest?.("input:not([type=file]), select, textarea, dialog"))
  || event.altKey || $("dialog[open]") !== null;

/** Call a function at a single letter; never with a modifier, so that the browser's own keys stay. */
export const onKey = (letter, act) => {
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== letter || isBusy(event) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
};

const root = document.documentElement;
const themes = { auto: "as the system", light: "light", dark: "dark" };
const themeSwitch = $("[data-theme-switch]");
const labelTheme = () => themeSwitch.setAttribute("aria-label", `Theme: ${themes[root.dataset.theme]}`);
if (!(root.dataset.theme in themes)) root.dataset.theme = "auto";
themeSwitch.hidden = false;
labelTheme();
themeSwitch.addEventListener("click", () => {
  const names = Object.keys(themes);
  root.dataset.theme = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
  labelTheme();
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // Without storage the choice holds for this page.
  }
});

const keys = $("[data-keys]");
keys.hidden = false;
keys.addEventListener("click", () => $("[data-keymap]").showModal());
onKey("?", () => keys.click());
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || isBusy(event)) return;
  $(".btn.next:not([hidden])")?.click();
});
