//! What Postern is measured against. Without the feature `floor`, a Worker that does nothing but answer; with it, one
//! whose routes do nothing but what Postern cannot do without: its storage calls, its slow hash, its map of tokens.

#[cfg(feature = "floor")]
mod floor;
#[cfg(feature = "floor")]
mod statements;

use worker::{Context, Env, event};

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, _context: Context) -> worker::Result<web_sys::Response> {
    #[cfg(feature = "floor")]
    floor::act(&request, &env).await?;
    #[cfg(not(feature = "floor"))]
    let _ = (request, env);
    Ok(web_sys::Response::new_with_opt_str(Some("ok"))?)
}
