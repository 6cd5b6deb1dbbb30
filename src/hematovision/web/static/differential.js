// Brings the numbers up to date when cells are read or named elsewhere; never while nobody looks.
import { $, $$, say } from "./page.js";

const SECONDS = 4;
const QUIET_MINUTES = 5; // Asking keeps a session alive: who is away must still be signed out.

const main = $("#main");
const status = $("[data-status]");
const old = $("[data-old]");
let tag = main.dataset.tag;
let touched = Date.now();
let asking = false;
let out = false;

const warn = (key) => {
  old.hidden = !key;
  if (key) $("span:last-child", old).textContent = say(key);
};

const isTyped = (part) =>
  $$("input:not([type=hidden]), select", part).some((field) => (
    field.options
      ? [...field.options].some((option) => option.selected !== option.defaultSelected)
        && field.selectedIndex !== Math.max([...field.options].findIndex((option) => option.defaultSelected), 0)
      : field.value !== field.defaultValue));

const nameOf = (element) => element?.id || element?.getAttribute("href") || element?.getAttribute("aria-label");

/** Put the new text in the place of the old, and the focus where it was. */
const replace = (part, fresh) => {
  const held = part.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  part.innerHTML = fresh.innerHTML;
  if (held) $$("a, [tabindex], input, select", part).find((one) => nameOf(one) === held)?.focus();
};

const refresh = async () => {
  const answer = await fetch(main.dataset.page, { redirect: "error" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of $$("[data-live]")) {
    const same = $(`[data-live="${part.dataset.live}"]`, fresh);
    // What somebody is typing stays, with the version that they saw.
    const isForm = part.dataset.live === "counting";
    if (isForm && (isTyped(part) || part.contains(document.activeElement) || $("[role=alert]"))) continue;
    if (part.innerHTML !== same.innerHTML) replace(part, same);
  }
  tag = $("#main", fresh).dataset.tag;
  status.textContent = say("changed", { about: $("[data-about]").textContent });
};

const ask = async () => {
  const away = Date.now() - touched > QUIET_MINUTES * 60_000;
  if (document.hidden || away || asking || out) return;
  asking = true;
  try {
    const headers = { Accept: "application/json", "If-None-Match": `"${tag}"` };
    const answer = await fetch(main.dataset.numbers, { headers, cache: "no-store" });
    out = answer.status === 401 || answer.status === 403;
    if (answer.status === 200) await refresh();
    warn(out ? "out" : null);
  } catch {
    warn("lost");
  } finally {
    asking = false;
  }
};

setInterval(ask, SECONDS * 1000);
document.addEventListener("visibilitychange", ask);
for (const kind of ["pointermove", "keydown", "scroll", "focusin"]) {
  document.addEventListener(kind, () => {
    const wasAway = Date.now() - touched > QUIET_MINUTES * 60_000;
    touched = Date.now();
    if (wasAway) ask();
  }, { passive: true });
}
