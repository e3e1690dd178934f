//! The variables that came with jjobs-init, and the usual ones that it reads like every program.

use super::{Group, UsedBy, Variable, Words};

/// What is downloaded at every boot.
pub(super) const DOWNLOAD: Group = Group {
    title: Words { en: "Download at every boot", ko: "기동 시 다운로드" },
    variables: &[
        Variable {
            name: "WGET_URL",
            default: "",
            default_words: None,
            meaning: Words { en: "what to download", ko: "다운로드할 주소" },
            accepted: Words {
                en: "an http:// or https:// URL; WGET_URL, WGET_FOLDER_PATH and WGET_FILE_NAME are set together or not at all",
                ko: "http:// 또는 https:// URL. WGET_URL, WGET_FOLDER_PATH, WGET_FILE_NAME은 모두 설정하거나 모두 비워야 함",
            },
            secret: false,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "WGET_FOLDER_PATH",
            default: "",
            default_words: None,
            meaning: Words { en: "into which folder", ko: "저장할 폴더" },
            accepted: Words {
                en: "an absolute path without ..; WGET_URL, WGET_FOLDER_PATH and WGET_FILE_NAME are set together or not at all",
                ko: "`..`이 없는 절대 경로. WGET_URL, WGET_FOLDER_PATH, WGET_FILE_NAME은 모두 설정하거나 모두 비워야 함",
            },
            secret: false,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "WGET_FILE_NAME",
            default: "",
            default_words: None,
            meaning: Words {
                en: "under which name; `.zip`, `.tar` and `.tar.gz` are unpacked there, everything else (also `.tgz`) is kept as it is",
                ko: "저장할 파일 이름. `.zip`, `.tar`, `.tar.gz`는 그 폴더에 풀고, 그 밖의 파일(`.tgz` 포함)은 그대로 둠",
            },
            accepted: Words {
                en: "a plain file name: no /, not . or .., no control characters, up to 255 bytes; WGET_URL, WGET_FOLDER_PATH and WGET_FILE_NAME are set together or not at all",
                ko: "단순 파일 이름(`/`, `.`, `..`, 제어 문자 불가, 255바이트 이하). WGET_URL, WGET_FOLDER_PATH, WGET_FILE_NAME은 모두 설정하거나 모두 비워야 함",
            },
            secret: false,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "WGET_SHA256",
            default: "",
            default_words: None,
            meaning: Words { en: "what the file must hash to", ko: "파일의 SHA-256 해시" },
            accepted: Words { en: "64 hexadecimal digits", ko: "16진수 64자리" },
            secret: false,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "WGET_HEADER",
            default: "",
            default_words: None,
            meaning: Words {
                en: "a header to send, never to another host after a redirect",
                ko: "전송할 HTTP 헤더. 다른 호스트로 리다이렉트되면 보내지 않음",
            },
            accepted: Words {
                en: "one header as `Name: value`, in printable ASCII",
                ko: "`이름: 값` 형식의 헤더 하나(출력 가능한 ASCII)",
            },
            secret: true,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "WGET_TIMEOUT",
            default: "",
            default_words: Some(Words { en: "no limit", ko: "제한 없음" }),
            meaning: Words {
                en: "limit of the whole download; 0 is no limit",
                ko: "다운로드 전체 제한 시간. 0은 제한 없음",
            },
            accepted: Words {
                en: "whole seconds, or a number with s, m or h (90, 90s, 10m, 2h), at most 365 days",
                ko: "초 단위 정수 또는 s, m, h를 붙인 숫자(90, 90s, 10m, 2h), 최대 365일",
            },
            secret: false,
            used_by: UsedBy::Installed,
        },
        Variable {
            name: "WGET_MAX_BYTES",
            default: "20GiB",
            default_words: None,
            meaning: Words {
                en: "limit of the unpacked size", ko: "압축을 푼 크기의 한도"
            },
            accepted: Words {
                en: "bytes above 0, or a number with K, M, G or T (also Ki, KiB, …: powers of 1024)",
                ko: "0보다 큰 바이트 수 또는 K, M, G, T(Ki, KiB 등도 가능, 1024의 거듭제곱)를 붙인 숫자",
            },
            secret: false,
            used_by: UsedBy::Installed,
        },
    ],
};

/// What is said and where state is kept.
pub(super) const LOGGING: Group = Group {
    title: Words { en: "Logs and state of jjobs-init", ko: "jjobs-init의 로그와 상태" },
    variables: &[
        Variable {
            name: "JJOBS_INIT_LOG",
            default: "info",
            default_words: None,
            meaning: Words { en: "log level", ko: "로그 수준" },
            accepted: Words {
                en: "error, warn, info, debug or trace",
                ko: "error, warn, info, debug, trace 중 하나",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_LOG_FORMAT",
            default: "text",
            default_words: None,
            meaning: Words { en: "format of our log", ko: "로그 형식" },
            accepted: Words { en: "text or json", ko: "text 또는 json" },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_LOG_PREFIX",
            default: "none",
            default_words: None,
            meaning: Words {
                en: "component: lines of a component's output begin with its name",
                ko: "component이면 컴포넌트 출력의 각 줄 앞에 이름을 붙임",
            },
            accepted: Words { en: "none or component", ko: "none 또는 component" },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_RUN_DIR",
            default: "",
            default_words: Some(Words {
                en: "`/run/jjobs-init`, else `/tmp/jjobs-init-<uid>`",
                ko: "`/run/jjobs-init`, 불가하면 `/tmp/jjobs-init-<uid>`",
            }),
            meaning: Words {
                en: "control socket and run-time state",
                ko: "제어 소켓과 실행 상태의 폴더",
            },
            accepted: Words {
                en: "an absolute path without .. of up to 90 bytes (a socket's path is short), and no folder of the system",
                ko: "`..`이 없는 90바이트 이하의 절대 경로(소켓 경로 길이 제한). 시스템 폴더는 안 됨",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_STATE_DIR",
            default: "",
            default_words: Some(Words {
                en: "`$LOGS_BASE/init/$HOSTNAME`",
                ko: "`$LOGS_BASE/init/$HOSTNAME`",
            }),
            meaning: Words { en: "ledger and timelines", ko: "원장과 타임라인의 폴더" },
            accepted: Words {
                en: "an absolute path without .., and no folder of the system such as / or /etc",
                ko: "`..`이 없는 절대 경로. `/`, `/etc` 같은 시스템 폴더는 안 됨",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_CA_FILE",
            default: "",
            default_words: None,
            meaning: Words {
                en: "a CA bundle in PEM, beside the system's",
                ko: "시스템 CA 외에 추가로 신뢰할 PEM CA 묶음",
            },
            accepted: Words { en: "an absolute path", ko: "절대 경로" },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_METRICS_ADDR",
            default: "",
            default_words: Some(Words { en: "off", ko: "끔" }),
            meaning: Words { en: "where metrics are served", ko: "메트릭을 제공할 주소" },
            accepted: Words {
                en: "IP:PORT, such as 0.0.0.0:9090, or off",
                ko: "IP:PORT 형식(예: 0.0.0.0:9090) 또는 off",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_SCRUB_ENV",
            default: "no",
            default_words: None,
            meaning: Words {
                en: "yes: components do not inherit the token and the passwords",
                ko: "yes이면 컴포넌트에 토큰과 비밀번호를 물려주지 않음",
            },
            accepted: Words { en: "yes or no", ko: "yes 또는 no" },
            secret: false,
            used_by: UsedBy::Always,
        },
    ],
};

/// How long things may take.
pub(super) const LIFE: Group = Group {
    title: Words { en: "Start, stop and probes", ko: "시작, 종료, 프로브" },
    variables: &[
        Variable {
            name: "JJOBS_INIT_GRACE_PERIOD",
            default: "",
            default_words: Some(Words { en: "no limit of ours", ko: "자체 제한 없음" }),
            meaning: Words {
                en: "the pod's terminationGracePeriodSeconds, so that PID 1 knows its deadline",
                ko: "파드의 terminationGracePeriodSeconds. PID 1이 종료 시한을 알기 위한 값",
            },
            accepted: Words {
                en: "whole seconds above 0, or a number with s, m or h (90, 90s, 10m, 2h), at most 365 days",
                ko: "0보다 큰 초 단위 정수 또는 s, m, h를 붙인 숫자(90, 90s, 10m, 2h), 최대 365일",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_LIVENESS_GRACE_PERIOD",
            default: "",
            default_words: Some(Words { en: "as the pod's", ko: "파드와 같음" }),
            meaning: Words {
                en: "the liveness probe's own terminationGracePeriodSeconds",
                ko: "라이브니스 프로브 자체의 terminationGracePeriodSeconds",
            },
            accepted: Words {
                en: "whole seconds above 0, or a number with s, m or h (90, 90s, 10m, 2h), at most 365 days",
                ko: "0보다 큰 초 단위 정수 또는 s, m, h를 붙인 숫자(90, 90s, 10m, 2h), 최대 365일",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_DEPENDENCY_TIMEOUT",
            default: "0",
            default_words: None,
            meaning: Words {
                en: "how long DB or server is waited for before start; 0 is for ever",
                ko: "시작 전에 DB나 서버를 기다리는 시간. 0은 무기한",
            },
            accepted: Words {
                en: "whole seconds, or a number with s, m or h (90, 90s, 10m, 2h), at most 365 days",
                ko: "초 단위 정수 또는 s, m, h를 붙인 숫자(90, 90s, 10m, 2h), 최대 365일",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_START_TIMEOUT",
            default: "600s",
            default_words: None,
            meaning: Words {
                en: "how long a component may take to come up",
                ko: "컴포넌트가 기동하는 데 허용되는 시간",
            },
            accepted: Words {
                en: "whole seconds above 0, or a number with s, m or h (90, 90s, 10m, 2h), at most 365 days",
                ko: "0보다 큰 초 단위 정수 또는 s, m, h를 붙인 숫자(90, 90s, 10m, 2h), 최대 365일",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_STOP_TIMEOUT",
            default: "60s",
            default_words: None,
            meaning: Words {
                en: "from a stop script to TERM",
                ko: "종료 스크립트 실행부터 TERM 전송까지의 시간",
            },
            accepted: Words {
                en: "whole seconds, or a number with s, m or h (90, 90s, 10m, 2h), at most 365 days",
                ko: "초 단위 정수 또는 s, m, h를 붙인 숫자(90, 90s, 10m, 2h), 최대 365일",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_HOLD_TIMEOUT",
            default: "60s",
            default_words: None,
            meaning: Words {
                en: "how long a drain insists on a hold before it goes on without",
                ko: "드레인이 홀드를 고집하는 시간. 지나면 홀드 없이 진행",
            },
            accepted: Words {
                en: "whole seconds, or a number with s, m or h (90, 90s, 10m, 2h), at most 365 days",
                ko: "초 단위 정수 또는 s, m, h를 붙인 숫자(90, 90s, 10m, 2h), 최대 365일",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_POST_START_TIMEOUT",
            default: "600s",
            default_words: None,
            meaning: Words {
                en: "then post-start hands over to PID 1 and returns",
                ko: "post-start 훅이 기다리는 시간. 지나면 PID 1에 넘기고 끝남",
            },
            accepted: Words {
                en: "whole seconds, or a number with s, m or h (90, 90s, 10m, 2h), at most 365 days",
                ko: "초 단위 정수 또는 s, m, h를 붙인 숫자(90, 90s, 10m, 2h), 최대 365일",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_PROBE_TIMEOUT",
            default: "4s",
            default_words: None,
            meaning: Words { en: "deadline of a probe", ko: "프로브의 제한 시간" },
            accepted: Words {
                en: "whole seconds above 0, or a number with s, m or h (90, 90s, 10m, 2h), at most 365 days",
                ko: "0보다 큰 초 단위 정수 또는 s, m, h를 붙인 숫자(90, 90s, 10m, 2h), 최대 365일",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
        Variable {
            name: "JJOBS_INIT_RESTART",
            default: "on-failure",
            default_words: None,
            meaning: Words {
                en: "what happens when a component ends unasked: it is started again, left down, or the container ends with its code",
                ko: "컴포넌트가 예기치 않게 끝났을 때: 다시 시작(on-failure), 그대로 둠(never), 그 종료 코드로 컨테이너 종료(exit)",
            },
            accepted: Words {
                en: "on-failure, never or exit",
                ko: "on-failure, never, exit 중 하나",
            },
            secret: false,
            used_by: UsedBy::Always,
        },
    ],
};

/// What others define and we read too.
pub(super) const STANDARD: Group = Group {
    title: Words { en: "Read as everywhere", ko: "일반적으로 쓰이는 변수" },
    variables: &[
        Variable {
            name: "HOME",
            default: "/root",
            default_words: None,
            meaning: Words {
                en: "where `.kube/config` is written",
                ko: "`.kube/config`가 기록되는 홈 폴더",
            },
            accepted: Words { en: "an absolute path", ko: "절대 경로" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "KUBERNETES_SERVICE_HOST",
            default: "",
            default_words: None,
            meaning: Words {
                en: "the cluster's API server, for `incluster` contexts; set by Kubernetes",
                ko: "`incluster` 컨텍스트의 API 서버. 쿠버네티스가 설정",
            },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "KUBERNETES_SERVICE_PORT",
            default: "443",
            default_words: None,
            meaning: Words {
                en: "its port; set by Kubernetes",
                ko: "API 서버의 포트. 쿠버네티스가 설정",
            },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "HTTPS_PROXY",
            default: "",
            default_words: None,
            meaning: Words {
                en: "proxy of https downloads (lower case works too); REST calls never use one",
                ko: "https 다운로드의 프록시(소문자도 가능). REST 호출에는 쓰이지 않음",
            },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "HTTP_PROXY",
            default: "",
            default_words: None,
            meaning: Words { en: "proxy of http downloads", ko: "http 다운로드의 프록시" },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "ALL_PROXY",
            default: "",
            default_words: None,
            meaning: Words { en: "proxy of all downloads", ko: "모든 다운로드의 프록시" },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "NO_PROXY",
            default: "",
            default_words: None,
            meaning: Words {
                en: "hosts that are downloaded from directly",
                ko: "프록시 없이 직접 접속할 호스트",
            },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
        Variable {
            name: "SSL_CERT_FILE",
            default: "",
            default_words: None,
            meaning: Words {
                en: "CA bundle instead of the system's",
                ko: "시스템 CA 대신 쓸 CA 묶음",
            },
            accepted: Words { en: "any text", ko: "임의의 텍스트" },
            secret: false,
            used_by: UsedBy::Lenient,
        },
    ],
};
