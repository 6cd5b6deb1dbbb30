// What the page knows of its cells, and how it speaks of them.
import { $ } from "./page.js";

const known = JSON.parse($("#known").textContent);

export const { labels, urls, letters } = known;
export const references = known.references ?? {};
export const cells = new Map(known.cells.map((cell) => [cell.id, cell]));
export const usable = new Set(known.usable);

for (const cell of cells.values()) Object.assign(cell, { seen: false, unstored: false });

/** What a cell is called now: by people, else by the model. */
export const codeOf = (cell) => cell.label ?? cell.was;

export const nameOf = (code) => labels[code]?.name ?? code;

export const title = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const percent = (part) => (part >= 0.995 && part < 1 ? "> 99 %" : `${Math.round(100 * part)} %`);

/** The mark of a name: shape, colour and letter together. */
export const signOf = (code, small = false) => {
  const mark = document.createElement("span");
  mark.className = small ? "mark small" : "mark";
  mark.dataset.c = labels[code]?.shape ?? (code === "other" ? "o" : "more");
  mark.ariaHidden = "true";
  mark.textContent = labels[code]?.letter ?? "·";
  return mark;
};

const byKey = new Map(
  letters ? Object.keys(labels).filter((code) => labels[code].key && usable.has(code))
    .map((code) => [labels[code].key.toLowerCase(), code]) : [],
);
if (letters) byKey.set("u", "unidentified");

/** Which name a key gives, if any; never with a modifier, for those are the browser's. */
export const nameOfKey = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  return event.key === "Delete" ? "no_cell" : byKey.get(event.key.toLowerCase());
};

/** Fill an address with the number of a cell or photo. */
export const fill = (url, values) => url.replace(/\{(\w+)\}|%7B(\w+)%7D/g, (_, one, other) => values[one ?? other]);
