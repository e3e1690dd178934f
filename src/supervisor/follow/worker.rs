//! The worker's loop: wait, look, read, in turns short enough that nothing waits long for anything else.

use super::{
    Control, Notice, Settings,
    disk::Disk,
    file::{BUFFER, Reader, Start},
    files::{Files, Hint},
    pulse::Pulse,
    survey::{KnownRoot, Survey},
    watch::Watcher,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How often everything is looked at where inotify is refused.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Once nothing has happened for this long, the watchdog is let go to sleep, and nobody wakes up any more.
const REST_AFTER: Duration = Duration::from_millis(200);

/// How soon what could not be read is tried again; doubled each time, up to the second one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// What the thread owns.
pub(super) struct Worker {
    settings: Settings,
    control: Arc<Control>,
    disk: Disk,
    watcher: Watcher,
    roots: Vec<KnownRoot>,
    files: Files,
    buffer: Vec<u8>,
    /// When everything must be looked at again, if ever.
    survey_at: Option<Instant>,
    retry_delay: Duration,
}

impl Worker {
    pub(super) fn new(settings: Settings, control: Arc<Control>, pulse: Arc<Pulse>) -> Self {
        let (roots, files) = (KnownRoot::all(&settings), Files::new(&settings));
        Self {
            settings,
            control,
            disk: Disk::new(pulse),
            watcher: Watcher::Polling,
            roots,
            files,
            buffer: vec![0; BUFFER],
            survey_at: None,
            retry_delay: FIRST_RETRY,
        }
    }

    /// Follows until told to finish.
    pub(super) fn run(mut self) {
        if !self.settings.polling {
            match Watcher::inotify() {
                Ok(watcher) => self.watcher = watcher,
                Err(error) => self.say_polling(&error),
            }
        }
        self.look_at_everything();
        loop {
            self.plan_retry();
            self.wait();
            if self.control.deadline().is_some() {
                return self.finish();
            }
            let events = self.watcher.events();
            if events.is_survey_due || self.survey_at.is_some_and(|at| at <= Instant::now()) {
                self.look_at_everything();
            }
            let hints = events
                .names
                .into_iter()
                .filter(|(path, _)| self.files.is_of_interest(path))
                .map(|(path, label)| Hint { path, label, start: Start::Beginning })
                .collect::<Vec<_>>();
            if events.has_new_name || events.is_survey_due {
                (self.settings.notify)(Notice::Appeared);
            }
            if !hints.is_empty() {
                self.settle(hints);
            }
            self.read_next();
        }
    }

    /// Sleeps until there is something to do; not at all while a file waits for its turn.
    fn wait(&self) {
        if self.files.is_waiting() {
            self.poll(Some(Duration::ZERO));
        } else if let Some(at) = self.survey_at {
            self.poll(Some(at.saturating_duration_since(Instant::now())));
        } else if !self.poll(Some(REST_AFTER)) {
            self.disk.rest();
            self.poll(None);
        }
    }

    /// False if nothing happened in time.
    fn poll(&self, timeout: Option<Duration>) -> bool {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = vec![PollFd::new(&self.control.wake, PollFlags::IN)];
        if let Some(fd) = self.watcher.fd() {
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        // Interrupted or not, everything is asked for anew.
        poll(&mut fds, timeout.as_ref()).map_or(true, |ready| ready > 0)
    }

    fn look_at_everything(&mut self) {
        let mut hints = match self.survey() {
            Ok(hints) => hints,
            Err(error) => {
                self.say_polling(&error);
                self.watcher = Watcher::Polling;
                // Without inotify nothing can be refused.
                self.survey().unwrap_or_default()
            }
        };
        hints.extend(self.files.missing_from(&hints));
        self.settle(hints);
        self.survey_at = self.watcher.is_polling().then(|| Instant::now() + POLL_INTERVAL);
    }

    fn survey(&mut self) -> std::io::Result<Vec<Hint>> {
        let Self { disk, watcher, roots, files, .. } = self;
        let mut survey = Survey { disk, watcher, troubles: files.troubles(), hints: Vec::new() };
        survey.run(roots)?;
        Ok(survey.hints)
    }

    fn settle(&mut self, hints: Vec<Hint>) {
        let Self { disk, control, buffer, files, .. } = self;
        files.settle(hints, &mut Reader { disk, control, buffer });
    }

    fn read_next(&mut self) {
        let Self { disk, control, buffer, files, .. } = self;
        files.read_next(&mut Reader { disk, control, buffer });
    }

    /// What failed and may work later is tried again, ever more seldom.
    fn plan_retry(&mut self) {
        let troubles = self.files.troubles();
        if troubles.are_over() {
            self.retry_delay = FIRST_RETRY;
        }
        if troubles.take_retry() && self.survey_at.is_none() {
            self.survey_at = Some(Instant::now() + self.retry_delay);
            self.retry_delay = (self.retry_delay * 2).min(LAST_RETRY);
        }
    }

    /// A last look at everything.
    fn finish(mut self) {
        if self.control.is_patient() {
            self.look_at_everything();
        }
        let Self { disk, control, buffer, files, .. } = &mut self;
        files.finish(&mut Reader { disk, control, buffer });
    }

    fn say_polling(&self, error: &std::io::Error) {
        (self.settings.notify)(Notice::Polling { error: error.to_string() });
    }
}
