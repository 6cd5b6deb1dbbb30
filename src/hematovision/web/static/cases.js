// The start page: what is being read goes on by itself; two keys lead to the fields.
import { watch } from "./live.js";
import { $, onKey } from "./page.js";

const start = $("[data-runs]");
const runs = start.dataset.runs.trim();
if (runs) watch(runs.split(/\s+/));
for (const [key, field] of [["/", "#q"], ["c", "#accession"]]) onKey(key, () => $(field)?.focus());
