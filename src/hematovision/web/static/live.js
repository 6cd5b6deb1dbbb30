// Pages that change by themselves: where something did, the page is fetched again, and its parts
// that say something else take the place of the old ones.
import { $, $$ } from "./page.js";

const PAUSE = 1500;
const PATIENCE = 10 * 60_000;
const seen = new Map();
let touched = Date.now();

// Who is away is signed out after a while: a page that asks by itself must not hold that up.
for (const name of ["pointermove", "keydown", "scroll", "focus"]) {
  addEventListener(name, () => { touched = Date.now(); }, { passive: true });
}

/** Ask how far a case is: whether that is news, and whether more will come. */
const ask = async (address) => {
  const { tag, isRunning } = seen.get(address) ?? {};
  const headers = tag ? { Accept: "application/json", "If-None-Match": tag } : { Accept: "application/json" };
  try {
    const answer = await fetch(address, { headers });
    if (!answer.ok) return { isNews: false, isRunning: answer.status === 304 && isRunning };
    const { running } = await answer.json();
    seen.set(address, { tag: answer.headers.get("ETag"), isRunning: running });
    return { isNews: true, isRunning: running };
  } catch {
    // A server that is gone for a moment comes back.
    return { isNews: false, isRunning: true };
  }
};

/** Put a part in the place of an older one; the keyboard stays where it was. */
const put = (older, newer) => {
  const focused = older.contains(document.activeElement);
  older.replaceWith(newer);
  if (focused) $("a, button", newer)?.focus();
};

/** Bring the parts of a list up to date, add new ones and take away those that are gone. */
const putList = (list, fresh) => {
  const older = new Map([...list.children].map((part) => [part.dataset.live, part]));
  [...fresh.children].forEach((newer, place) => {
    const known = older.get(newer.dataset.live);
    older.delete(newer.dataset.live);
    if (!known) list.insertBefore(newer.cloneNode(true), list.children[place] ?? null);
    else if (!known.isEqualNode(newer)) put(known, newer.cloneNode(true));
  });
  for (const gone of older.values()) gone.remove();
};

/** Fetch the page again, and show what changed in it. */
const refresh = async () => {
  const answer = await fetch($("[data-page]").dataset.page, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  // Every page has another token, and all of them are good; else every form would be news.
  const token = $("[name=csrf_token]")?.value;
  for (const field of $$("[name=csrf_token]", fresh)) field.setAttribute("value", token);
  const lists = [$$("[data-list]"), $$("[data-list]", fresh)];
  if (lists[0].length === lists[1].length) lists[0].forEach((list, place) => putList(list, lists[1][place]));
  for (const older of $$("[data-live]:not([data-list] > *)")) {
    const newer = $(`[data-live="${older.dataset.live}"]`, fresh);
    if (!newer) older.remove();
    else if (!older.isEqualNode(newer)) put(older, document.importNode(newer, true));
  }
};

/** Look once; tell whether there is reason to look again. */
const look = async (addresses) => {
  if (document.hidden || Date.now() - touched > PATIENCE) return true;
  const answers = await Promise.all(addresses.map(ask));
  try {
    if (answers.some(({ isNews }) => isNews)) await refresh();
  } catch {
    // What was missed is news at the next look.
    seen.clear();
    return true;
  }
  return answers.some(({ isRunning }) => isRunning);
};

let isWatching = false;
let isWanted = false;

/** Ask addresses for as long as something runs, and refresh the page at every news. */
export const watch = async (addresses) => {
  isWanted = true;
  if (isWatching) return;
  isWatching = true;
  while (isWanted) {
    isWanted = false;
    const isRunning = await look(addresses);
    await new Promise((go) => { setTimeout(go, PAUSE); });
    isWanted ||= isRunning;
  }
  isWatching = false;
};

// A picture that is not kept any more leaves its place empty.
document.addEventListener("error", ({ target }) => {
  if (!target.matches?.("img")) return;
  const blank = document.createElement("span");
  blank.className = "blank";
  target.replaceWith(blank);
}, true);
