//! The layout of `src`: a file uses its own room and rooms further down, never up.

use std::fs;
use std::path::Path;

/// From top to bottom. What shares a floor does not know each other.
const FLOORS: [&[&str]; 11] = [
    &["cloudflare"],
    &["router", "cron"],
    &["endpoints"],
    &["pages"],
    &["call"],
    &["grants"],
    &["tokens", "social"],
    &["store"],
    &["model"],
    &["protocol"],
    &["crypto"],
];

/// Usable down to `store`; they know what they carry: tokens, and what is below.
const CARRIED: [&str; 3] = ["app", "settings", "memory"];

#[test]
fn a_file_uses_its_own_room_and_rooms_further_down() {
    for (room, file, source) in sources() {
        for used in uses(&source) {
            let is_allowed = room == used
                || match (CARRIED.contains(&room.as_str()), CARRIED.contains(&used)) {
                    (true, true) => true,
                    (true, false) => floor(used) >= floor("tokens"),
                    (false, true) => floor(&room) <= floor("store"),
                    (false, false) => floor(&room) < floor(used),
                };
            assert!(is_allowed, "{file} uses crate::{used}");
        }
    }
}

#[test]
fn workers_sql_http_and_async_stay_in_their_rooms() {
    for (room, file, source) in sources() {
        let code = || source.lines().filter(|line| !line.trim_start().starts_with("//"));
        let holds = |word: &str| code().any(|line| line.contains(word));
        assert!(room == "cloudflare" || !holds("worker::"), "{file} knows Workers");
        let sql = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE "];
        assert!(room == "store" || !sql.iter().any(|word| holds(word)), "{file} holds SQL");
        let is_carried = CARRIED.contains(&room.as_str());
        assert!(!is_carried && floor(&room) <= floor("call") || !holds("http::"), "{file} knows HTTP");
        assert!(is_carried || floor(&room) < floor("model") || !holds("async "), "{file} is async");
    }
}

#[test]
fn the_uses_of_a_file_are_all_seen() {
    assert_eq!(uses("use crate::{cron, pages::error};\nlet x = crate::app::App;"), ["cron", "pages", "app"]);
    assert_eq!(uses("use crate::{\n    cron,\n    store::{users, grants},\n};"), ["cron", "store"]);
    assert!(sources().len() > 40);
}

fn floor(room: &str) -> usize {
    FLOORS.iter().position(|floor| floor.contains(&room)).unwrap_or_else(|| panic!("{room} has no floor"))
}

/// What follows each `crate::`: one name, or a list in braces.
fn uses(source: &str) -> Vec<&str> {
    let name =
        |text: &'_ str| text.len() - text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
    let mut uses = Vec::new();
    for path in source.split("crate::").skip(1) {
        let Some(list) = path.strip_prefix('{') else {
            uses.push(&path[..name(path)]);
            continue;
        };
        let mut depth = 0;
        let outermost = |c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth < 0 || depth == 0 && c == ','
        };
        let end = list.find("};").expect("the list ends");
        uses.extend(
            list[..end]
                .split(outermost)
                .map(str::trim)
                .map(|item| &item[..name(item)])
                .filter(|u| !u.is_empty()),
        );
    }
    uses
}

/// Every file of `src` but `lib.rs`: its room, its path and its text.
pub fn sources() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && path != root.join("lib.rs") {
                let file = path.strip_prefix(&root).unwrap().display().to_string();
                let room = file.split(['/', '.']).next().unwrap().to_owned();
                sources.push((room, file, fs::read_to_string(path).unwrap()));
            }
        }
    }
    sources
}

#[test]
fn what_pages_say_stands_in_one_place() {
    for (room, file, source) in sources() {
        let is_page = room == "pages" && !file.ends_with("english.rs");
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        // Words between tags: what follows a `>` is a letter.
        let says = |line: &str| {
            let after_tags = line.split('>').skip(1).any(|rest| rest.starts_with(char::is_alphabetic));
            line.contains(".say(\"") || (line.contains("(\"") && line.contains("</") && after_tags)
        };
        let said: Vec<&str> = code.lines().filter(|line| is_page && says(line)).collect();
        assert!(said.is_empty(), "{file} says something itself: {said:?}");
    }
}

#[test]
fn requests_leave_by_two_doors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cloudflare");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut doors: Vec<String> = files
        .filter(|path| fs::read_to_string(path).unwrap().contains(" fetch("))
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    doors.sort();
    assert_eq!(doors, ["mail.js", "outbound.js"]);
    let knows_fetch =
        |source: &str| ["worker::Fetch", "Fetcher", "fetch_with"].iter().any(|word| source.contains(word));
    for (_, file, source) in sources() {
        assert!(!knows_fetch(&source), "{file} sends requests itself");
    }
}
