//! What a start script prints reaches the container's log: no output thrown away, no `tail` that never ends.

use super::{
    super::xml::{Span, Splices},
    words::{Command, Line, Token, assigns, lines_from, unquote},
};

/// Commands that run the command behind them.
const WRAPPERS: [&[u8]; 13] = [
    b"nohup",
    b"exec",
    b"setsid",
    b"command",
    b"nice",
    b"sudo",
    b"sh",
    b"bash",
    b"/bin/sh",
    b"/bin/bash",
    b".",
    b"source",
    b"env",
];

/// Shell words before which a command may stand.
const KEYWORDS: [&[u8]; 8] = [b"then", b"else", b"do", b"{", b"!", b"if", b"while", b"time"];

/// Commands that run a script given as one word: `su - user -c "…"`, `eval "…"`.
const RUNNERS: [&[u8]; 8] =
    [b"su", b"runuser", b"sudo", b"sh", b"bash", b"/bin/sh", b"/bin/bash", b"eval"];

/// Keeps Tomcat's startup output, and takes `tail -f …catalina.out` out.
pub(super) fn keep(
    script: &[u8],
    lines: &[Line],
    splices: &mut Splices,
    things: &mut Vec<&'static str>,
) {
    let logs = Logs::of(script, lines);
    let starts = keep_commands(script, lines, (&logs, splices, things));
    keep_groups(script, lines, &starts, (splices, things));
}

/// Edits every command by itself; says where Tomcat is started.
fn keep_commands(
    script: &[u8],
    lines: &[Line],
    (logs, splices, things): (&Logs, &mut Splices, &mut Vec<&'static str>),
) -> Vec<usize> {
    let mut starts = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        for command in line.commands() {
            let mut is_start = is_startup(script, &command);
            for inner in quoted_scripts(script, &command) {
                let script = &script[..inner.end];
                let lines = lines_from(script, inner.start);
                is_start |= !keep_commands(script, &lines, (logs, splices, things)).is_empty();
            }
            if is_start {
                starts.push(command.span.start);
                if keep_output(script, &command, splices) {
                    things.push("startup output");
                }
            } else if is_tail(script, &command, logs) {
                remove(script, (lines, index), &command, splices);
                things.push("tail of catalina.out");
            }
        }
    }
    starts
}

/// Keeps the output of what stands around a start of Tomcat: `{ …; } > /dev/null`, `( … ) > /dev/null`, `exec > /dev/null`.
fn keep_groups(
    script: &[u8],
    lines: &[Line],
    starts: &[usize],
    (splices, things): (&mut Splices, &mut Vec<&'static str>),
) {
    let mut open: Vec<usize> = Vec::new();
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for line in lines {
        let mut is_first = true;
        for token in &line.tokens {
            let (Token::Word(span) | Token::Separator(span)) = token else { continue };
            let text = &script[span.clone()];
            let is_separator = matches!(token, Token::Separator(_));
            match text {
                b"{" | b"if" | b"while" | b"until" | b"for" | b"case" if is_first => {
                    open.push(span.start);
                }
                b"(" if is_separator => open.push(span.start),
                b"}" | b"fi" | b"done" | b"esac" if is_first => {
                    groups.extend(open.pop().map(|opened| (opened, span.start)));
                }
                b")" if is_separator => {
                    groups.extend(open.pop().map(|opened| (opened, span.start)));
                }
                _ => {}
            }
            is_first = is_separator || KEYWORDS.contains(&text);
        }
    }
    for command in lines.iter().flat_map(Line::commands) {
        let closed = match command.words.as_slice() {
            [] => command.before.as_ref().map(|before| before.start),
            [word] => Some(word.start),
            _ => None,
        };
        let is_group = groups
            .iter()
            .filter(|(_, end)| Some(*end) == closed)
            .any(|(opened, end)| starts.iter().any(|start| (opened..end).contains(&start)));
        let is_exec = matches!(command.words.as_slice(), [word] if script[word.clone()] == *b"exec")
            && starts.iter().any(|start| *start > command.span.start);
        if (is_group || is_exec) && keep_output(script, &command, splices) {
            things.push("startup output");
        }
    }
}

/// The insides of a command's quoted words, where those are scripts.
fn quoted_scripts(script: &[u8], command: &Command) -> Vec<Span> {
    let is_run = command.words.iter().any(|word| RUNNERS.contains(&&script[word.clone()]));
    let inside = |word: &Span| match &script[word.clone()] {
        [first @ (b'"' | b'\''), inner @ .., last] if first == last && !inner.contains(first) => {
            Some(word.start + 1..word.end - 1)
        }
        _ => None,
    };
    if is_run { command.words.iter().filter_map(inside).collect() } else { Vec::new() }
}

/// The variables of a script that hold the path of `catalina.out`.
struct Logs(Vec<Vec<u8>>);

impl Logs {
    const FILE: &[u8] = b"catalina.out";

    fn of(script: &[u8], lines: &[Line]) -> Self {
        let words = lines.iter().flat_map(|line| &line.tokens).filter_map(|token| match token {
            Token::Word(span) => Some(&script[span.clone()]),
            _ => None,
        });
        let is_log = |word: &&[u8]| assigns(word) && contains(&unquote(word), Self::FILE);
        let name =
            |word: &[u8]| word.split(|&byte| byte == b'=').next().unwrap_or_default().to_vec();
        // Tomcat's own name for it.
        Self(words.filter(is_log).map(name).chain([b"CATALINA_OUT".to_vec()]).collect())
    }

    /// Whether a word names the file, by itself or by a variable.
    fn are_named_by(&self, word: &[u8]) -> bool {
        let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        contains(word, Self::FILE)
            || word.split(|&byte| byte == b'$').skip(1).any(|behind| {
                let behind = behind.strip_prefix(b"{").unwrap_or(behind);
                let length = behind.iter().take_while(|byte| is_name_byte(byte)).count();
                self.0.iter().any(|name| name == &behind[..length])
            })
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The words of a command without keywords, assignments and wrappers before it.
fn bare<'w>(script: &[u8], words: &'w [Span]) -> &'w [Span] {
    let is_before = |word: &Span| {
        let text = &script[word.clone()];
        KEYWORDS.contains(&text)
            || WRAPPERS.contains(&text)
            || text.starts_with(b"-")
            || text.iter().all(u8::is_ascii_digit)
            || assigns(text)
    };
    let skipped = words.iter().take_while(|word| is_before(word)).count();
    &words[skipped..]
}

/// `startup.sh`, or `catalina.sh start`, which is the same.
fn is_startup(script: &[u8], command: &Command) -> bool {
    let words = bare(script, &command.words);
    let is_named = |word: Option<&Span>, name: &[u8]| {
        word.is_some_and(|word| {
            unquote(&script[word.clone()]).rsplit(|&byte| byte == b'/').next() == Some(name)
        })
    };
    is_named(words.first(), b"startup.sh")
        || is_named(words.first(), b"catalina.sh") && is_named(words.get(1), b"start")
}

/// Takes `nohup` and every redirection to `/dev/null` off. Output that goes to a file is kept already.
fn keep_output(script: &[u8], command: &Command, splices: &mut Splices) -> bool {
    let is_output = |(_, sign, _): &&(Span, Span, Span)| script[sign.clone()].contains(&b'>');
    let is_copy = |(_, sign, target): &(Span, Span, Span)| {
        script[sign.clone()].ends_with(b"&")
            && script[target.clone()].iter().all(u8::is_ascii_digit)
    };
    let outputs: Vec<_> = command.redirects.iter().filter(is_output).collect();
    let is_null =
        |(_, _, target): &(Span, Span, Span)| unquote(&script[target.clone()]) == b"/dev/null";
    let goes_elsewhere = outputs.iter().any(|redirect| !is_copy(redirect) && !is_null(redirect));
    let nohup = command.words.iter().find(|word| script[(*word).clone()] == *b"nohup");
    let is_thrown_away = outputs.iter().any(|redirect| is_null(redirect));
    if goes_elsewhere || !is_thrown_away && nohup.is_none() {
        return false;
    }
    if let Some(nohup) = nohup {
        splices.replace(nohup.start..nohup.end + spaces(&script[nohup.end..]), "");
    }
    if is_thrown_away {
        for (span, _, _) in outputs {
            let start = script[..span.start].trim_ascii_end().len();
            splices.replace(start..span.end, "");
        }
    }
    true
}

fn is_tail(script: &[u8], command: &Command, logs: &Logs) -> bool {
    let words = bare(script, &command.words);
    let text = |word: &Span| unquote(&script[word.clone()]);
    let program = words.first().map(text).unwrap_or_default();
    let follows = |word: &Span| {
        let option = text(word);
        option.starts_with(b"--follow")
            || option.starts_with(b"-")
                && !option.starts_with(b"--")
                && option.iter().any(|b| matches!(b, b'f' | b'F'))
    };
    let is_following = match program.rsplit(|&byte| byte == b'/').next() {
        Some(b"tail") => words.iter().any(follows),
        Some(b"tailf") => true,
        _ => false,
    };
    is_following && words.iter().any(|word| logs.are_named_by(&text(word)))
}

/// Takes a command out so that the script stays one: its whole line, or with the separator before it, or by a `:` in its place.
fn remove(
    script: &[u8],
    (lines, index): (&[Line], usize),
    command: &Command,
    splices: &mut Splices,
) {
    let line = &lines[index];
    let first = command
        .words
        .iter()
        .position(|word| !KEYWORDS.contains(&&script[word.clone()]))
        .unwrap_or_default();
    let start = command.words.get(first).map_or(command.span.start, |word| word.start);
    let separator = |span: &Option<Span>| span.as_ref().map(|span| &script[span.clone()]);
    // `tail -f x &` ends with its separator, and so does `tail -f x;`.
    let end = match (&command.behind, separator(&command.behind)) {
        (Some(span), Some(b"&" | b";")) if is_blank(&script[span.end..line.span.end]) => span.end,
        _ => command.span.end,
    };
    let is_alone =
        is_blank(&script[line.span.start..start]) && is_blank(&script[end..line.span.end]);
    if is_alone && !is_needed(script, lines, index) {
        splices.replace(line.span.start..line.end, "");
        return;
    }
    match (&command.before, separator(&command.before)) {
        (Some(before), Some(b"&&" | b"||" | b";"))
            if first == 0 && is_blank(&script[end..line.span.end]) =>
        {
            let cut = script[..before.start].trim_ascii_end().len();
            splices.replace(cut..end, "");
        }
        // A background command before: its `&` stays.
        (Some(before), Some(b"&")) if first == 0 && is_blank(&script[end..line.span.end]) => {
            splices.replace(before.end..end, "");
        }
        _ => {
            // A loop around nothing would never end.
            let is_in_loop = first > 0 && script[command.words[first - 1].clone()] == *b"do"
                || lines[..index].last().is_some_and(|line| {
                    script[line.span.clone()].trim_ascii_end().ends_with(b"do")
                });
            splices.replace(start..command.span.end, if is_in_loop { "break" } else { ":" });
        }
    }
}

fn is_blank(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.is_empty() || text.starts_with(b"#")
}

/// Whether a shell would miss the command: `then`, it, `fi`; or behind a line that ends with `&&`.
fn is_needed(script: &[u8], lines: &[Line], index: usize) -> bool {
    let is_code = |token: &&Token| !matches!(token, Token::Comment(_));
    let before = lines[..index].iter().rev().find_map(|line| line.tokens.iter().rfind(is_code));
    let is_opened = match before {
        Some(Token::Separator(span)) => match &script[span.clone()] {
            b"&&" | b"||" | b"|" | b"|&" => return true,
            text => matches!(text, b"(" | b")"),
        },
        Some(Token::Word(span)) => {
            let opens: [&[u8]; 5] = [b"then", b"else", b"do", b"{", b"in"];
            opens.contains(&&script[span.clone()])
        }
        _ => false,
    };
    let closes: [&[u8]; 7] = [b"fi", b"else", b"elif", b"done", b"}", b"esac", b";;"];
    let behind = lines.get(index + 1..).unwrap_or_default();
    let is_closed =
        behind.iter().find_map(|line| line.tokens.iter().find(is_code)).is_some_and(|token| {
            let (Token::Word(span) | Token::Separator(span)) = token else { return false };
            closes.contains(&&script[span.clone()]) || script[span.clone()] == *b")"
        });
    is_opened && is_closed
}

fn spaces(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::super::{Script, edit};

    fn run(text: &str) -> String {
        let edited = edit(text.as_bytes(), &Script::default());
        assert_eq!(edit(&edited.bytes, &Script::default()).bytes, edited.bytes);
        String::from_utf8(edited.bytes).unwrap()
    }

    #[test]
    fn the_startup_output_is_kept() {
        for (before, after) in [
            ("nohup ./startup.sh 2>&1 > /dev/null &\n", "./startup.sh &\n"),
            ("nohup ./startup.sh >/dev/null 2>&1 &\r\n", "./startup.sh &\r\n"),
            ("  ./startup.sh > /dev/null", "  ./startup.sh"),
            (
                "cd bin && nohup  sh \"$X/bin/startup.sh\" &>/dev/null &\n",
                "cd bin && sh \"$X/bin/startup.sh\" &\n",
            ),
            (
                "(cd bin; ./startup.sh >>/dev/null 2>>/dev/null </dev/null)\n",
                "(cd bin; ./startup.sh </dev/null)\n",
            ),
            ("nohup ./catalina.sh start 1>/dev/null &\n", "./catalina.sh start &\n"),
            ("nohup ./startup.sh &\n", "./startup.sh &\n"),
            ("{ nohup ./startup.sh; } > /dev/null 2>&1 &\n", "{ ./startup.sh; } &\n"),
            (
                "(\n cd bin\n ./startup.sh\n) > /dev/null 2>&1 &\n",
                "(\n cd bin\n ./startup.sh\n) &\n",
            ),
            (
                "if a; then ./startup.sh; fi >/dev/null\n(b) >/dev/null\n",
                "if a; then ./startup.sh; fi\n(b) >/dev/null\n",
            ),
            ("exec >/dev/null 2>&1\n./startup.sh &\n", "exec\n./startup.sh &\n"),
            (
                "su - jjobs -c \"cd bin; nohup ./startup.sh > /dev/null 2>&1 &\" >/dev/null\n",
                "su - jjobs -c \"cd bin; ./startup.sh &\"\n",
            ),
            ("eval './startup.sh\n > /dev/null'\n", "eval './startup.sh\n > /dev/null'\n"),
        ] {
            assert_eq!(run(before), after);
        }
    }

    #[test]
    fn what_throws_nothing_away_is_left_alone() {
        for text in [
            "./startup.sh &\n",
            "nohup ./startup.sh > /tmp/start.log 2>&1 &\n",
            "exec ./catalina.sh run\n",
            "# nohup ./startup.sh > /dev/null\n",
            "chmod +x startup.sh > /dev/null\n",
            "ps -ef | grep startup.sh > /dev/null\n",
            "tail -f /logs001/jjobs/server/server.log\n",
            "tail -100 logs/catalina.out\n",
            "echo \"tail -f catalina.out\"\n",
            "cat <<EOF\ntail -f catalina.out\nEOF\n",
            "HELP=\"use\ntail -f catalina.out\n\"\n",
            "OUT=catalina.out\ntail -f $OUTPUT\n",
            "(./b.sh) > /dev/null\n",
            "exec > /dev/null\n",
        ] {
            assert_eq!(run(text), text);
        }
    }

    #[test]
    fn the_tail_goes_and_the_script_stays_one() {
        for (before, after) in [
            ("a\ntail -f /x/logs/catalina.out\nb\n", "a\nb\n"),
            ("a\ntail -f /x/logs/catalina.out", "a\n"),
            ("\texec tail -n 100 -F \"$X/logs/catalina.out\" 2>/dev/null & # log\n", ""),
            ("tail -100f \\\n  catalina.out\n", ""),
            ("./startup.sh && tail -f ../logs/catalina.out\n", "./startup.sh\n"),
            ("./startup.sh & tail --follow=name catalina.out;\n", "./startup.sh &\n"),
            ("if a; then tail -f catalina.out; fi\n", "if a; then :; fi\n"),
            ("if a\nthen\n  tail -f catalina.out\nfi\n", "if a\nthen\n  :\nfi\n"),
            ("while :; do tail -f catalina.out; done\n", "while :; do break; done\n"),
            ("while :\ndo\n tail -f catalina.out\ndone\n", "while :\ndo\n break\ndone\n"),
            ("tail -f catalina.out | grep x\n", ": | grep x\n"),
            ("[ -f x ] &&\n  tail -f catalina.out\nb\n", "[ -f x ] &&\n  :\nb\n"),
            ("a ||\n # log\n tail -f catalina.out\n", "a ||\n # log\n :\n"),
            ("(\n tail -f catalina.out\n)\n", "(\n :\n)\n"),
            ("OUT=\"$L/catalina.out\"\ntail -f ${OUT}\n", "OUT=\"$L/catalina.out\"\n"),
            ("tailf logs/catalina.out\n", ""),
            ("sh -c 'a; tail -f catalina.out'\n", "sh -c 'a'\n"),
        ] {
            assert_eq!(run(before), after);
        }
    }
}
