//! The paths of the router, as its source has them: what is to hold everywhere is tested everywhere.

/// Each path of `src/router.rs`: `{}` takes one segment, `{*}` all that follow.
pub fn routes() -> Vec<&'static str> {
    let (_, tables) =
        include_str!("../../../src/router.rs").split_once("const ROUTES").expect("for programs");
    let (tables, _) = tables.split_once("/// Answers one request").expect("the end of those for people");
    let path = |call: &'static str| call.trim_start().strip_prefix('"')?.split('"').next();
    let calls = tables.split("route(").flat_map(|rest| rest.split("page(")).skip(1);
    calls.map(|call| path(call).expect("a path")).collect()
}
