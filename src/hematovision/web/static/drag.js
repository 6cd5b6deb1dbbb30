// Cells are dragged to a row, or to a name of those that have no row yet.
import { $$ } from "./page.js";

const targetOf = (event) => event.target.closest?.(".drop-on, [data-row]");

/**
 * Let cells be dragged.
 *
 * @param root - Holds cells and rows.
 * @param take - Called with the button that is dragged; gives all that come along.
 * @param drop - Called with the code of the name on which they fall.
 */
export const letDrag = (root, take, drop) => {
  const stop = () => {
    for (const one of $$(".drag, .over", root)) one.classList.remove("drag", "over");
  };
  root.addEventListener("dragstart", (event) => {
    const button = event.target.closest("[data-id]");
    if (!button) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", button.dataset.id);
    const buttons = take(button);
    // After the browser has drawn what follows the pointer.
    requestAnimationFrame(() => { for (const one of buttons) one.classList.add("drag"); });
  });
  root.addEventListener("dragover", (event) => {
    const target = targetOf(event);
    if (target) event.preventDefault();
    for (const one of $$(".over", root)) if (one !== target) one.classList.remove("over");
    target?.classList.add("over");
  });
  root.addEventListener("dragend", stop);
  root.addEventListener("drop", (event) => {
    const target = targetOf(event);
    event.preventDefault();
    stop();
    if (target) drop(target.dataset.name ?? target.dataset.row);
  });
};
