/* The grid verl x engine: one slice of the space, filters that live in the address, a panel.
   A line has its cells made when it comes near what is seen, so that a large space stays quick. */
"use strict";
(() => {
  const V = globalThis.verlcompat;
  const { space, t, make } = V;
  const table = document.getElementById("grid");
  if (!space || !table || !space.slices.length) return;

  const form = document.getElementById("filters");
  const panel = document.getElementById("panel");
  const summary = document.getElementById("summary");
  const TEXTS = ["verl", "release", "driver"];
  const CHOICES = ["python", "glibc", "when", "form", "engine", "torch", "cuda", "rung"];
  const FLAGS = ["conditional", "rotten", "installed"];
  const AT_ONCE = 45; // lines, more than a screen holds
  const scroller = document.getElementById("grid-scroll");
  const COLUMNS = space.verls.map((_, index) => space.verls.length - 1 - index); // newest first
  let shown = { slice: -1, columns: "", rows: "" };
  let view = { rows: [], columns: [], lines: [], cells: [], numbers: new Map() };
  let matches = []; // of each state, whether it is what was asked for
  let cursor = { row: 0, column: 0 };
  let opened = null;

  const unique = (values) => [...new Set(values)];

  function option(value, text) {
    return make("option", { value }, text);
  }

  function fillChoices() {
    const parts = space.slices.map((_, index) => V.parts(index));
    const words = { today: "today", release: "on release day", extra: "verl[engine]", bare: "verl, no extra" };
    for (const name of ["python", "glibc", "when", "form"]) {
      const values = unique(parts.map((each) => each[name])).sort(V.compare);
      form.elements[name].replaceChildren(...values.map((each) => option(each, words[each] ? t(words[each]) : each)));
    }
    const torches = [...space.torches].sort(V.compare).reverse();
    const cudas = unique(torches.map((each) => space.cuda[each]).filter(Boolean)).sort(V.compare).reverse();
    const any = () => option("", t("any"));
    form.elements.torch.replaceChildren(any(), ...torches.map((each) => option(each, each)));
    form.elements.cuda.replaceChildren(any(), ...cudas.map((each) => option(each, each)));
    const engines = unique(space.engines.map((each) => each[0]));
    form.elements.engine.replaceChildren(option("", t("both")), ...engines.map((each) => option(each, V.ENGINES[each])));
    form.elements.rung.replaceChildren(any(), ...space.rungs.map((each) => option(each, t(each))));
  }

  /** Return what the address asks for; unknown keys and values say nothing. */
  function read() {
    const text = location.hash.slice(1, 1000);
    const wanted = Object.fromEntries(new URLSearchParams(text.includes("=") ? text : ""));
    const slice = V.sliceFor(wanted);
    return { ...wanted, ...V.parts(slice), slice };
  }

  function fill(wanted) {
    for (const name of [...TEXTS, ...CHOICES]) {
      const field = form.elements[name];
      const value = String(wanted[name] || "").slice(0, 100);
      if (field.value !== value) field.value = value;
      if (field.tagName === "SELECT" && field.selectedIndex < 0) field.value = "";
    }
    const only = (wanted.only || "").split(" ");
    for (const name of FLAGS) form.elements[name].checked = only.includes(name);
  }

  function write() {
    const found = new URLSearchParams();
    for (const name of [...CHOICES, ...TEXTS]) {
      const value = form.elements[name].value.trim();
      if (value) found.set(name, value);
    }
    const only = FLAGS.filter((name) => form.elements[name].checked);
    if (only.length) found.set("only", only.join(" "));
    const address = `#${found}`;
    if (address !== location.hash) history.replaceState(null, "", address);
  }

  /** Return a test of states, made once for each state there is. */
  function stateTest(wanted) {
    const least = space.rungs.indexOf(wanted.rung);
    const only = (wanted.only || "").split(" ").filter((each) => FLAGS.includes(each));
    const driver = /^\d{3}/.test(wanted.driver || "") ? wanted.driver : null;
    return space.states.map(([word, rung, torch, flags]) => {
      const version = torch >= 0 ? space.torches[torch] : null;
      const cuda = version ? space.cuda[version] : null;
      if (wanted.torch && version !== wanted.torch) return false;
      if (wanted.cuda && cuda !== wanted.cuda) return false;
      const needed = V.leastDriver(cuda);
      if (driver && !(needed && V.compare(driver, needed) >= 0)) return false;
      if (least >= 0 && rung < least) return false;
      if (only.includes("conditional") && space.words[word] !== "conditional") return false;
      if (only.includes("rotten") && !(flags & 1)) return false;
      if (only.includes("installed") && !(flags & 2)) return false;
      return true;
    });
  }

  const isFiltered = (wanted) =>
    Boolean(wanted.torch || wanted.cuda || wanted.driver || wanted.rung || wanted.only);

  function cellFor(wanted, row, column) {
    const cell = document.createElement("td");
    const state = V.stateAt(wanted.slice, row, column);
    const word = state ? space.words[state.word] : "untested";
    const rung = state && state.rung >= 0 ? String(state.rung + 1) : "";
    cell.tabIndex = -1;
    cell.textContent = V.MARKS[space.words.indexOf(word)] + rung;
    const rotten = V.isRotten(state);
    const installed = V.isInstalled(state);
    const open = word === "untested" && rung ? " open" : "";
    cell.className = `${word}${open}${rotten ? " rotten" : ""}${installed ? " installed" : ""}`;
    const notes = `${rotten ? `, ${t("rotten")}` : ""}${installed ? `, ${t("installed")}` : ""}`;
    cell.ariaLabel = `${V.say(state)}${notes}`;
    return cell;
  }

  /** Return the row of the best cell of a column: green first, then what resolves, newest. */
  function bestOf(wanted, rows, column) {
    const order = { compatible: 3, conditional: 2, untested: 1 };
    let best = null;
    for (const row of rows) {
      const state = V.stateAt(wanted.slice, row, column);
      if (!state || state.rung < 0) continue;
      const score = 10 * (order[space.words[state.word]] || 0) + state.rung;
      if (score >= 10 && (!best || score > best.score)) best = { row, state, score };
    }
    return best;
  }

  function bestMark(wanted, rows, column) {
    const best = bestOf(wanted, rows, column);
    if (!best) return make("span", { class: "best quiet" }, "–");
    const [engine, version] = space.engines[best.row];
    const text = `${V.MARKS[best.state.word]} ${V.ENGINES[engine]} ${version}`;
    const word = space.words[best.state.word];
    const made = make("span", { class: `best ${word === "untested" ? "opens" : word}`, title: V.say(best.state) }, text);
    made.addEventListener("click", () => {
      const row = view.rows.indexOf(best.row);
      if (row >= 0) open(row, view.columns.indexOf(column));
    });
    return made;
  }

  function head(wanted, rows, columns) {
    const corner = make(
      "th",
      { scope: "col", class: "corner" },
      t("engine ↓  verl →"),
      make("small", {}, t("below each verl: the best known")),
    );
    const cells = columns.map((column) => {
      const [version, day] = space.verls[column];
      return make("th", { scope: "col" }, make("span", {}, version), make("small", {}, day.slice(0, 7)), bestMark(wanted, rows, column));
    });
    return make("thead", {}, make("tr", {}, corner, cells));
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const each of entries) if (each.isIntersecting) fillLine(view.numbers.get(each.target));
    },
    { root: scroller, rootMargin: "600px 0px" },
  );

  /** Make the cells of one line, unless they are there. */
  function fillLine(at) {
    if (at === undefined || view.cells[at]) return;
    const row = view.rows[at];
    const cells = view.columns.map((column) => cellFor(shown.wanted, row, column));
    view.lines[at].lastChild.remove();
    view.lines[at].append(...cells);
    view.cells[at] = cells;
    near.unobserve(view.lines[at]);
    muteLine(at);
  }

  function build(wanted, rows, columns) {
    near.disconnect();
    view = { rows, columns, lines: [], cells: rows.map(() => null), numbers: new Map() };
    const body = make("tbody", {});
    rows.forEach((row, at) => {
      const [engine, version, day] = space.engines[row];
      const line = make(
        "tr",
        {},
        make("th", { scope: "row" }, make("span", {}, `${V.ENGINES[engine]} ${version}`), make("small", {}, day.slice(0, 7))),
        make("td", { colspan: columns.length || 1, class: "later" }),
      );
      body.append(line);
      view.lines.push(line);
      view.numbers.set(line, at);
    });
    table.replaceChildren(table.caption || make("caption", { class: "hidden" }, ""), head(wanted, rows, columns), body);
    table.caption.textContent = t("Verdicts by engine release and verl release");
  }

  const stateNumber = (row, column) =>
    space.grid[shown.wanted.slice].charCodeAt(row * space.verls.length + column) - space.first;

  /** Fade the cells of a line that do not match. */
  function muteLine(at) {
    view.columns.forEach((column, index) => {
      const fits = matches[stateNumber(view.rows[at], column)] ?? !isFiltered(shown.wanted);
      const cell = view.cells[at][index];
      if (cell.classList.contains("off") === fits) cell.classList.toggle("off", !fits);
    });
  }

  /** Hide lines without a match, fade what does not match; return how many cells match. */
  function mute(wanted) {
    matches = stateTest(wanted);
    const filtered = isFiltered(wanted);
    const counts = new Map();
    view.rows.forEach((row, at) => {
      let any = !filtered;
      for (const column of view.columns) {
        const number = stateNumber(row, column);
        if (!(matches[number] ?? !filtered)) continue;
        any = true;
        const word = space.states[number] ? space.words[space.states[number][0]] : "untested";
        counts.set(word, (counts.get(word) || 0) + 1);
      }
      if (view.lines[at].hidden === any) view.lines[at].hidden = !any;
    });
    showLines();
    return counts;
  }

  /** Make what is seen at once, and the rest when it comes near. */
  function showLines() {
    const seen = view.lines.map((_, at) => at).filter((at) => !view.lines[at].hidden);
    const high = view.lines[seen[0]]?.offsetHeight || 24;
    const first = Math.max(0, Math.floor(scroller.scrollTop / high) - 10);
    for (const at of seen.slice(first, first + AT_ONCE)) fillLine(at);
    view.lines.forEach((line, at) => (view.cells[at] ? muteLine(at) : near.observe(line)));
  }

  function tell(counts) {
    const parts = space.words
      .filter((word) => counts.get(word))
      .map((word) => [V.mark({ word: space.words.indexOf(word) }), ` ${counts.get(word)} ${t(word)}  `]);
    const { python, glibc, when, form: asked } = V.parts(shown.slice);
    const where = `Python ${python}, glibc ${glibc}, ${t(when === "today" ? "today" : "release day")}, ${t(asked)}:  `;
    summary.replaceChildren(where, ...(parts.length ? parts.flat() : [t("Nothing matches these filters.")]));
  }

  function columnsOf(wanted) {
    const test = V.versionTest(wanted.verl);
    return test ? COLUMNS.filter((column) => test(space.verls[column][0])) : COLUMNS;
  }

  function rowsOf(wanted) {
    const test = V.versionTest(wanted.release);
    const rows = space.engines
      .map((_, index) => index)
      .filter((row) => !wanted.engine || space.engines[row][0] === wanted.engine)
      .filter((row) => !test || test(space.engines[row][1]));
    const names = unique(space.engines.map((each) => each[0]));
    return names.flatMap((name) => rows.filter((row) => space.engines[row][0] === name).reverse());
  }

  function show(wanted, { anew = false } = {}) {
    const [rows, columns] = [rowsOf(wanted), columnsOf(wanted)];
    const next = { slice: wanted.slice, rows: rows.join(), columns: columns.join() };
    const same = Object.keys(next).every((key) => next[key] === shown[key]);
    shown = { ...next, wanted };
    if (!same || anew) {
      build(wanted, rows, columns);
      cursor = { row: 0, column: 0 };
    }
    tell(mute(wanted));
    place(cursor, { focus: false });
  }

  /** Make one cell the one that Tab reaches, and put the focus there. */
  function place({ row, column }, { focus = true } = {}) {
    if (view.lines[row] && !view.lines[row].hidden) fillLine(row);
    const before = view.cells[cursor.row]?.[cursor.column];
    if (before) before.tabIndex = -1;
    cursor = { row, column };
    const cell = view.cells[row]?.[column];
    if (!cell) return;
    cell.tabIndex = 0;
    if (focus) cell.focus();
  }

  function step(line, by) {
    let at = line + by;
    while (view.lines[at]?.hidden) at += by;
    return view.lines[at] ? at : line;
  }

  function move(event) {
    const last = view.columns.length - 1;
    const { row, column } = cursor;
    const steps = {
      ArrowRight: () => ({ row, column: Math.min(column + 1, last) }),
      ArrowLeft: () => ({ row, column: Math.max(column - 1, 0) }),
      ArrowDown: () => ({ row: step(row, 1), column }),
      ArrowUp: () => ({ row: step(row, -1), column }),
      Home: () => ({ row: event.ctrlKey ? step(-1, 1) : row, column: 0 }),
      End: () => ({ row: event.ctrlKey ? step(view.lines.length, -1) : row, column: last }),
      PageDown: () => ({ row: Array(10).fill(0).reduce((at) => step(at, 1), row), column }),
      PageUp: () => ({ row: Array(10).fill(0).reduce((at) => step(at, -1), row), column }),
    };
    if (event.target.tagName !== "TD") return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      open(row, column, { focus: true });
    } else if (steps[event.key]) {
      event.preventDefault();
      place(steps[event.key]());
    }
  }

  async function open(row, column, { focus = false } = {}) {
    const there = { slice: shown.slice, row: view.rows[row], column: view.columns[column] };
    opened = there;
    fillLine(row);
    const title = make("h2", { id: "panel-title", tabindex: "-1" }, V.titleOf(there));
    const close = make("button", { type: "button", class: "close", "aria-label": t("Close") }, "×");
    close.addEventListener("click", shut);
    const more = make("a", { href: `cell.html#${V.addressOf(there.slice, there.row, there.column)}` }, t("This cell's own page"));
    const detail = await V.describe(there);
    if (opened !== there) return;
    panel.replaceChildren(make("div", { class: "panel-head" }, title, close), detail, make("p", {}, more));
    panel.hidden = false;
    panel.scrollTop = 0;
    document.body.classList.add("with-panel");
    for (const each of table.querySelectorAll(".opened")) each.classList.remove("opened");
    view.cells[row][column].classList.add("opened");
    if (focus) title.focus();
  }

  function shut() {
    opened = null;
    panel.hidden = true;
    document.body.classList.remove("with-panel");
    for (const each of table.querySelectorAll(".opened")) each.classList.remove("opened");
    place(cursor);
  }

  function apply() {
    const wanted = { ...Object.fromEntries(new FormData(form)) };
    wanted.only = FLAGS.filter((name) => form.elements[name].checked).join(" ");
    wanted.slice = V.sliceFor(wanted);
    const have = V.parts(wanted.slice);
    for (const name of ["python", "glibc", "when", "form"]) form.elements[name].value = have[name];
    write();
    show(wanted);
  }

  table.addEventListener("keydown", move);
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("td");
    const row = cell ? view.lines.indexOf(cell.parentNode) : -1;
    if (row < 0 || !view.cells[row]) return;
    place({ row, column: view.cells[row].indexOf(cell) }, { focus: false });
    open(row, cursor.column);
  });
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") shut();
  });
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    history.replaceState(null, "", location.pathname + location.search);
    const wanted = read();
    fill(wanted);
    show(wanted);
  }));
  addEventListener("hashchange", () => {
    const wanted = read();
    fill(wanted);
    show(wanted);
  });
  V.onLanguage(() => {
    const wanted = { ...Object.fromEntries(new FormData(form)) };
    wanted.only = FLAGS.filter((name) => form.elements[name].checked).join(" ");
    fillChoices();
    fill(wanted);
    show({ ...wanted, slice: shown.slice }, { anew: true });
    if (!panel.hidden && opened) shut();
  });

  fillChoices();
  const wanted = read();
  fill(wanted);
  if (matchMedia("(max-width: 46rem)").matches) document.getElementById("fold").open = false;
  show(wanted);
  document.documentElement.dataset.ready = "grid";
})();
