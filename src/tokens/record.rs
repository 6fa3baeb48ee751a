//! What KV holds: records of tokens that were good, and marks of what has ended since.
//!
//! `t:<digest>` → a record. Marks are only ever put, never deleted, and never written by who merely reads: `f:<family>`
//! and `g:<grant>` have ended; `u:<user>` and `a:<application>` → their token epoch; `r:<digest>` → until when a token
//! that a refresh replaced stays good. A late write-back of a record cannot undo a mark: their keys differ.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::token::{AccessToken, Holder};
use crate::crypto::encoding::{base64url, from_base64url};
use crate::crypto::keys::{KeyRing, Keys};
use crate::crypto::secret::same_bytes;
use crate::model::application::Application;
use crate::model::family::{Family, IssuedToken, Live, TokenDigest};
use crate::model::id::{ApplicationId, FamilyId, GrantId, UserId};
use crate::model::time::{Lifetime, Timestamp};

/// All that validation needs of a good token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    pub exp: Timestamp,
    pub iat: Timestamp,
    pub scope: String,
    pub client_id: String,
    pub application: String,
    pub application_epoch: i64,
    pub family: String,
    #[serde(flatten)]
    pub user: Option<RecordUser>,
}

/// Whose the token is; absent for client credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordUser {
    #[serde(rename = "user")]
    pub id: String,
    pub username: String,
    pub user_epoch: i64,
    pub grant: String,
}

/// What a mark is about; as text, its key in KV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    Replaced(TokenDigest),
    Family(FamilyId),
    Application(ApplicationId),
    Grant(GrantId),
    User(UserId),
}

/// What the marks say that belong to a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    ended: Option<&'static str>,
    user_epoch: Option<i64>,
    application_epoch: Option<i64>,
    replaced_until: Option<Timestamp>,
    /// A mark that cannot be read must not be overlooked: the database has to say.
    unreadable: bool,
}

/// What follows from a record and its marks.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    Good(TokenRecord),
    /// And never good again.
    Refused(&'static str),
    /// Only the database knows.
    Unsure,
}

impl TokenRecord {
    /// The record of a token that the database holds to be good.
    pub fn new(family: &Family, live: &Live<'_>, issued: &IssuedToken) -> Self {
        Self {
            exp: issued.expires_at,
            iat: issued.issued_at,
            scope: issued.scope.to_string(),
            client_id: live.application.client_id.clone(),
            application: family.application.id.to_string(),
            application_epoch: family.application.epoch,
            family: family.id.to_string(),
            user: live.user.map(|(user, now)| RecordUser {
                id: user.id.to_string(),
                username: now.username.clone(),
                user_epoch: user.epoch,
                grant: user.grant_id.to_string(),
            }),
        }
    }

    /// The record of a token that is about to be issued. `user`: their name and token epoch.
    pub fn of_new(
        holder: &Holder,
        application: &Application,
        user: Option<(&str, i64)>,
        issued: &IssuedToken,
    ) -> Self {
        Self {
            exp: issued.expires_at,
            iat: issued.issued_at,
            scope: issued.scope.to_string(),
            client_id: application.client_id.clone(),
            application: application.id.to_string(),
            application_epoch: application.token_epoch,
            family: holder.family.to_string(),
            user: holder.user.zip(user).map(|((id, grant), (username, user_epoch))| RecordUser {
                id: id.to_string(),
                username: username.to_owned(),
                user_epoch,
                grant: grant.to_string(),
            }),
        }
    }

    /// What KV holds of the token: key id, MAC and JSON.
    pub fn to_stored(&self, token: &AccessToken, keys: &Keys) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        let mac = keys.record_mac(&token.digest().to_string(), &json);
        format!("{}.{}.{json}", keys.id(), base64url(&mac))
    }

    /// Reads what KV holds under a token's key. What does not bear our MAC for this very token is no record.
    pub fn from_stored(stored: &str, token: &AccessToken, keys: &KeyRing) -> Option<Self> {
        let (key_id, rest) = stored.split_once('.')?;
        let (mac, json) = rest.split_once('.')?;
        let ours = keys.find(key_id.parse().ok()?)?.record_mac(&token.digest().to_string(), json);
        if !same_bytes(&ours, &from_base64url(mac)?) {
            return None;
        }
        serde_json::from_str(json).ok()
    }
}

/// The key of a token's record.
pub fn record_key(token: &AccessToken) -> String {
    format!("t:{}", token.digest())
}

/// The marks of what a token hangs on, other than that it was replaced itself.
pub fn marks_of(holder: &Holder) -> impl Iterator<Item = Mark> {
    let of_all = [Mark::Family(holder.family), Mark::Application(holder.application)];
    let of_user = holder.user.map(|(user, grant)| [Mark::Grant(grant), Mark::User(user)]);
    of_all.into_iter().chain(of_user.into_iter().flatten())
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced(digest) => write!(f, "r:{digest}"),
            Self::Family(family) => write!(f, "f:{family}"),
            Self::Application(application) => write!(f, "a:{application}"),
            Self::Grant(grant) => write!(f, "g:{grant}"),
            Self::User(user) => write!(f, "u:{user}"),
        }
    }
}

impl Marks {
    /// Reads what KV holds under the marks' keys.
    pub fn read<'a>(marks: impl IntoIterator<Item = (Mark, Option<&'a str>)>) -> Self {
        let mut read = Self::default();
        for (mark, value) in marks {
            match value.map(str::parse) {
                None => {}
                Some(Ok(value)) => read.add(&mark, value),
                Some(Err(_)) => read.unreadable = true,
            }
        }
        read
    }

    pub fn add(&mut self, mark: &Mark, value: i64) {
        match mark {
            Mark::Replaced(_) => self.replaced_until = Some(Timestamp(value)),
            Mark::Family(_) => self.ended = Some("the family has ended"),
            Mark::Grant(_) => self.ended = Some("the grant has ended"),
            Mark::Application(_) => self.application_epoch = Some(value),
            Mark::User(_) => self.user_epoch = Some(value),
        }
    }

    /// Both together: what either of them has seen.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            ended: self.ended.or(other.ended),
            user_epoch: self.user_epoch.max(other.user_epoch),
            application_epoch: self.application_epoch.max(other.application_epoch),
            replaced_until: match (self.replaced_until, other.replaced_until) {
                (Some(one), Some(another)) => Some(one.min(another)),
                (one, another) => one.or(another),
            },
            unreadable: self.unreadable || other.unreadable,
        }
    }

    /// Judges a record, or its absence. Epochs only grow, and a record is written by who has seen the database hold its
    /// epoch: a mark with a later epoch contradicts it for good, one with an earlier epoch is merely older. `longest` is
    /// how long a mark lives: a record that was made to live longer could outlive its marks.
    pub fn judge(&self, record: Option<TokenRecord>, longest: Lifetime, now: Timestamp) -> Judgement {
        if let Some(reason) = self.ended {
            return Judgement::Refused(reason);
        }
        if self.replaced_until.is_some_and(|until| until <= now) {
            return Judgement::Refused("the token has been replaced");
        }
        let Some(mut record) = record.filter(|record| !self.unreadable && record.exp - record.iat <= longest)
        else {
            return Judgement::Unsure;
        };
        if let Some(until) = self.replaced_until {
            record.exp = record.exp.min(until);
        }
        if record.exp <= now {
            return Judgement::Refused("the token has expired");
        }
        if self.application_epoch.is_some_and(|epoch| epoch > record.application_epoch) {
            return Judgement::Refused("the application has ended all its tokens");
        }
        let user_epoch = record.user.as_ref().map_or(i64::MAX, |user| user.user_epoch);
        if self.user_epoch.is_some_and(|epoch| epoch > user_epoch) {
            return Judgement::Refused("the user has ended all their tokens");
        }
        Judgement::Good(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> TokenRecord {
        TokenRecord {
            exp: Timestamp(200),
            iat: Timestamp(100),
            scope: "read".into(),
            client_id: "app".into(),
            application: "A".into(),
            application_epoch: 3,
            family: "F".into(),
            user: Some(RecordUser {
                id: "U".into(),
                username: "ann".into(),
                user_epoch: 5,
                grant: "G".into(),
            }),
        }
    }

    fn marks() -> [Mark; 4] {
        let user = UserId::from_bytes(&[3; 12]).unwrap();
        let holder = Holder {
            family: FamilyId::from_bytes(&[1; 16]).unwrap(),
            application: ApplicationId::from_bytes(&[2; 12]).unwrap(),
            user: Some((user, GrantId::from_bytes(&[4; 12]).unwrap())),
        };
        marks_of(&holder).collect::<Vec<_>>().try_into().unwrap()
    }

    fn judge(mark: Mark, value: &str, now: i64) -> Judgement {
        let marks = Marks::read([(mark, Some(value))]);
        marks.judge(Some(record()), Lifetime(100), Timestamp(now))
    }

    #[test]
    fn marks_contradict_records() {
        let unmarked = |now| Marks::default().judge(Some(record()), Lifetime(100), Timestamp(now));
        assert_eq!(unmarked(199), Judgement::Good(record()));
        assert!(matches!(unmarked(200), Judgement::Refused(_)));
        let [family, application, grant, user] = marks();
        assert!(matches!(judge(family, "1", 150), Judgement::Refused(_)));
        assert!(matches!(judge(grant, "1", 150), Judgement::Refused(_)));
        for (mark, epoch) in [(user, 5), (application, 3)] {
            assert!(matches!(judge(mark, &(epoch + 1).to_string(), 150), Judgement::Refused(_)));
            assert_eq!(judge(mark, &epoch.to_string(), 150), Judgement::Good(record()));
            assert_eq!(judge(mark, &(epoch - 1).to_string(), 150), Judgement::Good(record()));
            assert_eq!(judge(mark, "nonsense", 150), Judgement::Unsure);
        }
        let replaced = Mark::Replaced(TokenDigest::of("T"));
        assert!(matches!(judge(replaced, "150", 150), Judgement::Refused(_)));
        assert_eq!(
            judge(replaced, "151", 150),
            Judgement::Good(TokenRecord { exp: Timestamp(151), ..record() })
        );
        assert_eq!(judge(replaced, "nonsense", 150), Judgement::Unsure);
    }

    #[test]
    fn a_mark_has_the_key_of_what_it_is_about() {
        assert_eq!(
            marks().map(|mark| mark.to_string()),
            ["f:AQEBAQEBAQEBAQEBAQEBAQ", "a:AgICAgICAgICAgIC", "g:BAQEBAQEBAQEBAQE", "u:AwMDAwMDAwMDAwMD"]
        );
        let replaced = Mark::Replaced(TokenDigest::of("abc"));
        assert_eq!(replaced.to_string(), "r:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    }

    #[test]
    fn a_record_that_could_outlive_its_marks_is_not_believed() {
        let judged = Marks::default().judge(Some(record()), Lifetime(99), Timestamp(150));
        assert_eq!(judged, Judgement::Unsure);
    }

    #[test]
    fn a_record_reads_as_it_was_written_for_its_own_token_only() {
        let keys = KeyRing::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let holder = Holder {
            family: FamilyId::from_bytes(&[1; 16]).unwrap(),
            application: ApplicationId::from_bytes(&[2; 12]).unwrap(),
            user: None,
        };
        let token = |secret| AccessToken::mint(holder, [secret; 32], keys.first());
        for written in [record(), TokenRecord { user: None, ..record() }] {
            let stored = written.to_stored(&token(1), keys.first());
            assert_eq!(TokenRecord::from_stored(&stored, &token(1), &keys), Some(written));
            assert_eq!(TokenRecord::from_stored(&stored, &token(2), &keys), None);
            let widened = stored.replace("read", "admin");
            assert_eq!(TokenRecord::from_stored(&widened, &token(1), &keys), None);
        }
        for nonsense in ["", "{}", "0..{}", "0.AA.{}", "9.AA.{}", "x.AA.{}"] {
            assert_eq!(TokenRecord::from_stored(nonsense, &token(1), &keys), None);
        }
    }
}
