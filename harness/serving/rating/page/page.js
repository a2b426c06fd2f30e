"use strict";
// Texts of models are only ever set as text: nothing that an answer holds is read as HTML.

const $ = (id) => document.getElementById(id);
const KEY = "harness-rate";
const WAIT = [500, 1000, 2000, 4000, 8000]; // milliseconds between attempts while the server is away
const UNSEEN = 350; // milliseconds in which a pair cannot have been read
let me = remembered(), state = null, since = 0, busy = false;

function remembered() {
  try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch { return {}; }
}

function remember() {
  try { localStorage.setItem(KEY, JSON.stringify(me)); } catch { /* a private window: the name is asked for again */ }
}

function newSecret() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

// The server's answer; while it is away the same is asked again. What is said twice is kept once.
async function ask(what, more) {
  const body = JSON.stringify({ name: me.name, secret: me.secret, ...more });
  for (let attempt = 0; ; attempt++) {
    let answer = null;
    try {
      answer = await fetch("/api/" + what, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    } catch { /* no connection */ }
    if (answer !== null && (answer.status < 500 || answer.headers.get("Content-Type") === "application/json")) {
      let told;
      try { told = await answer.json(); } catch { told = { problem: "Open the address that the terminal shows.", remedy: "" }; }
      if (!answer.ok) throw told;
      show(null);
      return told;
    }
    show({ problem: "The server does not answer.", remedy: "Your last rating is sent again until it does." });
    await new Promise((done) => setTimeout(done, WAIT[Math.min(attempt, WAIT.length - 1)]));
  }
}

function show(problem) {
  $("problem").hidden = !problem;
  $("problem").textContent = problem ? `${problem.problem} ${problem.remedy || ""}` : "";
}

async function doing(what, more, kept) {
  if (busy) return;
  busy = true;
  for (const button of document.querySelectorAll("#choices button, #back, #last")) button.disabled = true;
  try {
    const now = await ask(what, more);
    if (kept) drafts("removeItem", kept); // only now: what is refused is not lost
    draw(now);
  } catch (problem) {
    show(problem);
    if (problem.taken) { state = null; $("same").hidden = what !== "join"; $("join").hidden = false; $("pair").hidden = $("over").hidden = true; }
  } finally {
    busy = false;
    $("back").disabled = !state || !state.at;
    $("last").disabled = false;
    setTimeout(() => { // not at once: a second stroke or click would rate what nobody has read
      if (!busy) for (const button of document.querySelectorAll("#choices button")) button.disabled = false;
    }, UNSEEN);
  }
}

function draw(now) {
  state = now;
  me.name = now.name;
  remember();
  $("join").hidden = true;
  $("progress").textContent = `${now.done} of ${now.total}`;
  $("who").hidden = false;
  $("who_name").textContent = now.name;
  $("bar").max = now.total;
  $("bar").value = now.done;
  $("pair").hidden = !now.shown;
  $("over").hidden = !!now.shown;
  if (!now.shown) { $("last").focus(); return; }
  const single = now.points !== null;
  $("title").textContent = document.title = single ? "How good is this answer?" : "Which answer is better?";
  $("prompt").textContent = now.shown.prompt;
  $("answers").replaceChildren(...now.shown.answers.map((text, i) => card(text, single ? "Answer" : ["First answer", "Second answer"][i])));
  $("note").value = drafts("getItem", draftOf(now.shown)) ?? now.shown.note;
  $("choices").replaceChildren(...choices(now).map(([value, words, key]) => button(value, words, key, now.shown.value)));
  since = performance.now();
  window.scrollTo(0, 0);
  $("prompt").scrollTop = 0;
  $("prompt").focus({ preventScroll: true }); // no button: a key that is struck twice would choose it
}

// A note that is being written stays when the page is reloaded, or the pair is left and looked at again.
function draftOf(shown) {
  return `${KEY} ${state.comparison} ${me.name} ${shown.sample} ${shown.again}`;
}

function drafts(what, ...more) {
  try { return sessionStorage[what](...more); } catch { return null; /* a private window */ }
}

function card(text, name) {
  const made = document.createElement("article"), head = document.createElement("h2"), body = document.createElement("div");
  made.className = "answer";
  head.textContent = name;
  body.className = text.trim() ? "text" : "text empty";
  body.textContent = text.trim() ? text : "(nothing)";
  body.tabIndex = 0;
  body.setAttribute("role", "group");
  body.setAttribute("aria-label", name);
  made.append(head, body);
  return made;
}

function choices(now) {
  if (now.points !== null) {
    const words = (i) => i === 1 ? "1, worst" : i === now.points ? `${i}, best` : `${i}`;
    return Array.from({ length: now.points }, (_, i) => [String(i + 1), words(i + 1), String((i + 1) % 10)]);
  }
  return [["left", "First is better", "1"], ["right", "Second is better", "2"], ["same", "The same", "3"], ["bad", "Both are bad", "4"]];
}

function button(value, words, key, chosen) {
  const made = document.createElement("button"), hint = document.createElement("kbd");
  made.type = "button";
  made.dataset.value = value;
  made.disabled = true; // until it can have been read, see `doing`
  made.setAttribute("aria-pressed", String(value === chosen));
  hint.textContent = key;
  made.append(words + " ", hint);
  made.addEventListener("click", () => rate(value));
  return made;
}

function rate(value) {
  if (performance.now() - since < UNSEEN) return; // a key struck twice, or held, would rate what nobody has read
  const { sample, again } = state.shown;
  const note = $("note").value, place = draftOf(state.shown);
  doing("rate", { comparison: state.comparison, sample, again, value, note, seconds: (performance.now() - since) / 1000 }, place);
}

function back() {
  if (state && (state.at === null || state.at > 0)) doing("show", { at: (state.at === null ? state.total : state.at) - 1 });
}

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  me = { name: $("name").value, secret: me.secret || newSecret() };
  doing("join", { same_person: $("same_person").checked });
});
$("back").addEventListener("click", back);
$("other").addEventListener("click", () => {
  try { localStorage.removeItem(KEY); } catch { /* nothing is remembered */ }
  location.reload();
});
$("note").addEventListener("input", () => drafts("setItem", draftOf(state.shown), $("note").value));
$("last").addEventListener("click", back);
document.addEventListener("keydown", (event) => {
  if (!state || event.ctrlKey || event.metaKey || event.altKey || event.repeat || !$("keys").checked) return;
  if (event.target === $("note")) { if (event.key === "Escape") $("prompt").focus(); return; }
  const key = event.key.toLowerCase();
  const arrow = state.points === null ? { arrowleft: "1", arrowright: "2" }[key] : undefined;
  const chosen = state.shown && choices(state).find(([, , of]) => of === (arrow || key));
  if (chosen) { event.preventDefault(); rate(chosen[0]); }
  else if (key === "b") back();
  else if (key === "n" && state.shown) { event.preventDefault(); $("note").focus(); }
});

$("name").value = me.name || "";
if (me.name && me.secret) doing("join", { same_person: false });
else $("name").focus();
