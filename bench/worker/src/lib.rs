//! What Postern is measured against. Without the feature `floor`, a Worker that does nothing but answer; with it, one
//! whose routes do nothing but what Postern cannot do without: its storage calls, its slow hash, its map of tokens.

#[cfg(feature = "floor")]
mod floor;
#[cfg(feature = "floor")]
mod statements;

/// As the crate's users write it.
#[cfg(not(feature = "floor"))]
#[worker::event(fetch)]
async fn fetch(
    _request: web_sys::Request,
    _env: worker::Env,
    _context: worker::Context,
) -> worker::Result<web_sys::Response> {
    answer()
}

/// As Postern does: the bindings are taken from the module `cloudflare:workers`, once.
#[cfg(feature = "floor")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub async fn fetch(request: web_sys::Request) -> Result<web_sys::Response, wasm_bindgen::JsValue> {
    floor::act(&request).await?;
    Ok(answer()?)
}

fn answer() -> worker::Result<web_sys::Response> {
    Ok(web_sys::Response::new_with_opt_str(Some("ok"))?)
}
