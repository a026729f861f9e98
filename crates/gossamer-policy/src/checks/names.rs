//! What a name in a module refers to.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Import, Module};

use super::syntax::{self, Chain};
use crate::Refused;

/// A path below the package, as far as it is written out.
pub(super) type Path = Vec<String>;

/// The package, the imports and the rules of a module.
pub(super) struct Names {
    package: String,
    /// What an alias stands for, from `data` or `input` on.
    aliases: BTreeMap<String, Path>,
    rules: BTreeSet<Path>,
}

/// Imports that switch on keywords and name nothing.
const KEYWORD_ROOTS: [&str; 2] = ["future", "rego"];

impl Names {
    pub(super) fn of(module: &Module) -> Result<Self, Refused> {
        let package = syntax::chain(&module.package.refr);
        let package = package
            .dotted()
            .filter(|name| !name.contains('.'))
            .ok_or_else(|| Refused::Package(package.text().to_owned()))?;
        let mut aliases = BTreeMap::new();
        for import in &module.imports {
            if let Some((alias, path)) = alias(import)? {
                aliases.insert(alias, path);
            }
        }
        let rules = module.policy.iter().filter_map(|rule| path(&syntax::head(rule))).collect();
        Ok(Self { package, aliases, rules })
    }

    pub(super) fn package(&self) -> &str {
        &self.package
    }

    /// Whether some rule has exactly this name.
    pub(super) fn defines(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| matches!(rule.as_slice(), [only] if only == name))
    }

    pub(super) fn is_rule(&self, path: &Path) -> bool {
        self.rules.contains(path)
    }

    /// The path below the package that `chain` refers to, if a rule could be there. Empty stands for all rules.
    pub(super) fn resolve(&self, chain: &Chain<'_>) -> Option<Path> {
        let root = chain.root_name()?;
        let steps = chain.literal_steps().map(str::to_owned);
        if let Some(target) = self.aliases.get(root) {
            return self.below_package(target.iter().cloned().chain(steps).collect(), chain.is_literal());
        }
        if root == "data" {
            let path = std::iter::once(root.to_owned()).chain(steps).collect();
            return self.below_package(path, chain.is_literal());
        }
        let path: Path = std::iter::once(root.to_owned()).chain(steps).collect();
        self.touches_a_rule(&path).then_some(path)
    }

    fn below_package(&self, path: Path, literal: bool) -> Option<Path> {
        let mut path = path.into_iter();
        if path.next()? != "data" {
            return None;
        }
        match path.next() {
            Some(package) if package == self.package => {
                let path: Path = path.collect();
                self.touches_a_rule(&path).then_some(path)
            }
            // Some other document: the policy's data.
            Some(_) => None,
            // `data` itself, or `data[x]`, which may be anything.
            None => Some(Vec::new()).filter(|_| literal || !self.rules.is_empty()),
        }
    }

    /// Whether a rule is at, above or below `path`.
    fn touches_a_rule(&self, path: &[String]) -> bool {
        self.rules.iter().any(|rule| touches(rule, path))
    }
}

/// Whether one path is a beginning of the other.
pub(super) fn touches(left: &[String], right: &[String]) -> bool {
    left.iter().zip(right).all(|(left, right)| left == right)
}

/// The part of a rule's name that is written out.
pub(super) fn path(head: &Chain<'_>) -> Option<Path> {
    let root = head.root_name()?;
    Some(std::iter::once(root).chain(head.literal_steps()).map(str::to_owned).collect())
}

fn alias(import: &Import) -> Result<Option<(String, Path)>, Refused> {
    let chain = syntax::chain(&import.refr);
    let refused =
        || Refused::Construct { what: format!("cannot import {}", chain.text()), line: chain.line() };
    let target = path(&chain).filter(|_| chain.is_literal()).ok_or_else(refused)?;
    match target.first().map(String::as_str) {
        Some(root) if KEYWORD_ROOTS.contains(&root) => Ok(None),
        Some("data" | "input") => {
            let last = target.last().cloned();
            let name = import.r#as.as_ref().map(|span| span.text().to_owned()).or(last);
            Ok(name.map(|name| (name, target)))
        }
        Some(_) | None => Err(refused()),
    }
}
