//! Manifests and indexes: what they refer to, and which documents are refused.
