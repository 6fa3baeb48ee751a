//! `purges`: users and applications whose dead rows are still to be cleared away.

use super::database::Statement;
use crate::model::id::{ApplicationId, UserId};

/// The epoch of a user or application that is gone: no token has it.
pub const DELETED_EPOCH: i64 = (1 << 53) - 1;

/// Whose rows they are.
pub(super) enum Owner {
    User(UserId),
    Application(ApplicationId),
}

impl Owner {
    fn id(&self) -> String {
        match self {
            Self::User(id) => id.to_string(),
            Self::Application(id) => id.to_string(),
        }
    }
}

/// Notes that rows with tokens of earlier epochs are dead, if there can be any.
pub(super) fn note_epoch(owner: Owner) -> Statement {
    Statement::new(match owner {
        Owner::User(_) => {
            "INSERT INTO purges (owner_id, token_epoch, is_deleted)
             SELECT id, token_epoch, 0 FROM users WHERE id = ?1 AND token_epoch > 0
             ON CONFLICT (owner_id) DO UPDATE SET token_epoch = excluded.token_epoch"
        }
        Owner::Application(_) => {
            "INSERT INTO purges (owner_id, token_epoch, is_deleted)
             SELECT id, token_epoch, 0 FROM applications WHERE id = ?1 AND token_epoch > 0
             ON CONFLICT (owner_id) DO UPDATE SET token_epoch = excluded.token_epoch"
        }
    })
    .bind(owner.id())
}

/// Notes that everything is dead, if the owner is gone.
pub(super) fn note_deleted(owner: Owner) -> Statement {
    Statement::new(match owner {
        Owner::User(_) => {
            "INSERT INTO purges (owner_id, token_epoch, is_deleted)
             SELECT ?1, ?2, 1 WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = ?1)
             ON CONFLICT (owner_id) DO UPDATE SET token_epoch = excluded.token_epoch, is_deleted = 1"
        }
        Owner::Application(_) => {
            "INSERT INTO purges (owner_id, token_epoch, is_deleted)
             SELECT ?1, ?2, 1 WHERE NOT EXISTS (SELECT 1 FROM applications WHERE id = ?1)
             ON CONFLICT (owner_id) DO UPDATE SET token_epoch = excluded.token_epoch, is_deleted = 1"
        }
    })
    .bind(owner.id())
    .bind(DELETED_EPOCH)
}
