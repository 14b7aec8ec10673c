/* The page of any cell of the space: which one is in the address. */
"use strict";
(() => {
  const V = globalThis.verlcompat;
  const place = document.getElementById("cell");
  const title = document.getElementById("cell-title");

  async function show() {
    let address = "";
    try {
      address = decodeURIComponent(location.hash.slice(1, 300));
    } catch {
      // an address that is none names no cell
    }
    const found = V.space && V.find(address);
    if (!found) {
      title.textContent = V.t("No such cell");
      place.replaceChildren(
        V.make("p", {}, V.t("The address names no cell of the space. It looks like this:")),
        V.make("pre", { lang: "en", tabindex: "0" }, "cell.html#verl0.6.1-vllm0.11.0-extra-python3.12-glibc2.35-today"),
      );
      return;
    }
    const text = V.titleOf(found);
    title.textContent = text;
    document.title = `${text} · verl compatibility`;
    place.replaceChildren(await V.describe(found, { full: true }));
    document.documentElement.dataset.ready = "cell";
  }

  addEventListener("hashchange", show);
  V.onLanguage(show);
  show();
})();
