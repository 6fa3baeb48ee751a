//! The authorization code at the token endpoint (RFC 6749 §4.1.3).

use crate::support::TestServer;

#[test]
fn a_code_used_twice_ends_what_it_issued() {
    // RFC 6749 §4.1.2
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let code = server.browser().log_in("alice").code(&app.authorization());

    let tokens = app.exchange(&code).tokens();
    app.exchange(&code).assert_error(400, "invalid_grant");
    server.assert_dead(&tokens.access_token);
    app.refresh(tokens.refresh()).assert_error(400, "invalid_grant");
}

#[test]
fn of_a_hundred_exchanges_at_once_one_is_answered_and_its_tokens_end() {
    let server = TestServer::new();
    server.user("alice");
    let app = server.code_application();
    let code = server.browser().log_in("alice").code(&app.authorization());

    let responses = server.send_all((0..100).map(|_| app.exchange_request(&code)).collect());
    let (good, refused): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status() == 200);
    assert_eq!((good.len(), refused.len()), (1, 99));
    for response in refused {
        response.assert_error(400, "invalid_grant");
    }
    server.assert_dead(&good[0].tokens().access_token);
}
