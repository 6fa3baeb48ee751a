//! Signed requests while the database or KV does not answer: 503, and the client signs anew.

use crate::oauth1::{API, signed_in};
use crate::support::{Meddle, Meddling, TestServer};

#[test]
fn a_database_that_is_down_is_503_and_uses_nothing_up() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    client.validate().assert_status(200);
    let request = client.unsigned("GET", API).forwarded("");
    server.db.is_down.set(true);
    for isolate in [&server, &server.another_isolate()] {
        let answer = isolate.send(request.clone());
        answer.assert_error(503, "temporarily_unavailable");
        assert_eq!(answer.json()["active"], false);
        assert_eq!(answer.header("www-authenticate"), None);
    }
    server.db.is_down.set(false);
    server.send(request).assert_status(200);
}

#[test]
fn each_call_that_fails_or_whose_answer_is_lost_is_503_and_a_new_signature_is_good() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    // At an isolate that knows nothing: the application, the token, the nonce.
    for call in 0..3 {
        for (meddle, is_used_up) in [(Meddle::Refuse, false), (Meddle::LoseAnswer, call == 2)] {
            let isolate = Meddling::isolate(&server, call, meddle);
            let client = client.at(&isolate);
            let request = client.unsigned("GET", API).oauth("oauth_nonce", &format!("{call}{is_used_up}"));
            let request =
                request.oauth("oauth_timestamp", &(server.now() + call as i64).to_string()).forwarded("");
            isolate.send(request.clone()).assert_error(503, "temporarily_unavailable");
            client.validate().assert_status(200);
            // The same one again is good if its nonce was not stored.
            let status = server.another_isolate().send(request).status();
            assert_eq!(status, if is_used_up { 401 } else { 200 }, "call {call}");
            server.advance(1);
        }
    }
    let isolate = Meddling::isolate(&server, 3, Meddle::Refuse);
    client.at(&isolate).validate().assert_status(200);
}

#[test]
fn a_second_look_at_the_application_that_fails_is_503_too() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    let mut wrong = client.clone();
    wrong.consumer_secret = "wrong".to_owned();
    // Known there, so that the application is read anew before it is refused.
    for meddle in [Meddle::Refuse, Meddle::LoseAnswer] {
        let isolate = Meddling::isolate(&server, 3, meddle);
        client.at(&isolate).validate().assert_status(200);
        wrong.at(&isolate).validate().assert_error(503, "temporarily_unavailable");
        wrong.at(&isolate).validate().assert_signed_error(401, "invalid_token");
        client.at(&isolate).unsigned("GET", API);
    }
}

#[test]
fn an_application_that_is_changed_meanwhile_is_looked_at_again() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    // Between the signature and the nonce it was changed in a way that does not matter, and in one that does.
    for (sql, status) in [
        ("UPDATE applications SET revision = 'another', client_name = 'Notes'", 200),
        ("UPDATE applications SET revision = 'yet another', is_active = 0", 401),
    ] {
        let isolate = Meddling::isolate(&server, 2, Meddle::AfterSql(sql));
        client.at(&isolate).validate().assert_status(status);
    }
}

#[test]
fn kv_does_not_matter() {
    let server = TestServer::new();
    let (_, client) = signed_in(&server);
    server.kv.is_down.set(true);
    client.validate().assert_status(200);
    let elsewhere = server.another_isolate();
    client.at(&elsewhere).validate().assert_status(200);
    assert!(elsewhere.log().is_empty());
}
