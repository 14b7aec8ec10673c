/* What fits a machine: read the doctor's output or the form, rank green cells by how near they are. */
"use strict";
(() => {
  const V = globalThis.verlcompat;
  const { space, t, make } = V;
  const form = document.getElementById("machine");
  if (!space || !form) return;
  const told = document.getElementById("told");
  const found = document.getElementById("found");
  const MOST = 2000000; // characters of pasted text that are read
  const SHOWN = 9;
  const COMPARED = ["torch", "transformers", "ray", "numpy", "tensordict", "uvloop", "flash-attn", "opencv-python-headless"];
  const GPUS = [
    ["", "any"], ["7.0", "V100 (7.0)"], ["7.5", "T4 (7.5)"], ["8.0", "A100 (8.0)"],
    ["8.6", "A10, RTX 30 (8.6)"], ["8.9", "L4, L40, RTX 40 (8.9)"], ["9.0", "H100, H200, H20 (9.0)"],
    ["10.0", "B200 (10.0)"], ["12.0", "RTX 50 (12.0)"],
  ];
  const NAMES = [
    [/B[23]00|GB[23]00/i, "10.0"], [/RTX (PRO )?(50|6000 Black)/i, "12.0"], [/H100|H200|H20|H800|GH200/i, "9.0"],
    [/L4|L40|L20|RTX 40|RTX 6000 Ada/i, "8.9"], [/A100|A800/i, "8.0"], [/A10|A40|A6000|RTX 30/i, "8.6"],
    [/T4|RTX 20/i, "7.5"], [/V100/i, "7.0"],
  ];
  let have = {}; // distributions the doctor saw
  let run = 0;

  const VERSION = /\d{1,4}(?:\.\d{1,4}){1,2}/;
  const textOf = (value) => (typeof value === "string" ? value.slice(0, 500) : "");

  /** Return what the doctor's output says, or null where it is not its output. */
  function readDoctor(text) {
    let body;
    try {
      body = JSON.parse(text.slice(0, MOST));
    } catch {
      return null;
    }
    const told = body && typeof body === "object" ? body.environment : null;
    if (!told || typeof told !== "object") return null;
    const machine = textOf(told.machine);
    const driver = textOf(told.driver);
    const versions = {};
    for (const [name, each] of Object.entries(body.distributions || {}).slice(0, 5000)) {
      const version = each && typeof each === "object" ? each.version : each;
      if (typeof version === "string") versions[name.slice(0, 100)] = version.slice(0, 60);
    }
    const gpu = NAMES.find(([pattern]) => pattern.test(machine));
    return {
      python: VERSION.exec(textOf(told.python))?.[0].split(".").slice(0, 2).join(".") || "",
      glibc: /glibc (\d+\.\d+)/.exec(machine)?.[1] || "",
      driver: /^\d{3}[\d.]*/.exec(driver)?.[0] || "",
      gpu: gpu ? gpu[1] : "",
      versions,
    };
  }

  function fillChoices() {
    const pythons = [...new Set(space.slices.map((each) => each[0]))].sort(V.compare);
    const engines = [...new Set(space.engines.map((each) => each[0]))];
    const option = (value, text) => make("option", { value }, text);
    const kept = ["python", "gpu", "engine"].map((name) => form.elements[name].value);
    form.elements.python.replaceChildren(...pythons.map((each) => option(each, each)));
    form.elements.gpu.replaceChildren(...GPUS.map(([value, text]) => option(value, value ? text : t(text))));
    form.elements.engine.replaceChildren(option("", t("both")), ...engines.map((each) => option(each, V.ENGINES[each])));
    form.elements.python.value = kept[0] || (pythons.includes("3.12") ? "3.12" : pythons[0]);
    form.elements.gpu.value = kept[1] || "";
    form.elements.engine.value = kept[2] || "";
  }

  /** Return whether a CUDA runtime goes with driver and GPU; what is not known does not refuse. */
  function runs(cuda, wanted) {
    if (!cuda) return true;
    const least = V.leastDriver(cuda);
    if (wanted.driver && least && V.compare(wanted.driver, least) < 0) return false;
    const from = space.gpuFrom[wanted.gpu];
    const before = space.gpuBefore[wanted.gpu];
    if (from && V.compare(cuda, from) < 0) return false;
    return !(before && V.compare(cuda, before) >= 0);
  }

  function slicesFor(wanted) {
    const indexes = space.slices.map((_, index) => index);
    const fitting = indexes.filter((index) => {
      const part = V.parts(index);
      return part.python === wanted.python && (!wanted.glibc || V.compare(part.glibc, wanted.glibc) <= 0);
    });
    const best = fitting.map((index) => V.parts(index).glibc).sort(V.compare).pop();
    return fitting.filter((index) => V.parts(index).glibc === best);
  }

  const indexOf = (list, test) => list.findIndex(test);

  /** Yield candidates of the words asked for, nearest to what is installed first. */
  function candidates(wanted, words) {
    const verl = indexOf(space.verls, (each) => each[0] === have.verl);
    const engines = ["vllm", "sglang"].map((name) =>
      have[name] ? indexOf(space.engines, (each) => each[0] === name && each[1] === have[name]) : -1,
    );
    const here = engines.find((each) => each >= 0) ?? -1;
    const list = [];
    for (const slice of slicesFor(wanted)) {
      const { when, form: asked } = V.parts(slice);
      for (let row = 0; row < space.engines.length; row += 1) {
        if (wanted.engine && space.engines[row][0] !== wanted.engine) continue;
        for (let column = 0; column < space.verls.length; column += 1) {
          const state = V.stateAt(slice, row, column);
          if (!state || !words.includes(space.words[state.word]) || state.rung < 0) continue;
          const torch = V.torchOf(state);
          if (!runs(space.cuda[torch], wanted)) continue;
          const far =
            (verl >= 0 ? 4 * Math.abs(verl - column) : 4 * (space.verls.length - 1 - column)) +
            (here >= 0 && space.engines[here][0] === space.engines[row][0]
              ? Math.abs(here - row)
              : (here >= 0 ? 25 : 0)) +
            (have.torch && torch && have.torch.split("+")[0] !== torch ? 3 : 0) +
            (when === "today" ? 0 : 1) + (asked === "extra" ? 0 : 2) -
            1.5 * state.rung + (space.words[state.word] === "conditional" ? 2 : 0) -
            (verl === column && here === row ? 1000 : 0); // what one has already, if it is green
          list.push({ place: { slice, row, column }, state, far });
        }
      }
    }
    const seen = new Set();
    return list
      .sort((a, b) => a.far - b.far || b.place.row - a.place.row)
      .filter(({ place: { row, column } }) => !seen.has(`${row} ${column}`) && seen.add(`${row} ${column}`))
      .slice(0, SHOWN);
  }

  /** Return what is known about the pair that is installed, with the releases of today. */
  function own(wanted) {
    const engine = ["vllm", "sglang"].find((name) => have[name]);
    const slice = slicesFor(wanted).find((index) => V.parts(index).when === "today");
    const column = indexOf(space.verls, (each) => each[0] === have.verl);
    const row = indexOf(space.engines, (each) => each[0] === engine && each[1] === have[engine]);
    if (slice === undefined || column < 0 || row < 0) return [];
    const place = { slice, row, column };
    const state = V.stateAt(slice, row, column);
    const link = make("a", { href: `cell.html#${V.addressOf(slice, row, column)}` }, V.titleOf(place));
    return [t("What you have, if it were installed today:"), " ", V.mark(state), " ", link, `: ${V.say(state)}. `];
  }

  function differences(place, body) {
    const [engine, release] = space.engines[place.row];
    const wanted = new Map([["verl", space.verls[place.column][0]], [engine, release], ...body.axes]);
    const rows = [];
    let same = 0;
    for (const name of ["verl", engine, ...COMPARED]) {
      const version = wanted.get(name);
      if (!version) continue;
      const mine = have[name];
      if (mine && mine.split("+")[0] === version.split("+")[0]) same += 1;
      else rows.push([name, mine || t("not installed"), version]);
    }
    return { rows, same };
  }

  async function card({ place, state }, wanted) {
    const body = await V.bodyOf(place);
    const torch = V.torchOf(state);
    const cuda = space.cuda[torch];
    const least = V.leastDriver(cuda);
    const item = make("li", {});
    const { when } = V.parts(place.slice);
    const href = `cell.html#${V.addressOf(place.slice, place.row, place.column)}`;
    item.append(
      make("h2", {}, make("a", { href }, V.titleOf(place))),
      make("p", {}, V.mark(state), " ", make("strong", {}, V.say(state))),
      make("p", { class: "quiet" }, when === "today" ? t("with today's releases") : t("with the releases of {0}", body.day)),
    );
    for (const each of body.conditions) item.append(make("p", { class: "conditional" }, t("Condition: {0}", each)));
    if (cuda) {
      const enough = wanted.driver ? t("your driver {0} is enough", wanted.driver) : t("needs a driver from {0} on", least || "?");
      item.append(make("p", {}, t("torch {0}, CUDA {1}", torch, cuda), "; ", enough));
    }
    if (Object.keys(have).length) {
      const { rows, same } = differences(place, body);
      const lines = rows.map(([name, mine, version]) =>
        make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, mine), make("td", {}, "→ ", version)),
      );
      item.append(make("p", {}, t("{0} of the compared versions are yours already; {1} differ:", same, rows.length)));
      if (lines.length) item.append(make("table", { class: "plain difference" }, make("tbody", {}, lines)));
    }
    return item;
  }

  async function show() {
    run += 1;
    const mine = run;
    const wanted = Object.fromEntries(
      ["python", "glibc", "driver", "gpu", "engine"].map((name) => [name, form.elements[name].value.trim().slice(0, 20)]),
    );
    if (!/^\d/.test(wanted.glibc)) wanted.glibc = "";
    if (!/^\d{3}/.test(wanted.driver)) wanted.driver = "";
    let list = candidates(wanted, ["compatible", "conditional"]);
    let text = t("{0} green cells are nearest to this machine, best first.", list.length);
    if (!slicesFor(wanted).length) text = t("Nothing was resolved for this Python with a glibc that old.");
    else if (!list.length) {
      list = candidates(wanted, ["untested"]);
      text = list.length
        ? t("No green cell is known for this machine. These resolve and are untested, which is neither good nor bad:")
        : t("No cell that resolves is known for this machine.");
    }
    const cards = await Promise.all(list.map((each) => card(each, wanted)));
    if (mine !== run) return;
    told.replaceChildren(...own(wanted), text);
    found.replaceChildren(...cards);
    document.documentElement.dataset.ready = "fits";
  }

  function take() {
    const text = form.elements.doctor.value;
    if (!text.trim()) {
      have = {};
      return;
    }
    const read = readDoctor(text);
    if (!read) {
      told.textContent = t("This is not the output of verlcompat doctor --json.");
      have = {};
      return;
    }
    have = read.versions;
    for (const name of ["glibc", "driver"]) form.elements[name].value = read[name];
    for (const name of ["python", "gpu"]) {
      const field = form.elements[name];
      if ([...field.options].some((each) => each.value === read[name])) field.value = read[name];
    }
    if (have.vllm || have.sglang) form.elements.engine.value = "";
  }

  form.elements.doctor.maxLength = MOST;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target === form.elements.doctor) take();
    show();
  });
  form.addEventListener("reset", () => setTimeout(() => {
    have = {};
    show();
  }));
  V.onLanguage(() => {
    fillChoices();
    show();
  });
  fillChoices();
  show();
})();
