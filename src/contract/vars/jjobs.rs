//! The variables that J-Jobs images have always had (plus their `…_FILE` forms).

use super::{Group, UsedBy, Variable, Words};

/// What this container is.
pub(super) const ROLE: Group = Group {
    title: Words { en: "What this container is", ko: "컨테이너의 역할" },
    variables: &[
        Variable {
            name: "INSTALL_KIND",
            default: "F",
            default_words: None,
            meaning: Words {
                en: "what is installed: F manager, server and agent; M manager; S server; A agent",
                ko: "설치 대상: F 매니저·서버·에이전트 전체, M 매니저, S 서버, A 에이전트",
            },
            accepted: Words {
                en: "F (manager, server and agent), M (manager), S (server) or A (agent)",
                ko: "F(전체), M(매니저), S(서버), A(에이전트) 중 하나",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "ON_BOOT",
            default: "yes",
            default_words: None,
            meaning: Words {
                en: "what a boot does: yes installs and starts everything of the kind; manual installs and starts nothing; manager starts the manager alone; exceptagent starts manager and server; no does neither",
                ko: "기동 시 동작: yes 설치 후 모두 시작, manual 설치만 하고 시작하지 않음, manager 매니저만 시작, exceptagent 매니저와 서버 시작, no 설치도 시작도 하지 않음",
            },
            accepted: Words {
                en: "yes, y, manual, manager, exceptagent or no (anything else means no, with a warning)",
                ko: "yes, y, manual, manager, exceptagent, no(그 밖의 값은 경고 후 no로 처리)",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "HOSTNAME",
            default: "",
            default_words: Some(Words {
                en: "the kernel's host name", ko: "커널의 호스트 이름"
            }),
            meaning: Words {
                en: "the pod's name: the agent's name in J-Jobs; its trailing ordinal gives the server's number (`jjobs-10` is server 11)",
                ko: "파드 이름. J-Jobs에서 에이전트 이름으로 쓰이며, 끝의 순번으로 서버 번호가 정해짐(`jjobs-10`은 11번 서버)",
            },
            accepted: Words {
                en: "a host name of up to 255 bytes: letters, digits, dots, - and _",
                ko: "255바이트 이하의 호스트 이름(문자, 숫자, 점, -, _)",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "CUSTOM_COMMAND",
            default: "",
            default_words: None,
            meaning: Words {
                en: "shell text that is run after installing and configuring and before starting; if it fails, so does the boot",
                ko: "설치와 설정 후, 컴포넌트 시작 전에 실행되는 셸 명령. 실패하면 기동도 실패",
            },
            accepted: Words { en: "shell text in UTF-8", ko: "UTF-8 셸 명령" },
            secret: false,
            used_by: UsedBy::Installed,
        },
    ],
};

/// Folders and ports.
pub(super) const PLACES: Group = Group {
    title: Words { en: "Places and ports", ko: "경로와 포트" },
    variables: &[
        Variable {
            name: "INSTALL_FILE",
            default: "jjob_installer_linux_x64.sh",
            default_words: None,
            meaning: Words {
                en: "the vendor's installer: file name below `/install`",
                ko: "설치 프로그램의 파일 이름(`/install` 아래)",
            },
            accepted: Words {
                en: "a plain file name: no /, not . or .., no control characters, up to 255 bytes",
                ko: "단순 파일 이름(`/`, `.`, `..`, 제어 문자 불가, 255바이트 이하)",
            },
            secret: false,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "JJOBS_BASE",
            default: "/engn001/jjobs",
            default_words: None,
            meaning: Words { en: "where J-Jobs is installed", ko: "J-Jobs가 설치되는 폴더" },
            accepted: Words {
                en: "an absolute path without .., and no folder of the system such as / or /etc",
                ko: "`..`이 없는 절대 경로. `/`, `/etc` 같은 시스템 폴더는 안 됨",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "WORKING_DIR",
            default: "/working",
            default_words: None,
            meaning: Words {
                en: "the image's own working files",
                ko: "이미지 자체 작업 파일의 폴더",
            },
            accepted: Words {
                en: "an absolute path without .., and no folder of the system such as / or /etc",
                ko: "`..`이 없는 절대 경로. `/`, `/etc` 같은 시스템 폴더는 안 됨",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "LOGS_BASE",
            default: "/logs001/jjobs",
            default_words: None,
            meaning: Words {
                en: "logs, normally on a volume that several pods share",
                ko: "로그 폴더. 보통 여러 파드가 공유하는 볼륨",
            },
            accepted: Words {
                en: "an absolute path without .., and no folder of the system such as / or /etc",
                ko: "`..`이 없는 절대 경로. `/`, `/etc` 같은 시스템 폴더는 안 됨",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "MANAGER_WEB_PORT",
            default: "7065",
            default_words: None,
            meaning: Words { en: "the manager's web port", ko: "매니저 웹 포트" },
            accepted: Words {
                en: "a TCP port from 1 to 65535", ko: "1~65535 범위의 TCP 포트"
            },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "SERVER_WEB_PORT",
            default: "7075",
            default_words: None,
            meaning: Words {
                en: "the server's web port, which agents also use",
                ko: "서버 웹 포트(에이전트도 이 포트로 접속)",
            },
            accepted: Words {
                en: "a TCP port from 1 to 65535", ko: "1~65535 범위의 TCP 포트"
            },
            secret: false,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "SERVER_TCP_PORT",
            default: "17075",
            default_words: None,
            meaning: Words {
                en: "the first of the server's five consecutive TCP ports",
                ko: "서버가 쓰는 연속된 TCP 포트 다섯 개 중 첫 번째",
            },
            accepted: Words {
                en: "a TCP port from 1 to 65531, so that it and the next four fit; none may be used twice",
                ko: "1~65531 범위의 TCP 포트(연속 다섯 개가 들어가야 하며 다른 포트와 겹치면 안 됨)",
            },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
    ],
};

/// The meta DB.
pub(super) const DATABASE: Group = Group {
    title: Words { en: "Meta DB", ko: "메타 DB" },
    variables: &[
        Variable {
            name: "DB_TYPE",
            default: "postgres",
            default_words: None,
            meaning: Words { en: "the kind of meta DB", ko: "메타 DB 종류" },
            accepted: Words {
                en: "postgres, oracle, mysql or mariadb",
                ko: "postgres, oracle, mysql, mariadb 중 하나",
            },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "JDBC_URL",
            default: "jdbc:postgresql://127.0.0.1:7432/jjobs",
            default_words: None,
            meaning: Words {
                en: "JDBC URL of the meta DB; its hosts are waited for before anything is started",
                ko: "메타 DB의 JDBC URL. 시작 전에 이 호스트의 응답을 기다림",
            },
            accepted: Words {
                en: "a JDBC URL of PostgreSQL, Oracle, MySQL or MariaDB",
                ko: "PostgreSQL, Oracle, MySQL, MariaDB의 JDBC URL",
            },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "JDBC_PARAMETERS",
            default: "",
            default_words: None,
            meaning: Words {
                en: "text appended to the JDBC URL in both datasource files",
                ko: "두 데이터소스 파일의 JDBC URL 뒤에 덧붙일 텍스트",
            },
            accepted: Words {
                en: "text without control characters",
                ko: "제어 문자가 없는 텍스트",
            },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "DB_USER",
            default: "jjobs",
            default_words: None,
            meaning: Words { en: "the meta DB's user", ko: "메타 DB 사용자" },
            accepted: Words {
                en: "text without control characters",
                ko: "제어 문자가 없는 텍스트",
            },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "DB_USER_FILE",
            default: "",
            default_words: None,
            meaning: Words {
                en: "the user from a file; wins over DB_USER",
                ko: "파일에서 읽는 사용자. DB_USER보다 우선",
            },
            accepted: Words {
                en: "the absolute path of a readable file with the value in it (up to 64 KiB of UTF-8 text; line breaks at its end are dropped)",
                ko: "값이 들어 있는 읽을 수 있는 파일의 절대 경로(UTF-8 텍스트, 최대 64 KiB, 끝의 줄바꿈은 무시)",
            },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "DB_PASSWD",
            default: "jjobs1234",
            default_words: None,
            meaning: Words { en: "the meta DB's password", ko: "메타 DB 비밀번호" },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: true,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "DB_PASSWD_FILE",
            default: "",
            default_words: None,
            meaning: Words {
                en: "the password from a file; wins over DB_PASSWD",
                ko: "파일에서 읽는 비밀번호. DB_PASSWD보다 우선",
            },
            accepted: Words {
                en: "the absolute path of a readable file with the value in it (up to 64 KiB of UTF-8 text; line breaks at its end are dropped)",
                ko: "값이 들어 있는 읽을 수 있는 파일의 절대 경로(UTF-8 텍스트, 최대 64 KiB, 끝의 줄바꿈은 무시)",
            },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "USE_DB_ENCRYPT",
            default: "N",
            default_words: None,
            meaning: Words {
                en: "Y: log in with the encrypted user and password below",
                ko: "Y이면 아래의 암호화된 사용자와 비밀번호로 접속",
            },
            accepted: Words { en: "Y or N", ko: "Y 또는 N" },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "ENCRYPTED_DB_USER",
            default: "",
            default_words: None,
            meaning: Words {
                en: "the user as `encrypter.sh` encrypted it",
                ko: "`encrypter.sh`로 암호화한 사용자",
            },
            accepted: Words {
                en: "what encrypter.sh printed, without line breaks; needed with USE_DB_ENCRYPT=Y",
                ko: "encrypter.sh의 출력(줄바꿈 없이). USE_DB_ENCRYPT=Y이면 필수",
            },
            secret: true,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "ENCRYPTED_DB_USER_FILE",
            default: "",
            default_words: None,
            meaning: Words {
                en: "the same from a file; wins over ENCRYPTED_DB_USER",
                ko: "같은 값을 파일에서 읽음. ENCRYPTED_DB_USER보다 우선",
            },
            accepted: Words {
                en: "the absolute path of a readable file with the value in it (up to 64 KiB of UTF-8 text; line breaks at its end are dropped)",
                ko: "값이 들어 있는 읽을 수 있는 파일의 절대 경로(UTF-8 텍스트, 최대 64 KiB, 끝의 줄바꿈은 무시)",
            },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "ENCRYPTED_DB_PASSWD",
            default: "",
            default_words: None,
            meaning: Words {
                en: "the password as `encrypter.sh` encrypted it",
                ko: "`encrypter.sh`로 암호화한 비밀번호",
            },
            accepted: Words {
                en: "what encrypter.sh printed, without line breaks; needed with USE_DB_ENCRYPT=Y",
                ko: "encrypter.sh의 출력(줄바꿈 없이). USE_DB_ENCRYPT=Y이면 필수",
            },
            secret: true,
            used_by: UsedBy::ManagerOrServer,
        },
        Variable {
            name: "ENCRYPTED_DB_PASSWD_FILE",
            default: "",
            default_words: None,
            meaning: Words {
                en: "the same from a file; wins over ENCRYPTED_DB_PASSWD",
                ko: "같은 값을 파일에서 읽음. ENCRYPTED_DB_PASSWD보다 우선",
            },
            accepted: Words {
                en: "the absolute path of a readable file with the value in it (up to 64 KiB of UTF-8 text; line breaks at its end are dropped)",
                ko: "값이 들어 있는 읽을 수 있는 파일의 절대 경로(UTF-8 텍스트, 최대 64 KiB, 끝의 줄바꿈은 무시)",
            },
            secret: false,
            used_by: UsedBy::ManagerOrServer,
        },
    ],
};

/// Who talks to whom.
pub(super) const NAMES: Group = Group {
    title: Words { en: "Names and access", ko: "이름과 접근" },
    variables: &[
        Variable {
            name: "JJOB_SERVICE_NAME",
            default: "jjobs.default.svc.cluster.local",
            default_words: None,
            meaning: Words {
                en: "headless service of the server pods: the server announces itself as `<pod>.<this>`; set but empty: it announces nothing",
                ko: "서버 파드의 헤드리스 서비스. 서버는 `<파드>.<이 값>`으로 자신을 알림. 빈 값으로 설정하면 알리지 않음",
            },
            accepted: Words {
                en: "a service's DNS name (letters, digits, dots, - and _), or empty",
                ko: "서비스의 DNS 이름(문자, 숫자, 점, -, _) 또는 빈 값",
            },
            secret: false,
            used_by: UsedBy::Server,
        },
        Variable {
            name: "JJOBS_SERVER_IP",
            default: "127.0.0.1",
            default_words: None,
            meaning: Words {
                en: "where an agent reaches the server: IP address, pod or service name",
                ko: "에이전트가 서버에 접속하는 주소: IP, 파드 또는 서비스 이름",
            },
            accepted: Words {
                en: "an IP address or a host name, without http:// and without a port",
                ko: "IP 주소 또는 호스트 이름(`http://`와 포트 제외)",
            },
            secret: false,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "API_PRIVATE_TOKEN",
            default: "",
            default_words: None,
            meaning: Words {
                en: "a J-Jobs user's REST token; hooks and readiness need it; not known at the first installation",
                ko: "J-Jobs 사용자의 REST 토큰. 훅과 레디니스 프로브에 필요하며 최초 설치 시에는 아직 없음",
            },
            accepted: Words {
                en: "a token in printable ASCII", ko: "출력 가능한 ASCII 토큰"
            },
            secret: true,
            used_by: UsedBy::ServerOrAgent,
        },
        Variable {
            name: "API_PRIVATE_TOKEN_FILE",
            default: "",
            default_words: None,
            meaning: Words {
                en: "the token from a file, read again at every use; wins over API_PRIVATE_TOKEN",
                ko: "토큰을 파일에서 읽음(사용할 때마다 다시 읽음). API_PRIVATE_TOKEN보다 우선",
            },
            accepted: Words { en: "an absolute path", ko: "절대 경로" },
            secret: false,
            used_by: UsedBy::ServerOrAgent,
        },
    ],
};

/// What an agent is told.
pub(super) const AGENT: Group = Group {
    title: Words { en: "Agent and Java", ko: "에이전트와 자바" },
    variables: &[
        Variable {
            name: "AGENT_GROUP_ID",
            default: "0",
            default_words: None,
            meaning: Words { en: "the agent's group", ko: "에이전트 그룹 번호" },
            accepted: Words { en: "a whole number, not negative", ko: "0 이상의 정수" },
            secret: false,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "LOG_KEEP_DATE",
            default: "5",
            default_words: None,
            meaning: Words {
                en: "days an agent keeps logs",
                ko: "에이전트가 로그를 보관하는 일수",
            },
            accepted: Words {
                en: "a whole number of days, not negative", ko: "0 이상의 정수(일)"
            },
            secret: false,
            used_by: UsedBy::Agent,
        },
        Variable {
            name: "LOG_DELETE_YN",
            default: "Y",
            default_words: None,
            meaning: Words {
                en: "what happens to older logs: Y delete, N back up, Z back up compressed",
                ko: "보관 기간이 지난 로그 처리: Y 삭제, N 백업, Z 압축 백업",
            },
            accepted: Words {
                en: "Y (delete), N (back up) or Z (back up compressed)",
                ko: "Y(삭제), N(백업), Z(압축 백업) 중 하나",
            },
            secret: false,
            used_by: UsedBy::Agent,
        },
        Variable {
            name: "NETWORKADDRESS_CACHE_TTL",
            default: "1",
            default_words: None,
            meaning: Words {
                en: "seconds for which Java keeps a resolved name",
                ko: "자바가 DNS 조회 결과를 보관하는 초",
            },
            accepted: Words {
                en: "a whole number of seconds, or -1 for ever",
                ko: "초 단위 정수, -1은 무기한",
            },
            secret: false,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "NETWORKADDRESS_CACHE_NEGATIVE_TTL",
            default: "3",
            default_words: None,
            meaning: Words {
                en: "seconds for which Java keeps a failed lookup",
                ko: "자바가 실패한 DNS 조회를 기억하는 초",
            },
            accepted: Words {
                en: "a whole number of seconds, or -1 for ever",
                ko: "초 단위 정수, -1은 무기한",
            },
            secret: false,
            used_by: UsedBy::Installed,
        },
    ],
};

/// Sessions, sign-on, Kubernetes, and what only passes through.
pub(super) const EXTRAS: Group = Group {
    title: Words {
        en: "Sessions, sign-on, Kubernetes, pass-through",
        ko: "세션, SSO, 쿠버네티스, 전달 변수",
    },
    variables: &[
        Variable {
            name: "USE_REDIS_SESSION_CLUSTERING",
            default: "N",
            default_words: None,
            meaning: Words {
                en: "Y: the manager keeps its sessions in Redis",
                ko: "Y이면 매니저 세션을 Redis에 저장",
            },
            accepted: Words { en: "Y or N", ko: "Y 또는 N" },
            secret: false,
            used_by: UsedBy::Manager,
        },
        Variable {
            name: "REDIS_NAMESPACE",
            default: "",
            default_words: None,
            meaning: Words {
                en: "prefix of the keys in Redis", ko: "Redis 키의 네임스페이스"
            },
            accepted: Words {
                en: "text without control characters; needed with USE_REDIS_SESSION_CLUSTERING=Y",
                ko: "제어 문자가 없는 텍스트. USE_REDIS_SESSION_CLUSTERING=Y이면 필수",
            },
            secret: false,
            used_by: UsedBy::Manager,
        },
        Variable {
            name: "REDIS_HOST",
            default: "",
            default_words: None,
            meaning: Words { en: "Redis host", ko: "Redis 호스트" },
            accepted: Words {
                en: "an IP address or a host name, without a port; needed with USE_REDIS_SESSION_CLUSTERING=Y",
                ko: "IP 주소 또는 호스트 이름(포트 제외). USE_REDIS_SESSION_CLUSTERING=Y이면 필수",
            },
            secret: false,
            used_by: UsedBy::Manager,
        },
        Variable {
            name: "REDIS_PORT",
            default: "",
            default_words: None,
            meaning: Words { en: "Redis port", ko: "Redis 포트" },
            accepted: Words {
                en: "a TCP port from 1 to 65535; needed with USE_REDIS_SESSION_CLUSTERING=Y",
                ko: "1~65535 범위의 TCP 포트. USE_REDIS_SESSION_CLUSTERING=Y이면 필수",
            },
            secret: false,
            used_by: UsedBy::Manager,
        },
        Variable {
            name: "SSO_KEYCLOAK_ISSUER_URI",
            default: "",
            default_words: None,
            meaning: Words {
                en: "Keycloak issuer, exported to the manager",
                ko: "매니저에 전달되는 Keycloak 발급자 URI",
            },
            accepted: Words {
                en: "text without control characters",
                ko: "제어 문자가 없는 텍스트",
            },
            secret: false,
            used_by: UsedBy::Manager,
        },
        Variable {
            name: "KUBE_CONTEXTS",
            default: "",
            default_words: None,
            meaning: Words {
                en: "JSON array of Kubernetes contexts that are registered in `$HOME/.kube/config`; what is wrong in it never stops a boot",
                ko: "`$HOME/.kube/config`에 등록할 쿠버네티스 컨텍스트의 JSON 배열. 잘못되어도 기동을 막지 않음",
            },
            accepted: Words { en: "a JSON array", ko: "JSON 배열" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "AWS_DEFAULT_REGION",
            default: "",
            default_words: None,
            meaning: Words {
                en: "region for `eks` contexts without one",
                ko: "리전이 없는 `eks` 컨텍스트에 쓰이는 리전",
            },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "CATALINA_OPTS",
            default: "",
            default_words: None,
            meaning: Words {
                en: "JVM options of manager and server, passed through",
                ko: "매니저와 서버의 JVM 옵션(그대로 전달)",
            },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "JJOBS_AGENT_STARTUP_TIMEOUT",
            default: "",
            default_words: None,
            meaning: Words {
                en: "start-up timeout in seconds, read by the vendor's agent (5 there if unset), passed through",
                ko: "에이전트가 직접 읽는 기동 제한 시간(초, 미설정 시 5). 그대로 전달",
            },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "LANG",
            default: "",
            default_words: None,
            meaning: Words { en: "locale, passed through", ko: "로캘(그대로 전달)" },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "TZ",
            default: "",
            default_words: None,
            meaning: Words {
                en: "time zone, passed through; log folders are named by local days",
                ko: "시간대(그대로 전달). 로그 폴더는 현지 날짜로 만들어짐",
            },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
    ],
};
