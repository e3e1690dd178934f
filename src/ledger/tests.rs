//! What a ledger's bytes mean, whatever they are.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use super::{
    DrainOutcome, Event, LastEnd, LastLife, Life,
    event::render,
    file::{LedgerFile, NAME},
    queue::Queue,
    story::Story,
};
use proptest::prelude::*;
use std::fs;

/// Numbers the lines of each life, as the worker does.
fn ledger<'a>(entries: impl IntoIterator<Item = (&'a str, Event)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (n, (life, event)) in (0..).zip(entries) {
        bytes.extend(render(life, 1_700_000_000 - n, n, &event));
    }
    bytes
}

fn last(bytes: &[u8]) -> LastLife {
    LastLife::of(&Story::of(bytes), "pod-0/9-own")
}

/// What is told of a life that noted these.
fn told(events: impl IntoIterator<Item = Event>) -> String {
    last(&ledger(events.into_iter().map(|event| ("pod-0/1-a", event)))).sentence()
}

fn boot() -> Event {
    Event::Boot { version: "1".to_owned(), kind: "F".to_owned(), on_boot: "all".to_owned() }
}

fn jobs(runtimes: usize, requests: Option<usize>) -> Event {
    Event::Jobs { runtimes, requests }
}

fn held(component: &str, name: &str) -> Event {
    Event::Held { component: component.to_owned(), name: name.to_owned() }
}

fn released(component: &str, name: &str) -> Event {
    Event::Released { component: component.to_owned(), name: name.to_owned() }
}

fn drain_began(runtimes: usize) -> Event {
    Event::DrainBegan { asked_by: "pre-stop".to_owned(), runtimes }
}

fn drain_ended(outcome: DrainOutcome, jobs_finished: usize, jobs_left: usize) -> Event {
    Event::DrainEnded { outcome, jobs_finished, jobs_left, elapsed_ms: 5 }
}

fn end(exit_code: u8, reason: &str, left: &[&str]) -> Event {
    Event::End {
        exit_code,
        reason: reason.to_owned(),
        jobs_left: left.len(),
        left: left.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn oom(component: &str) -> Event {
    Event::ComponentEnded { component: component.to_owned(), end: "SIGKILL".to_owned(), oom: true }
}

#[test]
fn a_life_that_ended_is_told_by_its_own_words() {
    let finished = |count| drain_ended(DrainOutcome::Finished, count, 0);
    let asked = || end(0, "SIGTERM", &[]);
    let cases = [
        (vec![finished(3), asked()], "drained, 3 jobs finished"),
        (vec![finished(1), asked()], "drained, 1 job finished"),
        (vec![finished(0), asked()], "drained, no job had to be waited for"),
        (vec![asked()], "stopped: SIGTERM"),
        (
            vec![
                drain_ended(DrainOutcome::TimeOver, 1, 2),
                end(27, "the grace period was over", &["runtime 71", "runtime 72"]),
            ],
            "stopped: the grace period was over; 2 jobs left: runtime 71, runtime 72",
        ),
        (
            vec![end(26, "the agent failed for good", &[])],
            "ended with exit code 26: the agent failed for good",
        ),
        (
            vec![oom("server"), end(26, "the server failed for good", &[])],
            "ended with exit code 26: the server failed for good; before that, the server was killed for want of memory",
        ),
        (vec![end(20, "a\nb\u{1b}[31m", &[])], "ended with exit code 20: a b [31m"),
    ];
    for (events, wanted) in cases {
        assert_eq!(told([boot(), jobs(4, None)].into_iter().chain(events)), wanted);
    }
}

#[test]
fn a_life_that_wrote_no_end_was_killed_while_it_did_what_it_noted_last() {
    const SO: &str = "killed or out of memory without a word";
    let cases = [
        (vec![], " during its boot"),
        (vec![released("agent", "a")], ""),
        (vec![jobs(2, None)], " while 2 jobs ran"),
        (vec![jobs(2, None), jobs(0, Some(0))], " while no job ran"),
        (vec![jobs(1, Some(3))], " while 1 job and 3 requests ran"),
        (vec![jobs(0, Some(1))], " while 1 request ran"),
        (vec![jobs(5, None), drain_began(3)], " while it was draining, 3 jobs left"),
        (vec![drain_began(3), jobs(2, None)], " while it was draining, 2 jobs left"),
        (vec![drain_began(3), drain_ended(DrainOutcome::Aborted, 1, 2)], " while 2 jobs ran"),
        (
            vec![jobs(1, None), oom("agent")],
            " while 1 job ran; before that, the agent was killed for want of memory",
        ),
    ];
    for (events, wanted) in cases {
        let text = told([boot()].into_iter().chain(events));
        assert_eq!(text, format!("{SO}{wanted}"));
    }
    let after = [boot(), drain_began(3), drain_ended(DrainOutcome::Finished, 3, 0)];
    assert_eq!(told(after), format!("drained, 3 jobs finished; then {SO}"));
}

#[test]
fn without_entries_of_another_life_this_is_the_first_one() {
    assert_eq!(last(b""), LastLife::First);
    assert_eq!(last(&ledger([("pod-0/9-own", boot())])), LastLife::First);
    assert!(matches!(last(b"garbage\n"), LastLife::Unreadable { .. }));
    assert!(matches!(last(&[0; 5000]), LastLife::Unreadable { .. }));
}

#[test]
fn two_lives_that_wrote_at_once_are_kept_apart() {
    let bytes = ledger([
        ("a", boot()),
        ("b", boot()),
        ("b", jobs(7, None)),
        ("a", held("agent", "one")),
        ("b", held("server", "2")),
        ("a", end(0, "SIGTERM", &[])),
        ("b", jobs(8, None)),
        ("b", released("agent", "one")),
    ]);
    let LastLife::Known(known) = last(&bytes) else { panic!() };
    assert_eq!(known.life, "b");
    assert_eq!(
        known.end,
        LastEnd::Vanished { during: super::During::Work, runtimes: Some(8), requests: None }
    );
    let holds: Vec<_> = known.holds.iter().map(|hold| (&*hold.name, &*hold.owner)).collect();
    assert_eq!(holds, [("2", "b")]);
}

#[test]
fn a_line_that_comes_twice_or_late_counts_once() {
    let [first, second] = [(0, held("agent", "a")), (1, released("agent", "a"))]
        .map(|(n, event)| render("x", 1, n, &event));
    for order in [vec![&first, &second, &first], vec![&first, &first, &second, &second, &first]] {
        let bytes: Vec<u8> = order.into_iter().flatten().copied().collect();
        assert_eq!(Story::of(&bytes).holds().count(), 0);
    }
}

#[test]
fn what_a_newer_version_wrote_is_skipped_and_the_rest_believed() {
    let mut bytes = ledger([("a", boot()), ("a", jobs(1, None))]);
    bytes.extend(b"{\"v\":2,\"life\":\"b\",\"event\":\"moon_phase\",\"phase\":3}\n");
    bytes.extend(b"{\"v\":2,\"at\":9,\"life\":\"b\",\"event\":\"held\",\"component\":\"agent\",\"name\":\"x\",\"why\":{}}\n");
    bytes.extend(b"[1]\n{}\n\xff\xfe\n\n");
    let LastLife::Known(known) = last(&bytes) else { panic!() };
    assert_eq!((&*known.life, known.holds.len(), known.skipped), ("b", 1, 4));
}

#[test]
fn a_torn_line_costs_itself_only() {
    let whole = ledger([("a", boot()), ("a", held("agent", "one"))]);
    let next = render("b", 5, 0, &held("agent", "two"));
    for cut in 0..=whole.len() {
        let lines = whole[..cut].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let complete = lines.filter(|line| line.ends_with(b"}")).count();
        let bytes = [&whole[..cut], b"\n", &next].concat();
        let story = Story::of(&bytes);
        let names: Vec<_> = story.holds().map(|hold| &*hold.name).collect();
        let wanted: &[&str] = if complete == 2 { &["one", "two"] } else { &["two"] };
        assert_eq!(names, wanted, "cut at {cut}");
    }
}

#[test]
fn an_entry_of_any_length_becomes_a_line_that_is_read_again() {
    let long = "\"\\\n".repeat(100_000);
    let mut event = end(26, &long, &[&*long; 100]);
    event.tidy(str::to_owned);
    let bytes = render("a", 1, 0, &event);
    assert_eq!(bytes.iter().position(|byte| *byte == b'\n'), Some(bytes.len() - 1));
    assert!(matches!(last(&bytes), LastLife::Known(_)), "{} bytes", bytes.len());
}

#[test]
fn a_thousand_foreign_lives_are_forgotten_and_the_latest_known() {
    let mut bytes = Vec::new();
    for count in 0..5000 {
        bytes.extend(render(&format!("life-{count}"), 1, 0, &boot()));
    }
    bytes.extend(render("life-4999", 1, 1, &jobs(6, None)));
    assert!(last(&bytes).sentence().contains("6 jobs"));
}

#[test]
fn a_long_ledger_is_shortened_to_what_matters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    let mut bytes = ledger([("a", held("agent", "never released")), ("a", end(0, "", &[]))]);
    bytes.extend(ledger([("b", boot()), ("b", drain_began(4))]));
    for count in 2..40_000 {
        bytes.extend(render("own", 1, count, &jobs(usize::try_from(count).unwrap(), Some(1))));
    }
    fs::write(&path, &bytes).unwrap();
    // What a killed writer of another life left.
    let left_over = folder.path().join("ledger.jsonl.77.new");
    fs::write(&left_over, "x").unwrap();
    let queue = Queue::default();
    let mut file = LedgerFile::new(folder.path(), "own", &queue);
    let (written, result) = file.append(&[render("own", 1, 50_000, &jobs(5, None))]);
    result.unwrap();
    assert_eq!(written, 1);
    let now = fs::read(&path).unwrap();
    assert!(now.len() < 300_000, "{}", now.len());
    for own in ["own", "other"] {
        let (before, after) = (Story::of(&bytes), Story::of(&now));
        if own == "own" {
            assert_eq!(LastLife::of(&before, own), LastLife::of(&after, own));
        } else {
            assert!(LastLife::of(&after, own).sentence().contains("5 jobs"));
        }
        assert_eq!(after.skipped, 0);
        assert_eq!(after.holds().next().unwrap().name, "never released");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn lines_written_to_a_ledger_that_is_being_shortened_are_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let filling = |life: usize| {
        move || {
            let queue = Queue::default();
            let mut file = LedgerFile::new(path, &life.to_string(), &queue);
            (file.limit, file.recent) = (4 << 10, 1 << 10);
            let id = format!("life-{life}");
            // A line that is lost leaves a hold open, or is missed at the end.
            for n in 0..600 {
                let name = format!("{life}.{n}.{}", "x".repeat(100));
                let pair = [held("agent", &name), released("agent", &name)];
                for (n, event) in (2 * n..).zip(pair) {
                    file.append(&[render(&id, 1, n, &event)]).1.unwrap();
                }
            }
            file.append(&[render(&id, 1, 5000, &held("agent", &id))]).1.unwrap();
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|life| scope.spawn(filling(life))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let bytes = fs::read(path.join(NAME)).unwrap();
    assert!(bytes.len() < 100 << 10, "{}", bytes.len());
    let story = Story::of(&bytes);
    let mut held: Vec<_> = story.holds().map(|hold| &*hold.name).collect();
    held.sort_unstable();
    assert_eq!((held, story.skipped), (vec!["life-0", "life-1", "life-2"], 0));
}

#[test]
fn two_lives_of_one_name_differ() {
    assert_ne!(Life::new("pod-0").id, Life::new("pod-0").id);
    assert!(Life::new("pod-0").id.starts_with("pod-0/"));
}

/// Something like an entry.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let event = prop_oneof![
        Just(boot()),
        (0..9_usize, proptest::option::of(0..9_usize)).prop_map(|(a, b)| jobs(a, b)),
        ".{0,5}".prop_map(|name| held("agent", &name)),
        ".{0,5}".prop_map(|name| released("agent", &name)),
        (0..9_usize).prop_map(drain_began),
        (0..9_usize).prop_map(|left| drain_ended(DrainOutcome::Forced, 0, left)),
        any::<u8>().prop_map(|code| end(code, "why", &[])),
        Just(oom("agent")),
    ];
    let line = ("[ab]", 0..20_u64, event).prop_map(|(life, n, event)| render(&life, 1, n, &event));
    prop_oneof![4 => line, 1 => proptest::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = last(&bytes).sentence();
    }

    #[test]
    fn shortening_changes_no_meaning(
        lines in proptest::collection::vec(nearly(), 0..40),
        recent in 0..2000_usize,
    ) {
        let bytes = lines.concat();
        let story = Story::of(&bytes);
        let kept = story.keep(&bytes, recent);
        prop_assert!(kept.len() <= bytes.len() + 1);
        let (LastLife::Known(before), LastLife::Known(after)) = (last(&bytes), last(&kept)) else {
            return Ok(());
        };
        prop_assert_eq!(before.sentence(), after.sentence());
        prop_assert_eq!(&before.holds, &after.holds);
        prop_assert!(!before.sentence().contains(char::is_control));
    }
}
