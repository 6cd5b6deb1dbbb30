// One picture of the list: its preview, what is said of it, and what can be done with it.
import { $, $$, isOne, say, write } from "./page.js";

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
  return { kind: kind.length > 0 && kind.length < 6 ? kind : say("file"), preview: shown ? URL.createObjectURL(file) : "" };
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
  Object.assign(image, { alt: say("picture", { number }), width: 88, height: 66, loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(blankOf(picture)));
  image.src = preview;
  return place.replaceWith(image);
};

export const makeRow = (picture, act) => {
  const row = $("[data-row]").content.firstElementChild.cloneNode(true);
  picture.row = row;
  picture.fresh = true;
  const { number } = picture;
  $("b", row).textContent = say("picture", { number });
  $("progress", row).ariaLabel = say("sendingOne", { number });
  for (const button of $$("button", row)) {
    button.ariaLabel = say(button.dataset.do, { number });
    button.addEventListener("click", () => act(button.dataset.do));
  }
  return row;
};

const countsOf = ({ counts }) => Object.entries(counts).map(([name, number]) => {
  const part = document.createElement("span");
  const { content, dataset } = $(`[data-mark="${name}"]`);
  part.append(content.cloneNode(true), `${number} ${isOne(number) ? dataset.one : dataset.other}`);
  return part;
});

const sentenceOf = ({ state, sent, problem }) => ({
  waiting: say("waiting"),
  sending: say("sending", { percent: Math.round(100 * sent) }),
  reading: say("reading"),
  failed: problem?.detail,
  cancelled: say("stopped"),
})[state];

/** Bring the row up to date with its picture. */
export const paint = (picture) => {
  const { row, state, reading, problem, seconds, sent } = picture;
  if (picture.fresh) showPreview(picture);
  picture.fresh = false;
  const place = $(".say", row);
  row.classList.toggle("bad", state === "failed");
  place.classList.toggle("strip", state === "read");
  const found = state === "read" ? countsOf(reading) : [];
  place.replaceChildren(...(found.length ? found : [sentenceOf(picture) ?? say("none")]));
  const detail = $("[data-detail]", row);
  if (state === "read") detail.textContent = say("detail", { ...reading.image, seconds: write(seconds, 2) });
  else detail.textContent = state === "failed" ? problem.advice : "";
  detail.hidden = !detail.textContent;
  Object.assign($("progress", row), { value: sent, hidden: !["sending", "reading"].includes(state) });
  const failed = ["remove", picture.again ? "again" : "replace"];
  const buttons = BUTTONS[state] ?? failed;
  const focused = row.contains(document.activeElement);
  for (const button of $$("button", row)) button.hidden = !buttons.includes(button.dataset.do);
  // A button that goes takes the keyboard's place with it.
  if (focused && document.activeElement.hidden) $("button:not([hidden])", row)?.focus();
};
