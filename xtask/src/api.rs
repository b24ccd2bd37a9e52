//! `cargo xtask api`: the library's public paths, as rustdoc sees them. A type has one, and one in the prelude;
//! a function shows itself in use, or is shown by its type.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{Place, rustdoc};

/// Public names, with each of their paths.
struct Api {
    /// By what they name.
    paths: BTreeMap<String, Vec<String>>,
    /// Functions and methods that are no plain getters, without an example: their paths.
    unshown: Vec<String>,
    functions: usize,
}

/// Prints what there is; false when something has two paths, or a function is never seen in use.
pub fn run(place: &Place) -> Result<bool> {
    let api = Api::of(&document(place)?)?;
    let mut passed = true;
    let all: usize = api.paths.values().map(Vec::len).sum();
    let in_prelude = api.paths.values().flatten().filter(|path| is_prelude(path)).count();
    for paths in api.paths.values() {
        // What is in the prelude alone (`secs`) has its one path there.
        let outside = paths.iter().filter(|path| !is_prelude(path)).count();
        if outside != 1 && paths.len() != 1 {
            println!("- more than one public path: {}", paths.join(", "));
            passed = false;
        }
    }
    for path in &api.unshown {
        println!("- no example shows {path}");
        passed = false;
    }
    println!(
        "{all} public paths to {} items, {in_prelude} of them in the prelude; {} functions that are no plain \
         getters, {} of them without an example",
        api.paths.len(),
        api.functions,
        api.unshown.len()
    );
    Ok(passed)
}

fn is_prelude(path: &str) -> bool {
    path.starts_with("kinesis_lab::prelude::")
}

/// As rustdoc sees the library.
fn document(place: &Place) -> Result<Value> {
    let out = place.target().join("api");
    rustdoc::of_library(place, &place.checkout, &out, &rustdoc::JSON)?;
    let file = out.join("kinesis_lab.json");
    Ok(serde_json::from_slice(&std::fs::read(&file).with_context(|| file.display().to_string())?)?)
}

impl Api {
    fn of(document: &Value) -> Result<Api> {
        let mut api = Api { paths: BTreeMap::new(), unshown: Vec::new(), functions: 0 };
        let root = document["root"].to_string();
        api.walk(document, &root, "kinesis_lab");
        if api.paths.is_empty() {
            bail!("rustdoc lists nothing: its format may be another one ({})", document["format_version"]);
        }
        api.examples(document, &root);
        Ok(api)
    }

    fn walk(&mut self, document: &Value, module: &str, path: &str) {
        for item in items(document, module) {
            let (mut id, mut name) =
                (item.clone(), document["index"][&item]["name"].as_str().map(str::to_owned));
            let inner = &document["index"][&item]["inner"];
            if let Some(import) = inner.get("use") {
                id = import["id"].to_string();
                name = import["name"].as_str().map(str::to_owned);
            }
            let target = &document["index"][&id];
            // Whole crates of others, which have their own documentation.
            if target.is_null() || target["crate_id"] != 0 {
                continue;
            }
            let path = format!("{path}::{}", name.unwrap_or_default());
            if target["inner"].get("module").is_some() {
                self.walk(document, &id, &path);
            } else {
                self.paths.entry(id).or_default().push(path);
            }
        }
    }

    /// Finds the functions that no example shows.
    fn examples(&mut self, document: &Value, root: &str) {
        let index = &document["index"];
        let docs = |id: &str| examples_in(index[id]["docs"].as_str().unwrap_or_default());
        let front = docs(root);
        for (id, paths) in &self.paths {
            let path = paths.iter().find(|path| !is_prelude(path)).unwrap_or(&paths[0]);
            let inner = &index[id]["inner"];
            if inner.get("function").is_some() {
                self.functions += 1;
                if docs(id).is_empty() {
                    self.unshown.push(path.clone());
                }
                continue;
            }
            let methods = methods(index, inner);
            // What shows one of them shows those that it calls, too.
            let mut shown = docs(id) + &front;
            methods.iter().for_each(|method| shown.push_str(&docs(method)));
            for method in &methods {
                let function = &index[method]["inner"]["function"];
                let name = index[method]["name"].as_str().unwrap_or_default();
                let inputs = function["sig"]["inputs"].as_array().map_or(0, Vec::len);
                let takes_self = function["sig"]["inputs"][0][0] == "self";
                if takes_self && inputs == 1 && !function["sig"]["output"].is_null() && !consumes(function) {
                    continue; // a plain getter
                }
                self.functions += 1;
                let calls = [format!(".{name}("), format!("::{name}("), format!("fn {name}(")];
                if docs(method).is_empty() && !calls.iter().any(|call| shown.contains(call)) {
                    self.unshown.push(format!("{path}::{name}"));
                }
            }
        }
        self.unshown.sort();
    }
}

fn items(document: &Value, module: &str) -> Vec<String> {
    let items = document["index"][module]["inner"]["module"]["items"].as_array();
    items.into_iter().flatten().map(Value::to_string).collect()
}

/// Of a struct or an enum those that it has itself, of a trait all that it declares.
fn methods(index: &Value, inner: &Value) -> BTreeSet<String> {
    let mut methods = BTreeSet::new();
    for kind in ["struct", "enum"] {
        for implementation in inner[kind]["impls"].as_array().into_iter().flatten() {
            let implementation = &index[implementation.to_string()]["inner"]["impl"];
            if implementation["trait"].is_null() {
                let items = implementation["items"].as_array().into_iter().flatten();
                methods.extend(items.map(Value::to_string).filter(|id| is_public_function(&index[id])));
            }
        }
    }
    let declared = inner["trait"]["items"].as_array().into_iter().flatten();
    methods.extend(declared.map(Value::to_string).filter(|id| index[id]["inner"].get("function").is_some()));
    methods
}

fn is_public_function(item: &Value) -> bool {
    item["inner"].get("function").is_some() && item["visibility"] == "public"
}

/// Whether it takes `self` itself: `stop(self)` is no getter.
fn consumes(function: &Value) -> bool {
    function["sig"]["inputs"][0][1].get("generic").is_some()
}

/// The code blocks of a documentation.
fn examples_in(docs: &str) -> String {
    docs.split("```").skip(1).step_by(2).collect()
}
