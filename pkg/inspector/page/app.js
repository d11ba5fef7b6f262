"use strict";

// Everything from outside is shown with textContent or as an attribute's value,
// never as HTML.

const maxItems = 1000; // as many as the history of listen
const maxRows = 300;
const $ = (id) => document.getElementById(id);

// The token is in the fragment, which browsers never send. It moves to this tab's
// storage, so that a reload works and the address bar does not show it.
if (location.hash.length > 1) {
  sessionStorage.setItem("token", location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}
const token = sessionStorage.getItem("token") || "";

let items = [];         // newest first
let selected = 0;       // number of the request whose details are shown
let waiting = [];       // items that arrived during a pause
let depths = [];        // waiting events in each second of the last 10 minutes
let ages = [];          // age of the oldest of them in seconds
let about = { target: "", edit: false, queue: false, log: false, endpoints: [""] };
let drawing = false;

async function call(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { "X-Inspector-Token": token, ...options.headers } });
  if (!response.ok) throw new Error((await response.text()).trim() || response.statusText);
  return response;
}

function element(name, properties = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") e.className = value;
    else if (key === "onclick") e.addEventListener("click", value);
    else e.setAttribute(key, value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

// fill replaces what an element contains; null stands for nothing.
function fill(parent, ...children) {
  parent.replaceChildren(...children.filter((c) => c !== null));
}

// stream reads the server-sent events. EventSource cannot send the token.
async function stream() {
  for (;;) {
    try {
      const response = await call("/api/events");
      items = [];
      waiting = [];
      say("connected");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (text + value).split("\n\n");
        text = parts.pop();
        for (const part of parts) {
          const [kind, data] = part.split("\n");
          handle(kind.slice("event: ".length), JSON.parse(data.slice("data: ".length)));
        }
        draw();
      }
      say("listen has ended, or the connection was lost; trying again", "bad");
    } catch (error) {
      say(error.message, "bad");
      if (error.message.includes("token")) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

function say(text, kind = "") {
  $("state").textContent = text;
  $("state").className = kind;
}

function handle(kind, data) {
  if (kind === "stats") {
    let text = "";
    if (about.queue) text = `${data.waiting} waiting` + (data.waiting ? `, the oldest for ${duration(data.oldest_s)}` : "") + `, ${data.dead} dead letters`;
    for (const [values, value] of [[depths, data.waiting], [ages, data.waiting ? data.oldest_s : 0]]) {
      values.push(value);
      if (values.length > 600) values.shift();
    }
    if (!data.available) text += " — events are refused";
    $("totals").textContent = text;
    return;
  }
  if ($("pause").checked) {
    waiting.push(data);
    if (waiting.length > maxItems) waiting.shift();
    say(`paused: ${waiting.length} new`);
    return;
  }
  add(data);
}

function add(item) {
  items.unshift(item);
  if (items.length > maxItems) items.pop();
}

function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

// draw updates the page at the next frame, however many events arrive until then.
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawTypes();
    drawList();
    drawCharts();
  });
}

function drawTypes() {
  const known = new Set([...$("type").options].map((o) => o.value));
  for (const item of items) {
    if (item.type && !known.has(item.type) && known.size < 50) {
      known.add(item.type);
      $("type").append(new Option(item.type));
    }
  }
}

// isOf reports whether an item is an attempt to forward a request's event.
const isOf = (other, item) => other.kind !== "received" && other.id === item.id && other.endpoint === item.endpoint;

const outcome = (item) => items.find((other) => isOf(other, item) && new Date(other.at) >= new Date(item.at)); // an attempt may be published before its request

function verdictText(item) {
  const text = item.verdict + (item.duplicate ? ", duplicate" : "");
  if (item.target) return `${text} → ${item.error || `application ${item.status}`}`;
  const last = outcome(item);
  if (!last) return text;
  if (last.kind === "dead") return `${text} → dead letter`;
  return `${text} → ${last.error || `application ${last.status}`}`;
}

// words turns a reason's code, such as wrong-secret-or-altered-body, into text.
const words = (reason) => reason.replaceAll("-", " ");

function verdictClass(item) {
  if (item.verdict !== "valid" && item.verdict !== "unchecked") return "bad";
  const last = item.target ? item : outcome(item);
  return last && (last.error || last.status >= 300) ? "warn" : "good";
}

function shown() {
  const text = $("text").value.toLowerCase();
  const verdict = $("verdict").value;
  const type = $("type").value;
  return items.filter((i) => i.kind === "received" &&
    (!verdict || i.verdict === verdict) && (!type || i.type === type) &&
    (!text || [i.id, i.type, i.device, i.device_status, i.reason, i.error, i.from, i.endpoint].some((v) => v && v.toLowerCase().includes(text))));
}

// drawRows makes a list show the items. Rows that remain stay the same elements: a click is
// lost if its row is replaced while the button is down.
function drawRows(parent, list) {
  const wanted = new Set(list.map((item) => `request-${item.number}`));
  for (const row of [...parent.children]) if (!wanted.has(row.id)) row.remove();
  let next = parent.firstElementChild;
  for (const item of list) {
    let row = next;
    if (row?.id === `request-${item.number}`) {
      next = row.nextElementSibling;
    } else {
      row = element("li", { role: "option", id: `request-${item.number}`, onclick: () => select(item.number) });
      parent.insertBefore(row, next);
    }
    row.setAttribute("aria-selected", String(item.number === selected));
    const verdict = verdictText(item), look = verdictClass(item);
    if (row.dataset.shows === look + verdict) continue; // the rest of an item never changes
    row.dataset.shows = look + verdict;
    fill(row,
      element("div", {}, new Date(item.at).toLocaleTimeString(), " ", String(item.answer), " ", element("span", { class: look }, verdict)),
      element("div", {}, item.type || "not an event", item.device_status ? ` ${item.device_status}` : "", item.device ? ` ${item.device}` : ""),
      item.endpoint ? element("div", { class: "faint" }, `endpoint ${item.endpoint}`) : null,
      item.reason ? element("div", { class: "why" }, words(item.reason)) : null);
  }
}

function drawList() {
  const list = shown().slice(0, maxRows);
  $("empty").hidden = list.length > 0;
  $("empty").textContent = items.length ? "No request matches the filter." : "No requests yet.";
  drawRows($("requests"), list);
  $("requests").setAttribute("aria-activedescendant", selected ? `request-${selected}` : "");
}

const svg = (name, attributes) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  return e;
};

// curve returns a line for the values of the last seconds, as high as its chart.
function curve(name, values) {
  const most = Math.max(1, ...values);
  const points = values.map((n, i) => `${(300 - (values.length - 1 - i) / 2).toFixed(1)},${(59 - n / most * 50).toFixed(1)}`);
  return svg("polyline", { class: name, points: points.join(" ") });
}

function drawCharts() {
  const now = Date.now(), span = 600e3, bars = 60;
  const requests = items.filter((i) => i.kind === "received" && now - new Date(i.at) < span);
  const good = Array(bars).fill(0), bad = Array(bars).fill(0);
  for (const i of requests) {
    const at = Math.min(bars - 1, Math.max(0, Math.floor(bars - (now - new Date(i.at)) / span * bars)));
    (i.verdict === "valid" || i.verdict === "unchecked" ? good : bad)[at]++;
  }
  const most = Math.max(1, ...good.map((n, i) => n + bad[i]));
  const parts = [];
  good.forEach((n, i) => {
    const x = i * 300 / bars, w = 300 / bars - 1, g = n / most * 48, b = bad[i] / most * 48;
    if (n) parts.push(svg("rect", { class: "valid", x, y: 60 - g, width: w, height: g }));
    if (bad[i]) parts.push(svg("rect", { class: "invalid", x, y: 60 - g - b, width: w, height: b }));
  });
  $("verdicts").replaceChildren(...parts);
  $("most").textContent = requests.length ? `, up to ${most} in 10 s` : "";
  const slowest = Math.max(1, ...requests.map((i) => i.took_ms || 0));
  $("latency").replaceChildren(...requests.map((i) => svg("circle", {
    class: i.verdict, r: 1.5, cx: 300 - (now - new Date(i.at)) / span * 300, cy: 57 - (i.took_ms || 0) / slowest * 45,
  })));
  $("waiting").replaceChildren(curve("depth", depths), curve("age", ages));
  $("depth").textContent = `, up to ${Math.max(0, ...depths)}`;
  $("age").textContent = `, up to ${duration(Math.max(0, ...ages))}`;
  $("slowest").textContent = requests.length ? `, up to ${slowest.toFixed(1)} ms` : "";
}

async function select(number) {
  selected = number;
  drawList();
  $(`request-${number}`)?.scrollIntoView({ block: "nearest" });
  let request;
  try {
    request = await (await call(`/api/requests/${number}`)).json();
  } catch (error) {
    $("details").replaceChildren(element("p", { class: "bad" }, error.message));
    return;
  }
  if (selected === number) showDetails(request);
}

function formatted(body) {
  try { return JSON.stringify(JSON.parse(body), null, 2); } catch { return body; }
}

function showDetails(r) {
  const accepted = r.verdict === "valid" || r.verdict === "unchecked";
  const result = element("div", { id: "result", role: "status" });
  const replay = element("button", { id: "replay", type: "button", onclick: () => send(r, "replay", undefined, result) }, "Replay");
  const edit = element("button", { id: "edit", type: "button", onclick: () => editor(r, result) }, "Edit and send");
  const body = element("pre", { id: "body" }, formatted(r.body));
  const whole = element("button", { type: "button", "aria-pressed": "false", onclick: () => {
    const raw = whole.getAttribute("aria-pressed") === "false";
    whole.setAttribute("aria-pressed", String(raw));
    body.textContent = raw ? r.body : formatted(r.body);
  } }, "Raw");
  fill($("details"),
    element("h2", {}, r.type || "Not an event", r.id ? ` ${r.id}` : ""),
    element("p", { id: "verdict-line", class: verdictClass(r) }, `answered ${r.answer} after ${r.took_ms} ms: ${verdictText(r)}`),
    r.reason ? element("p", {}, words(r.reason)) : null,
    r.fix ? element("p", { id: "fix" }, r.fix) : null,
    element("p", { class: "faint" }, `from ${r.from}, POST ${r.path}, ${r.bytes} bytes` + (r.endpoint ? `, endpoint ${r.endpoint}` : "")),
    element("div", { class: "buttons" }, about.target && accepted ? replay : null, about.edit && accepted ? edit : null,
      element("button", { type: "button", onclick: () => copyCurl(r, result) }, "Copy as curl"),
      element("button", { type: "button", onclick: () => download(r, result) }, "Download"), whole),
    result,
    attempts(r),
    element("h3", {}, r.binary ? "Body (bytes that are not UTF-8 are replaced)" : "Body"), body,
    element("div", { id: "difference" }),
    element("h3", {}, "Headers"), headers(r.header),
    r.answer_body || r.answer_header ? element("h3", {}, "Answer") : null,
    r.answer_header ? headers(r.answer_header) : null,
    r.answer_body ? element("pre", {}, r.answer_body) : null);
  difference(r);
}

function headers(header) {
  return element("table", {}, element("tbody", {}, ...Object.keys(header || {}).sort().flatMap((name) =>
    header[name].map((value) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value))))));
}

function attempts(r) {
  const tried = items.filter((i) => isOf(i, r)).reverse();
  if (!tried.length) return null;
  return element("div", {}, element("h3", {}, "Forwarding"), element("table", {}, element("tbody", {}, ...tried.map((i) => element("tr", {},
    element("td", {}, new Date(i.at).toLocaleTimeString()),
    element("td", { class: i.error ? "bad" : "good" }, i.kind === "dead" ? `dead letter: ${i.error}` : i.error || String(i.status)),
    element("td", {}, [i.route, i.target].filter(Boolean).join(": ")),
    element("td", {}, i.kind === "dead" ? "" : `attempt ${i.attempt}, ${i.took_ms} ms` + (i.pause_ms ? `, next in ${duration(i.pause_ms / 1000)}` : "")),
    element("td", {}, i.kind !== "dead" && i.status ? element("button", { type: "button", class: "answer", onclick: (event) => showAnswer(i, event.target) }, "Answer") : null))))));
}

// showAnswer shows the application's answer to an attempt below its row.
async function showAnswer(i, button) {
  button.disabled = true;
  const cell = element("td", { colspan: "5" });
  try {
    const answer = await (await call(`/api/attempts/${i.number}`)).json();
    cell.append(headers(answer.header), element("pre", {}, answer.body || "no body"));
  } catch (error) {
    cell.append(error.message);
  }
  button.closest("tr").after(element("tr", {}, cell));
}

// difference compares the body with the previous event of the same device.
async function difference(r) {
  const before = r.device && items.find((i) => i.kind === "received" && i.device === r.device && i.number < r.number);
  if (!before) return;
  try {
    const old = await (await call(`/api/requests/${before.number}`)).json();
    if (selected !== r.number) return;
    $("difference").replaceChildren(element("h3", {}, `Changes since the device's previous event, ${new Date(old.at).toLocaleTimeString()}`),
      element("pre", {}, ...compare(formatted(old.body).split("\n"), formatted(r.body).split("\n"))));
  } catch { /* the earlier request is no longer in the history */ }
}

// compare shows lines that only one text has. Bodies are short; longer ones are
// compared by their first lines.
function compare(a, b) {
  a = a.slice(0, 400);
  b = b.slice(0, 400);
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const out = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push(`  ${a[i++]}\n`);
      j++;
    } else if (i < a.length && (j >= b.length || common[i + 1][j] >= common[i][j + 1])) {
      out.push(element("del", {}, `- ${a[i++]}\n`));
    } else {
      out.push(element("ins", {}, `+ ${b[j++]}\n`));
    }
  }
  return out;
}

async function send(r, action, body, result) {
  result.className = "";
  result.textContent = "sending…";
  try {
    const answer = await (await call(`/api/requests/${r.number}/${action}`, { method: "POST", body })).json();
    result.className = answer.error ? "bad" : "good";
    result.textContent = answer.error || `${answer.target} ${answer.status ? `answered ${answer.status}` : "succeeded"} after ${answer.duration_ms} ms`;
    if (answer.body) result.append(element("pre", {}, answer.body));
  } catch (error) {
    result.className = "bad";
    result.textContent = error.message;
  }
}

function editor(r, result) {
  const text = element("textarea", { id: "edited", "aria-label": "Edited body", spellcheck: "false" });
  text.value = r.body;
  result.className = "";
  result.replaceChildren(text, element("div", { class: "buttons" },
    element("button", { id: "send-edited", type: "button", onclick: () => send(r, "edit", text.value, result) }, "Sign and send")));
  text.focus();
}

async function copyCurl(r, result) {
  try {
    const command = await (await call(`/api/requests/${r.number}/curl`)).text();
    await navigator.clipboard.writeText(command);
    result.className = "good";
    result.textContent = "copied; change the URL at its end";
  } catch (error) {
    result.className = "bad";
    result.textContent = error.message;
  }
}

async function download(r, result) {
  try {
    const url = URL.createObjectURL(await (await call(`/api/requests/${r.number}/raw`)).blob());
    element("a", { href: url, download: `request-${r.number}.http` }).click();
    URL.revokeObjectURL(url);
  } catch (error) {
    result.className = "bad";
    result.textContent = error.message;
  }
}

const showQueue = () => showEach(queueOf);
const showLog = () => showEach(logOf);

// showEach shows something of each endpoint in place of a request.
async function showEach(of) {
  selected = 0;
  drawList();
  try {
    about = await (await call("/api/about")).json(); // its endpoints may have changed
    const failed = (error) => error.message.split("\n").map((line) => element("p", { class: "bad" }, line));
    fill($("details"), ...(await Promise.all(about.endpoints.map((name) => of(name).catch(failed)))).flat());
  } catch (error) {
    $("details").replaceChildren(element("p", { class: "bad" }, error.message));
    return;
  }
  $("details").focus();
}

// queueOf returns what the page shows of an endpoint's queue.
async function queueOf(endpoint) {
  const of = endpoint ? ` of ${endpoint}` : "", query = `?endpoint=${encodeURIComponent(endpoint)}`;
  const queue = await (await call(`/api/queue${query}`)).json();
  const change = (action, id) => async () => {
    if (action === "drop" && !confirm(`Delete event ${id} permanently?`)) return;
    try {
      await call(`/api/queue/${action}${query}`, { method: "POST", body: JSON.stringify({ id }) });
      showQueue();
    } catch (error) {
      $("details").prepend(element("p", { class: "bad" }, error.message));
    }
  };
  const rows = (events, retry) => element("table", {}, element("tbody", {}, ...events.map((e) => element("tr", {},
    element("td", {}, new Date(e.stored).toLocaleString()), element("td", {}, e.type), element("td", {}, e.id), element("td", {}, e.reason),
    element("td", { class: "buttons" }, retry ? element("button", { type: "button", onclick: change("retry", e.id) }, "Retry") : null,
      element("button", { type: "button", onclick: change("drop", e.id) }, "Delete"))))));
  return [element("h2", {}, `Queue${of}`),
    queue.blocked ? element("p", { class: "warn" }, `Event ${queue.blocked.id} failed ${queue.blocked.attempts} times: ${queue.blocked.reason}`) : null,
    queue.blocked ? element("div", { class: "buttons" }, element("button", { type: "button", onclick: change("retry", queue.blocked.id) }, "Retry now")) : null,
    element("h3", {}, `Dead letters (${queue.dead.length})`), rows(queue.dead, true),
    element("h3", {}, `Waiting (${queue.waiting.length})`), rows(queue.waiting, false)];
}

// logOf returns what the page shows of Mender's log: what Mender says, beside what arrived here.
async function logOf(endpoint) {
  const events = await (await call(`/api/log?endpoint=${encodeURIComponent(endpoint)}`)).json();
  const here = (e) => {
    const arrived = items.find((i) => i.kind === "received" && i.id === e.id && i.endpoint === e.endpoint);
    return arrived ? element("button", { type: "button", onclick: () => select(arrived.number) }, `${arrived.answer} ${arrived.verdict}`) : "not in this list";
  };
  const rows = events.map((e) => element("tr", {},
    element("td", {}, new Date(e.at).toLocaleString()),
    element("td", {}, [e.type, e.device_status, e.device].filter(Boolean).join(" "), element("div", { class: "faint" }, e.id)),
    element("td", { class: e.verdict === "failed" ? "bad" : "good" }, e.verdict ? `${[e.verdict, e.answer].filter(Boolean).join(" ")}${e.error ? `: ${e.error}` : ""}` : "no delivery"),
    element("td", {}, here(e))));
  return [element("h2", {}, `Mender's log${endpoint ? ` of ${endpoint}` : ""}`),
    element("div", { class: "buttons" }, element("button", { type: "button", onclick: showLog }, "Refresh")),
    events.length ? element("table", { id: "log" },
      element("thead", {}, element("tr", {}, ...["Time", "Event", "Delivery", "Here"].map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows)) : element("p", {}, "The log has no events.")];
}

function move(by) {
  const list = shown();
  if (!list.length) return;
  const at = list.findIndex((i) => i.number === selected);
  select(list[Math.min(list.length - 1, Math.max(0, at + by))].number);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
  if (event.key === "Escape") {
    event.target.blur();
    $("requests").focus();
    return;
  }
  if (typing) return;
  const inDetails = $("details").contains(event.target);
  const action = {
    j: () => move(1), k: () => move(-1),
    ArrowDown: inDetails ? undefined : () => move(1), ArrowUp: inDetails ? undefined : () => move(-1),
    "/": () => $("text").focus(), r: () => $("replay")?.click(), p: () => $("pause").click(),
  }[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("input", draw);
$("queue-button").addEventListener("click", showQueue);
$("log-button").addEventListener("click", showLog);
$("pause").addEventListener("change", () => {
  if ($("pause").checked) return;
  waiting.forEach(add);
  waiting = [];
  say("connected");
  draw();
});

call("/api/about").then(async (response) => {
  about = await response.json();
  $("queue-button").hidden = $("queue-chart").hidden = !about.queue;
  $("log-button").hidden = !about.log;
  setInterval(drawCharts, 5000);
  stream();
}).catch((error) => say(error.message, "bad"));
