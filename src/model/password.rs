//! What a new password must be like.

use super::username;

/// In characters (NIST SP 800-63B §5.1.1.2).
const SHORTEST: usize = 8;

/// In bytes: what hashing is willing to read.
pub const LONGEST: usize = 4096;

/// Those of the 10,000 most common passwords that are long enough to get this far: lower case, sorted, one a line.
/// From SecLists (MIT licence, Daniel Miessler): 10-million-password-list-top-10000.
const COMMON: &str = include_str!("common_passwords.txt");

/// Checks a new password of the user called `username`.
///
/// # Errors
/// Says which rule it breaks, to the person who chose it.
pub fn check_new(password: &str, username: &str) -> Result<(), &'static str> {
    if password.len() > LONGEST {
        return Err("Use at most 4096 bytes.");
    }
    if password.chars().count() < SHORTEST {
        return Err("Use at least 8 characters.");
    }
    if username::key(password) == username::key(username) {
        return Err("Use a password that is not your username.");
    }
    if is_common(&password.to_lowercase()) {
        return Err("This password is one of the most common ones: use another.");
    }
    Ok(())
}

fn is_common(password: &str) -> bool {
    COMMON.lines().any(|common| common == password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules() {
        assert_eq!(check_new("correct horse battery", "alice"), Ok(()));
        assert_eq!(check_new(&"x".repeat(LONGEST), "alice"), Ok(()));
        for bad in [
            "1234567",
            "Alice.Smith",
            "password",
            "PassWord",
            "iloveyou",
            "zxcvbnm123",
            &"x".repeat(LONGEST + 1),
        ] {
            assert!(check_new(bad, "alice.smith").is_err(), "{bad}");
        }
        assert_eq!(check_new("ééééééé", "alice"), Err("Use at least 8 characters."));
    }

    #[test]
    fn the_list_is_what_it_says() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 3000);
        assert!(lines.iter().all(|line| line.chars().count() >= SHORTEST && *line == line.to_lowercase()));
        assert!(lines.is_sorted());
    }
}
