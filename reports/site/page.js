/* What every page has: the language, the theme, and making elements out of text. */
"use strict";
(() => {
  const V = globalThis.verlcompat;
  const root = document.documentElement;
  const listeners = [];
  let dictionary = null; // English to Chinese, once loaded
  let words = null; // the same while Chinese is chosen

  const fill = (text, values) => text.replace(/\{(\d)\}/g, (_, index) => values[Number(index)] ?? "");

  /** Return `text` in the language chosen; {0} stands for the first value. */
  V.t = (text, ...values) => fill((words && words[text]) || text, values);

  /** Return an element: attributes are set as text, children are elements or text. */
  V.make = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((each) => each !== null && each !== undefined));
    return made;
  };

  V.onLanguage = (use) => listeners.push(use);

  function translate() {
    for (const each of document.querySelectorAll("[data-t]")) {
      if (each.dataset.en === undefined) each.dataset.en = each.dataset.t || each.textContent;
      each.textContent = V.t(each.dataset.en, ...JSON.parse(each.dataset.a || "[]"));
    }
    for (const each of document.querySelectorAll("[data-t-label]")) {
      each.setAttribute("aria-label", V.t(each.dataset.tLabel));
    }
  }

  async function choose(language) {
    const chinese = language === "zh-CN";
    if (chinese && !dictionary) dictionary = await V.load("site/zh-cn.js");
    words = chinese ? dictionary : null;
    root.lang = language;
    translate();
    for (const each of listeners) each();
  }

  function wire() {
    const language = document.getElementById("language");
    const theme = document.getElementById("theme");
    const wanted = new URLSearchParams(location.search).get("lang") || V.stored("language");
    language?.addEventListener("click", () => {
      const next = root.lang === "en" ? "zh-CN" : "en";
      V.store("language", next);
      choose(next);
    });
    theme?.addEventListener("click", () => {
      const dark = root.dataset.theme
        ? root.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      V.store("theme", root.dataset.theme);
    });
    for (const each of [language, theme]) each?.removeAttribute("hidden");
    if (wanted && wanted.startsWith("zh")) choose("zh-CN");
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", wire);
  else wire();
})();
