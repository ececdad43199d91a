// Brings the page's main part up to date while someone looks at it. Without this script the page is the same, only still.
(() => {
  const main = document.querySelector("main[data-refresh]");
  if (!main) return;
  const interval = Number(main.dataset.refresh) * 1000;

  // A field that no longer says what the server wrote into it.
  const changed = (field) => field.matches("select")
    ? field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected))
    : field.value !== field.defaultValue;

  // Not under someone's hands: while a field is in use or filled in, or text is marked, the page keeps still.
  const inUse = () => {
    const active = document.activeElement;
    const selection = window.getSelection();
    return document.hidden
      || (active && main.contains(active) && active.matches("input, select"))
      || [...main.querySelectorAll("input, select")].some(changed)
      || (selection && !selection.isCollapsed);
  };

  const refresh = async () => {
    if (!inUse()) {
      try {
        const answer = await fetch(location.href, { cache: "no-store" });
        if (answer.ok) {
          const next = new DOMParser().parseFromString(await answer.text(), "text/html");
          for (const part of ["#figures", "#live"]) {
            const [from, to] = [next.querySelector(part), document.querySelector(part)];
            if (from && to && !inUse()) {
              const focused = to.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
              to.replaceWith(document.adoptNode(from));
              if (focused) document.querySelector(`${part} a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
            }
          }
          document.documentElement.classList.remove("stale");
        }
      } catch {
        document.documentElement.classList.add("stale");
      }
    }
    setTimeout(refresh, interval);
  };
  setTimeout(refresh, interval);
})();
