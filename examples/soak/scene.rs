//! The run: everything is started, goes wrong as planned, and ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

use crate::Arguments;
use crate::check::{self, Outcome};
use crate::common::ending::asked_to_end;
use crate::common::say::{say, tell};
use crate::disk::{Disk, STREAMS};
use crate::faults::{self, Fault, Planned};
use crate::hold::Hold;
use crate::ledger::{self, Visits};
use crate::plan::{self, Plan};
use crate::program::Program;
use crate::reader::Reader;
use crate::second::Second;
use crate::send::{self, Answer, Progress};
use crate::site_runs::SiteRuns;
use crate::table::{EVERY, Table};

/// The visitors go home before the end, and what is behind catches up.
const LAST: Duration = Duration::from_secs(4);
const CLIENTS: usize = 150;
const ATTACKERS: usize = 8;

/// What is wrong at the end; empty when nothing is.
pub(crate) fn play(arguments: &Arguments) -> Result<Vec<String>, Error> {
    let time = arguments.time().map_err(|sentence| Error::new(ErrorKind::InvalidInput, sentence))?;
    let _ = std::fs::remove_dir_all(&arguments.folder);
    std::fs::create_dir_all(&arguments.folder)?;
    let mut scene = Scene::set(arguments)?;
    let asked = asked_to_end();
    let (plan, visitors) = scene.visit(arguments, time - LAST);
    let kinesis = Kinesis::endpoint(&scene.endpoint)?;
    let second = Second::start(kinesis.stream("site")?);
    scene.go_wrong(faults::plan(arguments.seed, time), time, &second, &asked)?;
    let answers = visitors.join().map_err(|_| Error::new(ErrorKind::Processor, "the visitors panicked"))?;
    let put = second.end();
    scene.calm()?;
    let visits = Visits { plan: &plan, answers: &answers, began: scene.visited_since() };
    let outcome = Outcome { visits, put };
    check::check(&mut scene, outcome, &kinesis)
}

/// All that is at work.
pub(crate) struct Scene {
    // Before the disk that its databases are on: dropped in this order.
    pub(crate) programs: Vec<Program>,
    pub(crate) disk: Disk,
    endpoint: String,
    reader: Reader,
    progress: Arc<Progress>,
    began: Instant,
    holds: Vec<(Instant, Hold)>,
    /// Since when nothing hinders a start.
    free: Instant,
    pub(crate) site_runs: SiteRuns,
    pub(crate) table: Table,
    pub(crate) wrong: Vec<String>,
    pub(crate) met: usize,
}

impl Scene {
    fn set(arguments: &Arguments) -> Result<Scene, Error> {
        let events = (arguments.rate * arguments.minutes * 60.0) as u64;
        let (logs, disk) = (&arguments.folder, Disk::under(&arguments.folder, events)?);
        if !disk.own {
            say("SKIPPED: the full disk; a file system in memory can't be mounted here (as root it can)");
        }
        let local = {
            let streams = disk.folder.join(STREAMS).to_string_lossy().into_owned();
            Program::start("local", logs, "local_kinesis", &["--folder", &streams])?
        };
        let endpoint = local.address()?;
        let at = ["--endpoint", &endpoint, "--stream", "site"];
        // Any free port the first time; then the same one, which the visitors know.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port().to_string();
        let more = ["--create", "--alerts", "site-alerts", "--trust-proxy", "127.0.0.1", "--port", &port];
        let mut site_runs = SiteRuns::default();
        site_runs.began(Timestamp::now());
        let site = Program::start("site", logs, "website", &[&at[..], &more].concat())?;
        site.address()?;
        let state = disk.folder.to_string_lossy().into_owned();
        let part = |name| {
            Program::start(name, logs, "pipeline", &[&at[..], &["--folder", &state, "--only", name]].concat())
        };
        let (counts, alerts) = (format!("{state}/counts.db"), format!("{state}/alerts.db"));
        let live = Program::start("live", logs, "live", &["--counts", &counts, "--alerts", &alerts])?;
        let reader = Reader::start(live.address()?);
        Ok(Scene {
            programs: vec![local, site, part("filter")?, part("counter")?, part("detection")?, live],
            disk,
            endpoint,
            reader,
            progress: Arc::default(),
            began: Instant::now(),
            holds: Vec::new(),
            free: Instant::now(),
            site_runs,
            table: Table::default(),
            wrong: Vec::new(),
            met: 0,
        })
    }

    pub(crate) fn program(&mut self, name: &str) -> &mut Program {
        let found = self.programs.iter_mut().find(|program| program.name == name);
        found.unwrap_or_else(|| unreachable!("the scene has no program {name}"))
    }

    /// The page was seen so often.
    pub(crate) fn seen(&self) -> u64 {
        self.reader.seen()
    }

    fn visit(
        &mut self,
        arguments: &Arguments,
        time: Duration,
    ) -> (Arc<Plan>, std::thread::JoinHandle<Vec<Answer>>) {
        let plan = Arc::new(plan::plan(&plan::Options {
            clients: CLIENTS,
            attackers: ATTACKERS,
            requests: (arguments.rate * time.as_secs_f64()) as usize,
            attacks_percent: 20,
            time,
            seed: arguments.seed,
        }));
        let address = self.program("site").address().unwrap_or_default();
        let site = address.trim_start_matches("http://").parse();
        let site = site.unwrap_or_else(|_| unreachable!("the site said an address before: {address}"));
        self.began = Instant::now();
        let (plan_too, progress) = (plan.clone(), self.progress.clone());
        let visitors = std::thread::spawn(move || match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime.block_on(send::send(plan_too, site, false, progress)),
            Err(_) => Vec::new(),
        });
        (plan, visitors)
    }

    /// When their first request was due.
    fn visited_since(&self) -> Timestamp {
        let began = self.progress.began.get();
        Timestamp::now() - began.map_or(Duration::ZERO, Instant::elapsed)
    }

    fn go_wrong(
        &mut self,
        planned: Vec<Planned>,
        time: Duration,
        second: &Second,
        asked: &AtomicBool,
    ) -> Result<(), Error> {
        let (mut planned, mut row) = (planned.into_iter().peekable(), EVERY);
        while self.began.elapsed() < time {
            if asked.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Processor, "ended before its time"));
            }
            while let Some(next) = planned.next_if(|next| next.at <= self.began.elapsed()) {
                self.meet(next, second)?;
            }
            self.end_holds(false)?;
            self.look_after()?;
            if self.began.elapsed() >= row {
                row += EVERY;
                let counted = Counts::open(self.disk.folder.join("counts.db")).and_then(|counts| {
                    let totals = counts.totals()?;
                    Ok(ledger::counted(&counts)?.values().sum::<u64>() + totals.refused)
                });
                let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
                let progress = &self.progress;
                let made = of(&progress.answered) + of(&progress.refused) + of(&second.clock.put);
                let unread = counted.ok().map(|counted| made.saturating_sub(counted));
                self.table.row(self.began.elapsed(), &self.programs, &self.disk, made, unread);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn meet(&mut self, next: Planned, second: &Second) -> Result<(), Error> {
        let hold = match next.fault {
            Fault::Kill(names) => {
                for name in names {
                    let at = Timestamp::now();
                    self.program(name).kill();
                    if *name == "site" {
                        self.site_runs.killed(at, Timestamp::now());
                    }
                }
                names.iter().try_for_each(|name| self.start_again(name))?;
                None
            }
            Fault::NewVersion => {
                self.end_program("site")?;
                self.start_again("site")?;
                None
            }
            Fault::Locked(file) => Some(Hold::lock(&self.disk, file)),
            Fault::FullDisk if !self.disk.own => return Ok(()),
            Fault::FullDisk => Some(Hold::fill(&self.disk)),
            Fault::ClosedPipes => {
                self.programs.iter_mut().for_each(Program::close_pipe);
                None
            }
            Fault::Clock(seconds) => {
                second.clock.ahead.store(seconds, Ordering::Relaxed);
                None
            }
            Fault::HalfRequest => Some(Hold::half_request(&self.endpoint)),
        };
        self.met += 1;
        match hold {
            Some(Ok(hold)) => {
                self.table.note(format_args!("{} for {:.0} s", next.fault, next.lasts.as_secs_f64()));
                self.holds.push((Instant::now() + next.lasts, hold));
            }
            Some(Err(error)) => self.table.note(format_args!("{}: not possible: {error}", next.fault)),
            None => self.table.note(next.fault),
        }
        Ok(())
    }

    fn end_holds(&mut self, all: bool) -> Result<(), Error> {
        let now = Instant::now();
        for (until, hold) in std::mem::take(&mut self.holds) {
            if all || until <= now {
                hold.end(&self.disk)?;
            } else {
                self.holds.push((until, hold));
            }
        }
        if self.holds.iter().any(|(_, hold)| hold.hinders_a_start()) {
            self.free = now;
        }
        Ok(())
    }

    fn start_again(&mut self, name: &str) -> Result<(), Error> {
        if name == "site" {
            self.site_runs.began(Timestamp::now());
        }
        self.program(name).start_again()?;
        match name {
            "live" => {
                let url = self.program(name).address()?;
                self.reader.moved_to(url);
            }
            // The visitors are refused connections until it listens.
            "site" => drop(self.program(name).address()?),
            _ => {}
        }
        Ok(())
    }

    /// What ends by itself is started again, as a service manager would, and is wrong; unless it could not even
    /// begin, on a full disk or beside a lock.
    fn look_after(&mut self) -> Result<(), Error> {
        let mut ended = Vec::new();
        for program in &mut self.programs {
            let last = program.last_words();
            if let Some(status) = program.ended() {
                ended.push((program.name, program.started, status, last));
            }
        }
        for (name, started, status, last) in ended {
            let hindered = self.free + Duration::from_secs(1) > started;
            let last = last.lines().rev().find(|line| line.contains("error")).unwrap_or_default().to_owned();
            self.table.note(format_args!("{name} ended by itself ({status})"));
            if !hindered {
                self.wrong.push(format!("{name} ended by itself with {status}: {last}"));
            }
            std::thread::sleep(Duration::from_millis(500));
            self.start_again(name)?;
        }
        Ok(())
    }

    /// Nothing goes wrong from here on.
    fn calm(&mut self) -> Result<(), Error> {
        self.end_holds(true)?;
        tell(format_args!("{} faults met; now all is checked", self.met));
        Ok(())
    }

    /// By SIGTERM; wrong when its status is not 0. Meanwhile, faults end in their time: a disk that stayed full
    /// until the site has ended would keep its last events for ever.
    pub(crate) fn end_program(&mut self, name: &'static str) -> Result<(), Error> {
        let (before, asked) = (self.program(name).last_words(), Timestamp::now());
        let ended = match self.program(name).ask_to_end() {
            Err(sentence) => Err(sentence),
            Ok(until) => loop {
                if let Some(ended) = self.program(name).end(until) {
                    break ended;
                }
                self.end_holds(false)?;
                std::thread::sleep(Duration::from_millis(20));
            },
        };
        let words = self.program(name).last_words();
        match ended {
            Ok(status) if name == "site" && !status.success() => {
                // It says so when the service took nothing for five seconds: whether that was so, is told at the end.
                self.site_runs.failed(asked, Timestamp::now());
            }
            Ok(status) if status.success() && name == "site" => self.site_runs.ended(&words),
            Ok(status) if status.success() => {}
            Ok(status) => {
                let words = format!("{before}{words}");
                let why = words.lines().rev().find(|line| line.starts_with("error")).unwrap_or_default();
                self.wrong.push(format!("{name} ended with {status} after SIGTERM: {why}"));
            }
            Err(sentence) => self.wrong.push(sentence),
        }
        Ok(())
    }
}
