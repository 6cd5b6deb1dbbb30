// One picture of the list: its preview, what is said of it, and what can be done with it.
import { $, $$ } from "./page.js";

const BUTTONS = {
  waiting: ["remove"],
  sending: ["cancel"],
  reading: ["cancel"],
  read: ["remove", "open"],
  cancelled: ["remove", "again"],
};

/** What is known of a file before it is read; browsers do not show TIFF. */
export const detailOf = (file) => {
  const shown = file.type.startsWith("image/") && !/tiff|svg/.test(file.type);
  const kind = (file.type.split("/")[1] ?? "").split("+")[0].toUpperCase();
  return { kind: kind.length > 0 && kind.length < 6 ? kind : "FILE", preview: shown ? URL.createObjectURL(file) : "" };
};

const blankOf = ({ kind }) => {
  const blank = document.createElement("span");
  blank.className = "blank";
  blank.ariaHidden = "true";
  blank.textContent = kind;
  return blank;
};

const showPreview = (picture) => {
  const { row, preview, number } = picture;
  const image = document.createElement("img");
  const place = row.firstElementChild;
  if (!preview) return place.replaceWith(blankOf(picture));
  Object.assign(image, { alt: `Picture ${number}`, width: 88, height: 66, loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(blankOf(picture)));
  image.src = preview;
  return place.replaceWith(image);
};

export const makeRow = (picture, act) => {
  const row = $("[data-row]").content.firstElementChild.cloneNode(true);
  picture.row = row;
  picture.fresh = true;
  $("b", row).textContent = `Picture ${picture.number}`;
  $("progress", row).ariaLabel = `Sending picture ${picture.number}`;
  for (const button of $$("button", row)) {
    button.ariaLabel = `${button.textContent} picture ${picture.number}`;
    button.addEventListener("click", () => act(button.dataset.do));
  }
  return row;
};

const countsOf = ({ counts }) => Object.entries(counts).map(([name, number]) => {
  const part = document.createElement("span");
  const plural = number === 1 || name === "unidentified" ? "" : "s";
  part.append($(`[data-mark="${name}"]`).content.cloneNode(true), `${number} ${name}${plural}`);
  return part;
});

const sentenceOf = ({ state, sent, problem }) => ({
  waiting: "Waiting",
  sending: `Sending, ${Math.round(100 * sent)} %`,
  reading: "Finding and naming the cells",
  failed: problem?.detail,
  cancelled: "Cancelled. It was not read.",
})[state];

/** Bring the row up to date with its picture. */
export const paint = (picture) => {
  const { row, state, reading, problem, seconds, sent } = picture;
  if (picture.fresh) showPreview(picture);
  picture.fresh = false;
  const say = $(".say", row);
  row.classList.toggle("bad", state === "failed");
  say.classList.toggle("strip", state === "read");
  const found = state === "read" ? countsOf(reading) : [];
  say.replaceChildren(...(found.length ? found : [sentenceOf(picture) ?? "No white cell found"]));
  const detail = $("[data-detail]", row);
  if (state === "read") detail.textContent = `${reading.image.width} × ${reading.image.height} · read in ${seconds.toFixed(2)} s`;
  else detail.textContent = state === "failed" ? problem.advice : "";
  detail.hidden = !detail.textContent;
  Object.assign($("progress", row), { value: sent, hidden: !["sending", "reading"].includes(state) });
  const failed = ["remove", picture.again ? "again" : "replace"];
  const buttons = BUTTONS[state] ?? failed;
  for (const button of $$("button", row)) button.hidden = !buttons.includes(button.dataset.do);
};
