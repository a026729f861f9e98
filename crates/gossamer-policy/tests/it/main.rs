//! The policy crate as its callers see it, evaluator children included.

#[cfg(test)]
mod bundled;
mod compared;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod overlaps;
mod remembered;
#[cfg(test)]
mod replayed;
#[cfg(test)]
mod routers;
#[cfg(test)]
mod support;
