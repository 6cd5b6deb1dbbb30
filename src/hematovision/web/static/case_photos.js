// The photos of a case: files are sent group by group, and what becomes of them shows by itself.
import { byName, listen, looksLikePicture } from "./intake.js";
import { watch } from "./live.js";
import { $, $$, say, sayCount } from "./page.js";
import { nextGroup, send, withNames } from "./sending.js";

const address = $("[data-progress]").dataset.progress;
const drop = $("[data-drop]");
const token = $("meta[name=csrf-token]").content;
const queue = [];
const counts = {};
let total = 0;
let done = 0;
let name = "";
let sending = null;
let isSending = false;
let isStopped = false;

/** What a sending is called: of the same content in two sendings, one is enough. */
const newName = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const isArchive = ({ name, type }) => /\.zip$/i.test(name) || /zip/.test(type);
const isUnderWay = () => isSending || queue.length > 0;
const count = (key, number = 1) => { counts[key] = (counts[key] ?? 0) + number; };

const showRefused = (name, detail, advice) => {
  const row = $("[data-refused-row]").content.firstElementChild.cloneNode(true);
  $("b", row).textContent = name;
  $(".say", row).textContent = detail;
  $(".faint", row).textContent = advice;
  $("[data-refused]").append(row);
  count("refused");
};

/** Say how far sending is, and in the end what became of the files. */
const paint = (part = 0, title = sayCount(isUnderWay() ? "sending" : "done", total)) => {
  $("[data-sent]").hidden = false;
  $("[data-sent-title]").textContent = title;
  Object.assign($("[data-sent-bar]"), { hidden: !isUnderWay(), max: total || 1, value: done + part });
  $("[data-stop]").hidden = !isSending;
  $("[data-go-on]").hidden = isSending || !queue.length;
  const parts = ["kept", "same", "here", "left_out", "refused"].filter((key) => counts[key]).map((key) => sayCount(key, counts[key]));
  if (isUnderWay()) parts.unshift(say("sent", { done, total }));
  $("[data-sent-words]").textContent = parts.join(" · ") || say("nothing");
};

const settle = (group, answers) => {
  for (const { name: called, state, error } of withNames(group, answers)) {
    if (error) showRefused(called, error.detail, error.advice);
    else count({ same: "same", here: "here", left_out: "left_out" }[state] ?? "kept");
  }
  done += group.length;
};

/** Stop, and say why; what was not sent waits for somebody to go on. */
const halt = (group, answer) => {
  queue.unshift(...group);
  isSending = false;
  const { detail = say("no_answer"), advice = say("go_on") } = answer ?? {};
  paint(0, isStopped ? say("stopped") : `${say("stopped")} ${detail} ${advice}`);
};

const sendAll = async () => {
  [isSending, isStopped] = [true, false];
  while (queue.length) {
    if (isStopped) return halt([]);
    const group = nextGroup(queue, Number(drop.dataset.maxFiles));
    queue.splice(0, group.length);
    sending = send(drop.action, group, { sending: name }, token, (part) => paint(part * group.length));
    paint();
    const { status, answer } = await sending.done;
    if (status !== 200) return halt(group, answer);
    settle(group, answer.files);
    paint();
    watch([address]);
  }
  isSending = false;
  return paint();
};

const stop = () => {
  isStopped = true;
  sending.stop();
};

const add = (files) => {
  if (!isUnderWay()) {
    for (const key of Object.keys(counts)) delete counts[key];
    [total, done, name] = [0, 0, newName()];
    $("[data-refused]").replaceChildren();
  }
  for (const file of files) {
    const { maxBytes, maxRequest, tooLarge, advice } = drop.dataset;
    if (!isArchive(file) && file.size > Number(maxBytes)) showRefused(file.name, tooLarge, advice);
    else if (file.size > Number(maxRequest) - 2 ** 16) showRefused(file.name, say("zip_too_large"), say("drop_folder"));
    else {
      queue.push(file);
      total += 1;
    }
  }
  if (isSending) paint();
  else sendAll();
};

const addFolder = ({ target }) => {
  const all = [...target.files].sort((a, b) => byName(a.webkitRelativePath, b.webkitRelativePath));
  const pictures = all.filter(looksLikePicture);
  target.value = "";
  add(pictures);
  if (all.length > pictures.length) {
    count("left_out", all.length - pictures.length);
    paint();
  }
};

const replace = (photo) => {
  const form = $("[data-replace-form]");
  const [picker] = form.elements;
  picker.onchange = async () => {
    const { status, answer } = await send(drop.action, [...picker.files], { replaces: photo }, token, () => {}).done;
    const { error } = status === 200 ? answer.files[0] : { error: answer ?? { detail: say("no_answer"), advice: say("go_on") } };
    if (error) showRefused(picker.files[0].name, error.detail, error.advice);
    else count("kept");
    form.reset();
    paint();
    watch([address]);
  };
  picker.click();
};

for (const part of $$("[data-with-script]")) part.hidden = false;
for (const part of $$("[data-without-script]")) part.hidden = true;
watch([address]);
if (drop) {
  $("[data-folder]").addEventListener("click", () => $("#pick-folder").click());
  $("#pick-folder").addEventListener("change", addFolder);
  $("[data-stop]").addEventListener("click", stop);
  $("[data-go-on]").addEventListener("click", sendAll);
  document.addEventListener("click", ({ target }) => { if (target.dataset?.replace) replace(target.dataset.replace); });
  addEventListener("beforeunload", (event) => { if (isUnderWay()) event.preventDefault(); });
  listen(add);
}
