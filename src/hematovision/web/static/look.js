// The cell in hand: large, between the two that it could be, with what the system sees.
import { $, $$, say } from "./page.js";
import { codeOf, fill, labels, nameOf, percent, references, signOf, title, urls } from "./known.js";

const look = $("[data-look]");
const big = $("[data-big]", look);
let shown;
let heat = "";

const paintOdds = (cell) => {
  const ranked = Object.entries(cell.odds).sort(([, one], [, other]) => other - one);
  const list = document.createElement("ul");
  list.className = "odds";
  list.ariaLabel = say("odds");
  for (const [code, part] of ranked) {
    const line = $("[data-odd]").content.firstElementChild.cloneNode(true);
    line.dataset.c = labels[code]?.shape ?? "o";
    line.classList.toggle("out", !cell.possible.includes(code));
    $(".mark", line).replaceWith(signOf(code, true));
    $("[data-kind]", line).textContent = title(labels[code] ? nameOf(code) : say("other"));
    $(".is", line).setAttribute("width", `${(100 * part).toFixed(1)}%`);
    $(".num", line).textContent = percent(part);
    list.append(line);
  }
  $("[data-odds]", look).replaceChildren(...(ranked.length ? [list] : [say("boxed")]));
  return ranked.map(([code]) => code).filter((code) => code !== "other");
};

const pictureOf = ({ url, from }, code) => {
  const picture = document.createElement("img");
  picture.className = "pic";
  Object.assign(picture, { width: 240, height: 240, decoding: "async", src: url });
  picture.alt = say("reference", { name: nameOf(code) });
  picture.title = from;
  picture.addEventListener("error", () => picture.remove());
  return picture;
};

const paintRivals = (cell, [first, second]) => {
  $$("[data-rival]", look).forEach((rival, place) => {
    const code = [first, second][place];
    rival.classList.toggle("blank", !code);
    if (rival.dataset.of === `${code} ${cell.id}`) return;
    rival.dataset.of = `${code} ${cell.id}`;
    for (const old of $$("img", rival)) old.remove();
    if (!code) return;
    $("h3", rival).replaceChildren(signOf(code, true), ` ${title(nameOf(code))}`);
    const found = (references[code] ?? []).filter((one) => one.cell !== cell.id).slice(0, 3);
    rival.append(...found.map((one) => pictureOf(one, code)));
    $("[data-none]", rival).hidden = found.length > 0;
  });
  const possible = cell.possible.length;
  $("[data-set-line]", look).textContent = !first ? "" : possible === 2 ? say("between")
    : possible > 2 ? say("possible", { number: possible }) : say("nearest");
};

const paintHistory = async (cell) => {
  const list = $("[data-history]", look);
  list.replaceChildren();
  if (!cell.version || !urls.history) return;
  const said = await fetch(fill(urls.history, { id: cell.id }), { headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : []))
    .catch(() => []);
  if (shown !== cell) return;
  list.replaceChildren(...said.map((one) => {
    const line = document.createElement("li");
    line.textContent = say("said", one);
    return line;
  }));
};

/** Show a cell large; again whenever something is said of it. */
export const showLarge = (cell) => {
  const isNew = shown !== cell;
  shown = cell;
  const code = codeOf(cell);
  $("[data-title]", look).replaceChildren(signOf(code), ` ${say("cell", { number: cell.number, name: nameOf(code) })}`);
  for (const button of $$("[data-name]", look)) {
    if (button.dataset.name === code) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  if (isNew) {
    const link = $("[data-photo-link]", look);
    link.textContent = say("in-photo", { number: cell.photo });
    link.href = `${fill(urls.photo, { number: cell.photo })}#cell-${cell.number}`;
    big.hidden = !cell.kept;
    $("[data-gone]", look).hidden = cell.kept;
    if (cell.kept) Object.assign(big, { src: fill(urls.crop, { id: cell.id }), alt: say("cell", { number: cell.number, name: nameOf(code) }) });
    hideHeat();
    paintRivals(cell, paintOdds(cell));
    $("[data-finding]", look).textContent = cell.finding;
    $("[data-meaning]", look).textContent = cell.meaning;
    $("[data-morph]", look).hidden = !cell.morphology;
    $("[data-morphology]", look).textContent = cell.morphology;
    $("[data-trace]", look).textContent = cell.model ? say("said-by-system", { model: cell.model, name: nameOf(cell.was) }) : "";
  }
  paintHistory(cell);
};

const hideHeat = () => {
  $("[data-heat]", look).setAttribute("aria-pressed", "false");
  $("[data-heat-says]", look).textContent = "";
  if (heat) URL.revokeObjectURL(heat);
  heat = "";
};

/** Show what mattered in the cell in hand, or its plain picture again. */
export const toggleHeat = async () => {
  const cell = shown;
  const says = $("[data-heat-says]", look);
  if (heat) {
    big.src = fill(urls.crop, { id: cell.id });
    return hideHeat();
  }
  says.textContent = say("reading");
  const answer = await fetch(fill(urls.heat, { id: cell.id }), { headers: { Accept: "application/json, image/jpeg" } }).catch(() => null);
  if (shown !== cell) return undefined;
  if (!answer?.ok) {
    says.textContent = answer ? (await answer.json()).detail : say("offline");
    return undefined;
  }
  heat = URL.createObjectURL(await answer.blob());
  big.src = heat;
  $("[data-heat]", look).setAttribute("aria-pressed", "true");
  const inside = percent(Number(answer.headers.get("X-Heat-Inside")));
  says.textContent = say("heat", { name: nameOf(answer.headers.get("X-Heat-Of")), inside });
  return undefined;
};

$("[data-heat]", look).addEventListener("click", toggleHeat);
