"use strict";

/* The page of `srmm serve`: inputs made from what the model reads, and its answer to them. */
const COLOURS = ["--c0", "--c2", "--c3", "--c4", "--c6", "--c5", "--c7", "--c1"];
const NEAREST = 8;
const byId = (id) => document.getElementById(id);
const state = { model: null, key: "", inputs: new Map(), request: null, timer: 0, pictures: [] };

/* An element with attributes and children; texts are texts, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

const styled = (element, variables) => {
  for (const [name, value] of Object.entries(variables)) element.style.setProperty(name, value);
  return element;
};
const percent = (p) => `${(100 * p).toFixed(1)} %`;
const signed = (p) => `${p < 0 ? "−" : "+"}${(100 * Math.abs(p)).toFixed(1)}`;
const listed = (words) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

async function ask(path, options = {}) {
  const headers = state.key ? { Authorization: `Bearer ${state.key}` } : {};
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  let content = {};
  try {
    content = (await response.json()).error ?? {};
  } catch {
    /* not JSON: a proxy's words */
  }
  const error = new Error(content.reason ?? `The server answered ${response.status}.`);
  Object.assign(error, { status: response.status, field: content.field, broken: content.broken });
  throw error;
}

/* ---- inputs ---- */

const KINDS = {
  image: "picture", face: "face", text: "text", audio: "sound", voice: "voice", features: "features",
};

function card(modality, place) {
  const id = `in-${place}`;
  const box = make("input", { type: "checkbox", role: "switch", id: `${id}-on`, checked: true });
  const what = make("span", {}, "on");
  const body = make("div", { class: "card-body" });
  const problem = make("p", { class: "problem", hidden: true, id: `${id}-problem` });
  const root = make(
    "div",
    { class: "card", role: "group", "aria-labelledby": `${id}-title`, "data-modality": modality.name },
    make(
      "div",
      { class: "card-head" },
      make("h3", { id: `${id}-title` }, modality.name),
      make("span", { class: "kind" }, KINDS[modality.kind] === modality.name ? "" : KINDS[modality.kind]),
      make("label", { class: "switch" }, what, box),
    ),
    body,
    problem,
  );
  box.setAttribute("aria-label", `Use ${modality.name}`);
  styled(root, { "--own": `var(${COLOURS[place % COLOURS.length]})` });
  const input = { modality, root, problem, on: () => box.checked, value: () => null, take: null };
  input.changed = (wait = 0) => {
    problem.hidden = true;
    root.removeAttribute("aria-invalid");
    schedule(wait);
  };
  box.addEventListener("change", () => {
    what.textContent = box.checked ? "on" : "off";
    root.classList.toggle("off", !box.checked);
    schedule(0);
  });
  input.switchOn = () => {
    if (!box.checked) box.click();
  };
  fillers(modality)(input, body, id);
  return input;
}

function fillers(modality) {
  if (modality.takes === "embeddings") return fillNumbers;
  if (modality.kind === "text") return fillText;
  if (modality.kind === "image" || modality.kind === "face") return fillPicture;
  if (modality.kind === "audio" || modality.kind === "voice") return fillSound;
  return modality.columns.length ? fillColumns : fillNumbers;
}

function fillText(input, body, id) {
  const area = make("textarea", { id, rows: 2, placeholder: "Type here" });
  area.setAttribute("aria-label", input.modality.name);
  area.addEventListener("input", () => input.changed(350));
  input.value = () => (area.value.trim() ? area.value : null);
  body.append(area);
}

function fillNumbers(input, body, id) {
  const n = input.modality.embedding_dim;
  const area = make("textarea", { id, rows: 2, placeholder: `${n} numbers, with commas or spaces` });
  area.setAttribute("aria-label", `${input.modality.name}: ${n} numbers`);
  area.addEventListener("input", () => input.changed(500));
  input.value = () => {
    const words = area.value.split(/[\s,;[\]]+/).filter(Boolean);
    return words.length ? JSON.stringify(words.map((word) => Number(word))).replaceAll("null", '"?"') : null;
  };
  body.append(area);
}

function fillColumns(input, body, id) {
  const grid = make("div", { class: "fields" });
  const read = input.modality.columns.map((column, i) => {
    const name = `${id}-${i}`;
    const control = columnControl(column, name);
    control.addEventListener("input", () => input.changed(350));
    const unit = column.unit ? ` (${column.unit})` : "";
    const hint = column.kind === "date" ? " – date" : column.kind === "tags" ? " – words, with commas" : "";
    grid.append(make("div", {}, make("label", { for: name }, column.name + unit + hint), control, control.list_ ?? null));
    return () => {
      const text = control.value.trim();
      if (!text) return [column.name, null];
      if (column.kind !== "tags") return [column.name, text];
      return [column.name, text.split(",").map((tag) => tag.trim()).filter(Boolean)];
    };
  });
  input.value = () => {
    const cells = Object.fromEntries(read.map((one) => one()).filter(([, cell]) => cell !== null));
    return Object.keys(cells).length ? JSON.stringify(cells) : null;
  };
  body.append(grid);
}

function columnControl(column, id) {
  const values = column.kind === "yes or no" ? ["yes", "no"] : column.values;
  if (column.kind === "yes or no" || (column.kind === "category" && values.length <= 12)) {
    const options = ["", ...values].map((value) => make("option", { value }, value || "–"));
    return make("select", { id }, ...options);
  }
  const control = make("input", {
    type: "text", id, autocomplete: "off", inputmode: column.kind === "number" ? "decimal" : "text",
    list: values.length ? `${id}-list` : null,
  });
  if (values.length) {
    control.list_ = make("datalist", { id: `${id}-list` }, ...values.map((value) => make("option", { value })));
  }
  return control;
}

/* A place for a file: dropped, pasted or chosen. `show` draws what was taken. */
function fillFile(input, body, id, { accept, word, show, read = async (file) => file }) {
  let file = null;
  const chooser = make("input", { type: "file", id, accept });
  chooser.setAttribute("aria-label", `${input.modality.name}: choose ${word}`);
  const inside = make("span", {});
  const zone = make("label", { class: "drop" }, inside, chooser);
  const remove = make("button", { type: "button", hidden: true }, "Remove");
  const tools = make("div", { class: "row" }, remove);
  const empty = () => inside.replaceChildren(`Drop ${word} here, or `, make("u", {}, "choose one"));
  input.value = () => file;
  input.take = async (taken) => {
    file = taken === null ? null : await read(taken);
    remove.hidden = file === null;
    chooser.value = "";
    if (file === null) empty();
    show(inside, file);
    if (file !== null) input.switchOn();
    input.changed();
  };
  chooser.addEventListener("change", () => chooser.files[0] && input.take(chooser.files[0]));
  remove.addEventListener("click", () => {
    input.take(null);
    chooser.focus();
  });
  for (const [event, over] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    input.root.addEventListener(event, () => input.root.classList.toggle("over", over));
  }
  empty();
  body.append(zone, tools);
  return tools;
}

function fillPicture(input, body, id) {
  let address = null;
  fillFile(input, body, id, {
    accept: "image/*",
    word: "a picture",
    show: (inside, file) => {
      if (address) URL.revokeObjectURL(address);
      address = file && URL.createObjectURL(file);
      if (!file) return;
      const image = make("img", { src: address, alt: `${file.name ?? "the picture"}, as given` });
      image.addEventListener("error", () => inside.replaceChildren(file.name ?? "a file"));
      inside.replaceChildren(image);
    },
  });
}

function fillSound(input, body, id) {
  let address = null;
  const player = make("audio", { controls: true, hidden: true });
  const tools = fillFile(input, body, id, {
    accept: "audio/*",
    word: "a sound",
    read: (file) => Sound.readable(file),
    show: (inside, file) => {
      if (address) URL.revokeObjectURL(address);
      address = file && URL.createObjectURL(file);
      player.hidden = !file;
      if (!file) return player.removeAttribute("src");
      player.src = address;
      inside.replaceChildren(file.name ?? "Recorded");
    },
  });
  const button = make("button", { type: "button" }, "Record");
  let stop = null;
  button.addEventListener("click", async () => {
    try {
      if (stop) {
        const finish = stop;
        stop = null;
        button.textContent = "Record";
        button.classList.remove("recording");
        await input.take(await finish());
      } else {
        stop = await Sound.record();
        button.textContent = "Stop";
        button.classList.add("recording");
      }
    } catch (error) {
      tell(input, `The microphone cannot be used: ${error.message}`);
    }
  });
  tools.prepend(button);
  body.append(player);
}

/* ---- asking ---- */

function tell(input, reason) {
  input.problem.textContent = reason;
  input.problem.hidden = false;
  input.root.setAttribute("aria-invalid", "true");
}

function schedule(wait) {
  clearTimeout(state.timer);
  state.timer = setTimeout(predict, wait);
}

function given() {
  const found = new Map();
  for (const [name, input] of state.inputs) {
    const value = input.on() ? input.value() : null;
    if (value !== null) found.set(name, value);
  }
  return found;
}

async function predict() {
  const items = given();
  state.request?.abort();
  state.request = new AbortController();
  document.body.classList.remove("busy");
  showError(null);
  if (!items.size && state.model.when_nothing_present === "error") return showNothing();
  const form = new FormData();
  for (const [name, value] of items) {
    if (value instanceof Blob) form.append(name, value, value.name ?? "item");
    else form.append(name, value);
  }
  if (!items.size) form.append("id", "nothing");
  const query = `top=5&nearest=${state.model.nearest ? NEAREST : 0}`;
  document.body.classList.add("busy");
  const { signal } = state.request;
  try {
    const response = await ask(`predict?${query}`, { method: "POST", body: form, signal });
    show((await response.json()).predictions[0]);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === 401) return needKey();
    refused(error);
  } finally {
    if (!signal.aborted) document.body.classList.remove("busy");
  }
}

function refused(error) {
  for (const { modality, reason } of error.broken ?? []) {
    tell(state.inputs.get(modality), `Cannot be read: it ${reason}.`);
  }
  const name = (error.field ?? "").split(/[.[]/)[0];
  const input = state.inputs.get(name);
  if (input) tell(input, error.message);
  showNothing(null);
  showError(error.status === 503 ? `${error.message} Trying again …` : error.message);
  if (error.status === 503) schedule(1500);
}

/* ---- the answer ---- */

function showError(reason) {
  byId("error").hidden = reason === null;
  byId("error").textContent = reason ?? "";
}

function showNothing(invitation = `Give it something – ${listed([...state.inputs.keys()])}, any of them – and the answer is here.`) {
  byId("verdict").hidden = invitation === null;
  byId("verdict").replaceChildren(make("p", { class: "quiet" }, invitation ?? ""));
  byId("spoken").textContent = "";
  for (const id of ["votes", "expected", "near", "mini"]) byId(id).hidden = true;
}

function show(said) {
  showVerdict(said);
  showVotes(said);
  showExpected(said);
  showNear(said.nearest ?? []);
  for (const [name, input] of state.inputs) {
    const about = said.modalities[name];
    if (about.status === "broken") tell(input, `Cannot be read, and counts as absent: it ${about.reason}.`);
    else if (about.status === "blank") tell(input, "Stands for nothing, and counts as absent.");
  }
}

function showVerdict(said) {
  const label = String(said.label);
  const panel = byId("verdict");
  panel.hidden = false;
  const classes = said.probabilities.map(({ label, probability }) =>
    make(
      "li",
      {},
      make("span", { class: "name", title: String(label) }, String(label)),
      make("span", { class: "bar", "aria-hidden": "true" }, styled(make("i"), { "--w": probability })),
      make("span", { class: "n" }, percent(probability)),
    ),
  );
  const hidden = state.model.classes.length - classes.length;
  panel.replaceChildren(
    said.nothing_present
      ? make("p", { class: "warn" }, "Nothing is present: these are the class shares of training.")
      : "",
    make(
      "div",
      { class: "verdict-head" },
      make("p", { class: "label-big" }, label),
      make("span", { class: "sure" }, percent(said.probability)),
    ),
    make("ol", { class: "classes", "aria-label": "Most probable classes" }, ...classes),
    hidden > 0 ? make("p", { class: "aside" }, `and ${hidden.toLocaleString("en")} more ${hidden === 1 ? "class" : "classes"}`) : "",
    said.set ? setLine(said.set) : "",
    ...said.notes.map((note) => make("p", { class: "aside" }, note)),
  );
  byId("spoken").textContent = `${label}, ${percent(said.probability)}.`;
  byId("mini").replaceChildren(make("b", {}, label), make("span", {}, percent(said.probability)));
  byId("mini").hidden = false;
}

function setLine(set) {
  const most = 12;
  const chips = set.labels.slice(0, most).map((label) => make("span", { class: "chip" }, String(label)));
  const rest = set.labels.length > most ? ` and ${set.labels.length - most} more` : "";
  return make("p", { class: "set" }, `In ${Math.round(100 * set.coverage)} % of such cases the true class is among: `, ...chips, rest);
}

function showVotes(said) {
  const entries = Object.entries(said.modalities);
  const shares = entries.map(([, about]) => about.share).filter((share) => share !== null);
  const low = Math.min(0, ...shares);
  const span = Math.max(0.02, Math.max(0, ...shares) - low);
  const rows = entries.map(([name, about]) => {
    const row = styled(make("tr", { "data-modality": name }), { "--own": state.inputs.get(name).root.style.getPropertyValue("--own") });
    row.append(make("th", { scope: "row" }, name));
    if (about.status !== "present") {
      const why = { absent: "absent", blank: "blank, so absent", broken: "broken, so absent" }[about.status];
      row.append(make("td", { class: "absent", colspan: 2 }, why));
      return row;
    }
    const differs = String(about.label) !== String(said.label);
    row.append(
      make("td", { class: differs ? "says against" : "says" }, make("b", {}, String(about.label)), ` ${percent(about.probability)}`),
      make("td", {}, about.share === null ? "–" : shareBar(about.share, low, span)),
    );
    return row;
  });
  const head = make(
    "thead",
    {},
    make("tr", {}, make("th", { scope: "col" }, "Modality"), make("th", { scope: "col" }, "alone says"), make("th", { scope: "col" }, "adds (points)")),
  );
  const parts = said.prior_share === null ? [] : shares.map((share) => ` ${signed(share).replace(/^(.)/, "$1 ")}`);
  const sum = parts.length
    ? `${String(said.label)}: ${percent(said.prior_share).replace(" %", "")} before anything is known${parts.join("")} = ${percent(said.probability)}`
    : "";
  byId("votes").replaceChildren(make("table", { class: "votes" }, head, make("tbody", {}, ...rows)), make("p", { class: "sum" }, sum));
  byId("votes").hidden = false;
}

function shareBar(share, low, span) {
  const bar = styled(make("i", { class: share < 0 ? "minus" : "" }), {
    "--from": (Math.min(0, share) - low) / span,
    "--w": Math.abs(share) / span,
  });
  const axis = styled(make("span", { class: "axis", "aria-hidden": "true" }, bar), {
    "--zero": `${(100 * -low) / span}%`,
  });
  return make("span", { class: "share" }, axis, make("span", { class: "n" }, signed(share)));
}

function counted(n, rows) {
  const those = (n === 1 ? rows.replace("rows", "row") : rows).replace(/, .*/, "$&,");
  return `${n == null ? "the" : n.toLocaleString("en")} ${those} ${n === 1 ? "was" : "were"}`;
}

function showExpected(said) {
  const accuracy = state.model.accuracy;
  byId("expected").hidden = !accuracy;
  if (!accuracy) return;
  const now = Object.entries(said.modalities).filter(([, about]) => about.status === "present").map(([name]) => name);
  const same = (pattern) => pattern.present.length === now.length && now.every((name) => pattern.present.includes(name));
  const mine = accuracy.patterns.find(same);
  const text = mine
    ? make(
        "p",
        { class: "expected" },
        make("b", {}, percent(mine.accuracy)),
        ` of ${counted(mine.n, accuracy.rows)} right from ${listed(now)} alone`.replace(now.length > 1 ? / alone$/ : /$^/, ""),
        mine.interval ? ` (95 %: ${percent(mine.interval[0]).replace(" %", "")} to ${percent(mine.interval[1])}).` : ".",
      )
    : make("p", { class: "expected" }, "How often the model is right with just this is not known.");
  const rows = accuracy.patterns.map((pattern) =>
    make("li", { class: same(pattern) ? "now" : null, "aria-current": same(pattern) ? "true" : null }, make("span", {}, pattern.present.join(" + ")), make("span", { class: "n" }, percent(pattern.accuracy))),
  );
  const open = byId("expected").querySelector("details")?.open ?? false;
  byId("expected").replaceChildren(text, make("details", { open }, make("summary", {}, "with anything else"), make("ul", { class: "patterns" }, ...rows)));
}

async function showNear(items) {
  byId("near").hidden = !items.length;
  state.pictures.forEach((address) => URL.revokeObjectURL(address));
  state.pictures = [];
  const seen = items.some((item) => item.pictures.length); // of numbers and texts there is nothing to see
  byId("neighbours").replaceChildren(
    ...items.map((item) => {
      const frame = make("div", { class: item.pictures.length ? "frame" : "frame none" }, item.pictures.length ? "" : "no picture");
      if (item.pictures.length) picture(frame, item);
      const texts = Object.values(item.texts).map((text) => make("p", { class: "text" }, text));
      const like = make("p", { class: "like" }, `likeness ${item.likeness.toFixed(2).replace("-", "−")}`);
      return make("li", {}, seen ? frame : null, make("div", { class: "about" }, make("b", {}, String(item.label)), ...texts, like));
    }),
  );
}

async function picture(frame, item) {
  try {
    const response = await ask(`nearest/${item.number}/${encodeURIComponent(item.pictures[0])}`);
    const address = URL.createObjectURL(await response.blob());
    state.pictures.push(address);
    frame.append(make("img", { src: address, alt: `${Object.values(item.texts)[0] ?? "training item"}, ${item.label}` }));
  } catch {
    frame.classList.add("none");
    frame.textContent = "no picture";
  }
}

/* ---- the beginning ---- */

function needKey() {
  byId("main").hidden = true;
  byId("key-form").hidden = false;
  byId("lead").textContent = state.key ? "The server does not know this key." : "This server wants an API key.";
  byId("key").focus();
}

async function begin() {
  try {
    state.model = await (await ask("model")).json();
  } catch (error) {
    if (error.status === 401) return needKey();
    byId("page-error").textContent = `The server cannot be asked: ${error.message}`;
    byId("page-error").hidden = false;
    return;
  }
  const { model } = state;
  const names = model.modalities.map((modality) => modality.name);
  document.title = `${model.name} · srmm`;
  byId("title").textContent = model.name;
  byId("lead").textContent = `One of ${model.classes.length.toLocaleString("en")} classes, from ${listed(names)}. Leave out whatever you like, or switch it off, and see the answer move.`;
  byId("about").textContent = `Method ${model.method ?? "unknown"}, trained on ${(model.n_train ?? 0).toLocaleString("en")} rows. srmm ${model.srmm}. What you give is sent to this server only.`;
  state.inputs = new Map(model.modalities.map((modality, i) => [modality.name, card(modality, i)]));
  byId("cards").replaceChildren(...[...state.inputs.values()].map((input) => input.root));
  byId("key-form").hidden = true;
  byId("main").hidden = false;
  showNothing();
}

/* A file dropped anywhere, or pasted, goes to the card under it, or the first that takes such. */
function placeFor(file, target) {
  const over = target instanceof Element && target.closest(".card");
  const cards = [...state.inputs.values()].filter((input) => input.take);
  const wanted = file.type.startsWith("audio/") ? ["audio", "voice"] : ["image", "face"];
  return cards.find((input) => input.root === over) ?? cards.find((input) => wanted.includes(input.modality.kind));
}

document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const file = event.dataTransfer?.files[0];
  if (file) placeFor(file, event.target)?.take(file);
});
document.addEventListener("paste", (event) => {
  const file = event.clipboardData?.files[0];
  if (file) placeFor(file, event.target)?.take(file);
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  state.key = byId("key").value.trim();
  begin();
});
begin();
