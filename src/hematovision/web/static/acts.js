// What was done: shown at once, stored one after the other, undone and done again without limit.
import { $, say, sayCount } from "./page.js";
import { cells, nameOf, urls } from "./known.js";

const MOST = 200;
const past = [];
const future = [];
const queue = [];
let sending = null;
let show = () => {};

/** Take the function that brings a cell on the screen up to date. */
export const onChange = (paint) => { show = paint; };

export const tell = (text) => { $("[data-last]").textContent = text; };

const paintButtons = () => {
  $("[data-undo]").hidden = past.length === 0;
  $("[data-redo]").hidden = future.length === 0;
};

const headers = {
  Accept: "application/json",
  "Content-Type": "application/json",
  "X-CSRFToken": $('meta[name="csrf-token"]').content,
};

/** Send JSON; give the answer's status and content, or why there is none. */
export const post = async (url, body) => {
  try {
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    const content = await answer.json();
    const why = content.detail ? `${content.detail} ${content.advice ?? ""}` : "";
    return { ok: answer.ok, content, why };
  } catch {
    return { ok: false, content: {}, why: say("offline") };
  }
};

const forget = (cell) => {
  for (const act of [...past, ...future, ...queue]) {
    act.changes = act.changes.filter((change) => change.cell !== cell);
  }
  for (const list of [past, future]) {
    list.splice(0, list.length, ...list.filter(({ changes }) => changes.length));
  }
};

// Somebody else was first: theirs stands, and whatever was to follow here is let go.
const giveWay = (cell, outcome) => {
  forget(cell);
  cell.label = outcome.label;
  cell.told = true;
  show(cell);
  const values = { by: outcome.by, cell: cell.number, to: nameOf(outcome.label) };
  tell(outcome.label ? say("conflict", values) : say("conflict.back", values));
  $("[data-last]").classList.add("told");
};

const takeIn = (outcomes) => {
  for (const outcome of outcomes) {
    const cell = cells.get(outcome.id);
    const wasUnstored = cell.unstored;
    Object.assign(cell, { version: outcome.version, by: outcome.by, unstored: false });
    if (!outcome.stored) giveWay(cell, outcome);
    else if (wasUnstored) show(cell);
  }
};

const paintUnstored = (why) => {
  const waiting = new Set(queue.flatMap(({ changes }) => changes.map(({ cell }) => cell)));
  for (const cell of cells.values()) {
    const unstored = Boolean(why) && waiting.has(cell);
    if (cell.unstored === unstored) continue;
    cell.unstored = unstored;
    show(cell);
  }
  $("[data-unstored]").hidden = !why;
  $("[data-why]").textContent = why ? sayCount("unstored", waiting.size, { why }) : "";
};

// What waits goes along, as far as it is of one kind and names no cell twice.
const nextBatch = () => {
  const batch = [];
  const named = new Set();
  for (const item of queue) {
    const again = item.changes.some(({ cell }) => named.has(cell));
    if (again || item.undo !== queue[0].undo || named.size + item.changes.length > MOST) break;
    for (const { cell } of item.changes) named.add(cell);
    batch.push(item);
  }
  return batch;
};

const sendAll = async () => {
  while (queue.length) {
    const batch = nextBatch();
    const changes = batch.flatMap((item) => item.changes);
    const said = changes.map(({ cell, to }) => ({ cell: cell.id, label: to, seen: cell.version }));
    const answer = said.length ? await post(urls.reviews, { said, undo: batch[0].undo }) : { content: { cells: [] } };
    if (!answer.content.cells) return answer.why || say("offline");
    queue.splice(0, batch.length);
    takeIn(answer.content.cells);
  }
  return "";
};

const send = () => {
  $("[data-storing]").ariaBusy = "true";
  sending ??= sendAll().then((why) => {
    sending = null;
    $("[data-storing]").ariaBusy = "false";
    paintUnstored(why);
    paintButtons();
  });
  return sending;
};

const enqueue = (changes, undo) => {
  for (let start = 0; start < changes.length; start += MOST) {
    queue.push({ changes: changes.slice(start, start + MOST), undo });
  }
  send();
};

const apply = (changes) => {
  $("[data-last]").classList.remove("told");
  for (const { cell, to } of changes) {
    cell.label = to;
    cell.told = false;
    show(cell);
  }
  paintButtons();
};

const telling = (key, changes, values) => {
  if (changes.length > 1) return tell(sayCount(key, changes.length, values));
  return tell(say(key, { cell: changes[0].cell.number, ...values }));
};

/** Call cells something, by the code of a name. */
export const act = (list, code) => {
  const changes = list.map((cell) => ({ cell, from: cell.label, shown: cell.label ?? cell.was, to: code }));
  if (!changes.length) return;
  past.push({ changes });
  future.length = 0;
  apply(changes);
  const isSame = changes.every(({ shown }) => shown === code);
  telling(isSame ? "confirmed" : "changed", changes, { from: nameOf(changes[0].shown), to: nameOf(code) });
  enqueue(changes, false);
};

const again = (from, to, key, back) => {
  const done = from.pop();
  if (!done) return [];
  to.push(done);
  const changes = done.changes.map((change) => ({ cell: change.cell, to: back ? change.from : change.to }));
  apply(changes);
  telling(key, changes, { to: nameOf(changes[0].to ?? changes[0].cell.was) });
  enqueue(changes, back);
  return changes.map(({ cell }) => cell);
};

/** Take the last act back; give its cells. */
export const undo = () => again(past, future, "undone", true);
/** Do again what was taken back; give its cells. */
export const redo = () => again(future, past, "redone", false);

/** Undo and redo by Z, Shift+Z or Ctrl+Z; tell whether the key was one of them. */
export const isUndoKey = (event, letters) =>
  event.key.toLowerCase() === "z" && !event.altKey && (letters || event.ctrlKey || event.metaKey);

/** Go to another page as soon as all is stored; where that fails, the browser asks. */
export const leaveFor = async (href) => {
  await sending;
  location.assign(href);
};

$("[data-again]").addEventListener("click", send);
addEventListener("online", send);
addEventListener("beforeunload", (event) => { if (queue.length) event.preventDefault(); });
