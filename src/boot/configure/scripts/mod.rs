//! `start_server.sh` and `start_manager.sh`: what they tell Tomcat, and that its output is kept.

mod output;
mod words;

use self::words::{Line, Token, assigns, lines, quote, unquote};
use super::{
    files::{Edit, Severity},
    properties::newline,
    xml::{Span, Splices},
};

/// What a start script should do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// Variables that the vendor's script sets, with the values they should have.
    pub(crate) replaced: Vec<(&'static str, String)>,
    /// Variables that it may set; where it does not, they are set near its top.
    pub(crate) exported: Vec<(&'static str, String)>,
}

/// Edits a start script.
pub(crate) fn edit(bytes: &[u8], script: &Script) -> Edit {
    let mut edit = Edit::unchanged(bytes);
    let lines = lines(bytes);
    let mut splices = Splices::default();
    // First, so that a new line at the very top stands before whatever else is inserted there.
    for (name, value) in &script.exported {
        if !replace(bytes, &lines, &mut splices, name, value) {
            let (at, before) = top(bytes);
            splices.insert(at, format!("{before}export {name}={}{}", quote(value), newline(bytes)));
        }
        edit.things.push(name);
    }
    for (name, value) in &script.replaced {
        let line = format!("export {name}={}", quote(value));
        if replace(bytes, &lines, &mut splices, name, value) {
            edit.things.push(name);
        } else if let Some(commented) =
            lines.iter().rfind(|line| is_commented_assignment(bytes, line, name))
        {
            let newline = newline(bytes);
            let is_ended = commented.end > commented.span.end;
            let text = if is_ended {
                format!("{line}{newline}")
            } else {
                format!("{newline}{line}{newline}")
            };
            splices.insert(commented.end, text);
            edit.things.push(name);
        } else {
            edit.miss(Severity::Error, format!("export {name}=…"));
        }
    }
    output::keep(bytes, &lines, &mut splices, &mut edit.things);
    edit.bytes = splices.apply(bytes);
    edit
}

/// Where a line near the top goes: below the `#!` line. With it, what must stand before the new line.
fn top(bytes: &[u8]) -> (usize, &'static str) {
    let start = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    if !bytes[start..].starts_with(b"#!") {
        return (start, "");
    }
    match bytes.iter().position(|&byte| byte == b'\n') {
        Some(end) => (end + 1, ""),
        None => (bytes.len(), newline(bytes)),
    }
}

/// Gives every live assignment of `name` the value, and exports it. Says whether there was one.
fn replace(bytes: &[u8], lines: &[Line], splices: &mut Splices, name: &str, value: &str) -> bool {
    let mut is_found = false;
    for command in lines.iter().flat_map(Line::commands) {
        for (index, word) in command.words.iter().enumerate() {
            if !is_assignment(&bytes[word.clone()], name)
                || !may_assign(bytes, &command.words[..index])
            {
                continue;
            }
            is_found = true;
            let value_at = word.start + name.len() + 1;
            if unquote(&bytes[value_at..word.end]) != value.as_bytes() {
                splices.replace(value_at..word.end, quote(value));
            }
            // Before a command of the same line the assignment is that command's alone, and exported to it.
            if index == 0 && command.words.len() == 1 {
                splices.insert(word.start, "export ");
            }
        }
    }
    is_found
}

fn is_assignment(word: &[u8], name: &str) -> bool {
    word.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

/// Whether a word behind these can be an assignment: they are declaring commands, options or assignments themselves.
fn may_assign(bytes: &[u8], before: &[Span]) -> bool {
    before.iter().all(|word| {
        let word = &bytes[word.clone()];
        let declares: [&[u8]; 10] = [
            b"export",
            b"declare",
            b"typeset",
            b"readonly",
            b"local",
            b"env",
            b"then",
            b"else",
            b"do",
            b"{",
        ];
        declares.contains(&word) || word.starts_with(b"-") || assigns(word)
    })
}

/// Whether a line is nothing but a commented-out assignment of `name`.
fn is_commented_assignment(bytes: &[u8], line: &Line, name: &str) -> bool {
    let [Token::Comment(span)] = line.tokens.as_slice() else { return false };
    let text = String::from_utf8_lossy(&bytes[span.clone()]).into_owned();
    let text = text.trim_start_matches(['#', ' ', '\t']);
    let text = text.strip_prefix("export").map_or(text, str::trim_start);
    is_assignment(text.as_bytes(), name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn server() -> Script {
        Script {
            replaced: vec![("JJOB_SERVER_ID", "1-11".to_owned())],
            exported: vec![("JJOB_SERVER_IP", "jjobs-10.svc".to_owned())],
        }
    }

    fn run(text: &str) -> String {
        let edited = edit(text.as_bytes(), &server());
        assert_eq!(edited.findings, []);
        assert_eq!(
            edit(&edited.bytes, &server()).bytes,
            edited.bytes,
            "a second run on the result adds nothing"
        );
        String::from_utf8(edited.bytes).unwrap()
    }

    #[test]
    fn the_vendors_script_gets_its_values() {
        let text = "#!/bin/sh\r\nexport JJOB_SERVER_ID=1-1\r\ncd server/bin\r\nnohup ./startup.sh 2>&1 > /dev/null &\r\n\
                    tail -f /engn001/jjobs/server/logs/catalina.out\r\n";
        assert_eq!(
            run(text),
            "#!/bin/sh\r\nexport JJOB_SERVER_IP=jjobs-10.svc\r\nexport JJOB_SERVER_ID=1-11\r\ncd server/bin\r\n./startup.sh &\r\n"
        );
    }

    #[test]
    fn an_assignment_is_replaced_where_it_stands() {
        let ip = "export JJOB_SERVER_IP=jjobs-10.svc\n";
        for (before, after) in [
            ("  export  JJOB_SERVER_ID=\"1-1\" # id\n", "  export  JJOB_SERVER_ID=1-11 # id\n"),
            ("JJOB_SERVER_ID=1-1\n", "export JJOB_SERVER_ID=1-11\n"),
            (
                "JJOB_SERVER_ID=1-1; export JJOB_SERVER_ID\n",
                "export JJOB_SERVER_ID=1-11; export JJOB_SERVER_ID\n",
            ),
            ("JJOB_SERVER_ID=1-1 ./startup.sh\n", "JJOB_SERVER_ID=1-11 ./startup.sh\n"),
            ("export A=1 JJOB_SERVER_ID='1-1'\n", "export A=1 JJOB_SERVER_ID=1-11\n"),
            (
                "if x; then export JJOB_SERVER_ID=1-1; fi\n",
                "if x; then export JJOB_SERVER_ID=1-11; fi\n",
            ),
            (
                "#export JJOB_SERVER_ID=1-1\n",
                "#export JJOB_SERVER_ID=1-1\nexport JJOB_SERVER_ID=1-11\n",
            ),
            (
                "export JJOB_SERVER_ID=$(x)\necho \"JJOB_SERVER_ID=$JJOB_SERVER_ID\" JJOB_SERVER_ID=x\n",
                "export JJOB_SERVER_ID=1-11\necho \"JJOB_SERVER_ID=$JJOB_SERVER_ID\" JJOB_SERVER_ID=x\n",
            ),
        ] {
            assert_eq!(run(before), format!("{ip}{after}"));
        }
        let both = "export JJOB_SERVER_ID=1-1\n export JJOB_SERVER_IP=old\n";
        assert_eq!(run(both), "export JJOB_SERVER_ID=1-11\n export JJOB_SERVER_IP=jjobs-10.svc\n");
    }

    #[test]
    fn a_script_without_the_servers_number_is_reported() {
        let edited = edit(b"#!/bin/sh\n./startup.sh\n", &server());
        assert_eq!(edited.findings[0].thing, "export JJOB_SERVER_ID=…");
        assert_eq!(edited.findings[0].severity, Severity::Error);
    }

    #[test]
    fn a_value_is_quoted_for_the_shell() {
        let script = Script {
            exported: vec![("SSO_KEYCLOAK_ISSUER_URI", "https://k/r?a=$(id)&b='c'".to_owned())],
            ..Script::default()
        };
        let edited = edit(b"#!/bin/sh", &script);
        assert_eq!(
            String::from_utf8_lossy(&edited.bytes),
            "#!/bin/sh\nexport SSO_KEYCLOAK_ISSUER_URI='https://k/r?a=$(id)&b='\\''c'\\'''\n"
        );
        assert_eq!(edit(&edited.bytes, &script).bytes, edited.bytes);
    }
}
