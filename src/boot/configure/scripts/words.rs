//! A shell script's lines, split into words as far as finding commands needs it.
//!
//! Not a shell: nothing is expanded, and what is not understood is only ever left alone.

use super::super::xml::Span;

/// A piece of a logical line, by its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, with quotes and escapes as written.
    Word(Span),
    /// `;`, `&`, `&&`, `|`, `(` and the like.
    Separator(Span),
    /// A redirection with its target.
    Redirect {
        /// From its number or sign to the end of its target.
        span: Span,
        /// The sign: `>`, `>>`, `>&`, `&>`, `<`, `<<` …
        sign: Span,
        /// The target as written.
        target: Span,
    },
    /// From `#` to the end of the line.
    Comment(Span),
}

/// A logical line: natural lines joined by a backslash at their end count as one.
#[derive(Debug)]
pub(super) struct Line {
    /// Without its terminator.
    pub(super) span: Span,
    /// Just behind its terminator.
    pub(super) end: usize,
    pub(super) tokens: Vec<Token>,
}

/// What stands between two separators.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) words: Vec<Span>,
    /// Span, sign and target of each.
    pub(super) redirects: Vec<(Span, Span, Span)>,
    /// From the first to the last token.
    pub(super) span: Span,
    /// The separator before it on its line.
    pub(super) before: Option<Span>,
    /// The separator behind it on its line.
    pub(super) behind: Option<Span>,
}

/// How many lines a quoted text may have. What has more is a quote that was misread, and must not swallow the script.
const MAX_QUOTED_LINES: usize = 200;

/// The logical lines of a script; lines inside here-documents are left out.
pub(super) fn lines(script: &[u8]) -> Vec<Line> {
    lines_from(script, if script.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 })
}

/// The logical lines from `start` to the end of `script`.
pub(super) fn lines_from(script: &[u8], start: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = start;
    let mut here_documents: Vec<Vec<u8>> = Vec::new();
    while at < script.len() {
        if let Some(mark) = here_documents.first() {
            let (natural, natural_end) = natural_line(script, at);
            if script[natural].trim_ascii() == mark.as_slice() {
                here_documents.remove(0);
            }
            at = natural_end;
            continue;
        }
        let (span, end, tokens) = quoted_line(script, at);
        for token in &tokens {
            if let Token::Redirect { sign, target, .. } = token
                && matches!(&script[sign.clone()], b"<<" | b"<<-")
            {
                here_documents.push(unquote(&script[target.clone()]));
            }
        }
        lines.push(Line { span, end, tokens });
        at = end;
    }
    lines
}

impl Line {
    /// The commands of the line.
    pub(super) fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        let mut before = None;
        let mut current: Option<Command> = None;
        for token in &self.tokens {
            let span = match token {
                Token::Separator(span) => {
                    if let Some(mut command) = current.take() {
                        command.behind = Some(span.clone());
                        commands.push(command);
                    }
                    before = Some(span.clone());
                    continue;
                }
                Token::Comment(_) => break,
                Token::Word(span) | Token::Redirect { span, .. } => span.clone(),
            };
            let command = current.get_or_insert_with(|| Command {
                words: Vec::new(),
                redirects: Vec::new(),
                span: span.clone(),
                before: before.clone(),
                behind: None,
            });
            command.span.end = span.end;
            match token {
                Token::Redirect { span, sign, target } => {
                    command.redirects.push((span.clone(), sign.clone(), target.clone()));
                }
                _ => command.words.push(span),
            }
        }
        commands.extend(current);
        commands
    }
}

/// A word without its quotes and escapes.
pub(super) fn unquote(word: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(word.len());
    let mut quote = None;
    let mut bytes = word.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\'' | b'"', None) => quote = Some(byte),
            (_, Some(mark)) if byte == mark => quote = None,
            (b'\\', None) => text.extend(bytes.next()),
            (b'\\', Some(b'"')) if matches!(bytes.peek(), Some(b'"' | b'\\' | b'$' | b'`')) => {
                text.extend(bytes.next());
            }
            _ => text.push(byte),
        }
    }
    text
}

/// Whether a word is an assignment: `NAME=…`.
pub(super) fn assigns(word: &[u8]) -> bool {
    let name = word.split(|&byte| byte == b'=').next().unwrap_or_default();
    let is_name =
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    is_name && name.len() < word.len()
}

/// A value as one word of a shell.
pub(super) fn quote(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

/// The line at `at` without its terminator, and the place behind that.
fn natural_line(script: &[u8], at: usize) -> (Span, usize) {
    let length = script[at..].iter().position(|&byte| byte == b'\n');
    let end = length.map_or(script.len(), |length| at + length);
    let text = at..end - usize::from(script[at..end].ends_with(b"\r"));
    (text, length.map_or(end, |_| end + 1))
}

/// A logical line with its tokens; with those that follow, where a quote or substitution of it ends there.
fn quoted_line(script: &[u8], start: usize) -> (Span, usize, Vec<Token>) {
    let (span, end) = logical_line(script, start);
    let (first, mut is_open) = tokens(script, span.clone());
    let (mut longer, mut longer_end) = (span.clone(), end);
    for _ in 0..MAX_QUOTED_LINES {
        if !is_open || longer_end >= script.len() {
            break;
        }
        let (next, next_end) = logical_line(script, longer_end);
        (longer.end, longer_end) = (next.end, next_end);
        let (tokens, still_open) = tokens(script, longer.clone());
        if !still_open {
            return (longer, longer_end, tokens);
        }
        is_open = still_open;
    }
    (span, end, first)
}

fn logical_line(script: &[u8], start: usize) -> (Span, usize) {
    let mut at = start;
    loop {
        let (text, end) = natural_line(script, at);
        let backslashes =
            script[text.clone()].iter().rev().take_while(|&&byte| byte == b'\\').count();
        // A backslash before CR LF escapes the CR, for a shell; whoever wrote it meant the line end.
        if backslashes % 2 == 0
            || end >= script.len()
            || script[text.clone()].trim_ascii_start().starts_with(b"#")
        {
            return (start..text.end, end);
        }
        at = end;
    }
}

/// The tokens of a line, and whether a quote or substitution is still open at its end.
fn tokens(script: &[u8], line: Span) -> (Vec<Token>, bool) {
    let mut tokens = Vec::new();
    let mut is_open = false;
    let mut at = line.start;
    while at < line.end {
        let rest = &script[at..line.end];
        match rest {
            [b' ' | b'\t' | b'\r' | b'\n', ..] => at += 1,
            [b'\\', b'\n', ..] => at += 2,
            [b'\\', b'\r', b'\n', ..] => at += 3,
            [b'#', ..] => {
                tokens.push(Token::Comment(at..line.end));
                break;
            }
            _ => {
                let token = redirect(script, at, line.end).unwrap_or_else(|| {
                    let separator = separator_length(rest);
                    if separator > 0 {
                        Token::Separator(at..at + separator)
                    } else {
                        Token::Word(at..word_end(script, at, line.end).0)
                    }
                });
                at = match &token {
                    Token::Word(span)
                    | Token::Separator(span)
                    | Token::Comment(span)
                    | Token::Redirect { span, .. } => span.end,
                };
                is_open = match &token {
                    Token::Word(span) | Token::Redirect { target: span, .. } => {
                        word_end(script, span.start, line.end).1
                    }
                    _ => false,
                };
                tokens.push(token);
            }
        }
    }
    (tokens, is_open)
}

fn separator_length(rest: &[u8]) -> usize {
    match rest {
        [b'&', b'&', ..] | [b'|', b'|' | b'&', ..] | [b';', b';', ..] => 2,
        [b'&' | b'|' | b';' | b'(' | b')', ..] => 1,
        _ => 0,
    }
}

/// A redirection that begins here: `2>&1`, `> /dev/null`, `&>x`, `<<EOF`.
fn redirect(script: &[u8], start: usize, end: usize) -> Option<Token> {
    let digits = script[start..end].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = start + digits;
    let rest = &script[sign..end];
    let length = match rest {
        [b'&', b'>', b'>', ..] | [b'<', b'<', b'-' | b'<', ..] => 3,
        [b'&', b'>', ..] | [b'>', b'>' | b'&' | b'|', ..] | [b'<', b'<' | b'&' | b'>', ..] => 2,
        [b'>' | b'<', ..] => 1,
        _ => return None,
    };
    let behind = sign + length;
    let spaces = script[behind..end].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let target = behind + spaces..word_end(script, behind + spaces, end).0;
    Some(Token::Redirect { span: start..target.end, sign: sign..behind, target })
}

/// The end of the word that begins at `start`, quotes and substitutions belong to it; and whether one is still open there.
fn word_end(script: &[u8], start: usize, end: usize) -> (usize, bool) {
    let mut at = start;
    // What closes the quotes and substitutions that are open, innermost last.
    let mut open: Vec<u8> = Vec::new();
    while at < end {
        let rest = &script[at..end];
        match (rest, open.last()) {
            ([b'\'', ..], Some(b'\'')) => {
                open.pop();
            }
            (_, Some(b'\'')) => {}
            ([b'\\', ..], _) => at += 1,
            ([byte, ..], Some(close)) if byte == close => {
                open.pop();
            }
            ([b'$', opening @ (b'(' | b'{'), ..], _) => {
                open.push(if *opening == b'(' { b')' } else { b'}' });
                at += 1;
            }
            ([mark @ (b'"' | b'`'), ..], _) => open.push(*mark),
            ([b'\'', ..], close) if close != Some(&b'"') => open.push(b'\''),
            (
                [b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>', ..],
                None,
            ) => return (at, false),
            _ => {}
        }
        at += 1;
    }
    (end, !open.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(script: &str) -> String {
        let bytes = script.as_bytes();
        let text = |span: &Span| String::from_utf8_lossy(&bytes[span.clone()]).into_owned();
        lines(bytes)
            .iter()
            .map(|line| {
                line.tokens
                    .iter()
                    .map(|token| match token {
                        Token::Word(span) => format!("w[{}]", text(span)),
                        Token::Separator(span) => format!("s[{}]", text(span)),
                        Token::Redirect { sign, target, .. } => {
                            format!("r[{} {}]", text(sign), text(target))
                        }
                        Token::Comment(_) => "c".to_owned(),
                    })
                    .collect::<String>()
            })
            .collect::<Vec<_>>()
            .join("|")
    }

    #[test]
    fn a_line_is_split_as_a_shell_would() {
        for (script, expected) in [
            (
                "nohup ./startup.sh 2>&1 > /dev/null &\n",
                "w[nohup]w[./startup.sh]r[>& 1]r[> /dev/null]s[&]",
            ),
            ("a&&b||c;(d)|e # f\n", "w[a]s[&&]w[b]s[||]w[c]s[;]s[(]w[d]s[)]s[|]w[e]c"),
            (
                "echo 'a b' \"c \\\" $(d 'e)' f)\" g\\ h\r\nx",
                "w[echo]w['a b']w[\"c \\\" $(d 'e)' f)\"]w[g\\ h]|w[x]",
            ),
            ("tail -f \\\n  x\n", "w[tail]w[-f]w[x]"),
            ("cat <<'EOF'\ntail -f x\nEOF\ny\n", "w[cat]r[<< 'EOF']|w[y]"),
            ("a &>/dev/null", "w[a]r[&> /dev/null]"),
            ("# it's \\\nb\n", "c|w[b]"),
        ] {
            assert_eq!(shape(script), expected, "{script:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_at_all_are_split_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            for line in lines(&bytes) {
                let _ = line.commands();
            }
        }

        #[test]
        fn any_shell_like_text_is_split_without_a_panic(text in "[a'\"`$(){}\\\\<>&|;# \n\r0-9]{0,40}") {
            for line in lines(text.as_bytes()) {
                let _ = line.commands();
            }
        }
    }
}
