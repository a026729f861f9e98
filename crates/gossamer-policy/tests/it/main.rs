//! The policy crate as its callers see it, evaluator children included.

#[cfg(test)]
mod bundled;
#[cfg(test)]
mod compared;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod overlaps;
#[cfg(test)]
mod remembered;
#[cfg(test)]
mod replayed;
#[cfg(test)]
mod routers;
#[cfg(test)]
mod support;
