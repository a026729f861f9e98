//! What shadows decided otherwise, gathered by the rules that parted. Bounded.

use std::collections::{BTreeMap, BTreeSet};

use gossamer_oci::PluginName;
use gossamer_policy::Difference;
use semver::Version;
use serde::Serialize;
use serde_json::{Value, json};

/// Pairs of versions that are remembered; the ones with the fewest requests make room.
const PAIRS_MAX: usize = 32;

/// Sets of rules that are told apart for one pair. What parts in more ways than this is another policy.
const GROUPS_MAX: usize = 64;

/// Who was compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) plugin: PluginName,
    /// The active version.
    pub(super) ours: Version,
    /// The shadow.
    pub(super) theirs: Version,
}

/// What was noted of all pairs.
#[derive(Debug, Default)]
pub struct Differences {
    pairs: BTreeMap<Pair, Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    requests: u64,
    different: u64,
    /// Different, in more ways than are told apart.
    others: u64,
    groups: BTreeMap<BTreeSet<String>, Noted>,
}

/// Requests on which the same rules parted.
#[derive(Clone, Debug, Serialize)]
pub struct Noted {
    pub count: u64,
    /// The first of them.
    pub witness: Difference,
}

// === impl Differences ===

impl Differences {
    /// Counts a request that was compared; none stands for the same decision.
    pub(super) fn note(&mut self, pair: Pair, difference: Option<Difference>) {
        self.make_room(&pair);
        let notes = self.pairs.entry(pair).or_default();
        notes.requests += 1;
        let Some(witness) = difference else { return };
        notes.different += 1;
        let rules = witness.rules.iter().map(|rule| rule.rule.clone()).collect();
        if notes.groups.len() >= GROUPS_MAX && !notes.groups.contains_key(&rules) {
            notes.others += 1;
            return;
        }
        notes.groups.entry(rules).or_insert(Noted { count: 0, witness }).count += 1;
    }

    /// As the admin API shows it, the most frequent differences first.
    pub(super) fn show(&self, plugin: &PluginName) -> Value {
        let pairs = self.pairs.iter().filter(|(pair, _)| pair.plugin == *plugin);
        pairs.map(|(pair, notes)| show(pair, notes)).collect()
    }

    fn make_room(&mut self, pair: &Pair) {
        if self.pairs.len() < PAIRS_MAX || self.pairs.contains_key(pair) {
            return;
        }
        let least = self.pairs.iter().min_by_key(|(_, notes)| notes.requests).map(|(pair, _)| pair.clone());
        if let Some(least) = least {
            self.pairs.remove(&least);
        }
    }
}

fn show(pair: &Pair, notes: &Notes) -> Value {
    let mut groups: Vec<_> = notes.groups.iter().collect();
    groups.sort_by_key(|(_, noted)| std::cmp::Reverse(noted.count));
    let groups: Vec<Value> = groups
        .into_iter()
        .map(|(rules, noted)| json!({ "rules": rules, "count": noted.count, "witness": noted.witness }))
        .collect();
    json!({
        "active": pair.ours.to_string(),
        "shadow": pair.theirs.to_string(),
        "requests": notes.requests,
        "different": notes.different,
        "others": notes.others,
        "differences": groups,
    })
}
