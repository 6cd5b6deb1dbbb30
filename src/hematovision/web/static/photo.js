// A photo with all its cells: each can be named, missed ones boxed, wrong boxes removed.
import { $, $$ } from "./page.js";
import { act, isUndoKey, leaveFor, onChange, post, redo, tell, undo } from "./acts.js";
import { letDraw } from "./draw.js";
import { cells, codeOf, labels, letters, nameOf, nameOfKey, signOf, title, urls, usable } from "./known.js";

const page = $(".on-photo");
const drawButton = $("[data-draw]");
const may = Boolean($("[data-remove]") ?? drawButton);
const list = [...cells.values()];
let here;

for (const cell of list) {
  cell.card = $(`[data-card="${cell.id}"]`);
  cell.box = $(`[data-box="${cell.id}"]`);
  cell.tag = $(`[data-tag="${cell.id}"]`);
}

const paint = (cell) => {
  const code = codeOf(cell);
  $("[data-sign]", cell.card).replaceChildren(signOf(code));
  $("[data-called]", cell.card).textContent = title(nameOf(code));
  cell.card.classList.toggle("unstored", cell.unstored);
  cell.card.classList.toggle("told", Boolean(cell.told));
  const remove = $("[data-remove]", cell.card);
  if (remove) remove.hidden = code === "no_cell";
  cell.box?.classList.toggle("u", code === "unidentified");
  for (const part of [cell.box, cell.tag]) part?.classList.toggle("none", code === "no_cell");
  if (cell.tag) $("text", cell.tag).textContent = `${cell.number} ${labels[code]?.letter ?? ""}`;
  cell.box?.setAttribute("aria-label", `${cell.number}: ${title(nameOf(code))}`);
  if (cell === here) mark();
};

const mark = () => {
  for (const button of $$("[data-name]")) {
    if (here && button.dataset.name === codeOf(here)) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
};

const take = (cell, { focus = true } = {}) => {
  if (!cell) return;
  here?.card.classList.remove("here");
  here?.box?.removeAttribute("aria-current");
  here = cell;
  cell.card.classList.add("here");
  cell.box?.setAttribute("aria-current", "true");
  $("[data-back]").href = `${urls.gallery}#cell-${cell.number}`;
  if (focus) {
    cell.card.focus({ preventScroll: true });
    cell.card.scrollIntoView({ block: "nearest" });
  }
  mark();
};

const name = (cell, code) => {
  if (may && cell?.kept && usable.has(code) && cell.label !== code) act([cell], code);
};

const keep = async (box) => {
  const { ok, content, why } = await post(urls.boxes, { photo: Number(page.dataset.number), box });
  if (!ok) return tell(why);
  location.hash = `#cell-${content.number}`;
  return location.reload();
};

const goBack = (some) => { if (some.length) take(some[0]); };

onChange(paint);
const usual = list.map(({ size }) => size).sort((one, other) => one - other)[Math.floor(list.length / 2)] ?? 120;
const takeDrawingKey = drawButton ? letDraw(usual, keep) : () => false;

const follow = (query) => { if ($(query)) leaveFor($(query).href); };
const keys = {
  ".": () => follow("[data-after]"),
  ",": () => follow("[data-before]"),
  ArrowDown: () => take(list[list.indexOf(here) + 1]),
  ArrowUp: () => take(list[list.indexOf(here) - 1]),
};
const onLetter = { g: () => follow("[data-back]") };

document.addEventListener("keydown", (event) => {
  if ($("dialog[open]") || event.target.closest?.("input, select, textarea")) return;
  if (may && isUndoKey(event, letters)) {
    event.preventDefault();
    goBack(event.shiftKey ? redo() : undo());
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const code = nameOfKey(event);
  const letter = letters && onLetter[event.key.toLowerCase()];
  if (takeDrawingKey(event)) event.preventDefault();
  else if (code) name(here, code);
  else if (letter) letter();
  else if (keys[event.key] && !event.target.closest(".top, .case")) {
    event.preventDefault();
    keys[event.key]();
  }
});

$("[data-undo]").addEventListener("click", () => goBack(undo()));
$("[data-redo]").addEventListener("click", () => goBack(redo()));
page.addEventListener("click", (event) => {
  const card = event.target.closest("[data-card]");
  const box = event.target.closest("[data-box]");
  const named = event.target.closest("[data-name]");
  if (named) return name(here, named.dataset.name);
  if (box && !event.defaultPrevented) {
    event.preventDefault();
    return take(cells.get(Number(box.dataset.box)));
  }
  if (!card) return undefined;
  const cell = cells.get(Number(card.dataset.card));
  take(cell, { focus: false });
  if (event.target.closest("[data-remove]")) name(cell, "no_cell");
  return undefined;
});
$("[data-boxes]")?.addEventListener("click", ({ currentTarget }) => {
  const on = currentTarget.getAttribute("aria-pressed") !== "true";
  currentTarget.setAttribute("aria-pressed", String(on));
  $("[data-found]").toggleAttribute("hidden", !on);
});

const wanted = Number(location.hash.match(/^#cell-(\d+)$/)?.[1]);
take(list.find((cell) => cell.number === wanted) ?? list[0], { focus: Boolean(wanted) });
