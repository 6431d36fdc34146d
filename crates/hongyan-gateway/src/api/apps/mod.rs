//! `/v1/apps`: registering apps at run time, their pauses and their templates.

mod answer;
mod callback;
mod change;
mod library;
mod pause;
mod register;
mod remove;
mod sessions;
mod settings;
mod show;
mod templates;
mod tokens;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::context::Context;

/// All calls.
pub(super) fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(routes!(register::register, show::list))
        .routes(routes!(show::show, change::change, remove::remove))
        .routes(routes!(pause::pause))
        .routes(routes!(pause::resume))
        .routes(routes!(templates::templates, templates::add_template))
        .routes(routes!(templates::show_template, templates::delete_template))
        .routes(routes!(templates::sync_templates))
        .routes(routes!(tokens::tokens, tokens::revoke_all))
        .routes(routes!(tokens::revoke))
        .routes(routes!(sessions::end))
        .routes(routes!(tokens::access_token))
        .routes(routes!(library::library))
}
