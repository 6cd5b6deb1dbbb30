// New reading: pictures are read one after another, and what needs somebody stands first.
import { listen } from "./intake.js";
import { $, $$, say, sayCount } from "./page.js";
import { detailOf, makeRow, paint } from "./row.js";

const pictures = [];
let given = 0;
const { action: url, dataset: limit } = $("[data-drop]");
const token = $("meta[name=csrf-token]").content;
const list = $("[data-files]");
const next = $("[data-next]");
const replacement = $("[data-replacement]");
let replaced = null;

const isDone = ({ state }) => ["read", "failed", "cancelled"].includes(state);
const unidentified = ({ reading }) => reading?.counts.unidentified ?? 0;
const rank = (picture) => {
  if (picture.state === "failed") return 0;
  if (unidentified(picture)) return 1;
  return { sending: 2, reading: 2, waiting: 3, read: 4, cancelled: 5 }[picture.state];
};

/** How a file begins; one that is too large is not even sent. */
const startOf = (file) => file.size > Number(limit.maxBytes)
  ? { state: "failed", problem: { detail: limit.tooLarge, advice: limit.advice }, again: false }
  : { state: "waiting" };

/** The picture whose page is the next thing to look at. */
const nextToOpen = () => {
  const fresh = pictures.filter(({ state, opened }) => state === "read" && !opened);
  return fresh.find(unidentified) ?? fresh[0];
};

const paintNext = () => {
  const picture = nextToOpen();
  const left = pictures.filter((one) => !isDone(one)).length;
  const doubtful = pictures.filter(unidentified);
  const cells = doubtful.reduce((sum, one) => sum + unidentified(one), 0);
  let hint = say("add");
  if (left) hint = picture ? say("openOne") : "";
  else if (doubtful.length) hint = sayCount("doubtful", doubtful.length, { cells });
  else if (pictures.some(({ reading }) => reading)) hint = say("clear");
  $("[data-hint]").textContent = hint;
  next.hidden = !pictures.length || (!picture && left > 0);
  let label = say("more");
  if (picture) label = say(unidentified(picture) ? "openDoubtful" : "open", { number: picture.number, cells: unidentified(picture) });
  next.firstChild.data = `${label} `;
};

const paintAll = () => {
  const focused = document.activeElement;
  const sorted = [...pictures].sort((a, b) => rank(a) - rank(b) || a.number - b.number);
  sorted.forEach(({ row }, place) => { if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null); });
  if (list.contains(focused)) focused.focus();
  const count = (test) => pictures.filter(test).length;
  const parts = [
    ["done", count(({ state }) => state === "read")],
    ["left", count((one) => !isDone(one))],
    ["failed", count(({ state }) => state === "failed")],
    ["cancelled", count(({ state }) => state === "cancelled")],
  ].filter(([, number]) => number).map(([key, number]) => sayCount(key, number));
  const summary = `${sayCount("pictures", pictures.length)} · ${parts.join(", ")}`;
  if ($("[data-summary]").textContent !== summary) $("[data-summary]").textContent = summary;
  Object.assign($("[data-total]"), { max: pictures.length || 1, value: count(isDone) });
  $("[data-empty]").hidden = pictures.length > 0;
  $("[data-full]").hidden = pictures.length === 0;
  paintNext();
};

const change = (picture, changes) => {
  Object.assign(picture, changes);
  paint(picture);
  paintAll();
  readNext();
};

const settle = (picture, request) => {
  const answer = request.response;
  if (request.status === 200 && answer?.cells) {
    const seconds = Number(/dur=([\d.]+)/.exec(request.getResponseHeader("Server-Timing") ?? "")?.[1] ?? 0) / 1000;
    // Under which it is on record, so that looking at it is no second reading.
    const recorded = /(\d+)$/.exec(request.getResponseHeader("Content-Location") ?? "")?.[1] ?? "";
    return change(picture, { state: "read", reading: answer, seconds, recorded });
  }
  const problem = answer?.detail ? answer : { detail: say("silent"), advice: say("silentAdvice") };
  return change(picture, { state: "failed", problem, again: !answer?.detail || request.status >= 500 });
};

const read = (picture) => {
  const request = new XMLHttpRequest();
  const form = new FormData();
  // The name of the file stays here.
  form.append("image", picture.file, "picture");
  request.open("POST", url);
  request.responseType = "json";
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("X-CSRFToken", token);
  request.upload.addEventListener("progress", ({ loaded, total }) => paint(Object.assign(picture, { sent: loaded / total })));
  request.upload.addEventListener("load", () => paint(Object.assign(picture, { state: "reading", sent: 1 })));
  request.addEventListener("loadend", () => { if (picture.request === request) settle(picture, request); });
  change(picture, { state: "sending", sent: 0, request, reading: null, problem: null });
  request.send(form);
};

const readNext = () => {
  if (pictures.some(({ state }) => state === "sending" || state === "reading")) return;
  const waiting = pictures.find(({ state }) => state === "waiting");
  if (waiting) read(waiting);
};

const stop = (picture) => {
  const { request } = picture;
  picture.request = null;
  request?.abort();
};

const remove = (picture) => {
  stop(picture);
  pictures.splice(pictures.indexOf(picture), 1);
  URL.revokeObjectURL(picture.preview);
  picture.row.remove();
};

/** Show a whole result page in a new tab, by a form of its own. */
const open = (picture) => {
  const form = $("[data-open-form]");
  const transfer = new DataTransfer();
  transfer.items.add(new File([picture.file], "picture", { type: picture.file.type }));
  form.elements.image.files = transfer.files;
  form.elements.recorded.value = picture.recorded;
  form.submit();
  change(picture, { opened: true });
};

const acts = {
  open,
  cancel: (picture) => { stop(picture); change(picture, { state: "cancelled" }); },
  again: (picture) => change(picture, { state: "waiting" }),
  remove: (picture) => {
    const after = picture.row.nextElementSibling ?? picture.row.previousElementSibling;
    remove(picture);
    paintAll();
    readNext();
    ($("button:not([hidden])", after ?? document.createElement("p")) ?? $("#pick")).focus();
  },
  replace: (picture) => { replaced = picture; replacement.click(); },
};

const add = (files) => {
  for (const file of files) {
    given += 1;
    const picture = { number: given, file, sent: 0, ...startOf(file), ...detailOf(file) };
    picture.row = makeRow(picture, (what) => acts[what](picture));
    pictures.push(picture);
    paint(picture);
  }
  paintAll();
  readNext();
};

replacement.addEventListener("change", () => {
  const [file] = replacement.files;
  replacement.value = "";
  if (!file || !replaced) return;
  URL.revokeObjectURL(replaced.preview);
  change(replaced, { file, opened: false, fresh: true, ...startOf(file), ...detailOf(file) });
});
$("[data-remove-all]").addEventListener("click", () => {
  [...pictures].forEach(remove);
  paintAll();
  $("#pick").focus();
});
next.type = "button";
next.addEventListener("click", () => {
  const picture = nextToOpen();
  if (picture) open(picture);
  else $("#pick").click();
});
for (const part of $$("[data-with-script]")) part.hidden = false;
listen(add);
paintAll();
