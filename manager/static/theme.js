// Loaded before the page is drawn, so that a chosen theme never flashes.
(() => {
  const stored = (() => {
    try { return localStorage.getItem("theme"); } catch { return null; }
  })();
  if (stored === "dark" || stored === "light") document.documentElement.dataset.theme = stored;
})();
