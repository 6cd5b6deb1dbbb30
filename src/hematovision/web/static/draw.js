// A box is drawn around a missed cell: by mouse, by finger, or by the arrows.
import { $, say } from "./page.js";

const LEAST = 8;
const STEP = 8;

/**
 * Let boxes be drawn over the photo.
 *
 * @param usual - The side of a box that the arrows begin with, in pixels of the photo.
 * @param keep - Called with [xmin, ymin, xmax, ymax], in pixels of the photo.
 */
export const letDraw = (usual, keep) => {
  const frame = $("[data-frame]");
  const found = $("[data-found]", frame);
  const drawing = $("[data-drawing]", found);
  const [width, height] = [Number(frame.dataset.width), Number(frame.dataset.height)];
  const unit = width / found.viewBox.baseVal.width;
  const buttons = { on: $("[data-draw]"), keep: $("[data-keep]"), drop: $("[data-drop-box]") };
  let box = null;
  let start = null;

  const between = (value, most) => Math.min(Math.max(Math.round(value), 0), most);

  const paint = () => {
    const [left, top, right, bottom] = box;
    const place = { x: left, y: top, width: right - left, height: bottom - top };
    for (const rect of drawing.children) {
      for (const [name, value] of Object.entries(place)) rect.setAttribute(name, value / unit);
    }
    $("[data-draw-says]").textContent = `${say("drawn")} ${say("place", { left, top, right, bottom })}`;
  };

  const set = ([left, top, right, bottom]) => {
    box = [between(left, width - LEAST), between(top, height - LEAST), between(right, width), between(bottom, height)];
    box[2] = Math.max(box[2], box[0] + LEAST);
    box[3] = Math.max(box[3], box[1] + LEAST);
    paint();
  };

  const turn = (on) => {
    buttons.on.setAttribute("aria-pressed", String(on));
    drawing.toggleAttribute("hidden", !on);
    frame.classList.toggle("drawing", on);
    buttons.keep.hidden = buttons.drop.hidden = !on;
    if (!on) {
      box = null;
      $("[data-draw-says]").textContent = "";
      return;
    }
    const half = Math.min(usual, width, height) / 2;
    set([width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half]);
    buttons.keep.focus();
  };

  const spot = (event) => {
    const { left, top, width: wide, height: high } = found.getBoundingClientRect();
    // The drawing keeps its proportions within its element, as the photo does.
    const shown = Math.min(wide / width, high / height);
    return [
      (event.clientX - left - (wide - width * shown) / 2) / shown,
      (event.clientY - top - (high - height * shown) / 2) / shown,
    ];
  };

  const nudge = (event) => {
    const sign = event.key === "ArrowLeft" || event.key === "ArrowUp" ? -1 : 1;
    const across = event.key === "ArrowLeft" || event.key === "ArrowRight";
    const by = [across ? sign * STEP : 0, across ? 0 : sign * STEP];
    const [left, top, right, bottom] = box;
    if (event.shiftKey) return set([left, top, right + by[0], bottom + by[1]]);
    const dx = Math.min(Math.max(by[0], -left), width - right);
    const dy = Math.min(Math.max(by[1], -top), height - bottom);
    return set([left + dx, top + dy, right + dx, bottom + dy]);
  };

  const finish = () => {
    const done = box;
    turn(false);
    keep(done);
  };

  frame.addEventListener("pointerdown", (event) => {
    if (!box) return;
    event.preventDefault();
    frame.setPointerCapture(event.pointerId);
    start = spot(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (!start) return;
    const [x, y] = spot(event);
    set([Math.min(x, start[0]), Math.min(y, start[1]), Math.max(x, start[0]), Math.max(y, start[1])]);
  });
  frame.addEventListener("pointerup", () => { start = null; });
  frame.addEventListener("click", (event) => { if (box) event.preventDefault(); });
  buttons.on.addEventListener("click", () => turn(!box));
  buttons.keep.addEventListener("click", finish);
  buttons.drop.addEventListener("click", () => { turn(false); buttons.on.focus(); });

  /** Take a key while a box is drawn; tell whether it was one. */
  return (event) => {
    if (event.key === "+" && !box) turn(true);
    else if (!box) return false;
    else if (event.key.startsWith("Arrow")) nudge(event);
    else if (event.key === "Enter" && event.target !== buttons.drop) finish();
    else if (event.key === "Escape") buttons.drop.click();
    else return event.key.length === 1;
    return true;
  };
};
