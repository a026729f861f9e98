//! `gossamer policy test`: a policy's tests and dry runs, without a core.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use gossamer_policy::Input;
use gossamer_policy::suite::{DryRun, Fixtures, Suite, TestOutcome, Verdict};
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::cli::{Output, PolicyTest};
use crate::print;

/// The end of the name of a file with tests.
const TESTS: &str = "_test.rego";

/// Runs the tests, or decides one request. Fails if a test does not pass.
pub(in crate::command) fn run(options: PolicyTest, output: Output) -> anyhow::Result<ExitCode> {
    let PolicyTest { path, data, fixtures, request } = options;
    let suite = read(&path, data, fixtures)?;
    match request {
        Some(request) => {
            let run = suite.dry_run(input(&request)?)?;
            match output {
                Output::Json => print::json(&run)?,
                Output::Text => print!("{}", decided(&run)),
            }
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let outcomes = suite.run()?;
            ensure!(
                !outcomes.is_empty(),
                "there is no rule test_… in a …{TESTS} file beside {}",
                path.display()
            );
            report(&outcomes, output)
        }
    }
}

fn report(outcomes: &[TestOutcome], output: Output) -> anyhow::Result<ExitCode> {
    let bad = outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Passed).count();
    match output {
        Output::Json => print::json(&json!({ "tests": outcomes, "failed": bad }))?,
        Output::Text => {
            for outcome in outcomes {
                println!("{}", line(outcome));
            }
            println!("{} passed, {bad} failed", outcomes.len() - bad);
        }
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(outcome: &TestOutcome) -> String {
    let TestOutcome { test, file, line, verdict, error, prints } = outcome;
    let verdict = match verdict {
        Verdict::Passed => return format!("PASS {test}"),
        Verdict::Failed => "FAIL",
        Verdict::Broken => "ERROR",
    };
    let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let prints: String = prints.iter().map(|print| format!("\n     {print}")).collect();
    format!("{verdict} {test} ({file}:{line}){error}{prints}")
}

fn decided(run: &DryRun) -> String {
    let mut page = format!("{}\n", json!(run.decision));
    for rule in run.explanation.rules.iter().filter(|rule| rule.value.is_some()) {
        page.push_str(&format!("  line {}: {} = {}\n", rule.line, rule.name, json!(rule.value)));
    }
    for (lookup, answer) in &run.lookups {
        page.push_str(&format!("  {} → {}\n", json!(lookup), json!(answer)));
    }
    page
}

/// `GET /artifacts/static/docs/file/a?x=1`, as a core would show it to the policy.
fn input(request: &str) -> anyhow::Result<Input> {
    let (method, target) =
        request.split_once(' ').context("a request is a method and a path: GET /artifacts/…")?;
    let (path, query) = target.trim().split_once('?').unwrap_or((target.trim(), ""));
    ensure!(path.starts_with('/'), "{path:?} is not a path");
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut input =
        Input::new(method.to_ascii_uppercase(), percent_decode_str(path).decode_utf8_lossy().into_owned());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        input.query.entry(decoded(name)).or_default().push(decoded(value));
    }
    Ok(input)
}

/// The policy first, then its tests.
fn read(path: &Path, data: Option<PathBuf>, fixtures: Option<PathBuf>) -> anyhow::Result<Suite> {
    let (policy, tests) = modules(path)?;
    let beside = |name: &str| Some(policy.with_file_name(name)).filter(|path| path.exists());
    let data = data.or_else(|| Some(policy.with_extension("json")).filter(|path| path.exists()));
    let data = match data.or_else(|| beside("data.json")) {
        Some(path) => {
            serde_json::from_str(&text(&path)?).with_context(|| format!("{} is not JSON", path.display()))?
        }
        None => json!({}),
    };
    let fixtures = match fixtures.or_else(|| beside("fixtures.json")) {
        Some(path) => Fixtures::parse(&text(&path)?).with_context(|| format!("in {}", path.display()))?,
        None => Fixtures::default(),
    };
    let files = std::iter::once(&policy).chain(&tests);
    let modules = files.map(|path| Ok((path.display().to_string(), text(path)?)));
    Ok(Suite { modules: modules.collect::<anyhow::Result<_>>()?, data, fixtures })
}

fn modules(path: &Path) -> anyhow::Result<(PathBuf, Vec<PathBuf>)> {
    if !path.is_dir() {
        let tests = PathBuf::from(path.to_string_lossy().replace(".rego", TESTS));
        return Ok((path.to_owned(), Some(tests).filter(|tests| tests.exists()).into_iter().collect()));
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rego"))
        .collect();
    files.sort();
    let is_test = |path: &PathBuf| path.to_string_lossy().ends_with(TESTS);
    let (tests, policies): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(is_test);
    match <[PathBuf; 1]>::try_from(policies) {
        Ok([policy]) => Ok((policy, tests)),
        Err(policies) => {
            bail!(
                "{} has {} policies beside its tests, not one: name the one to test",
                path.display(),
                policies.len()
            )
        }
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
