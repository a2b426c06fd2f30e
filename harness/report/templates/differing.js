// Which words of two answers differ, and an answer with them marked.
const MOST_WORDS = 400; // of one answer, when marking what differs

function element(tag, className, content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
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

// Where two answers differ, as places of words; nowhere where one is missing.
function differences(wholes) {
  const both = wholes.length === 2 && wholes[0] !== null && wholes[1] !== null && wholes[0] !== wholes[1];
  return both ? differing(wordsOf(wholes[0]), wordsOf(wholes[1])) : [new Set(), new Set()];
}

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
