//! Refuses recursion, as OPA does. A function that calls itself would overflow the stack of whoever evaluates it.

use std::collections::BTreeSet;

use regorus::unstable::{Module, Rule};

use super::names::{self, Names, Path};
use super::syntax::{self, Seen};
use crate::Refused;

/// One name, whatever the number of its definitions, and what it refers to.
struct Node {
    path: Path,
    uses: Vec<Path>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    /// On the current path; the longest chain that was found below it so far.
    Open(usize),
    /// Looked at; the longest chain from it, itself included.
    Done(usize),
}

/// The length of the longest chain of rules that need each other, if none needs itself.
pub(super) fn check(module: &Module, names: &Names) -> Result<usize, Refused> {
    let nodes = nodes(module, names);
    let unseen = vec![Visit::Not; nodes.len()];
    let mut search = Search { nodes: &nodes, visits: unseen, open: Vec::new(), longest: 0 };
    for start in 0..nodes.len() {
        if let Some(cycle) = search.cycle_from(start) {
            return Err(recursive(names.package(), &cycle));
        }
    }
    Ok(search.longest)
}

fn nodes(module: &Module, names: &Names) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for rule in &module.policy {
        let Some(path) = names::path(&syntax::head(rule)) else { continue };
        let uses = uses(rule, names);
        match nodes.iter_mut().find(|node| node.path == path) {
            Some(node) => node.uses.extend(uses),
            None => nodes.push(Node { path, uses }),
        }
    }
    nodes
}

/// What a rule refers to. A name that the rule introduces itself hides a rule of that name, but never a function.
fn uses(rule: &Rule, names: &Names) -> Vec<Path> {
    let (mut locals, mut calls, mut references) = (BTreeSet::new(), Vec::new(), Vec::new());
    syntax::visit(rule, &mut |seen| match seen {
        Seen::Local(name) => drop(locals.insert(name)),
        Seen::Call(chain) => calls.extend(names.resolve(&chain)),
        Seen::Reference(chain) => {
            references.extend(names.resolve(&chain).map(|path| (chain.root_name(), path)))
        }
        Seen::With(_) | Seen::Text(_) => {}
    });
    let visible = |(root, _): &(Option<&str>, Path)| root.is_none_or(|root| !locals.contains(root));
    calls.extend(references.into_iter().filter(visible).map(|(_, path)| path));
    calls
}

/// A depth-first search that keeps its own stack: a module may have thousands of rules.
struct Search<'a> {
    nodes: &'a [Node],
    visits: Vec<Visit>,
    /// The nodes on the current path, each with the successors that are still to be looked at.
    open: Vec<(usize, Vec<usize>)>,
    longest: usize,
}

impl Search<'_> {
    /// The paths around a cycle, its first one repeated at the end.
    fn cycle_from(&mut self, start: usize) -> Option<Vec<Path>> {
        self.enter(start);
        while let Some((current, successors)) = self.open.last_mut() {
            let current = *current;
            let Some(next) = successors.pop() else {
                self.leave(current);
                continue;
            };
            match self.visits.get(next) {
                Some(Visit::Open(_)) => return Some(self.cycle_to(next)),
                Some(Visit::Done(length)) => self.lengthen(current, *length),
                Some(Visit::Not) | None => self.enter(next),
            }
        }
        None
    }

    fn enter(&mut self, node: usize) {
        if self.visits.get(node) != Some(&Visit::Not) {
            return;
        }
        self.set(node, Visit::Open(0));
        let uses = self.nodes.get(node).map_or(&[][..], |node| &node.uses);
        let is_used = |other: &Node| uses.iter().any(|path| names::touches(&other.path, path));
        let successors = self.nodes.iter().enumerate().filter(|(_, other)| is_used(other));
        let successors = successors.map(|(index, _)| index).collect();
        self.open.push((node, successors));
    }

    fn leave(&mut self, node: usize) {
        self.open.pop();
        if let Some(Visit::Open(below)) = self.visits.get(node).copied() {
            let length = below + 1;
            self.set(node, Visit::Done(length));
            self.longest = self.longest.max(length);
            if let Some((parent, _)) = self.open.last() {
                self.lengthen(*parent, length);
            }
        }
    }

    fn lengthen(&mut self, node: usize, below: usize) {
        if let Some(Visit::Open(known)) = self.visits.get_mut(node) {
            *known = below.max(*known);
        }
    }

    fn set(&mut self, node: usize, visit: Visit) {
        if let Some(slot) = self.visits.get_mut(node) {
            *slot = visit;
        }
    }

    fn cycle_to(&self, node: usize) -> Vec<Path> {
        let around = self.open.iter().map(|(node, _)| *node).skip_while(|open| *open != node);
        around.chain([node]).filter_map(|node| self.nodes.get(node)).map(|node| node.path.clone()).collect()
    }
}

fn recursive(package: &str, cycle: &[Path]) -> Refused {
    let names: Vec<String> = cycle.iter().map(|path| format!("data.{package}.{}", path.join("."))).collect();
    Refused::Recursive { rule: names.first().cloned().unwrap_or_default(), path: names.join(" -> ") }
}
