// Files go to the server in small groups, one after another: no request is too large, and what was
// sent stays sent.
const MOST_FILES = 16;
const MOST_BYTES = 2 ** 24;

/** Take from the files as many as one request should carry. */
export const nextGroup = (files, maxFiles) => {
  const group = [];
  let bytes = 0;
  for (const file of files.slice(0, Math.min(MOST_FILES, maxFiles))) {
    bytes += file.size;
    if (group.length && bytes > MOST_BYTES) break;
    group.push(file);
  }
  return group;
};

/** Begin to send a group; the promise gives the status and what became of each file. */
export const send = (url, group, fields, token, onPart) => {
  const request = new XMLHttpRequest();
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  // The names of the files stay here; their places come back instead.
  group.forEach((file, place) => form.append("image", file, String(place)));
  request.open("POST", url);
  request.responseType = "json";
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("X-CSRFToken", token);
  request.upload.addEventListener("progress", ({ loaded, total }) => onPart(loaded / total));
  const done = new Promise((resolve) => {
    request.addEventListener("loadend", () => resolve({ status: request.status, answer: request.response }));
  });
  request.send(form);
  return { done, stop: () => request.abort() };
};

/** Call every answer by the name of its file, or by the one that a ZIP has for it. */
export const withNames = (group, answers) =>
  answers.map((answer) => ({ ...answer, name: group[/^\d+$/.test(answer.name) ? answer.name : -1]?.name ?? answer.name }));
