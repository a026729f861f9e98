//! What tests of several modules need: policies, with this test binary as their evaluator.

use gossamer_policy::{Config, Policies, Tuning};

use crate::access::{self, Access, AdminToken};

/// A debug binary with all tests in it is larger than what an evaluator is allowed otherwise.
const MEMORY_BYTES: u64 = 4 << 30;

/// The administrator's token in tests.
pub(crate) const ADMIN_TOKEN: &str = "0123456789abcdef";

/// Evaluates policies as a core does. The child runs [`evaluator_child`] and nothing else.
pub(crate) async fn policies() -> Policies {
    let arguments = ["--exact", "testing::evaluator_child", "--ignored", "--quiet", "--test-threads=1"];
    let config = Config {
        program: std::env::current_exe().unwrap(),
        arguments: arguments.map(Into::into).to_vec(),
        tuning: Tuning { memory_bytes_max: MEMORY_BYTES, ..Tuning::default() },
    };
    config.start().await.unwrap()
}

/// Access decided by the real `authz.rego`.
pub(crate) async fn access(config: &access::Config) -> Access {
    Access::new(policies().await, config, AdminToken::of(ADMIN_TOKEN)).unwrap()
}

#[test]
#[ignore = "not a test: other tests start it as their evaluator"]
fn evaluator_child() {
    crate::evaluator();
}
