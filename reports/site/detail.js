/* Everything known about one cell of the space, out of data, as elements and nothing else. */
"use strict";
(() => {
  const V = globalThis.verlcompat;
  const { space, t, make } = V;
  if (!space) return;
  const HTTPS = /^https:\/\/[\w.-]+\//;

  /** Return what the data file of the cell's verl release says about it, texts put in. */
  V.bodyOf = async ({ slice, row, column }) => {
    const name = space.files[space.verls[column][0]];
    const file = await V.load(`data/${name}`);
    const line = file.cells.find((each) => each[0] === slice);
    const number = line ? file.rows[line[1]][row] : -1;
    if (number < 0) return null;
    const text = (number) => file.texts[number];
    const texts = (numbers) => (numbers || []).map(text);
    const raw = file.bodies[number];
    const rung = (index) => {
      const fact = index === undefined ? null : file.rungs[index];
      return fact && {
        outcome: text(fact.outcome),
        undecided: fact.undecided,
        roles: fact.roles.map(texts),
        missing: fact.missing.map(texts),
      };
    };
    return {
      day: file.days[file.rows[line[2]][row]],
      derived: raw.derived === undefined ? null : text(raw.derived),
      resolution: text(raw.resolution),
      resolver: text(raw.resolver),
      failed: raw.failed ?? null,
      opposed: raw.opposed === undefined ? null : text(raw.opposed),
      why: texts(raw.why),
      between: texts(raw.between),
      axes: (raw.axes || []).map(texts),
      count: raw.count ?? null,
      sdists: texts(raw.sdists),
      conditions: texts(raw.conditions),
      traps: (raw.traps || []).map(texts),
      imports: rung(raw.imports),
      loads: rung(raw.loads),
      turns: (raw.turns || []).map(([fault, day, who]) => [text(fault), text(day), texts(who)]),
      ladder: raw.ladder || null,
      installed: raw.installed === undefined ? null : text(raw.installed),
    };
  };

  const code = (text) => make("code", { lang: "en" }, text);
  const list = (items, attributes) =>
    make("ul", attributes || {}, items.map((each) => make("li", {}, each)));
  let heading = "h3"; // what follows the title: of the panel, or of a page
  const part = (title, ...children) =>
    make("section", {}, make(heading, {}, title), ...children.flat());

  V.mark = (state) => {
    const word = state ? space.words[state.word] : "untested";
    return make("span", { class: `mark ${word}`, "aria-hidden": "true" }, V.MARKS[space.words.indexOf(word)]);
  };

  V.titleOf = ({ row, column }) => {
    const [engine, release] = space.engines[row];
    return `verl ${space.verls[column][0]} + ${V.ENGINES[engine]} ${release}`;
  };

  V.requirementsOf = ({ slice, row, column }) => {
    const [engine, release] = space.engines[row];
    const extra = V.parts(slice).form === "extra" ? `[${engine}]` : "";
    return [`verl${extra}==${space.verls[column][0]}`, `${engine}==${release}`];
  };

  function verdict(place, state, body) {
    const line = make("p", { class: "verdict-line" }, V.mark(state), " ", make("strong", {}, V.say(state)));
    const conditions = (body?.conditions || []).map((each) =>
      make("p", { class: "conditional" }, t("Condition: {0}", each)),
    );
    if (body?.opposed) {
      const other = t("flaky: another record of the same day says {0}", t(body.opposed));
      conditions.unshift(make("p", { class: "flaky" }, other));
    }
    const { python, glibc, when } = V.parts(place.slice);
    const day = body?.day || "";
    const text =
      when === "today"
        ? t("Python {0}, glibc {1}, as of {2} (today)", python, glibc, day)
        : t("Python {0}, glibc {1}, as of {2} (release day)", python, glibc, day);
    const follows = body?.derived
      ? [make("p", { class: "quiet" }, t("Not asked: follows from another answer ({0}).", body.derived))]
      : [];
    return [line, make("p", { class: "quiet" }, text), ...follows, ...conditions];
  }

  function rungState(index, body) {
    if (body.ladder) return body.ladder[index];
    if (index === 0) {
      const known = { resolved: "passed", unresolvable: "failed" };
      return known[body.resolution] || "untested";
    }
    const fact = { 1: body.imports, 2: body.loads }[index];
    return fact ? { passed: "passed", failed: "failed" }[fact.outcome] || "undecided" : "untested";
  }

  function ladder(body) {
    const marks = { passed: "+", partial: "~", failed: "−", undecided: "?", untested: "·" };
    const items = space.rungs.map((name, index) => {
      const said = rungState(index, body);
      return make(
        "li",
        { class: said },
        make("span", { class: "sign", "aria-hidden": "true" }, marks[said]),
        ` ${t(name)} `,
        make("span", { class: "quiet" }, t(said)),
      );
    });
    return part(t("Rungs"), make("ol", { class: "ladder" }, items));
  }

  function missing(fact, symbols) {
    return fact.missing.map((each) => {
      if (symbols) {
        const [symbol, demangled, file, torch] = each;
        const rest = torch ? [" ", t("exported by torch {0}", torch)] : [];
        return [code(demangled || symbol), " ", t("needed by {0}", file), ...rest];
      }
      const [name, provider, at, line, since, until, moved] = each;
      const range = since ? [" ", t("(missing in {0} {1} to {2})", provider, since, until || since)] : [];
      const there = moved ? [" ", t("now {0}", moved)] : [];
      return [
        code(name), " ", provider ? t("is not in {0}", provider) : "", ...range, ...there,
        make("br"), code(`${at}${line ? `: ${line}` : ""}`),
      ];
    });
  }

  function causes(body) {
    const found = [];
    if (body.why.length) {
      found.push(part(t("Why it does not resolve"), list(body.why.map((each) => make("span", { lang: "en" }, each)))));
    }
    for (const [fact, title, symbols] of [
      [body.imports, t("Names that are missing"), false],
      [body.loads, t("Symbols that are missing"), true],
    ]) {
      if (!fact) continue;
      const roles = fact.roles.filter((each) => each[1] === "failed").map((each) => each[0]);
      const note = roles.length ? [make("p", {}, t("Breaks: {0}", roles.join(", ")))] : [];
      const unknown = fact.undecided
        ? [make("p", { class: "quiet" }, t("{0} names undecided", fact.undecided))]
        : [];
      if (fact.missing.length || note.length || unknown.length) {
        found.push(part(title, ...note, list(missing(fact, symbols)), ...unknown));
      }
    }
    if (body.traps.length) {
      found.push(
        part(
          t("Traps in the set"),
          list(
            body.traps.map(([trap, weight, at]) => [
              make("strong", { class: weight }, t(weight)), " ", code(trap), ` ${at}`,
              space.needs[trap] ? `: ${t("needs {0}", space.needs[trap])}` : "",
              space.effects[trap] ? make("span", { lang: "en", class: "quiet" }, ` (${space.effects[trap]})`) : "",
            ]),
          ),
        ),
      );
    }
    if (body.turns.length) {
      found.push(
        part(
          t("What turned since its release"),
          list(body.turns.map(([fault, day, who]) => [`${day}: `, code(fault), ` ${who.join("; ")}`])),
        ),
      );
    }
    return found;
  }

  function versions(body) {
    if (!body.axes.length) return [];
    const rows = body.axes.map(([name, version]) =>
      make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, version)),
    );
    const note = [make("p", { class: "quiet" }, t("{0} distributions in the set, by {1}", body.count, body.resolver))];
    if (body.sdists.length) note.push(make("p", {}, t("Built from source: {0}", body.sdists.join(", "))));
    return [part(t("Versions"), make("table", { class: "plain" }, make("tbody", {}, rows)), ...note)];
  }

  /** Return what to type; what the rules name beside it was not tried and says so. */
  function command(place, state, body) {
    const word = space.words[state.word];
    if (body.resolution !== "resolved") return [];
    const { python, when } = V.parts(place.slice);
    const dated = when === "release" ? ` --exclude-newer ${body.day}T23:59:59Z` : "";
    const broken = body.traps.filter((each) => each[1] === "broken" && space.needs[each[0]]);
    const more = [...new Set([...broken.map((each) => space.needs[each[0]]), ...body.conditions])].filter(
      (each) => /^[a-z0-9-]+ ?[<>=!~]/.test(each),
    );
    const asked = [...V.requirementsOf(place), ...more].map((each) => `'${each}'`).join(" ");
    const lines = `uv venv --python ${python}\nuv pip install${dated} ${asked}`;
    const note = more.length
      ? [make("p", { class: "quiet" }, t("With what the rules name; that set was not tried."))]
      : [];
    const lacking = [body.imports, body.loads].some((fact) => fact && fact.outcome === "failed");
    if (word === "incompatible" && (lacking || !more.length)) {
      note.push(make("p", { class: "quiet" }, t("This installs a set of which something is known to fail.")));
    }
    return [part(t("What to type"), make("pre", { lang: "en", tabindex: "0" }, make("code", {}, lines)), ...note)];
  }

  /** Return how good a state is: green, conditional, it resolves and is untested, all else. */
  function rank(state) {
    if (!state) return 0;
    const word = space.words[state.word];
    return { compatible: 3, conditional: 2, untested: state.rung >= 0 ? 1 : 0 }[word] || 0;
  }

  /** Return the nearest cells along one side that are better than this one, green first. */
  function nearest(place, along) {
    const here = rank(V.stateAt(place.slice, place.row, place.column));
    const engine = space.engines[place.row][0];
    const count = along === "row" ? space.engines.length : space.verls.length;
    const found = [];
    for (let index = 0; index < count; index += 1) {
      if (along === "row" && space.engines[index][0] !== engine) continue;
      const there = { ...place, [along]: index };
      const state = V.stateAt(there.slice, there.row, there.column);
      if (rank(state) <= here) continue;
      const far = Math.abs(index - place[along]) + (rank(state) > 1 ? 0 : 1000);
      found.push({ there, state, far });
    }
    return found.sort((a, b) => a.far - b.far).slice(0, 3);
  }

  function around(place) {
    const items = [...nearest(place, "row"), ...nearest(place, "column")].map(({ there, state }) => [
      V.mark(state), " ",
      make("a", { href: `${V.root}cell.html#${V.addressOf(there.slice, there.row, there.column)}` }, V.titleOf(there)),
      `: ${V.say(state)}`,
    ]);
    return items.length ? [part(t("Nearest that are better"), list(items, { class: "bare" }))] : [];
  }

  function elsewhere(place) {
    const items = [];
    space.slices.forEach((_, slice) => {
      const state = V.stateAt(slice, place.row, place.column);
      if (!state || slice === place.slice) return;
      const { python, glibc, when, form } = V.parts(slice);
      items.push([
        V.mark(state), " ",
        make(
          "a",
          { href: `${V.root}cell.html#${V.addressOf(slice, place.row, place.column)}` },
          `Python ${python}, glibc ${glibc}, ${t(when === "today" ? "today" : "release day")}, ${t(form)}`,
        ),
        `: ${V.say(state)}`,
      ]);
    });
    return items.length ? [part(t("The same pair elsewhere"), list(items, { class: "bare" }))] : [];
  }

  function next(place, body) {
    if (body.installed) {
      const href = `${V.root}cells/${encodeURIComponent(body.installed)}.html`;
      return [part(t("Installed"), make("p", {}, t("These versions were installed and probed:"), " ", make("a", { href }, body.installed)))];
    }
    if (body.resolution === "not attempted") return [part(t("Not asked"), list(body.why))];
    if (body.resolution !== "resolved") return [];
    const { python, form } = V.parts(place.slice);
    const [engine, release] = space.engines[place.row];
    const verl = space.verls[place.column][0];
    const id = `verl${verl}-${engine}${release}-python${python}-${body.day}`;
    const lines = [
      `title = "verl ${verl} with ${V.ENGINES[engine]} ${release}"`,
      'expected = "compatible"', 'reason = "Asked for on the page of the cell."', "",
      "[values]", `verl = "${verl}"`, `${engine} = "${release}"`, `python = "${python}"`,
      `as-of = "${body.day}"`,
      ...(form === "extra" ? ["", "[resolve.extras]", `verl = "${engine}"`] : []),
    ];
    return [
      part(
        t("Next step"),
        make("p", {}, t("Nobody has installed these versions. To have them tried, save this in a checkout as {0}, add the day {1} to matrix/axes/as-of.toml where it is not there, and run:", `matrix/cells/${id}.toml`, body.day)),
        make("pre", { lang: "en", tabindex: "0" }, make("code", {}, lines.join("\n"))),
        make("pre", { lang: "en", tabindex: "0" }, make("code", {}, `verlcompat lock ${id}\nverlcompat run ${id}`)),
      ),
    ];
  }

  /** Return all that is known about the cell, as one element. */
  V.describe = async (place, { full = false } = {}) => {
    const state = V.stateAt(place.slice, place.row, place.column);
    const body = state ? await V.bodyOf(place) : null;
    heading = full ? "h2" : "h3";
    const shown = make("div", { class: "cell-detail" }, verdict(place, state, body));
    if (!body) {
      shown.append(make("p", {}, t("Nothing is recorded about this cell.")), ...elsewhere(place));
      return shown;
    }
    shown.append(
      make("p", {}, code(V.requirementsOf(place).join(" "))),
      ladder(body),
      ...causes(body.resolution === "not attempted" ? { ...body, why: [] } : body),
      ...command(place, state, body),
      ...around(place),
      ...versions(body),
      ...next(place, body),
      ...(full ? elsewhere(place) : []),
    );
    return shown;
  };

  V.safeLink = (address, text) =>
    HTTPS.test(address) ? make("a", { href: address, rel: "noreferrer" }, text) : document.createTextNode(text);
})();
