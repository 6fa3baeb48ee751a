//! What an isolate remembers of the secrets that requests are signed with.

use postern::crypto::secret::Secret;
use serde_json::Value;

use super::client;
use crate::oauth1_applications::found;
use crate::support::TestServer;
use crate::support::oauth1::SigningClient;

fn with_secret<'a>(client: &SigningClient<'a>, secret: &str) -> SigningClient<'a> {
    // With nonces of its own.
    let mut other = client.at(client.server);
    other.consumer_secret = secret.to_owned();
    other
}

#[test]
fn a_secret_is_opened_once_in_an_isolate() {
    let server = TestServer::new();
    let client = client(&server);
    client.validate().assert_status(200);
    // Not what is sealed any more.
    let application = found(&server, &client.consumer_key);
    let sealed = application.secret.as_ref().unwrap().sealed().unwrap();
    let other = Secret::new("other");
    server.app.memory.borrow_mut().remember_consumer_secret(application.id, sealed, &other);
    with_secret(&client, "other").validate().assert_status(200);
    client.validate().assert_signed_error(401, "invalid_token");
    client.at(&server.another_isolate()).validate().assert_status(200);
}

#[test]
fn a_remembered_secret_gives_way_to_a_new_one_at_once() {
    let server = TestServer::new();
    let client = client(&server);
    client.validate().assert_status(200);
    let path = format!("applications/{}/rotate-secret", client.consumer_key);
    let answer = server.another_isolate().admin("POST", &path, Value::Null).assert_status(200).json();
    client.validate().assert_signed_error(401, "invalid_token");
    with_secret(&client, answer["client_secret"].as_str().unwrap()).validate().assert_status(200);
}

#[test]
fn a_remembered_secret_is_not_that_of_another_row_with_the_same_text() {
    let server = TestServer::new();
    let (victim, thief) = (client(&server), client(&server));
    victim.validate().assert_status(200);
    server.db.execute(&format!(
        "UPDATE applications SET secret = (SELECT secret FROM applications WHERE client_id = '{}')
         WHERE client_id = '{}'",
        victim.consumer_key, thief.consumer_key
    ));
    with_secret(&thief, &victim.consumer_secret).validate().assert_signed_error(401, "invalid_token");
    thief.validate().assert_signed_error(401, "invalid_token");
    victim.validate().assert_status(200);
}
