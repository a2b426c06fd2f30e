// The sample browser: reads the data beside it, writes text through textContent only, and asks no network.
(async () => {
  const PAGE = 20;
  const PAUSE = 120; // milliseconds without a key before a search begins
  const STATE = "#samples?"; // what an address that names a view starts with
  const at = (id) => document.getElementById(id);
  const controls = { suite: at("suite"), candidate: at("candidate"), baseline: at("baseline"), metric: at("metric"), show: at("outcome"), search: at("search") };
  const section = at("samples");
  section.setAttribute("aria-busy", "true");

  function nothing(why) {
    at("browser-controls").hidden = true;
    document.querySelector(".pager").hidden = true;
    at("browser-status").textContent = why;
    section.removeAttribute("aria-busy");
  }

  if (typeof DecompressionStream === "undefined") {
    return nothing("This browser cannot unpack the samples: it lacks DecompressionStream, which browsers have had since 2023. Everything else on this page is shown.");
  }
  const data = await readSamples();
  if (data.suites.length === 0) return nothing("No samples were stored in what is reported on.");

  let found = []; // places of the samples that pass the filters
  let page = 0;
  let current = -1; // place within the page
  let waiting = 0; // the search about to begin

  const suite = () => data.suites[controls.suite.selectedIndex];
  const other = () => controls.baseline.value;
  const sides = () => [controls.candidate.value, other()].filter((name) => name !== "");
  const answer = (name, place) => (name ? suite().answers[name][place] : -2); // -1: without text, -2: no answer

  function fill(select, values, chosen) {
    select.replaceChildren(...values.map(([value, label]) => {
      const option = element("option", "", label);
      option.value = value;
      return option;
    }));
    if (values.some(([value]) => value === chosen)) select.value = chosen;
  }

  function fillSubjects(wanted) {
    const names = Object.keys(suite().answers);
    const candidate = names.includes(wanted.candidate) ? wanted.candidate : names[0];
    const free = names.includes(wanted.baseline) && wanted.baseline !== candidate;
    const baseline = wanted.baseline === "" || free ? wanted.baseline : names.find((name) => name !== candidate) || "";
    fill(controls.candidate, names.map((name) => [name, name]), candidate);
    fill(controls.baseline, [...names.map((name) => [name, name]), ["", "none"]], baseline);
    fill(controls.metric, suite().metrics.map((name) => [name, name]), wanted.metric);
  }

  // Both sides' scores on a sample, null where either has none.
  function scores(place) {
    const metric = controls.metric.selectedIndex;
    if (metric < 0 || !other()) return null;
    const [a, b] = sides().map((name) => suite().scores[name][metric][place]);
    return a === null || b === null || a === undefined || b === undefined ? null : [a, b];
  }

  // won, lost or tied, seen from the candidate; null where either has no score, or neither more nor less is better
  function outcome(place) {
    const pair = scores(place);
    const lower = suite().lower[controls.metric.selectedIndex];
    if (!pair || lower === null) return null;
    if (pair[0] === pair[1]) return "tied";
    return (pair[0] > pair[1]) !== lower ? "won" : "lost";
  }

  function changed(place) {
    const pair = scores(place);
    return outcome(place) !== null && (pair[0] - 0.5) * (pair[1] - 0.5) < 0;
  }

  function matches(place, wanted) {
    const texts = [suite().prompts[place], suite().targets[place], ...sides().map((name) => answer(name, place))];
    return suite().ids[place].toLowerCase().includes(wanted) || texts.some((text) => data.texts.lowered(text).includes(wanted));
  }

  function searched() {
    const wanted = controls.search.value.trim().toLowerCase();
    const places = [...suite().ids.keys()];
    if (!wanted) return places;
    const exact = places.filter((place) => suite().ids[place].toLowerCase() === wanted);
    return exact.length ? exact : places.filter((place) => matches(place, wanted));
  }

  function filter() {
    clearTimeout(waiting);
    const places = searched();
    const counts = { won: 0, lost: 0, tied: 0, changed: 0 };
    for (const place of places) {
      counts[outcome(place)] += 1;
      counts.changed += changed(place);
    }
    const shown = controls.show.value;
    found = shown === "all" ? places : places.filter((place) => (shown === "changed" ? changed(place) : outcome(place) === shown));
    page = 0;
    current = -1;
    tell(counts);
    show();
    section.removeAttribute("aria-busy");
  }

  function tell(counts) {
    const held = suite().ids.length;
    const number = (value) => value.toLocaleString("en");
    let told = `${number(found.length)} of ${number(held)} samples. `;
    if (other() && counts.won + counts.lost + counts.tied > 0) {
      const better = suite().lower[controls.metric.selectedIndex] ? "lower" : "higher";
      told += `On ${controls.metric.value}, where ${better} counts as won, ${controls.candidate.value} won ${number(counts.won)}, lost ${number(counts.lost)} and tied ${number(counts.tied)}. `;
      if (counts.changed) told += `On ${number(counts.changed)} the verdict changed: one side’s score lies above one half, the other’s below. `;
    }
    if (held < suite().total) told += `The suite has ${number(suite().total)}; to keep this page small, these were drawn by the digest of their ids, the same for every subject.`;
    at("browser-status").textContent = told;
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
    const answers = sides().map((name) => answer(name, place));
    const wholes = answers.map((text) => data.texts.get(text));
    const only = differences(wholes);
    const made = element("li", "sample");
    made.tabIndex = -1;
    made.dataset.index = index;
    const asked = element("p", "asked", data.texts.get(suite().prompts[place]) ?? suite().ids[place]);
    asked.dir = "auto";
    made.append(asked);
    if (suite().targets[place] >= 0) {
      const reference = element("p", "note", `Reference: ${data.texts.get(suite().targets[place])}`);
      reference.dir = "auto";
      made.append(reference);
    }
    const both = element("div", "sides");
    sides().forEach((name, i) => both.append(side(name, answers[i], wholes[i], only[i])));
    made.append(both, element("p", "scores", scoresOf(place)));
    return made;
  }

  function scoresOf(place) {
    const shown = (score) => (score === null || score === undefined ? "–" : String(score).replace("-", "−"));
    const told = suite().metrics.map((name, i) => `${name} ${sides().map((one) => shown(suite().scores[one][i][place])).join(" : ")}`);
    return [outcome(place), changed(place) ? "verdict changed" : null, suite().ids[place], ...told].filter(Boolean).join(" · ");
  }

  function show() {
    const first = page * PAGE;
    at("browser-list").replaceChildren(...found.slice(first, first + PAGE).map(item));
    reach(at("browser-list"));
    at("previous").disabled = page === 0;
    at("next").disabled = first + PAGE >= found.length;
    at("page").textContent = found.length > PAGE ? `Page ${page + 1} of ${Math.ceil(found.length / PAGE)}` : "";
  }

  function turn(by) {
    const pages = Math.ceil(found.length / PAGE);
    if (page + by < 0 || page + by >= pages) return false;
    page += by;
    current = -1;
    show();
    return true;
  }

  function turnAndReturn(by) {
    const { top, bottom } = section.getBoundingClientRect();
    if (top < innerHeight && bottom > 0 && turn(by)) section.scrollIntoView(); // not from another part of the page
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

  // The view as an address, and back.
  function remember() {
    const chosen = Object.entries(controls).map(([name, control]) => [name, control.value]);
    history.replaceState(null, "", STATE + new URLSearchParams(chosen.filter(([name, value]) => name === "baseline" || (value && value !== "all"))));
  }

  function restore(wanted) {
    fill(controls.suite, data.suites.map(({ name }) => [name, name]), wanted.suite);
    fillSubjects(wanted);
    controls.show.value = [...controls.show.options].some((option) => option.value === wanted.show) ? wanted.show : "all";
    controls.search.value = wanted.search || "";
    filter();
  }

  function follow() {
    if (!location.hash.startsWith(STATE)) return false;
    restore(Object.fromEntries(new URLSearchParams(location.hash.slice(STATE.length))));
    section.scrollIntoView();
    at("browser-status").focus({ preventScroll: true });
    return true;
  }

  function choose() {
    filter();
    remember();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target === controls.search) controls.search.blur();
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.target.classList.contains("scroll")) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "ArrowLeft") turnAndReturn(-1);
    else if (event.key === "ArrowRight") turnAndReturn(1);
    else if (event.key === "/") { event.preventDefault(); controls.search.focus(); }
  });
  at("browser-controls").addEventListener("submit", (event) => event.preventDefault());
  controls.suite.addEventListener("change", () => { fillSubjects({ candidate: controls.candidate.value, baseline: other() || undefined, metric: controls.metric.value }); choose(); });
  for (const name of ["candidate", "baseline", "metric", "show"]) controls[name].addEventListener("change", choose);
  controls.search.addEventListener("input", () => {
    section.setAttribute("aria-busy", "true");
    clearTimeout(waiting);
    waiting = setTimeout(choose, PAUSE);
  });
  at("previous").addEventListener("click", () => turnAndReturn(-1));
  at("next").addEventListener("click", () => turnAndReturn(1));
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link && link.hash === location.hash) follow(); // the same view once more changes no address
  });

  if (!follow()) restore(data.start || {});

  // Ready for the first search before anybody types: all texts in small letters, a little at a time.
  (function prepare(place) {
    const end = performance.now() + 8;
    while (place < data.texts.length && performance.now() < end) data.texts.lowered(place++);
    if (place < data.texts.length) setTimeout(prepare, 4, place);
  })(0);
})();
