// Shows one innermost <section> at a time and its fragments one by one. nbconvert would load reveal.js
// for this from another server.
const slides = [...document.querySelectorAll(".slides > section > section")];
const where = document.body.appendChild(Object.assign(document.createElement("div"), { id: "where" }));
let at = Math.min(Math.max(parseInt(location.hash.slice(1), 10) - 1 || 0, 0), slides.length - 1);

const hidden = () => slides[at].querySelectorAll(".fragment:not(.shown)");
const shown = () => slides[at].querySelectorAll(".fragment.shown");

// Hidden fragments have their place already, so that a slide does not shrink while it is shown. What is
// too much for the smallest size is scrolled.
function fit(slide) {
  const wide = () => [...slide.querySelectorAll("pre")].some((pre) => pre.scrollWidth > pre.clientWidth + 1);
  for (let size = 100; size >= 65; size -= 5) {
    slide.style.setProperty("--size", size / 100);
    if (slide.scrollHeight <= slide.clientHeight + 1 && !wide()) break;
  }
}

function show() {
  slides.forEach((slide, n) => slide.classList.toggle("here", n === at));
  fit(slides[at]);
  where.textContent = `${at + 1} / ${slides.length}`;
  history.replaceState(null, "", `#${at + 1}`);
}

function forward() {
  const next = hidden()[0];
  if (next) {
    next.classList.add("shown");
    next.scrollIntoView({ block: "nearest" });
  } else if (at + 1 < slides.length) {
    at += 1;
    show();
  }
}

function back() {
  const last = [...shown()].pop();
  if (last) {
    last.classList.remove("shown");
  } else if (at > 0) {
    at -= 1;
    show();
  }
}

document.addEventListener("keydown", (event) => {
  if (["ArrowRight", "PageDown", " "].includes(event.key)) forward();
  else if (["ArrowLeft", "PageUp"].includes(event.key)) back();
  else if (event.key === "Home") { at = 0; show(); }
  else if (event.key === "End") { at = slides.length - 1; show(); }
  else if (event.key === "n") { document.body.classList.toggle("with-notes"); fit(slides[at]); }
  else return;
  event.preventDefault();
});
window.addEventListener("resize", () => fit(slides[at]));
show();
