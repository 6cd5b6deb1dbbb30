// The rows of the gallery: which cell stands where, and how many; only what changes is touched.
import { $, $$, say, write } from "./page.js";
import { cells, codeOf, labels, nameOf, percent, signOf } from "./known.js";

const rows = new Map();
const tallying = new Set();

const chanceOf = (cell) => {
  const code = codeOf(cell);
  return code === "unidentified" ? cell.confidence : cell.odds[code] ?? 0;
};

for (const element of $$("[data-row]")) {
  const items = $$("[data-id]", element).map((button) => cells.get(Number(button.dataset.id)));
  rows.set(element.dataset.row, { code: element.dataset.row, element, items, rest: $("[data-rest]", element) });
}
for (const { code, element, items } of rows.values()) {
  const buttons = $$("[data-id]", element);
  items.forEach((cell, place) => Object.assign(cell, { button: buttons[place], item: buttons[place].parentElement, code }));
}

export const rowOf = (cell) => rows.get(cell.code);
export const rowAt = (element) => rows.get(element.closest("[data-row]")?.dataset.row);

/** All cells on the screen, in their order. */
export const visible = () => [...rows.values()].flatMap(({ items }) => items.filter(({ item }) => !item.hidden));

/** How many cells wait for a name. */
export const left = () => rows.get("unidentified").items.filter(({ kept }) => kept);

const unconfirmed = (row) => row.items.filter((cell) => cell.label === null && cell.kept);

const paintConfirm = (row) => {
  const button = $("[data-confirm]", row.element);
  if (!button) return;
  const open = unconfirmed(row);
  const seen = open.filter((cell) => cell.seen).length;
  let text = say("confirm-all", { number: open.length });
  if (!row.rest.hidden) text = say("show-all", { number: row.items.length });
  else if (!open.length) text = say("all-confirmed");
  else if (seen < open.length) text = say("confirm-seen", { seen, number: open.length });
  button.firstChild.data = text;
  button.hidden = !row.items.length;
  button.ariaDisabled = String(row.rest.hidden && !seen);
  const hint = row.rest.hidden && seen < open.length ? say("confirm-seen-why") : "";
  $("[data-seen-hint]", row.element).textContent = hint;
};

const tally = () => {
  const white = [...rows.values()].filter(({ code }) => labels[code]?.white);
  const all = white.reduce((sum, { items }) => sum + items.length, 0);
  for (const row of white) {
    const share = $("[data-share]", row.element);
    if (share) share.textContent = row.items.length ? `${write((100 * row.items.length) / all, 1)} %` : "";
  }
  for (const row of tallying) {
    $("[data-count]", row.element).textContent = row.items.length;
    const folded = row.items.filter(({ item }) => item.hidden).length;
    row.rest.hidden = !folded;
    $("b", row.rest).textContent = `+${folded}`;
    if (row.items.length) row.element.hidden = false;
    paintConfirm(row);
  }
  tallying.clear();
};

const soon = (row) => {
  if (!tallying.size) requestAnimationFrame(tally);
  tallying.add(row);
};

const paintSays = (cell) => {
  const says = $("[data-says]", cell.button);
  const code = codeOf(cell);
  if (cell.label && cell.label !== cell.was) says.replaceChildren(signOf(cell.was, true), "→", signOf(cell.label, true));
  else if (code === "unidentified") says.replaceChildren(...cell.possible.map((one) => signOf(one, true)));
  else says.replaceChildren(`${cell.label ? "✓ " : ""}${percent(chanceOf(cell))}`);
  const possible = code === "unidentified" && cell.possible.length ? `: ${cell.possible.map(nameOf).join(", ")}` : "";
  $("[data-listen]", cell.button).textContent = ` ${nameOf(code)}${possible}`;
  cell.button.classList.toggle("unstored", cell.unstored);
  cell.button.classList.toggle("told", Boolean(cell.told));
};

const comesBefore = (one, other) => chanceOf(one) - chanceOf(other) || one.number - other.number;

const move = (cell, code) => {
  const from = rows.get(cell.code);
  const to = rows.get(code);
  from.items.splice(from.items.indexOf(cell), 1);
  let place = to.items.findIndex((other) => comesBefore(cell, other) < 0);
  if (place < 0) place = to.items.length;
  const next = to.items[place]?.item ?? to.rest;
  to.items.splice(place, 0, cell);
  next.before(cell.item);
  cell.item.hidden = false;
  cell.code = code;
  soon(from);
  soon(to);
};

/** Bring a cell to where it belongs, and say of it what holds. */
export const place = (cell) => {
  const code = codeOf(cell);
  if (code !== cell.code) move(cell, code);
  else soon(rows.get(code));
  paintSays(cell);
};

/** Put all cells of a row on the screen. */
export const unfold = (row) => {
  for (const { item } of row.items) item.hidden = false;
  soon(row);
};

/** What can be confirmed of a row: what was on the screen. */
export const confirmable = (row) => unconfirmed(row).filter(({ seen }) => seen);

/** How many cells stand side by side. */
export const columnsOf = (row) => getComputedStyle($(".cells", row.element)).gridTemplateColumns.split(" ").length;

// A cell counts as seen when half of it was in view with its picture.
const see = (cell) => {
  cell.seen = true;
  soon(rowOf(cell));
};
const watching = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    const picture = $("img", target);
    if (!isIntersecting || !picture) continue;
    const cell = cells.get(Number(target.dataset.id));
    watching.unobserve(target);
    if (picture.complete && picture.naturalWidth) see(cell);
    else picture.addEventListener("load", () => see(cell), { once: true });
  }
}, { threshold: 0.5 });

/** A picture that does not come: nothing can be said of its cell. */
const lose = (cell) => {
  const gone = document.createElement("span");
  gone.className = "pic gone";
  gone.textContent = "–";
  $("img", cell.button)?.replaceWith(gone);
  cell.kept = false;
  soon(rowOf(cell));
};

for (const cell of cells.values()) {
  const picture = $("img", cell.button);
  picture?.addEventListener("error", () => lose(cell));
  watching.observe(cell.button);
}
for (const row of rows.values()) soon(row);
