// The document of the API: what is typed narrows the operations; an address opens its own.
import { $, $$, isOne } from "./page.js";

const input = $("#find");
const status = $("#found");
const operations = $$("[data-operation]");
const textOf = new Map(operations.map((one) => [one, one.textContent.toLowerCase()]));

const narrow = () => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const one of operations) one.hidden = !words.every((word) => textOf.get(one).includes(word));
  for (const chapter of $$("[data-chapter]")) chapter.hidden = !$("[data-operation]:not([hidden])", chapter);
  const number = operations.filter((one) => !one.hidden).length;
  $("[data-none]").hidden = number > 0;
  const { one, other } = status.dataset;
  status.textContent = words.length ? (isOne(number) ? one : other.replace("{number}", number)) : "";
};

const openNamed = () => {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!named?.matches("details")) return;
  named.open = true;
  named.scrollIntoView();
};

$("[data-find]").hidden = false;
input.addEventListener("input", narrow);
input.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  input.value = "";
  narrow();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  input.focus();
});
for (const one of operations) {
  one.addEventListener("toggle", () => {
    if (one.open) history.replaceState(null, "", `#${one.id}`);
  });
}
addEventListener("hashchange", openNamed);
openNamed();
narrow();
