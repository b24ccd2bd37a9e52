// Spelling and grammar of texts by harper.js: reads `{ texts: [{ name, text }], words: [], off: [] }` from the file that
// is named, and prints what it finds as JSON. `../src/words.rs` calls it.
import fs from "node:fs";
import { pathToFileURL } from "node:url";

const [input, packages] = process.argv.slice(2);
// The packages lie in the cache, not above this file, where an import would look for them.
const load = (file) => import(pathToFileURL(`${packages}/node_modules/harper.js/dist/${file}`));
const { LocalLinter, Dialect } = await load("index.js");
const { binaryInlined } = await load("binaryInlined.js");

const { texts, words, off } = JSON.parse(fs.readFileSync(input, "utf8"));
const linter = new LocalLinter({ binary: binaryInlined, dialect: Dialect.British });
await linter.setup();
const rules = await linter.getLintConfig();
const unknown = off.filter((rule) => !(rule in rules));
if (unknown.length > 0) throw new Error(`harper.js has no rules ${unknown.join(", ")}`);
await linter.setLintConfig({ ...rules, ...Object.fromEntries(off.map((rule) => [rule, false])) });
await linter.importWords(words);
// It keeps one form of a word; that there are KB and kB, stdout and Stdout, is for us to say.
const known = new Set(words);

const found = [];
for (const { name, text } of texts) {
  for (const [rule, lints] of Object.entries(await linter.organizedLints(text, { language: "markdown" }))) {
    for (const lint of lints) {
      if (rule === "SpellCheck" && known.has(lint.get_problem_text())) continue;
      const { start, end } = lint.span();
      const letters = [...text];
      const context = letters.slice(Math.max(0, start - 60), end + 40).join("").replace(/\s+/g, " ");
      const line = letters.slice(0, start).filter((letter) => letter === "\n").length + 1;
      found.push({ name, line, rule, problem: lint.get_problem_text(), message: lint.message(), context });
      lint.free();
    }
  }
}
process.stdout.write(JSON.stringify(found));
