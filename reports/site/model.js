/* The space as the pages see it: slices, states, addresses, and what filters mean. */
"use strict";
(() => {
  const V = globalThis.verlcompat;
  const ADDRESS =
    /^verl(?<verl>[^-]{1,40})-(?<engine>vllm|sglang)(?<release>[^-]{1,40})(?:-(?<form>extra|bare))?(?:-python(?<python>\d\.\d{1,2}))?(?:-glibc(?<glibc>\d\.\d{1,2}))?(?:-(?<when>release|today))?$/;
  const ENGINES = { vllm: "vLLM", sglang: "SGLang" };
  const MARKS = ["✔", "◐", "✘", "∅", "·", "!"];
  const space = V.taken("space");
  V.ENGINES = ENGINES;
  V.MARKS = MARKS;
  V.space = space;
  if (!space) return;

  V.parts = (index) => {
    const [python, glibc, when, form] = space.slices[index];
    return { python, glibc, when, form };
  };

  /** Return the slice nearest to what is wanted; what is not recorded gives way. */
  V.sliceFor = (wanted) => {
    const weights = { python: 8, form: 4, when: 2, glibc: 1 };
    const defaults = { python: "3.12", glibc: "2.35", when: "today", form: "extra" };
    let best = -1;
    let bestScore = -1;
    space.slices.forEach((_, index) => {
      const have = V.parts(index);
      let score = 0;
      for (const [name, weight] of Object.entries(weights)) {
        if (have[name] === wanted[name]) score += 16 * weight;
        if (have[name] === defaults[name]) score += weight;
      }
      if (score > bestScore) [best, bestScore] = [index, score];
    });
    return best;
  };

  /** Return word, rung, torch, flags of a cell, or null where nothing is recorded. */
  V.stateAt = (slice, row, column) => {
    const code = space.grid[slice].charCodeAt(row * space.verls.length + column) - space.first;
    const state = space.states[code];
    return state ? { word: state[0], rung: state[1], torch: state[2], flags: state[3] } : null;
  };

  V.torchOf = (state) => (state && state.torch >= 0 ? space.torches[state.torch] : null);
  V.isRotten = (state) => Boolean(state && state.flags & 1);
  V.isInstalled = (state) => Boolean(state && state.flags & 2);

  /** Return the words for a state: `compatible, up to imports`. */
  V.say = (state) => {
    if (!state) return V.t("untested");
    const word = V.t(space.words[state.word]);
    return state.rung < 0 ? word : V.t("{0} (up to {1})", word, V.t(space.rungs[state.rung]));
  };

  V.addressOf = (slice, row, column) => {
    const { python, glibc, when, form } = V.parts(slice);
    const [engine, release] = space.engines[row];
    const verl = space.verls[column][0];
    return `verl${verl}-${engine}${release}-${form}-python${python}-glibc${glibc}-${when}`;
  };

  /** Return slice, row and column of an address, or null where it names no cell of the space. */
  V.find = (address) => {
    const found = ADDRESS.exec(address);
    if (!found) return null;
    const wanted = found.groups;
    const column = space.verls.findIndex((each) => each[0] === wanted.verl);
    const row = space.engines.findIndex(
      (each) => each[0] === wanted.engine && each[1] === wanted.release,
    );
    return column < 0 || row < 0 ? null : { slice: V.sliceFor(wanted), row, column };
  };

  /** Return a key that orders versions: numbers, then whether it is before or after a release. */
  V.versionKey = (text) => {
    const [, numbers, rest] = /^v?(\d+(?:\.\d+)*)(.*)$/.exec(text) || [null, "0", ""];
    const key = numbers.split(".").map(Number);
    while (key.length < 5) key.push(0);
    const tail = /^[.-]?(dev|a|b|rc|post)?(\d*)/.exec(rest) || [];
    const place = { dev: -4, a: -3, b: -2, rc: -1, post: 1 }[tail[1]] ?? 0;
    return [...key.slice(0, 5), place, Number(tail[2] || 0)];
  };

  V.compare = (left, right) => {
    const [a, b] = [V.versionKey(left), V.versionKey(right)];
    for (let index = 0; index < a.length; index += 1) {
      if (a[index] !== b[index]) return a[index] - b[index];
    }
    return 0;
  };

  /** Return a test of versions: `>=0.6 <0.9`, `0.8.*`, `0.6.1 0.7.0`; null if it says nothing. */
  V.versionTest = (text) => {
    const words = (text || "").slice(0, 200).split(/[\s,]+/).filter(Boolean);
    const bounds = [];
    const named = [];
    for (const word of words) {
      const found = /^(>=|<=|>|<|==|=)?v?(\d[\w.]*?)(\.\*)?$/.exec(word);
      if (!found) continue;
      const [, sign, version, star] = found;
      if (star) named.push((each) => each === version || each.startsWith(`${version}.`));
      else if (sign && sign !== "=" && sign !== "==") {
        bounds.push((each) => {
          const order = V.compare(each, version);
          return { ">=": order >= 0, "<=": order <= 0, ">": order > 0, "<": order < 0 }[sign];
        });
      } else named.push((each) => each === version);
    }
    if (!bounds.length && !named.length) return null;
    return (each) =>
      bounds.every((test) => test(each)) && (!named.length || named.some((test) => test(each)));
  };

  /** Return the least driver for a CUDA runtime, or null where that is not known. */
  V.leastDriver = (cuda) => (cuda ? space.drivers[cuda.split(".")[0]] || null : null);
})();
