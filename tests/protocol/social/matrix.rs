//! Every provider, every proof, every case, at each place that takes it: what comes of it, and what is stored.
//! `cargo test --test protocol social::matrix -- --nocapture` prints what was observed as a Markdown table.

use std::fmt::Write as _;

use super::providers::{CASES, Case, PROOFS, Proof, Script, scripts};
use super::{ACCESS_TOKEN, ID_TOKEN, TOKEN_EXCHANGE, application, convert, count, users};
use crate::support::{TestResponse, TestServer};

/// Where a proof can be brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Convert,
    Social,
    /// The same as [`Place::Convert`], at the token endpoint.
    Token,
    /// RFC 8693: access tokens and ID tokens.
    Exchange,
}

const PLACES: [Place; 4] = [Place::Convert, Place::Social, Place::Token, Place::Exchange];

/// What should come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// The proof is not good, as far as anybody says.
    Refused,
    /// Nobody knows: as the provider would be quoted.
    Failed(u16),
    Disabled,
}

fn send(
    place: Place,
    script: &Script,
    proof: Proof,
    case: Case,
    client_id: &str,
    server: &TestServer,
) -> Option<TestResponse> {
    let name = if place == Place::Social { "access_token" } else { "token" };
    let form = script.form(proof, name, case);
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Some(match place {
        Place::Convert => convert(server, client_id, script.name, &form),
        Place::Social => {
            let form = [&form[..], &[("client_id", client_id)]].concat();
            server.post_form(&format!("/social/{}/", script.name), &form)
        }
        Place::Token => {
            let grant = [("grant_type", "convert_token"), ("backend", script.name), ("client_id", client_id)];
            server.post_form("/o/token/", &[&form[..], &grant].concat())
        }
        Place::Exchange => {
            let token_type = match proof {
                Proof::AccessToken => ACCESS_TOKEN,
                Proof::IdToken => ID_TOKEN,
                Proof::Code => return None,
            };
            let exchange = [
                ("grant_type", TOKEN_EXCHANGE),
                ("backend", script.name),
                ("client_id", client_id),
                ("subject_token", form[0].1),
                ("subject_token_type", token_type),
            ];
            server.post_form("/o/token/", &exchange)
        }
    })
}

/// The answer is that of the verdict, in the shape of the place.
#[track_caller]
fn assert_verdict(place: Place, verdict: Verdict, response: &TestResponse, what: &str) {
    let error = |status: u16, code: &str, description: Option<&str>| {
        assert_eq!(response.status(), status, "{what}: {}", response.text());
        response.assert_error(status, code);
        if let Some(description) = description {
            assert_eq!(response.json()["error_description"], description, "{what}");
        }
    };
    let tutorial = |errors: serde_json::Value| {
        assert_eq!(response.status(), 400, "{what}: {}", response.text());
        assert_eq!(response.json(), serde_json::json!({"errors": errors}), "{what}");
    };
    let backend = |status: u16| {
        let reason = http::StatusCode::from_u16(status).unwrap().canonical_reason().unwrap();
        format!("Backend responded with HTTP{status}: {reason}.")
    };
    match (verdict, place) {
        (Verdict::Good, _) => {
            assert_eq!(response.status(), 200, "{what}: {}", response.text());
            let body = response.json();
            assert_eq!(body.get("token").is_some(), place == Place::Social, "{what}");
            assert_eq!(body.get("issued_token_type").is_some(), place == Place::Exchange, "{what}");
            assert_eq!(body.get("user").is_some(), place == Place::Convert, "{what}");
            assert!(response.tokens().refresh_token.is_some(), "{what}");
        }
        (Verdict::Refused, Place::Convert | Place::Token) => {
            error(400, "access_denied", Some("Your credentials aren't allowed"));
        }
        (Verdict::Refused, Place::Social) => tutorial(
            serde_json::json!({"token": "Invalid token", "detail": "Your credentials aren't allowed"}),
        ),
        (Verdict::Refused, Place::Exchange) => error(400, "invalid_request", None),
        (Verdict::Failed(status), Place::Convert) => {
            error(400, "invalid_request", Some(&backend(status)));
        }
        (Verdict::Failed(status), Place::Social) => {
            tutorial(serde_json::json!({"token": "Invalid token", "detail": backend(status)}));
        }
        (Verdict::Failed(_), Place::Token | Place::Exchange) => error(503, "temporarily_unavailable", None),
        (Verdict::Disabled, Place::Convert | Place::Token | Place::Exchange) => {
            error(400, "invalid_grant", Some("User inactive or deleted."));
        }
        (Verdict::Disabled, Place::Social) => {
            tutorial(serde_json::json!({"non_field_errors": "This user account is inactive"}));
        }
    }
}

/// What came, in a few words.
fn observed(response: &TestResponse) -> String {
    let body = response.json();
    let error = body["error"].as_str().map(str::to_owned).or_else(|| {
        let errors = body["errors"].as_object()?;
        errors.iter().next().map(|(name, value)| format!("{name}: {}", value.as_str().unwrap_or_default()))
    });
    match error {
        Some(error) => format!("{} {error}", response.status()),
        None => response.status().to_string(),
    }
}

fn verdict(case: Case, at: &str, script: &Script) -> Verdict {
    let is_published = Some(at) == script.keys || script.metadata.as_ref().is_some_and(|(to, _)| *to == at);
    match case {
        Case::Good | Case::Unverified => Verdict::Good,
        Case::OtherApplication | Case::Expired | Case::WithoutId => Verdict::Refused,
        Case::Disabled => Verdict::Disabled,
        Case::Status(400 | 401) if Some(at) == script.keys => match case {
            Case::Status(status) => Verdict::Failed(status),
            _ => unreachable!("a status"),
        },
        Case::Status(400 | 401) if is_published => Verdict::Failed(502),
        Case::Status(400 | 401) => Verdict::Refused,
        Case::Status(status) => Verdict::Failed(status),
        Case::TimesOut => Verdict::Failed(504),
        Case::Garbage => Verdict::Failed(502),
    }
}

/// The table as it grows: what was observed, by provider and proof, and by case.
#[derive(Default)]
struct Table {
    rows: Vec<(String, Vec<String>)>,
    legend: Vec<String>,
}

impl Table {
    fn row(&mut self, script: &Script, proof: Proof) {
        self.rows.push((format!("{} {proof:?}", script.name), Vec::new()));
    }

    /// The outcomes of one case, wherever the provider failed, at all places.
    fn cell(&mut self, mut outcomes: Vec<String>) {
        outcomes.sort();
        outcomes.dedup();
        let name = |outcome: String| {
            let known = self.legend.iter().position(|known| *known == outcome);
            let index = known.unwrap_or_else(|| {
                self.legend.push(outcome);
                self.legend.len() - 1
            });
            char::from(b'A' + u8::try_from(index).unwrap()).to_string()
        };
        let cell = outcomes.into_iter().map(name).collect::<Vec<_>>().join(" or ");
        self.rows.last_mut().unwrap().1.push(cell);
    }

    fn print(&self) -> String {
        let mut text = String::from("| provider, proof |");
        CASES.iter().for_each(|case| write!(text, " {case:?} |").unwrap());
        text.push_str("\n|---|");
        CASES.iter().for_each(|_| text.push_str("---|"));
        for (name, cells) in &self.rows {
            write!(text, "\n| {name} | {} |", cells.join(" | ")).unwrap();
        }
        text.push_str("\n\n| | `/auth/convert-token/`, `/social/…/`, `/o/token/` by convert_token, and by token exchange |\n|---|---|");
        for (index, outcome) in self.legend.iter().enumerate() {
            write!(text, "\n| {} | {outcome} |", char::from(b'A' + u8::try_from(index).unwrap())).unwrap();
        }
        text
    }
}

#[test]
fn what_comes_of_every_proof_at_every_provider_in_every_case() {
    let mut table = Table::default();
    for script in scripts() {
        for proof in PROOFS {
            table.row(&script, proof);
            if script.proofs.contains(&proof) {
                for case in CASES {
                    let outcomes = play(&script, proof, case);
                    table.cell(outcomes);
                }
            } else {
                let outcome = assert_not_taken(&script, proof);
                CASES.iter().for_each(|_| table.cell(vec![outcome.clone()]));
            }
        }
    }
    println!("{}", table.print());
    assert_eq!(table.rows.len(), 13 * 3);
}

/// What the provider cannot confirm is refused without asking it.
fn assert_not_taken(script: &Script, proof: Proof) -> String {
    let server = script.server();
    let app = application(&server);
    script.play(Case::Good, &server.providers);
    let before = server.db.dump();
    let mut came = Vec::new();
    for place in PLACES {
        let Some(response) = send(place, script, proof, Case::Good, &app.client_id, &server) else {
            came.push("–".to_owned());
            continue;
        };
        assert_verdict(place, Verdict::Refused, &response, &format!("{} {proof:?}", script.name));
        came.push(observed(&response));
    }
    assert!(server.providers.take_urls().is_empty(), "{} {proof:?}", script.name);
    assert_eq!(server.db.dump(), before);
    came.join(", ") + " (not asked)"
}

/// What came of a case, wherever the provider may fail in it.
fn play(script: &Script, proof: Proof, case: Case) -> Vec<String> {
    let fails = matches!(case, Case::Status(_) | Case::TimesOut | Case::Garbage);
    let at = if fails { asked_when_all_is_well(script, proof) } else { vec![String::new()] };
    assert!(!at.is_empty(), "{} {proof:?}", script.name);
    at.iter().map(|at| play_at(script, proof, case, at)).collect()
}

fn asked_when_all_is_well(script: &Script, proof: Proof) -> Vec<String> {
    let server = script.server();
    let app = application(&server);
    script.play(Case::Good, &server.providers);
    send(Place::Convert, script, proof, Case::Good, &app.client_id, &server).unwrap().assert_status(200);
    let mut asked = server.providers.take_urls();
    asked.dedup();
    asked
}

fn play_at(script: &Script, proof: Proof, case: Case, at: &str) -> String {
    let mut came = Vec::new();
    let server = script.server();
    let app = application(&server);
    if case == Case::Disabled {
        script.play(Case::Good, &server.providers);
        send(Place::Convert, script, proof, case, &app.client_id, &server).unwrap().assert_status(200);
        let username = script.username;
        let disabled =
            server.admin("PATCH", &format!("users/{username}"), serde_json::json!({"is_active": false}));
        disabled.assert_status(200);
    }
    for place in PLACES {
        let what = format!("{} {proof:?} {case:?} {at} {place:?}", script.name);
        let verdict = verdict(case, at, script);
        // Each good one is the first.
        let fresh = script.server();
        let (client_id, server) = match verdict {
            Verdict::Good => (application(&fresh).client_id, &fresh),
            _ => (app.client_id.clone(), &server),
        };
        let isolate = server.another_isolate();
        script.play(case, &isolate.providers);
        match case {
            Case::Status(status) => {
                isolate.providers.answer(at, status, &serde_json::json!({"error": "x"}));
            }
            Case::TimesOut => isolate.providers.time_out(at),
            Case::Garbage => isolate.providers.answer_bytes(at, 200, b"<html>\xff</html>"),
            _ => {}
        }
        let (before, writes) = (server.db.dump(), server.kv.writes.get());
        let Some(response) = send(place, script, proof, case, &client_id, &isolate) else {
            came.push("–".to_owned());
            continue;
        };
        assert_verdict(place, verdict, &response, &what);
        came.push(observed(&response));
        if verdict == Verdict::Good {
            assert_stored(script, case, &isolate, &response, &what);
        } else {
            assert_eq!(server.db.dump(), before, "{what}");
            assert_eq!(server.kv.writes.get(), writes, "{what}");
        }
    }
    came.join(", ")
}

/// One user as the provider describes them, their account there, and tokens that are good.
fn assert_stored(script: &Script, case: Case, server: &TestServer, response: &TestResponse, what: &str) {
    server.assert_good(&response.tokens().access_token);
    let users = users(server);
    assert_eq!(users.len(), 1, "{what}");
    let user = &users[0];
    assert_eq!(user["username"], script.username, "{what}");
    // Apple tells the name to the front-end alone.
    let name = if script.name == "apple-id" { ("", "") } else { ("Mona", "Octocat") };
    assert_eq!((&user["first_name"], &user["last_name"]), (&name.0.into(), &name.1.into()), "{what}");
    let tells_address = case != Case::Unverified || !script.verified_at.ends_with("email");
    assert_eq!(user["email"], if tells_address { super::providers::EMAIL } else { "" }, "{what}");
    let is_verified = case == Case::Good && script.email == Some(true);
    assert_eq!(user["email_verified"], is_verified, "{what}");
    assert_eq!(count(server, "families"), 1, "{what}");
    let account = "SELECT count(*) FROM social_accounts WHERE provider = '{}' AND uid = '{}'";
    let account = account.replacen("{}", script.name, 1).replacen("{}", script.uid, 1);
    assert_eq!(server.db.number(&account), 1, "{what}");
    let actions = "SELECT group_concat(action) FROM (SELECT action FROM audit_events WHERE action <> 'application_created' ORDER BY action)";
    assert_eq!(server.db.text(actions), "logged_in,signed_up", "{what}");
}
