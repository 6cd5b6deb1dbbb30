// How pictures come in: chosen, dropped as files or folders anywhere on the page, or pasted.
import { $, onKey } from "./page.js";

/** Tell whether a file is worth sending; of a folder only such are. */
export const looksLikePicture = (file) => file.type.startsWith("image/") || /\.(jpe?g|png|tiff?|bmp|webp)$/i.test(file.name);
/** Sort as people count: 2 comes before 10. */
export const byName = (name, other) => name.localeCompare(other, undefined, { numeric: true });
const allEntries = async (folder) => {
  const reader = folder.createReader();
  const entries = [];
  // A browser gives a hundred at a time, and an empty list at the end.
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) return entries.sort((a, b) => byName(a.name, b.name));
    entries.push(...some);
  }
};
const filesUnder = async (entry) => {
  if (entry.isDirectory) return (await Promise.all((await allEntries(entry)).map(filesUnder))).flat();
  const file = await new Promise((resolve, reject) => { entry.file(resolve, reject); });
  return looksLikePicture(file) ? [file] : [];
};
/** Give every file of a drop; of a folder only what looks like a picture. */
const filesOf = async (transfer) => {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  // All are asked for before the first wait: afterwards the browser has emptied the list.
  const dropped = items.map((item) => ({ file: item.getAsFile(), entry: item.webkitGetAsEntry?.() }));
  const files = dropped.map(({ file, entry }) => (entry?.isDirectory ? filesUnder(entry) : [file]));
  return (await Promise.all(files)).flat().filter(Boolean);
};

/** Call `add` with the files of every choice, drop and paste. */
export const listen = (add) => {
  const pick = $("#pick");
  const drop = $("[data-drop]");
  pick.classList.add("sr");
  const takeChosen = () => {
    if (pick.files.length) add([...pick.files]);
    pick.value = "";
  };
  pick.addEventListener("change", takeChosen);
  takeChosen(); // What was chosen before this page had listened.
  onKey("o", () => pick.click());
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
    });
  }
  document.addEventListener("drop", async (event) => add(await filesOf(event.dataTransfer)));
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) add(files);
  });
};
