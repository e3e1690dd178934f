//! Every exit code of ours, once.

/// How a run of ours ends, as the kubelet, a script or an operator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done; stopped as asked; a probe says yes.
    Done = 0,
    /// A probe or hook says no.
    No = 1,
    /// The installer failed.
    InstallFailed = 20,
    /// Configuring the installed tree failed.
    ConfigureFailed = 21,
    /// The download failed (transport, status, length, checksum).
    DownloadFailed = 22,
    /// The archive was refused (anything wrong inside it).
    ArchiveRefused = 23,
    /// The custom command failed.
    CustomCommandFailed = 24,
    /// A dependency did not answer within its limit.
    DependencyTimeout = 25,
    /// A component failed for good.
    ComponentFailed = 26,
    /// The container ended while a job or request was known to run, whoever hurried it.
    JobsLeft = 27,
    /// The command line was not understood.
    Usage = 64,
    /// A bug of ours.
    Internal = 70,
    /// The operating system refused something we cannot do without.
    System = 71,
    /// The environment contract is not met.
    Contract = 78,
}

/// Why something ends with which code, in words fit to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub exit_code: ExitCode,
    /// What went wrong, secrets hidden.
    pub reason: String,
}

impl ExitCode {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Done,
        Self::No,
        Self::InstallFailed,
        Self::ConfigureFailed,
        Self::DownloadFailed,
        Self::ArchiveRefused,
        Self::CustomCommandFailed,
        Self::DependencyTimeout,
        Self::ComponentFailed,
        Self::JobsLeft,
        Self::Usage,
        Self::Internal,
        Self::System,
        Self::Contract,
    ];

    /// What it says, for the documentation.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.meanings().0
    }

    /// The same in Korean.
    #[must_use]
    pub fn meaning_in_korean(self) -> &'static str {
        self.meanings().1
    }

    fn meanings(self) -> (&'static str, &'static str) {
        match self {
            Self::Done => (
                "done; stopped as asked; a probe says yes",
                "정상 완료, 요청에 따른 종료, 프로브 성공",
            ),
            Self::No => ("a probe or hook says no", "프로브 또는 훅 실패"),
            Self::InstallFailed => ("the installer failed", "설치 프로그램 실행 실패"),
            Self::ConfigureFailed => {
                ("configuring the installed tree failed", "설치된 J-Jobs의 설정 변경 실패")
            }
            Self::DownloadFailed => (
                "the download failed (transport, status, length, checksum)",
                "다운로드 실패(전송 오류, 응답 코드, 길이, 체크섬)",
            ),
            Self::ArchiveRefused => (
                "the archive was refused (anything wrong inside it)",
                "압축 파일 거부(내용에 문제가 있음)",
            ),
            Self::CustomCommandFailed => ("the custom command failed", "`CUSTOM_COMMAND` 실패"),
            Self::DependencyTimeout => (
                "a dependency (meta DB, server) did not answer within its limit",
                "메타 DB나 서버가 제한 시간 안에 응답하지 않음",
            ),
            Self::ComponentFailed => {
                ("a component failed for good", "컴포넌트 장애를 재시작으로 복구하지 못함")
            }
            Self::JobsLeft => (
                "the container ended while a job or request was known to run, whoever hurried it",
                "실행 중인 배치 작업이나 요청이 남아 있는 상태로 컨테이너가 종료됨(원인이 무엇이든)",
            ),
            Self::Usage => ("the command line was not understood", "명령행 사용법 오류"),
            Self::Internal => ("a bug of ours", "jjobs-init 자체의 버그"),
            Self::System => (
                "the operating system refused something we cannot do without",
                "동작에 꼭 필요한 기능을 운영체제가 거부함",
            ),
            Self::Contract => {
                ("the environment contract is not met", "환경 변수가 규격에 맞지 않음")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_described_in_both_languages() {
        assert!(ExitCode::ALL.is_sorted_by(|one, next| one.code() < next.code()));
        for exit in ExitCode::ALL {
            assert!(!exit.meaning().is_empty() && !exit.meaning_in_korean().is_empty(), "{exit:?}");
        }
    }
}
