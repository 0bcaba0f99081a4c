// Loaded before the page is drawn, so that a chosen theme never flashes.
(() => {
  const themes = ["system", "dark", "light"];
  const root = document.documentElement;
  const stored = (() => {
    try { return localStorage.getItem("theme"); } catch { return null; }
  })();
  if (stored === "dark" || stored === "light") root.dataset.theme = stored;

  const current = () => root.dataset.theme ?? "system";
  const tell = (button) => { button.textContent = `Theme: ${current()}`; };

  function change(button) {
    const next = themes[(themes.indexOf(current()) + 1) % themes.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try { localStorage.setItem("theme", next); } catch { /* private mode: it holds for this page */ }
    tell(button);
  }

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    tell(button);
    button.hidden = false;
    button.addEventListener("click", () => change(button));
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input, select, textarea");
      if (event.key === "t" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) change(button);
    });
  });
})();
