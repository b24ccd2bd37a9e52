//! A storm: three workers under faults that a seed has drawn, each started again as a supervisor would; at the end every
//! record must have been counted, once.

mod network;
mod plan;
mod producer;
mod standstill;
mod station;

use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

use crate::Arguments;
use crate::alerts::{self, Found};
use crate::common::say::{say, tell};
use crate::dynamodb::Dynamodb;
use crate::postgres::Postgres;
use crate::processed::Processed;
use crate::worker::Fleet;
use crate::{control, counting, scene, traffic};
pub(crate) use network::{Line, Network};
use plan::{Fault, From, Planned};
use producer::Producer;
use standstill::Standstill;
use station::Station;
pub(crate) use station::leader;

const WORKERS: usize = 3;
/// After the last fault: what was put meanwhile is read, by workers that all have just been started.
const PATIENCE: Duration = Duration::from_secs(600);
const START: Duration = Duration::from_secs(120);

struct Storm<'a> {
    fleet: &'a Fleet<'a>,
    network: Option<Network>,
    postgres: &'a Postgres,
    stream: Stream,
    alerts: Stream,
    stations: Vec<Station>,
    processed: Processed,
    /// The next that is cut off inside a transaction is in one of alerts, not of counts.
    holds_alerts: bool,
    began: Instant,
}

/// What was not as it must be.
pub(crate) fn rage(arguments: &Arguments, faults: usize) -> Result<Vec<String>, Error> {
    let folder = std::path::absolute(&arguments.folder)?;
    if control::is_up(&folder) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "a fleet is up here: end it by `cargo xtask fleet down`",
        ));
    }
    scene::clear(&folder);
    std::fs::create_dir_all(folder.join("journals"))?;
    let network = arguments.network.then(|| Network::make(WORKERS + 1)).transpose();
    let network = network.inspect_err(|error| say(format_args!("{error}"))).ok().flatten();
    if network.is_none() {
        say(
            "workers are processes of one host: nobody is cut off (hosts of their own need Linux, `ip`, and root)",
        );
    }
    let hosts = network.is_some();
    let here = |address| if hosts { address } else { "127.0.0.1" };
    let kinesis = Local::new().port(0).open()?;
    let own = kinesis.endpoint_url().unwrap_or_default().to_owned();
    let endpoint = match (hosts, own.rsplit(':').next().and_then(|port| port.parse().ok())) {
        (true, Some(port)) => {
            network::publish(port)?;
            format!("http://localhost:{port}")
        }
        _ => own.clone(),
    };
    let dynamodb = Dynamodb::start(&arguments.dynamodb, &folder, here(network::DYNAMODB))?;
    let postgres = Postgres::start(here(network::POSTGRES), &["max_connections=300"])?;
    let stream = kinesis.create_stream("fleet", 4)?;
    let alerts = kinesis.create_stream(alerts::STREAM, 1)?;
    // A line is a worker's for good, whichever process it is.
    let lines = (0..if hosts { WORKERS + 1 } else { 0 }).map(|_| Line::to_postgres(postgres.port()));
    let lines = lines.collect::<Result<Vec<Line>, Error>>()?;
    let (database, leases) = (postgres.own_url(), &*dynamodb.endpoint);
    let fleet = Fleet {
        arguments,
        folder: &folder,
        kinesis: &endpoint,
        dynamodb: leases,
        postgres: Some(&database),
        lines: &lines,
        hosts,
        gate: None,
    };
    let (seed, seconds) = (arguments.seed, Duration::from_secs(arguments.seconds.unwrap_or(600)));
    let plan = plan::faults(seed, faults, seconds, WORKERS, 4, hosts);
    tell(format_args!("seed {seed}: {faults} faults in {} s", seconds.as_secs()));
    plan.iter().for_each(|one| tell(format_args!("  at {:5.1} s  {}", one.at.as_secs_f64(), one.fault)));
    let producer = Producer::start(arguments.python.as_deref(), &own, &stream)?;
    if arguments.python.is_none() {
        say("no Python with boto3 is here: this program puts the records");
    }
    let stations = (1..=WORKERS).map(|number| Station::start(&fleet, number)).collect::<Result<_, _>>()?;
    let (processed, began) = (Processed::default(), Instant::now());
    let mut storm = Storm {
        fleet: &fleet,
        network,
        postgres: &postgres,
        stream,
        alerts,
        stations,
        processed,
        holds_alerts: false,
        began,
    };
    storm.run(&plan, producer)
}

impl Storm<'_> {
    fn run(&mut self, plan: &[Planned], producer: Producer) -> Result<Vec<String>, Error> {
        self.wait(START, "no record was processed", |storm| !storm.processed.records.is_empty())?;
        tell(format_args!(
            "the first record was processed after {:.0} s",
            self.began.elapsed().as_secs_f64()
        ));
        self.began = Instant::now();
        for one in plan {
            while self.began.elapsed() < one.at {
                self.look_after(false)?;
                std::thread::sleep(Duration::from_millis(50));
            }
            self.suffer(one.fault)?;
            self.look()?;
            tell(format_args!(
                "{:6.1} s  {}  (put {}, processed {})",
                self.began.elapsed().as_secs_f64(),
                one.fault,
                producer.put(),
                self.processed.records.len()
            ));
        }
        let put = producer.end()?;
        tell(format_args!("{:6.1} s  the storm is over: {put} were put", self.began.elapsed().as_secs_f64()));
        let closed = traffic::closed(&self.stream)?;
        let everything = self.wait(PATIENCE, "not everything was processed", |storm| {
            storm.processed.records.len() as u64 >= put && closed.is_subset(&storm.processed.ended)
        });
        if everything.is_ok() {
            // Those that do not come are told below.
            let _ = self.wait(alerts::DELIVERED_WITHIN, "alerts are on their way", |storm| {
                alerts::are_delivered(&storm.alerts, put).unwrap_or(false)
            });
        }
        let mut wrong: Vec<String> = everything.err().map(|error| error.to_string()).into_iter().collect();
        self.stations.iter_mut().for_each(Station::end);
        for station in &mut self.stations {
            wrong.extend(station.wait());
        }
        self.look()?;
        wrong.extend(self.processed.faults(put, &closed));
        let database = self.postgres.own_url();
        let (counts, faults) = counting::compare(&database, put, self.fleet.arguments.keys)?;
        wrong.extend(faults);
        let (alerts, faults) = Found::read(&database, &self.alerts)?.compare(put);
        wrong.extend(faults);
        tell(format_args!(
            "seed {}, {} faults in {:.0} s, {} workers started: put {put} processed {}, {} again; {counts}; {alerts}",
            self.fleet.arguments.seed,
            plan.len(),
            self.began.elapsed().as_secs_f64(),
            self.stations.iter().map(|station| station.starts).sum::<usize>(),
            self.processed.records.len(),
            self.processed.again(),
        ));
        Ok(wrong)
    }

    fn suffer(&mut self, fault: Fault) -> Result<(), Error> {
        match fault {
            Fault::KillChild(number, draw) => self.stations[number - 1].kill_child(draw),
            Fault::KillDaemon(number) => self.stations[number - 1].kill(),
            Fault::KillLeader => {
                let leader = station::leader(self.fleet.dynamodb);
                let leader = leader.and_then(|name| self.stations.iter_mut().find(|one| one.is(&name)));
                match leader {
                    Some(station) => station.kill(),
                    None => say("nobody leads now"),
                }
            }
            Fault::Terminate(number) => self.stations[number - 1].end_and_start_again(),
            Fault::Pause(number, length) => self.stations[number - 1].pause(length),
            Fault::CutOff(number, from, length) => self.cut_off(number, from, length)?,
            Fault::RestartPostgres => self.postgres.restart()?,
            Fault::Split => drop(traffic::split(&self.stream)?),
            Fault::Merge => traffic::merge(&self.stream)?,
            Fault::Join(length) => {
                if self.stations.len() == WORKERS {
                    self.stations.push(Station::start(self.fleet, WORKERS + 1)?);
                }
                self.stations[WORKERS].stays(length);
            }
        }
        Ok(())
    }

    fn cut_off(&mut self, number: usize, from: From, length: Duration) -> Result<(), Error> {
        let Some(network) = &self.network else { return Ok(()) };
        let services: &[&str] = match from {
            From::Everything => &[network::KINESIS, network::DYNAMODB, network::POSTGRES],
            From::Dynamodb | From::Held => &[network::DYNAMODB],
            From::Postgres | From::InTransaction => &[network::POSTGRES],
        };
        let line = &self.fleet.lines[number - 1];
        let held = match from {
            From::InTransaction => {
                let shards = if self.holds_alerts { "alert_shards" } else { "shards" };
                self.holds_alerts = !self.holds_alerts;
                Some(self.postgres.hold(shards, &line.ports())?)
            }
            _ => None,
        };
        if held.as_ref().is_some_and(|held| !held.has_one) {
            say(format_args!("worker-{number} had no transaction within 5 s: it is cut off without"));
        }
        self.stations[number - 1].cut(network, services, length)?;
        if from == From::Held {
            self.stations[number - 1].hold(line);
        }
        // What its transaction waits for is free now, of which it does not hear.
        drop(held);
        Ok(())
    }

    /// Workers that are gone are started again, those that are cut off or stand still go on; at once, if everything is over.
    fn look_after(&mut self, is_over: bool) -> Result<(), Error> {
        for station in &mut self.stations {
            station.look_after(self.fleet, self.network.as_ref(), is_over)?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Error> {
        self.processed.read(&self.fleet.folder.join("journals"))
    }

    fn wait(
        &mut self,
        patience: Duration,
        why: &str,
        is_done: impl Fn(&Storm<'_>) -> bool,
    ) -> Result<(), Error> {
        let (began, mut standstill) = (Instant::now(), Standstill::default());
        loop {
            self.look_after(true)?;
            self.look()?;
            if is_done(self) {
                return Ok(());
            }
            let done = self.processed.records.len() + self.processed.ended.len();
            if standstill.is_too_long(done, began.elapsed()) {
                return Err(Error::new(ErrorKind::Timeout, format!("{why}: {standstill}")));
            }
            if began.elapsed() > patience {
                let sentence = format!("{why} within {} s: logs are in target/fleet", patience.as_secs());
                return Err(Error::new(ErrorKind::Timeout, sentence));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
