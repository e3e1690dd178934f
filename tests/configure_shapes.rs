//! The configure step on files of random shape: what a vendor may write in another way must not matter.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![expect(clippy::struct_excessive_bools, reason = "manners are independent of each other")]
#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "test texts are small, and read best this way"
)]

#[expect(dead_code, reason = "not every test program uses all of it")]
mod configure_support;

use configure_support::{Installed, Xml, everything};
use jjobs_init::boot::{cancel::Cancel, configure};
use proptest::{prelude::*, sample::select};
use std::fs;

const DATASOURCE: &str = "server/webapps/jjob-server/WEB-INF/classes/spring/context-datasource.xml";
const CONTEXT: &str = "manager/conf/context.xml";
const LOG4J2: &str = "server/webapps/jjob-server/WEB-INF/classes/properties/log4j2.xml";
const PROPERTIES: &str = "agent/app/META-INF/resource.properties";

/// How a vendor may write one and the same file.
#[derive(Debug, Clone)]
struct Manner {
    quote: char,
    newline: &'static str,
    space: &'static str,
    comment: &'static str,
    is_euc_kr: bool,
    has_mark: bool,
    name_first: bool,
    is_shuffled: bool,
    form: Form,
}

/// How a bean's value may be written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Attribute,
    Element,
    CData,
    Shorthand,
}

fn manner() -> impl Strategy<Value = Manner> {
    let look = (
        select(vec!['"', '\'']),
        select(vec!["\n", "\r\n"]),
        select(vec![" ", "  ", "\t", "\n      "]),
        select(vec!["", "<!-- 메타 DB -->", "<!-- a > b & 'c' -->", "<!-- <unfinished> -->"]),
    );
    let form = select(vec![Form::Attribute, Form::Element, Form::CData, Form::Shorthand]);
    (look, any::<[bool; 4]>(), form).prop_map(|((quote, newline, space, comment), flags, form)| {
        Manner {
            quote,
            newline,
            space,
            comment,
            is_euc_kr: flags[0],
            has_mark: flags[1] && !flags[0],
            name_first: flags[2],
            is_shuffled: flags[3],
            form,
        }
    })
}

impl Manner {
    fn attributes(&self, pairs: &[(&str, &str)]) -> String {
        let mut pairs = pairs.to_vec();
        if !self.name_first {
            pairs.reverse();
        }
        pairs
            .iter()
            .map(|(name, value)| format!("{}{name}={q}{value}{q}", self.space, q = self.quote))
            .collect()
    }

    fn bytes(&self, xml: &str) -> Vec<u8> {
        let name = if self.is_euc_kr { "EUC-KR" } else { "UTF-8" };
        let text =
            format!("<?xml version='1.0' encoding='{name}'?>\n{xml}").replace('\n', self.newline);
        let encoded = if self.is_euc_kr {
            encoding_rs::EUC_KR.encode(&text).0.into_owned()
        } else {
            text.into_bytes()
        };
        if self.has_mark { [b"\xEF\xBB\xBF".as_slice(), &encoded].concat() } else { encoded }
    }

    fn datasource(&self) -> Vec<u8> {
        let mut values = [
            ("driverClassName", "d"),
            ("url", "jdbc:postgresql://db:5432/jjobs"),
            ("username", "u"),
            ("password", "p"),
        ];
        if self.is_shuffled {
            values.rotate_left(2);
        }
        let mut content = String::new();
        let mut shorthand = Vec::new();
        let names: Vec<String> = values.iter().map(|(name, _)| format!("p:{name}")).collect();
        for ((name, value), short) in values.iter().zip(&names) {
            match self.form {
                Form::Attribute => {
                    content += &format!(
                        "    <property{}/>\n",
                        self.attributes(&[("name", name), ("value", value)])
                    );
                }
                Form::Element => {
                    let attributes = self.attributes(&[("name", name)]);
                    content +=
                        &format!("<property{attributes}>\n<value>{value}</value></property>\n");
                }
                Form::CData => {
                    let attributes = self.attributes(&[("name", name)]);
                    content += &format!(
                        "<property{attributes}><value><![CDATA[{value}]]></value></property>"
                    );
                }
                Form::Shorthand => shorthand.push((short.as_str(), *value)),
            }
            content += self.comment;
        }
        shorthand.push(("class", "org.apache.commons.dbcp2.BasicDataSource"));
        let attributes = self.attributes(&shorthand);
        self.bytes(&format!(
            "{c}<beans xmlns:p='http://www.springframework.org/schema/p'>\n<bean{attributes}>{content}</bean>\n<other/></beans>\n{c}",
            c = self.comment
        ))
    }

    fn context(&self) -> Vec<u8> {
        let mut attributes = vec![
            ("username", "u"),
            ("password", "p"),
            ("driverClassName", "d"),
            ("className", "c"),
        ];
        if self.is_shuffled {
            attributes.swap(0, 2);
        }
        let store = format!("<Store{}{}/>", self.attributes(&attributes), self.space);
        self.bytes(&format!("<Context>{}\n<Manager>{store}</Manager></Context>", self.comment))
    }

    fn log4j2(&self, commented: &[&str]) -> Vec<u8> {
        let comments: String =
            commented.iter().map(|text| format!("{}<!--{text}-->\n", self.comment)).collect();
        self.bytes(&format!("<Configuration>{comments}<Loggers/></Configuration>{}", self.comment))
    }

    fn properties(&self, parts: &[&str]) -> Vec<u8> {
        let text = parts.concat().replace('\n', self.newline);
        if self.is_euc_kr {
            encoding_rs::EUC_KR.encode(&text).0.into_owned()
        } else {
            text.into_bytes()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_manner_of_writing_gives_the_wanted_values(
        manner in manner(),
        commented in proptest::collection::vec(select(vec![
            "<File name='a' fileName='/logs001/jjobs/server/a.log'/>", "\n <R><S x='&lt;'/>t</R>\n<T/> ", " prose ", "<open>", "",
            " see <File/>", "<a:b/>", "<A>&entity;</A>", "<A x='1' x='2'/>", " /logs001/jjobs/server: here ", "<가 나='다'/>",
        ]), 0..5),
        properties in proptest::collection::vec(select(vec![
            "log.file.base_path=/x\n", " log.file.base_path : /y\n", "#log.file.base_path=/z\n", "log.file.keep.date_cnt 1\n",
            "other=\\\n  log.file.keep.date_cnt=1\n", "# 로그\n", "\n", "k\\=v=log.file.base_path\n", "log.file.keep.backup_path\n",
            "log\\u002efile.keep.backup_delete_yn = \\u004E\n",
        ]), 0..6),
    ) {
        let installed = Installed::of("classic");
        fs::write(installed.path(DATASOURCE), manner.datasource()).unwrap();
        fs::write(installed.path(CONTEXT), manner.context()).unwrap();
        fs::write(installed.path(LOG4J2), manner.log4j2(&commented)).unwrap();
        fs::write(installed.path(PROPERTIES), manner.properties(&properties)).unwrap();
        let (datasource, context, log4j2) =
            (Xml::read(&installed, DATASOURCE), Xml::read(&installed, CONTEXT), Xml::read(&installed, LOG4J2));
        let mut wanted = installed.properties(PROPERTIES);

        configure::run(&everything(&installed), &Cancel::default()).unwrap();
        let before = installed.snapshot();
        configure::run(&everything(&installed), &Cancel::default()).unwrap();
        prop_assert!(installed.snapshot() == before);

        let mut new: Vec<_> = datasource.changes(&Xml::read(&installed, DATASOURCE)).into_iter().map(|(_, new)| new).collect();
        new.sort();
        prop_assert_eq!(new, [
            "eP+/==", "eU+/==", "jdbc:postgresql://db:5432/jjobs?sslmode=require&x='1'",
            "jjob.common.api.common.datasource.SecureDataSource",
        ]);
        let mut new: Vec<_> = context.changes(&Xml::read(&installed, CONTEXT)).into_iter().map(|(_, new)| new).collect();
        new.sort();
        prop_assert_eq!(new, ["<p&w\"'비밀>", "kim"]);

        let after = Xml::read(&installed, LOG4J2);
        let staying: Vec<_> = log4j2.comments_that_are_no_elements().iter()
            .map(|comment| comment.replace("/logs001/jjobs/server", "/logs/jjobs/server/jjobs-10")).collect();
        prop_assert_eq!(after.comments(), staying);
        prop_assert_eq!(after.elements(), log4j2.elements() + log4j2.elements_in_comments());
        prop_assert!(!after.text.contains("/logs001/"));

        for (key, value) in [
            ("log.file.base_path", "/logs/jjobs/agent/$AGENT_NAME/logs"),
            ("log.file.keep.backup_path", "/logs/jjobs/agent/$AGENT_NAME/backup"),
            ("log.file.keep.date_cnt", "5"),
            ("log.file.keep.backup_delete_yn", "Z"),
        ] {
            wanted.insert(key.to_owned(), value.to_owned());
        }
        prop_assert_eq!(installed.properties(PROPERTIES), wanted);
    }
}
