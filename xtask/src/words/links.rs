//! Links from page to page: what they name must be there. Other servers are not asked.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::texts::Text;

/// A sentence for each link of these texts that leads nowhere.
pub(crate) fn dead(checkout: &Path, texts: &[Text]) -> Vec<String> {
    let mut found = Vec::new();
    for text in texts.iter().filter(|text| !text.name.ends_with(".rs")) {
        // A cell stands in its notebook, and a page in its folder.
        let file = text.name.split("/cell-").next().unwrap_or_default();
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        for (line, target) in links(&text.prose) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let page = if path.is_empty() { Path::new(file).to_owned() } else { folder.join(path) };
            let sentence = if !checkout.join(&page).exists() {
                "there is no such file"
            } else if !anchor.is_empty() && !has_anchor(&checkout.join(&page), anchor) {
                "the page has no such heading"
            } else {
                continue;
            };
            found.push(format!("{}:{line}: ({target}): {sentence}", text.name));
        }
    }
    found
}

/// `](target)`, with its line; not within code, and not those to other servers.
fn links(markdown: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in outside_of_fences(markdown) {
        // Every other piece between backticks is code; but a link's text may be.
        let line: String = match line.contains("`](") {
            true => line.to_owned(),
            false => line.split('`').step_by(2).collect::<Vec<_>>().join("``"),
        };
        for rest in line.split("](").skip(1) {
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !target.is_empty() && !elsewhere {
                found.push((number, target.to_owned()));
            }
        }
    }
    found
}

/// Lines and their numbers, without blocks of code.
fn outside_of_fences(markdown: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    markdown.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        (!inside && !fence).then_some((index + 1, line))
    })
}

fn has_anchor(page: &Path, anchor: &str) -> bool {
    let markdown = fs::read_to_string(page).unwrap_or_default();
    anchors(&markdown).iter().any(|name| name == anchor)
}

/// What GitHub makes of headings: small letters, hyphens for spaces, of other signs nothing; a second one of the same
/// name has `-1` behind it.
fn anchors(markdown: &str) -> Vec<String> {
    let mut times: HashMap<String, usize> = HashMap::new();
    let headings = outside_of_fences(markdown).filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then(|| title.strip_prefix(' '))?
    });
    let mut names = Vec::new();
    for title in headings {
        let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let name = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let seen = times.entry(name.clone()).or_default();
        names.push(if *seen == 0 { name.clone() } else { format!("{name}-{seen}") });
        *seen += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let page = "See [a](a.md#b), `[no](code.md)` and [c](https://example.com).\n```\n[no](x.md)\n```\n[`d`](d.md)";
        assert_eq!(links(page), [(1, "a.md#b".to_owned()), (5, "d.md".to_owned())]);
    }

    #[test]
    fn headings_are_named_as_github_names_them() {
        let page = "# Two commands\n## What's left, `here`\n```sh\n# no heading\n```\n## Two commands\n#hash";
        assert_eq!(anchors(page), ["two-commands", "whats-left-here", "two-commands-1"]);
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let page = |prose: &str| Text {
            name: "docs/planted.md".into(),
            prose: prose.into(),
            with_comments: String::new(),
        };
        let fine = page("[a](fleet.md), [b](../README.md#two-commands)");
        assert_eq!(dead(checkout, &[fine]), Vec::<String>::new());
        let dead = dead(checkout, &[page("[a](fleet.md#no-such), [b](README.md)")]);
        assert_eq!(
            dead,
            [
                "docs/planted.md:1: (fleet.md#no-such): the page has no such heading",
                "docs/planted.md:1: (README.md): there is no such file"
            ]
        );
    }
}
