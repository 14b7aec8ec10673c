/* Before anything is painted: the theme, and where data files deliver what they hold.
   No text ever becomes markup here: the page's policy refuses it, and a script is loaded only
   from the two folders of this site. */
"use strict";
(() => {
  const PLACE = /^(\.\.\/)?(data|site)\/[a-z0-9.-]{1,60}\.js$/;
  const root = document.documentElement;
  const rules = {
    createScriptURL(address) {
      if (!PLACE.test(address)) throw new TypeError(`not a file of this site: ${address}`);
      return address;
    },
  };
  const policy = globalThis.trustedTypes
    ? globalThis.trustedTypes.createPolicy("verlcompat", rules)
    : rules;
  const taken = new Map();
  const asked = new Map();
  let latest = null;

  const stored = (key) => {
    try {
      return globalThis.localStorage.getItem(`verlcompat-${key}`);
    } catch {
      return null; // a file may have no storage
    }
  };
  const store = (key, value) => {
    try {
      globalThis.localStorage.setItem(`verlcompat-${key}`, value);
    } catch {
      // the choice lasts for this page only
    }
  };
  const theme = stored("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  globalThis.verlcompat = {
    stored,
    store,
    root: root.dataset.root || "",
    /** Called by a data file with its name and what it holds. */
    take(name, body) {
      latest = body;
      taken.set(name, body);
    },
    taken: (name) => taken.get(name),
    /** Return a promise of what the data file `place` delivers. */
    load(place) {
      if (!asked.has(place)) {
        asked.set(
          place,
          new Promise((resolve, reject) => {
            const script = document.createElement("script");
            script.src = policy.createScriptURL(globalThis.verlcompat.root + place);
            script.onload = () => resolve(latest);
            script.onerror = () => reject(new Error(`${place} cannot be read`));
            document.head.append(script);
          }),
        );
      }
      return asked.get(place);
    },
  };
})();
