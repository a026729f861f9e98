//! What a policy says of one request.

use gossamer_oci::{Digest, MediaType, RepositoryName};
use serde::{Deserialize, Serialize};

/// Where a request goes. Says nothing of how it gets there: that is the gateway's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Decision {
    /// The registry has the answer: the content of this blob.
    Blob {
        repository: RepositoryName,
        digest: Digest,
        /// What the content is: from the policy, else from the layer that the policy found.
        media_type: Option<MediaType>,
        /// The value of `Cache-Control`, in visible ASCII.
        cache_control: Option<String>,
    },
    /// The answer is elsewhere. The location is as the policy wrote it, without control characters.
    Redirect { location: String },
    /// The plugin has the answer; the key, a repository, picks the replica.
    Forward { key: Option<String> },
    /// 400 to 599, and a sentence for the client.
    Deny { status: u16, reason: String },
    /// Nothing is there, and why, if the policy said so.
    NotFound { reason: String },
}
