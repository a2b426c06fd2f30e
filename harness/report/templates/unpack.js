"use strict";
// The samples, from letters back to texts: the opposite of packing.py.

// The bytes behind the letters of a data element: 13 bits in each pair of 91 letters.
function bytesOf(letters, size) {
  const values = new Uint8Array(128);
  for (let code = 0x21, value = 0; code < 0x7f; code++) if (!"<>&".includes(String.fromCharCode(code))) values[code] = value++;
  const bytes = new Uint8Array(size);
  for (let i = 0, at = 0, bits = 0, held = 0; i < letters.length && at < size; i += 2) {
    bits = (bits << 13) | (values[letters.charCodeAt(i)] * 91 + values[letters.charCodeAt(i + 1)]);
    for (held += 13; held >= 8 && at < size; held -= 8) bytes[at++] = bits >> (held - 8);
    bits &= (1 << held) - 1;
  }
  return bytes;
}

async function unpacked(id) {
  const element = document.getElementById(id);
  const packed = new Blob([bytesOf(element.textContent, Number(element.dataset.bytes))]);
  const stream = packed.stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const FIRST_BYTES = [0, 160, 240, 248]; // of codes of one, two, three and four bytes
const BEFORE = [0, 160, 160 + 80 * 2 ** 8, 160 + 80 * 2 ** 8 + 8 * 2 ** 16]; // codes that are shorter
const bytesFrom = (first) => (first < 160 ? 1 : first < 240 ? 2 : first < 248 ? 3 : 4);

// Texts by their place, each decoded when it is first asked for.
class Texts {
  constructor(words, codes) {
    this.words = words;
    this.codes = codes;
    this.starts = [0];
    this.whole = [];
    this.small = [];
    for (let at = 0; at < codes.length; ) {
      if (codes[at] === 0) this.starts.push(at + 1);
      at += bytesFrom(codes[at]);
    }
  }

  get length() { return this.starts.length - 1; }

  // The text, or null where there is none.
  get(place) {
    if (place < 0) return null;
    return (this.whole[place] ??= this.decoded(place));
  }

  lowered(place) {
    if (place < 0) return "";
    return (this.small[place] ??= this.get(place).toLowerCase());
  }

  decoded(place) {
    const { codes, words } = this;
    let text = "";
    for (let at = this.starts[place], end = this.starts[place + 1] - 1; at < end; ) {
      const more = bytesFrom(codes[at]) - 1;
      let number = codes[at++] - FIRST_BYTES[more];
      for (let i = 0; i < more; i++) number = number * 256 + codes[at++];
      text += words[number + BEFORE[more] - 1];
    }
    return text;
  }
}

function summed(steps) {
  let sum = 0;
  return steps.map((step) => (sum += step));
}

// What the page holds: { suites, start, cut, texts }; null where it holds no sample.
async function readSamples() {
  const head = JSON.parse(new TextDecoder().decode(await unpacked("browser-data")));
  const texts = new Texts(head.words, await unpacked("browser-texts"));
  for (const suite of head.suites) {
    suite.prompts = summed(suite.prompts);
    suite.targets = summed(suite.targets);
    for (const name of Object.keys(suite.answers)) suite.answers[name] = summed(suite.answers[name]);
  }
  const [places, lengths] = head.cut; // of the texts that are shortened here
  const cut = Object.fromEntries(summed(places).map((place, i) => [place, lengths[i]]));
  return { suites: head.suites, start: head.start, cut, texts };
}
