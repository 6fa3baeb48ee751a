//! The paths of the router, and the headers that are read, as their sources have them: what is to hold everywhere is tested
//! everywhere.

/// Each path of `src/router.rs`: `{}` takes one segment, `{*}` all that follow.
pub fn routes() -> Vec<&'static str> {
    let (_, tables) =
        include_str!("../../../src/router.rs").split_once("const ROUTES").expect("for programs");
    let (tables, _) = tables.split_once("/// Answers one request").expect("the end of those for people");
    let path = |call: &'static str| call.trim_start().strip_prefix('"')?.split('"').next();
    let calls = tables.split("route(").flat_map(|rest| rest.split("page(")).skip(1);
    calls.map(|call| path(call).expect("a path")).collect()
}

/// The headers that are read of a request, as `src/cloudflare/http.js` has them.
pub fn read_headers() -> Vec<&'static str> {
    let source = include_str!("../../../src/cloudflare/http.js");
    let lists =
        ["const first = [", "const others = ["].map(|start| source.split(start).nth(1).expect("a list"));
    let names = lists.map(|list| list.split(']').next().expect("its end"));
    names.into_iter().flat_map(|list| list.split('"').skip(1).step_by(2)).collect()
}
