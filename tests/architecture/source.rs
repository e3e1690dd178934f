//! A source file read as tokens: which paths it mentions, and where its test modules are.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The files at the crate's root: they see all of the house.
pub(crate) const ROOT: [&str; 2] = ["lib", "main"];

/// One source file: the paths it mentions, and where its test modules are.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: PathBuf,
    /// Its modules from the root of the crate: `["plan", "component"]`.
    module: Vec<String>,
    /// Every path in it, groups spread out, with `crate`, `self` and `super` replaced by `crate` and modules.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// Everything quoted in it, documentation left out.
    pub(crate) literals: Vec<String>,
    /// Files and folders of modules that only tests have.
    pub(crate) test_modules: Vec<PathBuf>,
}

impl Source {
    /// Reads `text` as the file `path` of the repository.
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let path = PathBuf::from(path);
        let mut module: Vec<String> = path
            .with_extension("")
            .components()
            .skip(1)
            .map(|part| part.as_os_str().to_str().unwrap().to_owned())
            .collect();
        if module.len() > 1 && module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let tokens: TokenStream = text.parse().unwrap();
        let mut source = Self {
            path,
            module: module.clone(),
            paths: BTreeSet::new(),
            literals: Vec::new(),
            test_modules: Vec::new(),
        };
        // The two files at the root are the crate itself.
        let here =
            if module.len() == 1 && ROOT.contains(&module[0].as_str()) { vec![] } else { module };
        source.walk(tokens, &here);
        source
    }

    /// The first module below the crate: what the table of imports is about.
    pub(crate) fn top(&self) -> &str {
        &self.module[0]
    }

    fn walk(&mut self, tokens: TokenStream, here: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if let Some(attribute) = attribute(&tokens[at..]) {
                at = if attribute == "cfg(test)" { self.skip_item(&tokens, at) } else { at + 2 };
                continue;
            }
            // `#![…]`, as which the documentation of a module comes.
            if let [TokenTree::Punct(hash), TokenTree::Punct(inner), TokenTree::Group(_), ..] =
                &tokens[at..]
                && (hash.as_char(), inner.as_char()) == ('#', '!')
            {
                at += 3;
                continue;
            }
            // A module in the same file: what `super` means is different inside.
            if let [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..] =
                &tokens[at..]
                && word == "mod"
            {
                let inside: Vec<String> = here.iter().cloned().chain([name.to_string()]).collect();
                self.walk(body.stream(), &inside);
                at += 3;
                continue;
            }
            match &tokens[at] {
                TokenTree::Ident(_) => {
                    let (found, used) = path_at(&tokens[at..]);
                    self.paths.extend(found.into_iter().map(|path| absolute(path, here)));
                    at += used;
                }
                TokenTree::Group(group) => {
                    self.walk(group.stream(), here);
                    at += 1;
                }
                TokenTree::Literal(literal) => {
                    self.literals.push(literal.to_string());
                    at += 1;
                }
                TokenTree::Punct(_) => at += 1,
            }
        }
    }

    /// Steps over the item that the attribute at `at` belongs to, up to its `;` or its body.
    fn skip_item(&mut self, tokens: &[TokenTree], mut at: usize) -> usize {
        while attribute(&tokens[at..]).is_some() {
            at += 2;
        }
        if let [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(end), ..] =
            &tokens[at..]
            && word == "mod"
            && end.as_char() == ';'
        {
            let folder = match self.path.file_stem().and_then(|stem| stem.to_str()) {
                Some("mod" | "lib" | "main") => self.path.parent().unwrap().to_owned(),
                _ => self.path.with_extension(""),
            };
            self.test_modules.push(folder.join(format!("{name}.rs")));
            self.test_modules.push(folder.join(name.to_string()));
        }
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Punct(end) if end.as_char() == ';' => break,
                TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => break,
                _ => {}
            }
        }
        at
    }
}

/// Every Rust file below `src`, files of test modules left out.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                all.push(Source::parse(name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let tests: Vec<PathBuf> = all.iter().flat_map(|source| source.test_modules.clone()).collect();
    all.retain(|source| !tests.iter().any(|test| source.path.starts_with(test)));
    all
}

/// The text of the outer attribute that begins here.
fn attribute(tokens: &[TokenTree]) -> Option<String> {
    let [TokenTree::Punct(hash), TokenTree::Group(body), ..] = tokens else { return None };
    (hash.as_char() == '#' && body.delimiter() == Delimiter::Bracket)
        .then(|| body.stream().to_string().replace(char::is_whitespace, ""))
}

/// The paths that begin with the identifier at the start (several, where a group spreads them), and how
/// many tokens they take.
fn path_at(tokens: &[TokenTree]) -> (Vec<Vec<String>>, usize) {
    let mut path = Vec::new();
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            Some(TokenTree::Punct(star)) if star.as_char() == '*' && !path.is_empty() => {
                path.push("*".to_owned());
                return (vec![path], at + 1);
            }
            Some(TokenTree::Group(group))
                if group.delimiter() == Delimiter::Brace && !path.is_empty() =>
            {
                return (spread(&path, group.stream()), at + 1);
            }
            // `Vec::<T>` and the like: the path ends before what is inside.
            _ => return (vec![path], at.max(1)),
        }
        at += 1;
        match &tokens[at..] {
            [TokenTree::Punct(one), TokenTree::Punct(two), ..]
                if one.as_char() == ':' && two.as_char() == ':' =>
            {
                at += 2;
            }
            [TokenTree::Ident(rename), ..] if rename == "as" && path == ["crate"] => {
                path.push("as".to_owned());
                return (vec![path], at);
            }
            _ => return (vec![path], at),
        }
    }
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`; `a::{self}` as `a`.
fn spread(prefix: &[String], group: TokenStream) -> Vec<Vec<String>> {
    let tokens: Vec<TokenTree> = group.into_iter().collect();
    tokens
        .split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','))
        .flat_map(|part| match part.first() {
            Some(TokenTree::Ident(_)) => path_at(part).0,
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => vec![vec!["*".to_owned()]],
            _ => vec![],
        })
        .map(|tail| {
            let tail = tail.into_iter().filter(|word| word != "self");
            prefix.iter().cloned().chain(tail).collect()
        })
        .collect()
}

/// The path seen from the crate's root, where it starts at `self` or `super` of the module `here`.
fn absolute(path: Vec<String>, here: &[String]) -> Vec<String> {
    let mut module = here.to_vec();
    let mut rest = path.as_slice();
    match rest.first().map(String::as_str) {
        Some("self") => rest = &rest[1..],
        Some("super") => {
            while rest.first().is_some_and(|word| word == "super") {
                module.pop();
                rest = &rest[1..];
            }
        }
        _ => return path,
    }
    ["crate".to_owned()].into_iter().chain(module).chain(rest.iter().cloned()).collect()
}
