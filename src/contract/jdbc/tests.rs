#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use super::*;
use proptest::prelude::*;

fn hosts(url: &str) -> String {
    let parsed = JdbcUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    let hosts: Vec<String> = parsed.hosts.iter().map(ToString::to_string).collect();
    format!("{} {}", parsed.kind.name(), hosts.join(" ")).trim_end().to_owned()
}

#[test]
fn every_shape_in_the_field_names_its_hosts() {
    for (url, expected) in [
        ("jdbc:postgresql://h:5432/db", "postgres h:5432"),
        ("jdbc:postgresql://h/db", "postgres h:5432"),
        ("jdbc:postgresql://h", "postgres h:5432"),
        ("jdbc:postgresql://h?ssl=true", "postgres h:5432"),
        ("jdbc:postgresql://h:/db", "postgres h:5432"),
        (
            "jdbc:postgresql://h1:5432,h2:5433/db?targetServerType=primary",
            "postgres h1:5432 h2:5433",
        ),
        ("jdbc:postgresql://[::1]:6000/db", "postgres [::1]:6000"),
        ("jdbc:postgresql://[fe80::1%eth0]/db", "postgres [fe80::1%eth0]:5432"),
        ("jdbc:postgresql://::1/db", "postgres [::1]:5432"),
        ("jdbc:postgresql://[::1],h2:1/db", "postgres [::1]:5432 h2:1"),
        ("jdbc:postgresql:db", "postgres localhost:5432"),
        ("jdbc:postgresql:///db", "postgres localhost:5432"),
        ("jdbc:postgresql://u:p@h:1/db", "postgres h:1"),
        ("jdbc:postgresql://h/db?user=a@b&options=//x:9/", "postgres h:5432"),
        ("jdbc:postgresql://10.1.2.3:7432/jjobs?currentSchema=a", "postgres 10.1.2.3:7432"),
        (
            "jdbc:aws-wrapper:postgresql://h.rds.amazonaws.com:5432/db",
            "postgres h.rds.amazonaws.com:5432",
        ),
        ("jdbc:aws-wrapper:mysql://h/db", "mysql h:3306"),
        ("jdbc:mysql://h/db", "mysql h:3306"),
        ("jdbc:mysql://h1,h2:3307/db", "mysql h1:3306 h2:3307"),
        ("jdbc:mysql:///db", "mysql localhost:3306"),
        ("jdbc:mysql:replication://a:1,b:2/db", "mysql a:1 b:2"),
        ("jdbc:mysql:loadbalance://a,b/db", "mysql a:3306 b:3306"),
        ("jdbc:mysql+srv://_mysql._tcp.example.com/db", "mysql"),
        ("jdbc:mysql://address=(host=h)(port=3310)/db", "mysql h:3310"),
        (
            "jdbc:mysql://address=(protocol=tcp)(host=h1)(port=1)(user=u)(password=a/b),address=(host=h2)/db",
            "mysql h1:1 h2:3306",
        ),
        ("jdbc:mysql://ADDRESS = (host=h)/db", "!"),
        ("jdbc:mysql://(host=h1,port=1,user=u),(host=h2)/db", "mysql h1:1 h2:3306"),
        ("jdbc:mysql://u:p@[h1:1,h2:2]/db", "mysql h1:1 h2:2"),
        ("jdbc:mysql://u:p@[(host=h1,port=9),h2]/db", "mysql h1:9 h2:3306"),
        ("jdbc:mysql://u1:p1@h1:1,u2:p2@h2:2/db", "mysql h1:1 h2:2"),
        ("jdbc:mysql://[::1]:3307/db", "mysql [::1]:3307"),
        ("jdbc:mysql://address=(host=::1)(port=5)/db", "mysql [::1]:5"),
        ("jdbc:mysql://address=(protocol=pipe)(path=\\\\.\\pipe\\x)/db", "mysql"),
        ("jdbc:mariadb://h/db", "mariadb h:3306"),
        ("jdbc:mariadb:failover://a:1,b/db", "mariadb a:1 b:3306"),
        (
            "jdbc:mariadb:sequential://address=(host=a)(type=primary),address=(host=b)(port=2)/db",
            "mariadb a:3306 b:2",
        ),
        ("jdbc:mariadb:load-balance-read://a,b,c/db", "mariadb a:3306 b:3306 c:3306"),
        ("jdbc:oracle:thin:@host:1522:SID", "oracle host:1522"),
        ("jdbc:oracle:thin:@host:1522/svc", "oracle host:1522"),
        ("jdbc:oracle:thin:@host/svc", "oracle host:1521"),
        ("jdbc:oracle:thin:@//host:1522/svc", "oracle host:1522"),
        ("jdbc:oracle:thin:@//host/svc", "oracle host:1521"),
        ("jdbc:oracle:thin:@[::1]:1522:SID", "oracle [::1]:1522"),
        ("jdbc:oracle:thin:@//[2001:db8::1]:1522/svc", "oracle [2001:db8::1]:1522"),
        ("jdbc:oracle:thin:user/pw@//host:1521/service", "oracle host:1521"),
        ("jdbc:oracle:thin:user/p@w@//host:1521/service", "oracle host:1521"),
        ("jdbc:oracle:thin:user/\"p@//x\"@host:1525:SID", "oracle host:1525"),
        ("jdbc:oracle:thin:user/pw@host:1525:SID", "oracle host:1525"),
        ("jdbc:oracle:thin:@tcp://h1:1521,h2,h3:1522/svc", "oracle h1:1521 h2:1522 h3:1522"),
        ("jdbc:oracle:thin:@tcps://h1,h2:1522/svc?wallet_location=/w", "oracle h1:1522 h2:1522"),
        ("jdbc:oracle:thin:@tcps://h/svc", "oracle h:1521"),
        ("jdbc:oracle:thin:@TCPS://h:2484/svc", "oracle h:2484"),
        ("jdbc:oracle:thin:@h1;h2:1600/svc", "oracle h1:1600 h2:1600"),
        (
            "jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS_LIST=(ADDRESS=(PROTOCOL=TCP)(HOST=a)(PORT=1))(ADDRESS=(PROTOCOL=TCP)(HOST=b)))(CONNECT_DATA=(SERVICE_NAME=s)))",
            "oracle a:1 b:1521",
        ),
        (
            "jdbc:oracle:thin:@( description = (load_balance=on)\n ( address_list = ( address = ( protocol = tcp ) ( host = a ) ( port = 1 ) ) )\n (address_list=(address=(port=2)(host=b)))(connect_data=(sid=x)))",
            "oracle a:1 b:2",
        ),
        (
            "jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS=(PROTOCOL=tcps)(PORT=1522)(HOST=::1))(SECURITY=(SSL_SERVER_CERT_DN=\"CN=a@b\")))",
            "oracle [::1]:1522",
        ),
        ("jdbc:oracle:thin:u/p@(DESCRIPTION=(HOST=a)(PORT=1))", "oracle a:1"),
        (
            "jdbc:oracle:thin:@(DESCRIPTION_LIST=(DESCRIPTION=(ADDRESS=(HOST=a)(PORT=1)))(DESCRIPTION=(ADDRESS=(HOST=a)(PORT=1))))",
            "oracle a:1",
        ),
        ("jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS=(PROTOCOL=IPC)(KEY=x)))", "oracle"),
        ("jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS=(HOST=a)(PORT=1", "oracle"),
        ("jdbc:oracle:thin:@MYALIAS", "oracle"),
        ("jdbc:oracle:thin:@mydb_high?TNS_ADMIN=/wallet:x", "oracle"),
        ("jdbc:oracle:thin:@ldap://oid.example.com:389/db,cn=OracleContext", "oracle"),
        ("jdbc:oracle:thin:@ldap:oid", "oracle"),
        ("jdbc:oracle:thin:@config-file://x.json", "oracle"),
        ("jdbc:oracle:oci:@//host:1521/svc", "oracle"),
        ("jdbc:oracle:oci8:@ALIAS", "oracle"),
    ] {
        if expected == "!" {
            // Odd, but no reason to refuse the container, and never a reason to panic.
            let _ = JdbcUrl::parse(url);
        } else {
            assert_eq!(hosts(url), expected, "{url}");
        }
    }
}

#[test]
fn shapes_at_the_edge_name_their_hosts_too() {
    for (url, expected) in [
        ("jdbc:postgresql://[fe80::1%br-0_a.1]:6000/db", "postgres [fe80::1%br-0_a.1]:6000"),
        ("jdbc:postgresql:aws://h1,h2:1/db", "postgres h1:5432 h2:1"),
        ("jdbc:postgresql:aws", "postgres localhost:5432"),
        ("jdbc:aws-wrapper:mariadb://h:1,h2/db?x=y", "mariadb h:1 h2:3306"),
        ("jdbc:oracle:thin:@tcps:h:2484/svc", "oracle h:2484"),
        ("jdbc:oracle:thin:u/p@TCP:h1,h2:1/svc", "oracle h1:1 h2:1"),
        ("jdbc:mysql://address=(protocol=pipe),h2/db", "mysql h2:3306"),
    ] {
        assert_eq!(hosts(url), expected, "{url}");
    }
}

#[test]
fn what_is_no_url_of_ours_is_refused() {
    for (url, expected) in [
        ("", JdbcError::NotJdbc),
        ("postgresql://h/db", JdbcError::NotJdbc),
        ("JDBC:postgresql://h/db", JdbcError::UpperCase),
        ("jdbc:PostgreSQL://h/db", JdbcError::UpperCase),
        ("jdbc:", JdbcError::UnknownKind),
        ("jdbc:postgresql", JdbcError::UnknownKind),
        ("jdbc:sqlserver://h:1433;databaseName=x", JdbcError::UnknownKind),
        ("jdbc:h2:mem:x", JdbcError::UnknownKind),
        ("jdbc:postgres://h/db", JdbcError::UnknownKind),
        ("jdbc:postgresql://h:0/db", JdbcError::BadPort),
        ("jdbc:postgresql://10.0.0.300/db", JdbcError::BadHost),
        ("jdbc:postgresql://h:65536/db", JdbcError::BadPort),
        ("jdbc:postgresql://h:port/db", JdbcError::BadPort),
        ("jdbc:postgresql://$(DB_IP):5432/db", JdbcError::BadHost),
        ("jdbc:postgresql://${DB_IP}:5432/db", JdbcError::BadHost),
        ("jdbc:postgresql://a b:5432/db", JdbcError::BadHost),
        ("jdbc:postgresql://user:12/34@h:5432/db", JdbcError::BadHost),
        ("jdbc:postgresql://[zz]:1,[::1/db", JdbcError::BadHost),
        ("jdbc:oracle:thin:@host:abc:SID", JdbcError::BadPort),
        ("jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS=(HOST=a)(PORT=x)))", JdbcError::BadPort),
    ] {
        assert_eq!(JdbcUrl::parse(url), Err(expected), "{url}");
    }
}

#[test]
fn deep_nesting_is_no_way_to_exhaust_the_stack() {
    let deep = "[".repeat(200_000);
    let _ = JdbcUrl::parse(&format!("jdbc:mysql://{deep}"));
    let _ = JdbcUrl::parse(&format!("jdbc:mysql://{deep}h{}", "]".repeat(200_000)));
    let _ = JdbcUrl::parse(&format!("jdbc:oracle:thin:@{}", "(".repeat(200_000)));
    let _ = JdbcUrl::parse(&format!("jdbc:oracle:thin:@{}", "(A=".repeat(100_000)));
    let _ = JdbcUrl::parse(&format!("jdbc:oracle:thin:{}", "@".repeat(1 << 20)));
    let many: Vec<String> = (0..100_000).map(|number| format!("h{number}")).collect();
    assert_eq!(
        JdbcUrl::parse(&format!("jdbc:mysql://{}/d", many.join(","))).unwrap().hosts.len(),
        many.len()
    );
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = JdbcUrl::parse(&text);
    }

    #[test]
    fn text_that_looks_like_a_url_never_panics(
        scheme in prop::sample::select(vec!["postgresql:", "mysql:", "mariadb:loadbalance:", "oracle:thin:", "oracle:oci:", "aws-wrapper:mysql:"]),
        rest in "[a-zé0-9@/:,;()\\[\\]=?&\"% .]{0,60}",
    ) {
        let _ = JdbcUrl::parse(&format!("jdbc:{scheme}{rest}"));
        let _ = JdbcUrl::parse(&format!("jdbc:{scheme}//{rest}"));
        let _ = JdbcUrl::parse(&format!("jdbc:{scheme}@{rest}"));
    }

    #[test]
    fn what_is_written_is_what_is_read(names in prop::collection::vec(("[a-z][a-z0-9-]{0,10}", 1_u16..), 1..5)) {
        let list: Vec<String> = names.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let parsed = JdbcUrl::parse(&format!("jdbc:postgresql://{}/db", list.join(","))).unwrap();
        prop_assert!(parsed.hosts.iter().all(|host| list.contains(&host.to_string())));
        prop_assert!(list.iter().all(|text| parsed.hosts.iter().any(|host| host.to_string() == *text)));
    }
}
