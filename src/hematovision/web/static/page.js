// What every page has: the theme switch, the keyboard map, Ctrl+Enter for the black button.
export const $ = (query, root = document) => root.querySelector(query);
export const $$ = (query, root = document) => [...root.querySelectorAll(query)];

const root = document.documentElement;
const words = JSON.parse($("#words")?.textContent ?? "{}");

/** Say something in the language of the page, with values in the place of {names}. */
export const say = (key, values = {}) =>
  words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

const plural = new Intl.PluralRules(root.lang);

/** Tell whether a number asks for the singular in the language of the page. */
export const isOne = (number) => plural.select(number) === "one";

/** Say something of a number: the texts are under `key.one` and `key.other`. */
export const sayCount = (key, number, values = {}) =>
  say(`${key}.${isOne(number) ? "one" : "other"}`, { number, ...values });

/** Write a number with so many decimals, as the language of the page does. */
export const write = (number, decimals = 0) =>
  number.toLocaleString(root.lang, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

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

const themes = ["auto", "light", "dark"];
const themeSwitch = $("[data-theme-switch]");
const labelTheme = () => themeSwitch.setAttribute("aria-label", themeSwitch.dataset[root.dataset.theme]);
if (!themes.includes(root.dataset.theme)) root.dataset.theme = "auto";
themeSwitch.hidden = false;
labelTheme();
themeSwitch.addEventListener("click", () => {
  root.dataset.theme = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
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
