"use strict";
// The sample browser: reads the JSON beside it, writes text through textContent only, and asks no network.
(() => {
  const PAGE = 20;
  const MOST_WORDS = 400; // of one answer, when marking what differs
  const data = JSON.parse(document.getElementById("browser-data").textContent || "null");
  const at = (id) => document.getElementById(id);
  const controls = { suite: at("suite"), candidate: at("candidate"), baseline: at("baseline"), metric: at("metric"), outcome: at("outcome"), search: at("search") };
  if (!data || data.suites.length === 0) {
    at("browser-controls").hidden = true;
    document.querySelector(".pager").hidden = true;
    at("browser-status").textContent = "No samples were stored in this run.";
    return;
  }

  let found = []; // places of the samples that pass the filters
  let page = 0;
  let current = -1; // place within the page

  const suite = () => data.suites[controls.suite.selectedIndex];
  const text = (place) => (place < 0 ? null : data.texts[place]);
  const other = () => controls.baseline.value;

  function element(tag, className, content) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (content !== undefined) made.textContent = content;
    return made;
  }

  function fill(select, values, chosen) {
    select.replaceChildren(...values.map(([value, label]) => {
      const option = element("option", "", label);
      option.value = value;
      return option;
    }));
    if (values.some(([value]) => value === chosen)) select.value = chosen;
  }

  function fillSubjects() {
    const names = Object.keys(suite().answers);
    const candidate = names.includes(controls.candidate.value) ? controls.candidate.value : names[0];
    const baseline = names.includes(other()) && other() !== candidate ? other() : names.find((name) => name !== candidate) || "";
    fill(controls.candidate, names.map((name) => [name, name]), candidate);
    fill(controls.baseline, [...names.map((name) => [name, name]), ["", "none"]], baseline);
    fill(controls.metric, suite().metrics.map((name) => [name, name]), controls.metric.value);
  }

  // won, lost or tied, seen from the candidate; null where either has no score
  function outcome(place) {
    const metric = controls.metric.selectedIndex;
    const ours = suite().answers[controls.candidate.value][place];
    const theirs = other() ? suite().answers[other()][place] : 0;
    if (metric < 0 || !ours || !theirs) return null;
    const [a, b] = [ours[metric + 1], theirs[metric + 1]];
    if (a === null || b === null) return null;
    if (a === b) return "tied";
    return (a > b) !== suite().lower[metric] ? "won" : "lost";
  }

  function matches(place, wanted) {
    if (!wanted) return true;
    const [id, prompt, target] = suite().samples[place];
    const answers = [controls.candidate.value, other()].map((name) => (name ? suite().answers[name][place] : 0));
    const texts = [id, text(prompt), text(target), ...answers.map((answer) => (answer ? text(answer[0]) : null))];
    return texts.some((one) => one !== null && one.toLowerCase().includes(wanted));
  }

  function filter() {
    const wanted = controls.search.value.trim().toLowerCase();
    const places = suite().samples.map((_, place) => place).filter((place) => matches(place, wanted));
    const counts = { won: 0, lost: 0, tied: 0 };
    for (const place of places) counts[outcome(place)] += 1;
    found = controls.outcome.value === "all" ? places : places.filter((place) => outcome(place) === controls.outcome.value);
    page = 0;
    current = -1;
    tell(counts);
    show();
  }

  function tell(counts) {
    const held = suite().samples.length;
    const number = (value) => value.toLocaleString("en");
    let told = `${number(found.length)} of ${number(held)} samples. `;
    if (other() && counts.won + counts.lost + counts.tied > 0) {
      const better = suite().lower[controls.metric.selectedIndex] ? "lower" : "higher";
      told += `On ${controls.metric.value}, where ${better} counts as won, ${controls.candidate.value} won ${number(counts.won)}, lost ${number(counts.lost)} and tied ${number(counts.tied)}. `;
    }
    if (held < suite().total) told += `The suite has ${number(suite().total)}; to keep this page small, these were drawn by the digest of their ids, the same for every subject.`;
    at("browser-status").textContent = told;
  }

  // The places of the words of a and of b outside a longest common subsequence; none where nothing is common.
  function differing(a, b) {
    const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--) {
      for (let j = b.length - 1; j >= 0; j--) {
        lengths[i][j] = a[i] === b[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
      }
    }
    const [onlyA, onlyB] = [new Set(a.keys()), new Set(b.keys())];
    for (let i = 0, j = 0; i < a.length && j < b.length; ) {
      if (a[i] === b[j]) { onlyA.delete(i++); onlyB.delete(j++); }
      else if (lengths[i + 1][j] >= lengths[i][j + 1]) i++;
      else j++;
    }
    return onlyA.size === a.length ? [new Set(), new Set()] : [onlyA, onlyB];
  }

  const split = (whole) => whole.split(/(\s+)/);
  const wordsOf = (whole) => split(whole).filter((_, place) => place % 2 === 0).slice(0, MOST_WORDS);

  function marked(whole, only) {
    const paragraph = element("p", "text");
    paragraph.dir = "auto";
    if (whole.trim() === "") {
      paragraph.append(element("span", "quiet", "(empty answer)"));
      return paragraph;
    }
    let run = ""; // neighbouring pieces that are alike: all marked, or all plain
    let differs = false;
    const put = () => paragraph.append(differs ? element("mark", "", run) : run);
    const pieces = split(whole);
    for (let place = 0; place < pieces.length; place += 2) {
      if (only.has(place / 2) === differs) { run += pieces[place]; }
      else { put(); run = pieces[place]; differs = !differs; }
      const space = pieces[place + 1] || "";
      if (differs && !only.has(place / 2 + 1)) { put(); run = space; differs = false; }
      else run += space;
    }
    put();
    return paragraph;
  }

  function side(name, place, whole, only) {
    const made = element("div");
    const label = element("p", "label");
    label.append(element("b", "", name));
    made.append(label);
    if (whole === null) made.append(element("p", "text quiet", "no answer stored"));
    else made.append(marked(whole, only));
    if (place in data.cut) made.append(element("p", "cut", `shortened: ${whole.length.toLocaleString("en")} of ${data.cut[place].toLocaleString("en")} characters`));
    return made;
  }

  function item(place, index) {
    const [id, prompt, target] = suite().samples[place];
    const names = [controls.candidate.value, other()].filter((name) => name !== "");
    const answers = names.map((name) => suite().answers[name][place]);
    const wholes = answers.map((answer) => (answer ? text(answer[0]) : null));
    const both = wholes.length === 2 && wholes[0] !== null && wholes[1] !== null;
    const only = both && wholes[0] !== wholes[1] ? differing(wordsOf(wholes[0]), wordsOf(wholes[1])) : [new Set(), new Set()];

    const made = element("li", "sample");
    made.tabIndex = -1;
    made.dataset.index = index;
    const asked = element("p", "asked", prompt < 0 ? id : text(prompt));
    asked.dir = "auto";
    made.append(asked);
    if (target >= 0) {
      const reference = element("p", "note", `Reference: ${text(target)}`);
      reference.dir = "auto";
      made.append(reference);
    }
    const sides = element("div", "sides");
    names.forEach((name, i) => sides.append(side(name, answers[i] ? answers[i][0] : -1, wholes[i], only[i])));
    made.append(sides);
    made.append(element("p", "scores", scoresOf(id, place, answers)));
    return made;
  }

  function scoresOf(id, place, answers) {
    const shown = (answer, i) => (answer && answer[i + 1] !== null ? String(answer[i + 1]).replace("-", "−") : "–");
    const scores = suite().metrics.map((name, i) => `${name} ${answers.map((answer) => shown(answer, i)).join(" : ")}`);
    return [outcome(place), id, ...scores].filter(Boolean).join(" · ");
  }

  function show() {
    const first = page * PAGE;
    at("browser-list").replaceChildren(...found.slice(first, first + PAGE).map(item));
    at("previous").disabled = page === 0;
    at("next").disabled = first + PAGE >= found.length;
  }

  function turn(by) {
    const pages = Math.ceil(found.length / PAGE);
    if (page + by < 0 || page + by >= pages) return false;
    page += by;
    current = -1;
    show();
    return true;
  }

  function select(index) {
    const items = at("browser-list").children;
    if (items[current]) items[current].classList.remove("current");
    current = index;
    items[current].classList.add("current");
    items[current].focus({ preventScroll: true });
    items[current].scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const shown = at("browser-list").children.length;
    if (current + by >= 0 && current + by < shown) select(current + by);
    else if (current + by < 0 && current >= 0 && turn(-1)) select(PAGE - 1);
    else if (current + by >= shown && turn(1)) select(0);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target === controls.search) controls.search.blur();
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "/") { event.preventDefault(); controls.search.focus(); }
  });
  at("browser-controls").addEventListener("submit", (event) => event.preventDefault());
  controls.suite.addEventListener("change", () => { fillSubjects(); filter(); });
  for (const name of ["candidate", "baseline", "metric", "outcome"]) controls[name].addEventListener("change", filter);
  controls.search.addEventListener("input", filter);
  at("previous").addEventListener("click", () => { if (turn(-1)) at("samples").scrollIntoView(); });
  at("next").addEventListener("click", () => { if (turn(1)) at("samples").scrollIntoView(); });

  fill(controls.suite, data.suites.map(({ name }) => [name, name]), data.start && data.start.suite);
  if (data.start) {
    fill(controls.candidate, [[data.start.candidate, ""]], data.start.candidate);
    fill(controls.baseline, [[data.start.baseline, ""]], data.start.baseline);
    fill(controls.metric, [[data.start.metric, ""]], data.start.metric);
  }
  fillSubjects();
  filter();
})();
