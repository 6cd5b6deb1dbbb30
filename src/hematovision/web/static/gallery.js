// The gallery: one cell in hand, some selected, a key or a drag to name them.
import { $, $$, say, sayCount } from "./page.js";
import { act, isUndoKey, leaveFor, onChange, redo, tell, undo } from "./acts.js";
import { letDrag } from "./drag.js";
import { cells, codeOf, letters, nameOfKey, usable } from "./known.js";
import { showLarge, toggleHeat } from "./look.js";
import { columnsOf, confirmable, left, place, rowAt, rowOf, unfold, visible } from "./rows.js";

const review = $("[data-review]");
const sorted = $("[data-sorted]");
const next = $("[data-next]");
const may = !review.classList.contains("looking");
const picked = new Set();
let here;

const paintNext = () => {
  const number = left().length;
  next.textContent = number ? sayCount("left", number) : say("done");
  $("[data-hint]").hidden = !number;
  $("[data-none]").hidden = number > 0;
};

const take = (cell, { focus = true } = {}) => {
  if (!cell) return;
  here?.button.classList.remove("here");
  if (here) here.button.tabIndex = -1;
  here = cell;
  cell.item.hidden = false;
  cell.button.tabIndex = 0;
  cell.button.classList.add("here");
  if (focus) {
    cell.button.focus({ preventScroll: true });
    cell.button.scrollIntoView({ block: "nearest" });
  }
  showLarge(cell);
};

const pick = (cell, on = !picked.has(cell)) => {
  picked[on ? "add" : "delete"](cell);
  cell.button.setAttribute("aria-pressed", String(on));
};
const letGo = () => { for (const cell of [...picked]) pick(cell, false); };
// Where all cells are sure and folded away, there is none to act on.
const chosen = () => (picked.size ? [...picked] : [here].filter(Boolean));

onChange((cell) => {
  place(cell);
  paintNext();
  if (cell === here) showLarge(cell);
});

// The next that nobody has looked at: after these, else from the top.
const onward = (list) => {
  const all = visible();
  const from = Math.max(...list.map((cell) => all.indexOf(cell)));
  const open = (cell) => !list.includes(cell) && cell.kept && cell.label === null;
  return all.slice(from + 1).find(open) ?? all.find(open) ?? all[from + 1] ?? all[from - 1] ?? here;
};

const name = (list, code) => {
  if (!may) return tell(say("not-allowed"));
  if (!usable.has(code) || !list.length) return undefined;
  const blind = list.find((cell) => !cell.kept);
  if (blind) return tell(say("no-picture", { cell: blind.number }));
  const follow = onward(list);
  act(list.filter((cell) => cell.label !== code), code);
  letGo();
  return take(follow);
};

const confirm = () => {
  if (codeOf(here) === "unidentified") return tell(say("nothing"));
  return name([here], codeOf(here));
};

const confirmRow = (row) => {
  if (!row.rest.hidden) {
    unfold(row);
    return take(row.items[0]);
  }
  const list = confirmable(row);
  return list.length ? name(list, row.code) : undefined;
};

const beside = (key) => {
  const all = visible();
  const at = all.indexOf(here);
  if (key === "ArrowRight") return all[at + 1];
  if (key === "ArrowLeft") return all[at - 1];
  const mine = all.filter((cell) => cell.code === here.code);
  const columns = columnsOf(rowOf(here));
  const spot = mine.indexOf(here);
  const step = key === "ArrowDown" ? columns : -columns;
  if (mine[spot + step]) return mine[spot + step];
  const lastLine = Math.floor((mine.length - 1) / columns);
  if (step > 0 && Math.floor(spot / columns) < lastLine) return mine.at(-1);
  const edge = step > 0 ? all.indexOf(mine.at(-1)) + 1 : all.indexOf(mine[0]) - 1;
  const other = all[edge];
  if (!other) return undefined;
  const row = all.filter((cell) => cell.code === other.code);
  const start = step > 0 ? 0 : Math.floor((row.length - 1) / columns) * columns;
  return row[Math.min(start + (spot % columns), row.length - 1)];
};

const walk = (event) => {
  const to = beside(event.key);
  if (!to) return;
  if (event.shiftKey) for (const cell of [here, to]) pick(cell, true);
  take(to);
};

const goBack = (list) => {
  letGo();
  if (list.length) take(list[0]);
};

const onCell = {
  Enter: confirm,
  " ": () => pick(here),
  Escape: letGo,
};
const onLetter = { h: toggleHeat, g: () => leaveFor($("[data-photo-link]").href) };

const isElsewhere = ({ target }) => $("dialog[open]") || target.closest?.("input, select, textarea, dialog");

document.addEventListener("keydown", (event) => {
  if (isElsewhere(event)) return;
  if (may && isUndoKey(event, letters && review.contains(event.target))) {
    event.preventDefault();
    goBack(event.shiftKey ? redo() : undo());
    return;
  }
  if (!review.contains(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  const isCell = event.target.closest("[data-id]");
  const code = nameOfKey(event);
  const letter = letters && onLetter[event.key.toLowerCase()];
  if (code) name(chosen(), code);
  else if (letter) letter();
  else if (isCell && event.key.startsWith("Arrow")) walk(event);
  else if (isCell && onCell[event.key]) onCell[event.key]();
  else return;
  event.preventDefault();
});

const clickCell = (event, cell) => {
  const byFinger = event.pointerType === "touch" && event.target.closest(".cap");
  if (event.ctrlKey || event.metaKey || byFinger) pick(cell);
  else if (event.shiftKey) {
    const all = visible();
    const ends = [all.indexOf(here), all.indexOf(cell)].sort((one, other) => one - other);
    for (const one of all.slice(ends[0], ends[1] + 1)) pick(one, true);
  }
  take(cell);
};

review.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.id) clickCell(event, cells.get(Number(button.dataset.id)));
  else if (button.dataset.name) name(chosen(), button.dataset.name);
  else if ("unfold" in button.dataset) confirmRow(rowAt(button));
  else if ("confirm" in button.dataset) confirmRow(rowAt(button));
});
$("[data-undo]").addEventListener("click", () => goBack(undo()));
$("[data-redo]").addEventListener("click", () => goBack(redo()));
next.addEventListener("click", (event) => {
  const [first] = left();
  event.preventDefault();
  if (first) take(first);
  else leaveFor(next.href);
});

if (may && sorted) {
  letDrag(review, (button) => {
    const cell = cells.get(Number(button.dataset.id));
    if (!picked.has(cell)) letGo();
    take(cell, { focus: false });
    return chosen().map((one) => one.button);
  }, (code) => name(chosen().filter((cell) => cell.code !== code), code));
}

if (sorted) {
  const wanted = location.hash.match(/^#cell-(\d+)$/)?.[1];
  take([...cells.values()].find((cell) => cell.number === Number(wanted)) ?? visible()[0], { focus: Boolean(wanted) });
  if (!wanted) here?.button.focus({ preventScroll: true });
}
for (const details of $$("[data-more-names]")) details.addEventListener("toggle", () => details.scrollIntoView({ block: "nearest" }));
