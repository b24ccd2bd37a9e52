Reveal.initialize({
  width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4, center: false,
  hash: true, controls: "speaker-only", slideNumber: "c/t", transition: "none",
  plugins: [RevealNotes],
  // One page a slide, as it is when all of it has been shown.
  pdfSeparateFragments: false, pdfMaxPagesPerSlide: 1,
});
// Who prints waits for this: before, there is paper without slides.
Reveal.on("pdf-ready", () => document.documentElement.classList.add("pdf-ready"));
