//! The form in which a person registers or changes an application.

use http::StatusCode;
use serde_json::{Map, Value};

use super::super::form::{Field, alert, choices, form, select, submit_or_cancel};
use super::super::layout::{Html, Page};
use super::super::person::Person;
use super::{english, here, lines, name, url_of};
use crate::call::{Call, Response, because};
use crate::model::application::{Application, Registration};
use crate::model::fields::FieldErrors;
use crate::model::scope::Scope;
use crate::protocol::grant_type::GrantType;
use crate::protocol::params::Params;

/// Stands before a grant type in the name of its field.
const GRANT_TYPE: &str = "grant_type ";

/// Those that are lists of lines.
const LISTS: [&str; 3] = ["redirect_uris", "post_logout_redirect_uris", "allowed_origins"];

/// The scope that lets an application look at the tokens of others: the operator's to give.
const INTROSPECTION: &str = "introspection";

/// What stands in the form.
pub struct Draft {
    choosable: &'static [GrantType],
    client_name: String,
    client_type: String,
    grant_types: Vec<GrantType>,
    /// As [`LISTS`].
    lists: [Vec<String>; 3],
    /// None: it is not the person's to change.
    scope: Option<String>,
}

impl Draft {
    /// An application about to be registered.
    pub fn new(choosable: &'static [GrantType]) -> Self {
        Self {
            choosable,
            client_name: String::new(),
            client_type: "public".to_owned(),
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            lists: Default::default(),
            scope: Some(String::new()),
        }
    }

    /// What is registered.
    pub fn of(registration: &Registration, choosable: &'static [GrantType]) -> Self {
        Self {
            choosable,
            client_name: registration.client_name.clone(),
            client_type: registration.client_type.as_str().to_owned(),
            grant_types: registration.grant_types.clone(),
            lists: [
                registration.redirect_uris.clone(),
                registration.post_logout_redirect_uris.clone(),
                registration.allowed_origins.clone(),
            ],
            scope: may_change_scope(registration, choosable)
                .then(|| registration.scope.filter(|token| token != INTROSPECTION).to_string()),
        }
    }

    /// What was typed. Of what is registered, the operator's part stays.
    pub fn typed(params: &Params, choosable: &'static [GrantType], current: Option<&Registration>) -> Self {
        let text = |name| params.optional(name).unwrap_or_default().to_owned();
        let is_kept = |grant_type: &GrantType| !choosable.contains(grant_type);
        let kept = current.into_iter().flat_map(|current| &current.grant_types).copied().filter(is_kept);
        let is_ticked = |grant_type: &GrantType| params.contains(&field_of(*grant_type));
        Self {
            choosable,
            client_name: text("client_name"),
            client_type: text("client_type"),
            grant_types: choosable.iter().copied().filter(is_ticked).chain(kept).collect(),
            lists: LISTS.map(|name| lines(params, name)),
            scope: current.is_none_or(|current| may_change_scope(current, choosable)).then(|| text("scope")),
        }
    }

    /// A whole registration, for this owner.
    pub fn registration(&self, owner: &str) -> Result<Map<String, Value>, FieldErrors> {
        let mut fields = Map::new();
        fields.insert("owner".to_owned(), owner.into());
        fields.insert("client_type".to_owned(), self.client_type.as_str().into());
        self.write(&mut fields, &Scope::default())?;
        Ok(fields)
    }

    /// What is registered, with the changes that are the person's to make.
    pub fn changes(&self, current: &Registration) -> Result<Map<String, Value>, FieldErrors> {
        let mut fields = current.to_json();
        self.write(&mut fields, &current.scope.filter(|token| token == INTROSPECTION))?;
        Ok(fields)
    }

    /// `kept`: what of the scope stays, whatever was typed.
    fn write(&self, fields: &mut Map<String, Value>, kept: &Scope) -> Result<(), FieldErrors> {
        let grant_types: Vec<Value> = self.grant_types.iter().map(|g| g.as_str().into()).collect();
        fields.insert("client_name".to_owned(), self.client_name.as_str().into());
        fields.insert("grant_types".to_owned(), grant_types.into());
        for (name, list) in LISTS.iter().zip(&self.lists) {
            fields.insert((*name).to_owned(), list.clone().into());
        }
        if let Some(scope) = &self.scope {
            if scope.split(' ').any(|token| token == INTROSPECTION) {
                return Err(FieldErrors::one("scope", english::INTROSPECTION_NOT_YOURS));
            }
            fields.insert("scope".to_owned(), format!("{scope} {kept}").into());
        }
        Ok(())
    }
}

/// Where an application gets tokens that no person is asked about, by a grant type that only the operator can give, they
/// have said what it may have.
fn may_change_scope(registration: &Registration, choosable: &[GrantType]) -> bool {
    registration.grant_types.iter().all(|grant_type| choosable.contains(grant_type))
}

fn field_of(grant_type: GrantType) -> String {
    format!("{GRANT_TYPE}{}", grant_type.as_str())
}

/// The form as it was typed, with what is wrong with it.
pub fn refused(
    draft: &Draft,
    application: Option<&Application>,
    errors: &FieldErrors,
    person: &Person,
    call: &Call<'_>,
) -> Response {
    let mut response = show(draft, application, errors, person, call);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    because(&mut response, "invalid_request", format!("fields: {}", errors.names()), true);
    response
}

/// `application`: the one to be changed; none: it is to be registered.
pub fn show(
    draft: &Draft,
    application: Option<&Application>,
    errors: &FieldErrors,
    person: &Person,
    call: &Call<'_>,
) -> Response {
    let field = |name, label, kind, value, help| Field {
        name,
        label,
        kind,
        autocomplete: "off",
        value,
        help,
        is_required: false,
        errors: errors.of(name),
    };
    let lists = draft.lists.each_ref().map(|list| list.join("\n"));
    let mut content = person
        .visitor
        .csrf_field(call)
        .with(&field("client_name", english::APPLICATION_NAME, "text", &draft.client_name, None).show());
    if application.is_none() {
        content = content.with(&client_type(draft, errors));
    }
    content = content.with(&grant_types(draft, errors));
    let areas = [
        (english::REDIRECT_URIS, english::REDIRECT_URIS_HELP),
        (english::POST_LOGOUT_REDIRECT_URIS, english::ONE_A_LINE),
        (english::ALLOWED_ORIGINS, english::ONE_A_LINE),
    ];
    for ((name, lines), (label, help)) in LISTS.into_iter().zip(&lists).zip(areas) {
        content = content.with(&field(name, label, "textarea", lines, Some(help)).show());
    }
    if let Some(scope) = &draft.scope {
        let help = Some(english::SCOPE_HELP);
        content = content.with(&field("scope", english::SCOPE, "text", scope, help).show());
    }
    let (title, action, back, label) = match application {
        Some(application) => {
            let url = url_of(application, call);
            (name(application), format!("{url}update/"), url, english::SAVE)
        }
        None => {
            let here = here(call);
            (english::REGISTER_APPLICATION, format!("{here}register/"), here, english::REGISTER_APPLICATION)
        }
    };
    content = content.with(&submit_or_cancel(label, &back));
    let problem = if errors.is_empty() { Html::default() } else { alert(english::CHECK_FIELDS) };
    let page = Page::new(title, problem.with(&form(&action, &content))).forms_here(Vec::new());
    person.visitor.show(page.respond(), call)
}

fn client_type(draft: &Draft, errors: &FieldErrors) -> Html {
    let options = [("public", english::TYPE_PUBLIC), ("confidential", english::TYPE_CONFIDENTIAL)];
    let errors = errors.of("client_type");
    select("client_type", english::APPLICATION_TYPE, &options, &draft.client_type, errors)
}

fn grant_types(draft: &Draft, errors: &FieldErrors) -> Html {
    let choice = |grant_type: &GrantType| {
        let label = english::grant_type(grant_type.as_str());
        (field_of(*grant_type), label, draft.grant_types.contains(grant_type))
    };
    let options: Vec<(String, &str, bool)> = draft.choosable.iter().map(choice).collect();
    choices("grant_types", english::GRANT_TYPES, &options, errors.of("grant_types"))
}
