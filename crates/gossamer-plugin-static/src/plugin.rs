//! The plugin: what it declares and how its parts fit together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use gossamer_sdk::{Context, Effect, Epoch, Event, Plugin, PluginError, Policy, Retry};

use crate::{api, content, event, table};

/// The config media type of a file's manifest: what the plugin claims.
pub(crate) const CONFIG_TYPE: &str = "application/vnd.ciq.static.file.v1.config+json";

/// The media type of the one layer, the file itself. The policy looks for it.
pub(crate) const FILE_TYPE: &str = "application/vnd.ciq.static.v1.file";

/// The static plugin.
#[derive(Debug)]
pub struct Static {
    pub(crate) context: Context,
    /// Repositories whose list is what the registry has, as of which set of instances.
    pub(crate) in_step: Mutex<HashMap<String, Epoch>>,
}

impl Plugin for Static {
    const NAME: &'static str = "static";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const MEDIA_TYPES: &'static [&'static str] = &[CONFIG_TYPE];

    fn policy() -> Policy {
        Policy {
            module: include_str!("../../../policies/static.rego").to_owned(),
            data: include_str!("../../../policies/static.json").to_owned(),
        }
    }

    async fn start(context: Context) -> Result<Self, PluginError> {
        context.database.write(table::create).await?;
        Ok(Self { context, in_step: Mutex::default() })
    }

    fn router(self: Arc<Self>) -> Router {
        api::router(Arc::clone(&self)).merge(content::router(self))
    }

    async fn on_event(&self, event: &Event) -> Result<Effect, Retry> {
        Ok(match event::change(event) {
            Some((repository, change)) => Effect::new(move |c| table::apply(c, &repository, &change)),
            None => Effect::none(),
        })
    }
}
