//! Who asks for what, and when: a function of its options and a seed.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use fastrand::Rng;

/// What is to be planned.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How many clients there are, attackers among them.
    pub(crate) clients: usize,
    /// How many of them attack: a crawler, a login-guesser, a burst, a scraper, and from the front again.
    pub(crate) attackers: usize,
    /// How many requests all of them make together.
    pub(crate) requests: usize,
    /// How many of those, in percent, are the attackers'.
    pub(crate) attacks_percent: usize,
    /// From the first request to the last.
    pub(crate) time: Duration,
    pub(crate) seed: u64,
}

/// What sort of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Walks from page to page, at a rate of its own, with gaps as people leave them.
    Normal,
    /// Asks for one path after the other, most of which are not there.
    Crawler,
    /// Tries passwords.
    Guesser,
    /// Hammers one page for a short time.
    Burst,
    /// Asks for one page again and again, at even intervals.
    Scraper,
}

pub(crate) struct Client {
    pub(crate) kind: Kind,
    pub(crate) address: IpAddr,
    pub(crate) user_agent: &'static str,
}

pub(crate) struct Request {
    /// Which of the clients.
    pub(crate) client: usize,
    /// When, since the beginning.
    pub(crate) offset: Duration,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    /// A form; empty for GET.
    pub(crate) body: String,
}

pub(crate) struct Plan {
    pub(crate) clients: Vec<Client>,
    /// In the order of time.
    pub(crate) requests: Vec<Request>,
}

const ATTACKS: [Kind; 4] = [Kind::Crawler, Kind::Guesser, Kind::Burst, Kind::Scraper];
const WORDS: [&str; 12] = [
    "lamp",
    "red+lamp",
    "chair",
    "table",
    "rug",
    "clock",
    "mirror",
    "shelf",
    "desk",
    "sofa",
    "caf%C3%A9+cup",
    "bed",
];
const BROWSERS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/604.1",
];

/// The same options give the same plan.
pub(crate) fn plan(options: &Options) -> Plan {
    let mut rng = Rng::with_seed(options.seed);
    let attackers = options.attackers.min(options.clients);
    let mut kinds = vec![Kind::Normal; options.clients];
    kinds.iter_mut().zip(ATTACKS.iter().cycle()).take(attackers).for_each(|(kind, attack)| *kind = *attack);
    // Nobody is known by his address.
    rng.shuffle(&mut kinds);
    let clients: Vec<Client> =
        kinds.into_iter().enumerate().map(|(n, kind)| client(kind, address(n), &mut rng)).collect();

    let of = |wanted: bool| -> Vec<usize> {
        let matching =
            clients.iter().enumerate().filter(|(_, client)| (client.kind != Kind::Normal) == wanted);
        matching.map(|(n, _)| n).collect()
    };
    let (attacking, normal) = (of(true), of(false));
    let attacks = match (attacking.len(), normal.len()) {
        (0, _) => 0,
        (_, 0) => options.requests,
        _ => options.requests * options.attacks_percent.min(100) / 100,
    };
    let mut offsets: Vec<Vec<Duration>> = vec![Vec::new(); clients.len()];
    for (n, client) in attacking.iter().enumerate() {
        // The remainder goes to the first ones.
        let share = attacks / attacking.len() + usize::from(n < attacks % attacking.len());
        offsets[*client] = attack_times(clients[*client].kind, share, options.time, &mut rng);
    }
    if !normal.is_empty() {
        // A request at any time by anyone: each client's are a Poisson process.
        for _ in attacks..options.requests {
            offsets[normal[rng.usize(..normal.len())]].push(options.time.mul_f64(rng.f64()));
        }
    }
    let mut requests: Vec<Request> = Vec::with_capacity(options.requests);
    for (n, mut offsets) in offsets.into_iter().enumerate() {
        offsets.sort_unstable();
        requests.extend(walk(n, clients[n].kind, &offsets, &mut rng));
    }
    // Stable: of one client, the order of its walk.
    requests.sort_by_key(|request| request.offset);
    Plan { clients, requests }
}

fn client(kind: Kind, address: IpAddr, rng: &mut Rng) -> Client {
    let user_agent = match kind {
        Kind::Crawler => "Scrapy/2.13 (+https://scrapy.org)",
        Kind::Guesser => "python-requests/2.32.5",
        Kind::Burst => "ApacheBench/2.3",
        // What wants to be taken for a browser.
        Kind::Normal | Kind::Scraper => BROWSERS[rng.usize(..BROWSERS.len())],
    };
    Client { kind, address, user_agent }
}

/// The networks that documents use (RFC 5737, RFC 3849); every fourth client has IPv6.
fn address(n: usize) -> IpAddr {
    let v4 = n - n.div_ceil(4);
    let nets = [[192, 0, 2], [198, 51, 100], [203, 0, 113]];
    match (n % 4, v4 / nets.len()) {
        (1.., host @ 0..254) => {
            let [a, b, c] = nets[v4 % nets.len()];
            IpAddr::from([a, b, c, host as u8 + 1])
        }
        _ => IpAddr::from(Ipv6Addr::from(0x2001_0db8_u128 << 96 | (n as u128 + 1))),
    }
}

/// An attack begins in the first third, so that all of it can be seen; a burst takes a tenth of the time,
/// the others four.
fn attack_times(kind: Kind, share: usize, time: Duration, rng: &mut Rng) -> Vec<Duration> {
    let begin = time.mul_f64(0.1 + 0.2 * rng.f64());
    let length = time.mul_f64(if kind == Kind::Burst { 0.1 } else { 0.4 });
    let place = |n: usize, rng: &mut Rng| match kind {
        Kind::Scraper => n as f64 / share as f64,
        _ => rng.f64(),
    };
    (0..share).map(|n| begin + length.mul_f64(place(n, rng))).collect()
}

/// What a client asks for at these times.
fn walk(client: usize, kind: Kind, offsets: &[Duration], rng: &mut Rng) -> Vec<Request> {
    let product = 1 + rng.usize(..200);
    let steps = offsets.iter().enumerate().map(|(n, offset)| {
        let (method, path, body) = match kind {
            Kind::Normal => step(n, rng),
            Kind::Crawler if rng.u8(..10) < 3 => get(format!("/product/{}", n + 1)),
            Kind::Crawler => get(format!("/old/{}/{n}.html", WORDS[n % WORDS.len()])),
            Kind::Guesser => login("admin", &format!("{:06}", rng.u32(..1_000_000))),
            Kind::Burst => get("/".into()),
            Kind::Scraper => get(format!("/product/{product}")),
        };
        Request { client, offset: *offset, method, path, body }
    });
    steps.collect()
}

type Step = (&'static str, String, String);

fn get(path: String) -> Step {
    ("GET", path, String::new())
}

fn login(name: &str, password: &str) -> Step {
    ("POST", "/login".into(), format!("name={name}&password={password}"))
}

/// The front page and its style sheet, which a browser keeps; then from thing to thing, the popular ones
/// more often. One in 200 logins goes wrong, one page in 200 is not there.
fn step(n: usize, rng: &mut Rng) -> Step {
    match (n, rng.usize(..200)) {
        (0, _) => get("/".into()),
        (1, _) => get("/static/app.css".into()),
        (_, 0) => login("alice", "open-sesmae"),
        (_, 1) => get("/favicon.ico".into()),
        (_, 2..6) => login("alice", "open-sesame"),
        (_, 6..26) => get("/".into()),
        (_, 26..56) => get(format!("/search?q={}", WORDS[rng.usize(..WORDS.len())])),
        _ => get(format!("/product/{}", 1 + (rng.f64().powi(3) * 60.0) as usize)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn options() -> Options {
        Options {
            clients: 500,
            attackers: 5,
            requests: 50_000,
            attacks_percent: 20,
            time: Duration::from_secs(50),
            seed: 1,
        }
    }

    fn told(plan: &Plan) -> Vec<String> {
        let one = |r: &Request| {
            format!("{:?} {} {} {} {}", r.offset, plan.clients[r.client].address, r.method, r.path, r.body)
        };
        plan.requests.iter().map(one).collect()
    }

    #[test]
    fn the_seed_decides() {
        let (first, second) = (plan(&options()), plan(&options()));
        assert_eq!(told(&first), told(&second));
        assert_ne!(told(&first), told(&plan(&Options { seed: 2, ..options() })));
    }

    #[test]
    fn it_is_what_was_asked_for() {
        let plan = plan(&options());
        assert_eq!((plan.clients.len(), plan.requests.len()), (500, 50_000));
        let addresses: BTreeSet<IpAddr> = plan.clients.iter().map(|client| client.address).collect();
        assert_eq!(addresses.len(), 500);
        assert!(plan.requests.is_sorted_by_key(|request| request.offset));
        assert!(plan.requests.iter().all(|request| request.offset < Duration::from_secs(50)));
        let mut kinds = BTreeMap::new();
        plan.clients.iter().for_each(|client| *kinds.entry(client.kind).or_insert(0) += 1);
        assert_eq!(
            kinds.into_iter().collect::<Vec<_>>(),
            [
                (Kind::Normal, 495),
                (Kind::Crawler, 2),
                (Kind::Guesser, 1),
                (Kind::Burst, 1),
                (Kind::Scraper, 1)
            ]
        );
    }

    /// What detection may rely on: an attacker does in the attack's time what nobody else does at all.
    #[test]
    fn attackers_stand_out_and_the_others_do_not() {
        let plan = plan(&options());
        for (n, client) in plan.clients.iter().enumerate() {
            let own: Vec<&Request> = plan.requests.iter().filter(|request| request.client == n).collect();
            let count = |wanted: &dyn Fn(&Request) -> bool| own.iter().filter(|r| wanted(r)).count();
            let paths: BTreeSet<&str> = own.iter().map(|r| r.path.as_str()).collect();
            match client.kind {
                Kind::Normal => {
                    assert!((40..140).contains(&own.len()), "{}", own.len());
                    assert!(count(&|r| r.body.ends_with("sesmae") || r.path == "/favicon.ico") < 8);
                    assert!(paths.len() < 70, "{}", paths.len());
                }
                Kind::Crawler => assert_eq!((own.len(), paths.len()), (2_000, 2_000)),
                Kind::Guesser => assert_eq!(count(&|r| r.method == "POST"), 2_000),
                Kind::Burst | Kind::Scraper => assert_eq!((own.len(), paths.len()), (2_000, 1)),
            }
        }
    }

    #[test]
    fn any_number_of_clients_has_addresses() {
        let addresses: BTreeSet<IpAddr> = (0..5_000).map(address).collect();
        assert_eq!(addresses.len(), 5_000);
        for (clients, attackers, requests) in [(0, 5, 10), (1, 0, 10), (1, 1, 10), (3, 9, 100), (10, 2, 0)] {
            let plan = plan(&Options { clients, attackers, requests, ..options() });
            assert_eq!(plan.requests.len(), if clients == 0 { 0 } else { requests });
        }
    }
}
