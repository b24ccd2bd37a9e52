//! docs/fleet-on-aws.md is what AWS and Kubernetes can read: JSON, YAML, and a grace that is long enough.

use std::fs;
use std::process::Command;

use serde_json::Value;
use xtask::Place;

fn page() -> String {
    fs::read_to_string(Place::find().unwrap().checkout.join("docs/fleet-on-aws.md")).unwrap()
}

fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let after = page.split_once(&format!("```{language}\n")).expect("a block").1;
    after.split_once("\n```").expect("its end").0
}

#[test]
fn the_policy_is_json_and_allows_no_more_than_it_names() {
    let page = page();
    let policy: Value = serde_json::from_str(block(&page, "json")).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    for statement in statements {
        let text = statement.to_string();
        assert!(!text.contains(":*\""), "a whole service: {text}");
        let on_all = statement["Resource"] == "*";
        // AWS knows no resources of PutMetricData.
        assert_eq!(on_all, statement["Action"] == "cloudwatch:PutMetricData", "{text}");
    }
}

/// What the manifest says, as the YAML reader of .venv gives it; `None` where there is no .venv.
fn manifest(yaml: &str) -> Option<Result<Vec<Value>, String>> {
    let python = Place::find().unwrap().python();
    if !python.exists() {
        println!("SKIPPED: there is no .venv, whose Python reads YAML (cargo xtask lab --setup-only)");
        return None;
    }
    let script = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.argv[1]))))";
    let output = Command::new(python).args(["-c", script, yaml]).output().unwrap();
    if !output.status.success() {
        return Some(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Some(Ok(serde_json::from_slice(&output.stdout).unwrap()))
}

#[test]
fn the_manifest_is_yaml_and_leaves_time_to_hand_leases_on() {
    let page = page();
    let Some(read) = manifest(block(&page, "yaml")) else { return };
    let parts = read.unwrap();
    let kinds: Vec<_> = parts.iter().map(|part| part["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ConfigMap", "Deployment", "PodDisruptionBudget"]);
    let properties = parts[0]["data"]["worker.properties"].as_str().unwrap();
    let pod = &parts[1]["spec"]["template"]["spec"];
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap() * 1_000;
    let shutdown = properties.lines().find_map(|line| line.strip_prefix("shutdownGraceMillis = ")).unwrap();
    assert!(
        grace >= shutdown.parse::<u64>().unwrap() + 10_000,
        "{grace} ms for {shutdown} ms and Java's end"
    );
    // The labels by which each finds its pods.
    let labels = &parts[1]["spec"]["template"]["metadata"]["labels"];
    for selector in [&parts[1]["spec"]["selector"], &parts[2]["spec"]["selector"]] {
        assert_eq!(&selector["matchLabels"], labels);
    }
    for mount in pod["containers"][0]["volumeMounts"].as_array().unwrap() {
        let volumes = pod["volumes"].as_array().unwrap();
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount} is of no volume");
    }
}

#[test]
fn a_manifest_that_is_no_yaml_is_found_out() {
    let Some(read) = manifest("kind: Pod\n  spec: [") else { return };
    assert!(read.unwrap_err().contains("yaml"));
}
