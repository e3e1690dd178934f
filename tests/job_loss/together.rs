//! What happens to the server, and to all pods together.

use crate::{
    pods::{Pod, SERVER, SOON},
    stops::Way,
    story::{LONG, SHORT, Story, count},
};
use jjobs_harness::within;
use std::{
    sync::PoisonError,
    thread,
    time::{Duration, Instant},
};

impl Story<'_> {
    /// Stops the server's pod while requests of its own and its agents' jobs run, and brings it back.
    pub(crate) fn stop_server(&self, way: Way) {
        let server = &self.pods.server;
        let guard = self.pods.feeding.lock().unwrap_or_else(PoisonError::into_inner);
        let ran = self.load_server();
        let ended = self.stop(server, way, (&ran, server.now()));
        let began = Instant::now();
        self.bring_server_back();
        for agent in &self.pods.agents {
            agent.eventually("the agent is at work with the returned server", |agent| {
                self.pods.is_at_work(agent)
            });
        }
        let is_held = || self.pods.board().is_none_or(|board| board.is_held);
        server.eventually("the server is released", |_| !is_held());
        drop(guard);
        let back = began.elapsed().as_secs_f32();
        self.tell(server, &format!("{way:?}"), &format!("{ran}; {ended}; back after {back:.1} s"));
    }

    fn bring_server_back(&self) {
        let server = &self.pods.server;
        let from = server.restart();
        server.eventually("the server is up", |server| server.has_said(from, "all up"));
    }

    /// The whole of J-Jobs is shut down.
    pub(crate) fn stop_all_at_once(&self) {
        let guard = self.pods.feeding.lock().unwrap_or_else(PoisonError::into_inner);
        let ran = self.load_server();
        let ways = [Way::Term, Way::HookThenTerm, Way::HookKilledThenTerm];
        thread::scope(|scope| {
            let server = &self.pods.server;
            scope.spawn(|| self.stop_together(server, Way::HookThenTerm, &ran));
            for (agent, way) in self.pods.agents.iter().zip(ways) {
                let ran = &ran;
                scope.spawn(move || self.stop_together(agent, way, ran));
            }
        });
        self.bring_server_back();
        thread::scope(|scope| {
            for agent in &self.pods.agents {
                scope.spawn(|| self.bring_back(agent));
            }
        });
        drop(guard);
    }

    /// The server's JVM dies, and PID 1 starts it again, while the agents are to be held.
    pub(crate) fn stop_agents_while_the_server_is_away(&self) {
        let guard = self.pods.feeding.lock().unwrap_or_else(PoisonError::into_inner);
        let server = &self.pods.server;
        let ran = self.load_server();
        // What a server that dies works on itself is lost, and by nobody's fault.
        server.eventually("only agents work", |_| self.pods.own_requests().is_empty());
        for agent in &self.pods.agents {
            self.load(agent);
        }
        let ways = [Way::HookThenTerm, Way::Term, Way::HooksSideBySideThenTerm];
        server.kill_server();
        thread::scope(|scope| {
            for (agent, way) in self.pods.agents.iter().zip(ways) {
                let ran = &ran;
                scope.spawn(move || self.stop_together(agent, way, ran));
            }
        });
        server.eventually("the server is there again", |_| self.pods.board().is_some());
        thread::scope(|scope| {
            for agent in &self.pods.agents {
                scope.spawn(|| self.bring_back(agent));
            }
        });
        drop(guard);
    }

    fn stop_together(&self, pod: &Pod, way: Way, ran: &str) {
        let ended = self.stop(pod, way, (ran, pod.now()));
        self.tell(pod, &format!("all: {way:?}"), &format!("{ran}; {ended}"));
    }

    /// Gives jobs to everybody until short and long ones run at the server itself and at agents.
    fn load_server(&self) -> String {
        let server = &self.pods.server;
        let mut submitted: Option<Instant> = None;
        let loaded = within(SOON, || {
            if submitted.is_none_or(|at| at.elapsed() > Duration::from_secs(3)) {
                submitted = Some(Instant::now());
                self.pods.submit(self.cast.long_job(), 2, Some(server));
                self.pods.submit(1.0, 4, Some(server));
                for agent in &self.pods.agents {
                    self.pods.submit(self.cast.long_job(), 1, Some(agent));
                    self.pods.submit(0.8, 4, Some(agent));
                }
            }
            let own = self.pods.own_requests();
            let theirs: Vec<f64> =
                self.pods.board()?.agents.into_values().flat_map(|agent| agent.running).collect();
            let numbers = [&own, &theirs].map(|jobs| (count(jobs, &SHORT), count(jobs, &LONG)));
            let is_loaded = numbers.iter().all(|(short, long)| *short > 0 && *long > 0);
            let [(short, long), (their_short, their_long)] = numbers;
            is_loaded.then(|| format!("{short} short, {long} long, and at agents {their_short} short, {their_long} long"))
        });
        loaded.unwrap_or_else(|| panic!("{SERVER} never had jobs enough: {:?}", self.pods.board()))
    }
}
