// Folded parts: a link to something inside opens them, and paper shows them all.

function unfoldTo(id) {
  const target = id && document.getElementById(id);
  if (!target) return;
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  target.scrollIntoView({ block: "start" });
}

addEventListener("hashchange", () => unfoldTo(decodeURIComponent(location.hash.slice(1))));
addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (link) unfoldTo(decodeURIComponent(link.hash.slice(1)));
});
addEventListener("beforeprint", () => { for (const fold of document.querySelectorAll("details")) fold.open = true; });
unfoldTo(decodeURIComponent(location.hash.slice(1)));
