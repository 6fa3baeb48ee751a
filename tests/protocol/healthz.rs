//! `/healthz`: D1 and KV are really asked, and the answer is kept for two seconds.

use serde_json::json;

use crate::support::TestServer;

#[test]
fn it_is_well_while_d1_and_kv_answer() {
    let server = TestServer::new();
    let response = server.get("/healthz");
    assert_eq!(response.assert_status(200).json(), json!({"status": "ok"}));
    assert_eq!((server.db.round_trips.get(), server.kv.reads.get()), (1, 1));
    server.get("/healthz/").assert_status(200);
}

#[test]
fn it_names_what_does_not_answer() {
    for (d1, kv, failed) in
        [(true, false, json!(["d1"])), (false, true, json!(["kv"])), (true, true, json!(["d1", "kv"]))]
    {
        let server = TestServer::new();
        server.db.is_down.set(d1);
        server.kv.is_down.set(kv);
        let response = server.get("/healthz");
        assert_eq!(response.assert_status(503).json(), json!({"status": "unavailable", "failed": failed}));
        assert!(response.header("retry-after").is_some());
    }
}

#[test]
fn an_answer_is_kept_for_two_seconds() {
    let server = TestServer::new();
    server.get("/healthz").assert_status(200);
    server.db.is_down.set(true);
    server.advance(1);
    server.get("/healthz").assert_status(200);
    server.advance(1);
    server.get("/healthz").assert_status(503);
    server.db.is_down.set(false);
    server.get("/healthz").assert_status(503);
    server.advance(2);
    server.get("/healthz").assert_status(200);
}

#[test]
fn it_works_for_any_host_without_the_setting_issuer() {
    TestServer::new().get("https://whatever.example/healthz").assert_status(200);
}
