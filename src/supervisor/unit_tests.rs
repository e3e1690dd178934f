use super::{
    stop::{AFTER_KILL, AFTER_STOP_SCRIPT},
    *,
};
use proptest::prelude::*;

const STOP: StopMode = StopMode::Script(Duration::from_mins(1));

fn pid(raw: i32) -> Pid {
    Pid::from_raw(raw).unwrap_or(Pid::INIT)
}

fn unit(restart: RestartPolicy) -> Unit {
    Unit::new(Policy { restart, start_timeout: Duration::from_mins(10) }, Instant::now())
}

/// A unit whose JVM 42 was started by us and is up.
fn up(restart: RestartPolicy, now: Instant) -> Unit {
    let mut unit = unit(restart);
    assert_eq!(unit.on(Event::Start, now), [Action::RunStartScript]);
    unit.on(Event::ScriptStarted, now);
    unit.on(Event::ScriptEnded(ProcessEnd::Exited(0)), now);
    unit.on(Event::Found(pid(42)), now);
    unit.on(Event::Up, now);
    assert!(unit.is_up());
    unit
}

#[test]
fn a_component_that_crashes_is_started_again_after_a_pause() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    let delay = Duration::from_secs(1);
    assert_eq!(unit.on(Event::Ended(ProcessEnd::Exited(1)), now), [Action::WillRestart { delay }]);
    assert_eq!(unit.on(Event::Tick, now + delay / 2), []);
    assert_eq!(unit.on(Event::Tick, now + delay), [Action::RunStartScript]);
}

#[test]
fn a_state_is_as_old_as_its_name() {
    let began = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    let at = |seconds| began + Duration::from_secs(seconds);
    let steps = [
        (Event::Start, 1, 1),
        (Event::ScriptStarted, 2, 1),
        (Event::ScriptEnded(ProcessEnd::Exited(0)), 3, 1),
        (Event::Found(pid(42)), 4, 4),
        (Event::Up, 5, 5),
        (Event::Up, 6, 5),
        (Event::Ended(ProcessEnd::Exited(1)), 7, 7),
    ];
    for (event, now, since) in steps {
        unit.on(event, at(now));
        assert_eq!(unit.since(), at(since), "after {event:?}");
    }
    unit.close(at(8));
    assert_eq!((unit.state_name(), unit.since()), ("stopped", at(8)));
}

#[test]
fn a_start_script_that_brings_no_jvm_is_why_it_is_down_and_no_end_of_it() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Start, now);
    unit.on(Event::ScriptEnded(ProcessEnd::Exited(0)), now);
    unit.on(Event::Tick, now + JVM_APPEARS);
    assert_eq!(unit.why_down().as_deref(), Some("start script: exit code 0"));
    assert_eq!(unit.last_end, None);
    unit.on(Event::Start, now);
    unit.on(Event::Found(pid(42)), now);
    assert_eq!(unit.why_down(), None);
    unit.on(Event::Ended(ProcessEnd::Exited(3)), now);
    assert_eq!(unit.why_down().as_deref(), Some("exit code 3"));
}

#[test]
fn an_operators_start_forgets_the_ends_but_not_their_number() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    for count in 1..=6 {
        unit.on(Event::Ended(ProcessEnd::Exited(1)), now);
        assert!(matches!(unit.state, State::Backoff { .. }), "{count}");
        unit.on(Event::StartByHand, now);
        unit.on(Event::Found(pid(42)), now);
        unit.on(Event::Up, now);
        assert_eq!(unit.restarts.total(), count);
    }
}

#[test]
fn what_an_operator_stops_is_leaving_until_it_has_ended_or_is_wanted_again() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    unit.on(Event::SetAside, now);
    assert!(unit.leaving && unit.is_up());
    unit.on(Event::StartByHand, now);
    assert!(!unit.leaving && unit.is_up());
    unit.on(Event::SetAside, now);
    unit.on(Event::Stop(STOP), now);
    unit.on(Event::Ended(ProcessEnd::Exited(0)), now);
    // Started by hand afterwards: it is there to stay.
    unit.on(Event::Found(pid(43)), now);
    assert!(!unit.leaving);
}

#[test]
fn a_component_that_ends_with_0_or_143_was_stopped_by_hand() {
    let now = Instant::now();
    for end in [ProcessEnd::Exited(0), ProcessEnd::Exited(143), ProcessEnd::Killed(15)] {
        let mut unit = up(RestartPolicy::OnFailure, now);
        assert_eq!(unit.on(Event::Ended(end), now), []);
        assert_eq!(unit.state, State::Down(Down::ByHand));
    }
}

#[test]
fn an_end_before_it_was_up_is_a_failed_start_whatever_the_code() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Start, now);
    unit.on(Event::Found(pid(42)), now);
    unit.on(Event::Ended(ProcessEnd::Exited(0)), now);
    assert!(matches!(unit.state, State::Backoff { .. }));
}

#[test]
fn an_unknown_end_is_restarted_only_if_we_started_it() {
    let now = Instant::now();
    let mut ours = up(RestartPolicy::OnFailure, now);
    ours.on(Event::Ended(ProcessEnd::Unknown), now);
    assert!(matches!(ours.state, State::Backoff { .. }));

    let mut by_hand = up(RestartPolicy::OnFailure, now);
    by_hand.on(Event::Ended(ProcessEnd::Exited(0)), now);
    by_hand.on(Event::Found(pid(43)), now);
    by_hand.on(Event::Up, now);
    by_hand.on(Event::Ended(ProcessEnd::Unknown), now);
    assert_eq!(by_hand.state, State::Down(Down::Ended));
}

#[test]
fn what_an_operator_started_outside_the_boot_list_is_never_restarted() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Found(pid(42)), now);
    unit.on(Event::Up, now);
    assert_eq!(unit.on(Event::Ended(ProcessEnd::Exited(1)), now), []);
    assert_eq!(unit.state, State::Down(Down::Ended));
}

#[test]
fn the_fifth_unasked_end_is_for_good() {
    let mut now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    for _ in 0..4 {
        unit.on(Event::Ended(ProcessEnd::Exited(1)), now);
        now += Duration::from_mins(1);
        unit.on(Event::Tick, now);
        unit.on(Event::Found(pid(42)), now);
    }
    assert_eq!(unit.on(Event::Ended(ProcessEnd::Exited(1)), now), [Action::FailedForGood]);
    assert_eq!(unit.state, State::Failed);
}

#[test]
fn no_jvm_ten_seconds_after_the_script_ended_is_a_failed_start() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Start, now);
    unit.on(Event::ScriptEnded(ProcessEnd::Exited(0)), now);
    assert_eq!(unit.on(Event::Tick, now + Duration::from_secs(9)), []);
    let actions = unit.on(Event::Tick, now + JVM_APPEARS);
    assert_eq!(actions.first(), Some(&Action::TellNoJvm));
    assert!(matches!(unit.state, State::Backoff { .. }));
}

#[test]
fn a_script_that_runs_on_without_a_jvm_is_ended_after_the_start_timeout() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Start, now);
    let actions = unit.on(Event::Tick, now + Duration::from_mins(10));
    assert_eq!(actions.first(), Some(&Action::EndStartScript));
    assert!(matches!(unit.state, State::Backoff { .. }));
}

#[test]
fn a_stop_goes_from_script_to_term_to_kill() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    assert_eq!(unit.on(Event::Stop(STOP), now), [Action::RunStopScript]);
    let now = now + Duration::from_mins(1);
    assert_eq!(unit.on(Event::Tick, now), [Action::Term(pid(42))]);
    let now = now + TERM_TO_KILL;
    assert_eq!(unit.on(Event::Tick, now), [Action::Kill(pid(42))]);
    assert_eq!(unit.on(Event::Ended(ProcessEnd::Killed(9)), now), [Action::Look]);
    assert_eq!(unit.state, State::Down(Down::Asked));
}

#[test]
fn a_stop_script_that_fails_is_followed_by_term_without_waiting() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    unit.on(Event::Stop(STOP), now);
    assert_eq!(
        unit.on(Event::StopScriptEnded(ProcessEnd::Exited(1)), now),
        [Action::Term(pid(42))]
    );
}

#[test]
fn a_stop_script_that_leaves_its_jvm_is_followed_by_term_after_five_seconds() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    unit.on(Event::Stop(STOP), now);
    assert_eq!(unit.on(Event::StopScriptEnded(ProcessEnd::Exited(0)), now), []);
    assert_eq!(unit.on(Event::Tick, now + AFTER_STOP_SCRIPT), [Action::Term(pid(42))]);
}

#[test]
fn one_that_was_never_up_gets_term_at_once_and_kill_after_five_seconds() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Start, now);
    unit.on(Event::Found(pid(42)), now);
    assert_eq!(unit.on(Event::Stop(STOP), now), [Action::Term(pid(42))]);
    assert_eq!(unit.on(Event::Tick, now + Duration::from_secs(5)), [Action::Kill(pid(42))]);
}

#[test]
fn a_jvm_that_appears_while_its_start_is_being_stopped_gets_term() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Start, now);
    assert_eq!(unit.on(Event::Stop(STOP), now), [Action::EndStartScript]);
    assert_eq!(unit.on(Event::Found(pid(42)), now), [Action::Term(pid(42))]);
}

#[test]
fn a_start_script_that_ends_well_while_it_is_being_stopped_may_have_left_a_jvm() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Start, now);
    unit.on(Event::Stop(STOP), now);
    unit.on(Event::ScriptEnded(ProcessEnd::Exited(0)), now);
    assert!(!unit.is_down());
    assert_eq!(unit.on(Event::Found(pid(42)), now), [Action::Term(pid(42))]);
    unit.on(Event::Ended(ProcessEnd::Exited(143)), now);
    assert!(unit.is_down());
}

#[test]
fn restart_exit_ends_the_container_with_the_components_end() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::Exit, now);
    let end = ProcessEnd::Exited(3);
    assert_eq!(unit.on(Event::Ended(end), now), [Action::EndContainer(end)]);
}

#[test]
fn nothing_is_started_any_more_while_the_container_closes() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    unit.close(Instant::now());
    assert_eq!(unit.on(Event::Ended(ProcessEnd::Exited(1)), now), []);
    assert_eq!(unit.on(Event::Start, now), []);
}

#[test]
fn a_component_that_waits_for_its_restart_is_down_once_the_container_closes() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    unit.on(Event::Ended(ProcessEnd::Exited(1)), now);
    unit.close(Instant::now());
    assert!(unit.is_down());
    assert_eq!(unit.deadline(), None, "a deadline in the past would keep the loop awake");
}

#[test]
fn a_jvm_that_was_there_before_the_start_script_is_not_our_doing() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Start, now);
    unit.on(Event::Found(pid(42)), now);
    unit.on(Event::Up, now);
    unit.on(Event::Ended(ProcessEnd::Unknown), now);
    assert_eq!(unit.state, State::Down(Down::Ended));
}

#[test]
fn a_start_whose_script_has_just_ended_is_watched_for_its_jvm_before_it_counts_as_stopped() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Start, now);
    unit.on(Event::ScriptStarted, now);
    unit.on(Event::ScriptEnded(ProcessEnd::Exited(0)), now);
    let mut late = unit.clone();
    assert_eq!(unit.on(Event::Stop(STOP), now), [Action::Look]);
    assert!(!unit.is_down());
    assert_eq!(unit.on(Event::Found(pid(42)), now), [Action::Term(pid(42))]);
    late.on(Event::Stop(STOP), now + SCRIPT_LEAVES);
    assert!(late.is_down());
}

#[test]
fn a_start_script_that_was_ended_is_watched_for_its_jvm_as_well() {
    let now = Instant::now();
    let mut unit = unit(RestartPolicy::OnFailure);
    unit.on(Event::Start, now);
    unit.on(Event::ScriptStarted, now);
    unit.close(now);
    assert_eq!(unit.on(Event::Stop(STOP), now), [Action::EndStartScript]);
    assert_eq!(unit.on(Event::ScriptEnded(ProcessEnd::Killed(15)), now), [Action::Look]);
    assert!(!unit.is_down(), "the shell may have forked what is not a JVM yet");
    assert_eq!(unit.on(Event::Found(pid(42)), now), [Action::Term(pid(42))]);
}

#[test]
fn kill_follows_before_the_containers_time_is_over() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    unit.deadline = Some(now + Duration::from_secs(3));
    unit.on(Event::Stop(StopMode::Term), now);
    assert_eq!(unit.on(Event::Tick, now + Duration::from_secs(3)), [Action::Kill(pid(42))]);
}

#[test]
fn a_process_that_not_even_kill_ends_is_not_adopted_again() {
    let now = Instant::now();
    let mut unit = up(RestartPolicy::OnFailure, now);
    unit.close(Instant::now());
    unit.on(Event::Stop(StopMode::Kill), now);
    assert_eq!(unit.on(Event::Tick, now + AFTER_KILL), [Action::GiveUp(pid(42))]);
    assert_eq!(unit.on(Event::Found(pid(42)), now), []);
    assert!(unit.is_down());
}

fn event() -> impl Strategy<Value = Event> {
    let end = prop_oneof![
        (0..256).prop_map(ProcessEnd::Exited),
        (1..64).prop_map(ProcessEnd::Killed),
        Just(ProcessEnd::Unknown)
    ];
    prop_oneof![
        Just(Event::Start),
        Just(Event::ScriptStarted),
        end.clone().prop_map(Event::ScriptEnded),
        (2..9).prop_map(|raw| Event::Found(pid(raw))),
        Just(Event::Up),
        end.clone().prop_map(Event::Ended),
        Just(Event::Stop(STOP)),
        Just(Event::Stop(StopMode::Term)),
        Just(Event::Stop(StopMode::Kill)),
        end.prop_map(Event::StopScriptEnded),
        Just(Event::Tick),
    ]
}

proptest! {
    /// Whatever happens before, a component that closes comes to rest by time alone.
    #[test]
    fn a_stop_always_ends(events in prop::collection::vec(event(), 0..40)) {
        let mut now = Instant::now();
        let mut unit = unit(RestartPolicy::OnFailure);
        for event in events {
            unit.on(event, now);
            now += Duration::from_millis(700);
        }
        unit.close(Instant::now());
        unit.on(Event::Stop(STOP), now);
        for _ in 0..10 {
            now += Duration::from_secs(601);
            unit.on(Event::Tick, now);
        }
        prop_assert!(unit.is_down(), "{:?}", unit.state);
    }
}
