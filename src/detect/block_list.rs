//! [`BlockList`]: the addresses whose requests are refused, each until its time is over.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ipnet::IpNet;

use super::alert::Alert;
use super::block_entry::BlockEntry;
use crate::error::Result;
use crate::event::{canonical_client, client_address};
use crate::harmless::Text;
use crate::read::{Context, ProcessError, RecordProcessor};
use crate::record::Batch;
use crate::timestamp::Timestamp;

/// Expired entries are looked for when the list has grown by this many.
const SWEEP: usize = 1_000;
/// No alert blocks for longer: who may write to the stream of alerts should not have anybody refused for ever.
pub(crate) const LONGEST_BLOCK: Duration = Duration::from_secs(86_400);

/// The addresses whose requests are refused, each until its time is over. Clones are the same list.
///
/// One client has one entry, however it is written: `::ffff:192.0.2.66`, `192.0.2.66:443` and `192.0.2.66` are
/// the same. A network (`198.51.100.0/24`, `2001:db8::/64`) stands for all addresses in it.
///
/// It is also a [`RecordProcessor`] over the stream of alerts, so that every web server that reads the
/// stream has the same list. One that starts reads the stream from its oldest record: what is still in
/// force is in it, as no alert blocks for longer than 24 hours after its arrival, which is how long a stream
/// keeps its records if nothing else was set. An alert that comes twice changes nothing; of an alert, only a
/// single address is blocked, never a network: its texts come from strangers.
///
/// ```
/// use kinesis_lab::{BlockList, Timestamp};
///
/// let (blocked, noon) = (BlockList::new(), Timestamp::from_secs(43_200));
/// blocked.block("192.0.2.66", noon)?;
/// assert!(blocked.is_blocked("::ffff:192.0.2.66", Timestamp::from_secs(43_199)));
/// assert!(!blocked.is_blocked("192.0.2.66", noon));
///
/// blocked.block("198.51.100.0/24", noon)?;
/// assert!(blocked.is_blocked("198.51.100.7", Timestamp::MIN));
/// blocked.pardon("198.51.100.0/24")?;
/// assert_eq!(blocked.blocked(Timestamp::MIN), [("192.0.2.66".into(), noon)]);
/// # Ok::<(), kinesis_lab::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct BlockList {
    // Read at each request, written at an alert. A std lock: nothing awaits while it is held.
    blocks: Arc<RwLock<Blocks>>,
}

#[derive(Default)]
struct Blocks {
    /// Of addresses in their one form; of what is none as it is written.
    clients: HashMap<Box<str>, Timestamp>,
    networks: HashMap<IpNet, Timestamp>,
    /// Which lengths the networks' prefixes have: an address is in no other network.
    prefixes: BTreeSet<u8>,
    /// How many there may be before expired ones are looked for again.
    sweep_at: usize,
}

impl BlockList {
    /// Nobody is blocked.
    pub fn new() -> BlockList {
        BlockList::default()
    }

    /// Refuses an address, all of a network (`198.51.100.0/24`, `198.51.100.*`) or of a range
    /// (`198.51.100.8-198.51.100.11`), until a time; an earlier time than that of an entry it has changes nothing.
    /// A word that is no attempt at these (a host's name, a customer's number) is a client of that name.
    ///
    /// ```
    /// use kinesis_lab::{BlockList, Timestamp};
    ///
    /// let blocked = BlockList::new();
    /// blocked.block("198.51.*", Timestamp::MAX)?;
    /// assert!(blocked.is_blocked("198.51.100.7", Timestamp::MIN));
    /// let error = blocked.block("198.51.100.0/33", Timestamp::MAX).unwrap_err();
    /// assert!(error.to_string().contains("/0 to /32"));
    /// # Ok::<(), kinesis_lab::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for what is neither: nobody's address would be
    /// that, and nobody refused.
    pub fn block(&self, address: &str, until: Timestamp) -> Result<()> {
        match BlockEntry::parse(address)? {
            BlockEntry::Networks(networks) => {
                let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
                for network in networks {
                    blocks.prefixes.insert(network.prefix_len());
                    let known = blocks.networks.entry(network).or_insert(until);
                    *known = until.max(*known);
                }
            }
            BlockEntry::Client(client) => {
                self.block_client(&client, until);
            }
        }
        Ok(())
    }

    /// Refuses one client until a time; false when it was refused until then already.
    pub(crate) fn block_client(&self, client: &str, until: Timestamp) -> bool {
        let client = canonical_client(client);
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        match blocks.clients.get_mut(&*client) {
            Some(known) if *known >= until => return false,
            Some(known) => *known = until,
            None => drop(blocks.clients.insert(client.into(), until)),
        }
        true
    }

    /// Takes an address or a network off the list: somebody has examined it, and it was a mistake. An address in
    /// a network that is blocked stays blocked with it.
    ///
    /// # Errors
    /// As [`block`](BlockList::block).
    pub fn pardon(&self, address: &str) -> Result<()> {
        let entry = BlockEntry::parse(address)?;
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        match entry {
            BlockEntry::Networks(networks) => {
                for network in networks {
                    blocks.networks.remove(&network);
                }
            }
            BlockEntry::Client(client) => drop(blocks.clients.remove(&*canonical_client(&client))),
        }
        Ok(())
    }

    /// Whether the requests of an address are refused at this time.
    pub fn is_blocked(&self, address: &str, now: Timestamp) -> bool {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        let client = canonical_client(address);
        blocks.clients.get(&*client).is_some_and(|until| now < *until)
            || (!blocks.networks.is_empty()
                && client_address(&client).is_some_and(|address| blocks.has_network_of(address, now)))
    }

    /// The addresses and networks refused at this time, by name, each with the time at which that ends.
    pub fn blocked(&self, now: Timestamp) -> Vec<(Text, Timestamp)> {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        let clients = blocks.clients.iter().map(|(client, until)| (Text::from(&**client), *until));
        let networks =
            blocks.networks.iter().map(|(network, until)| (Text::from(network.to_string()), *until));
        let mut blocked: Vec<_> = clients.chain(networks).filter(|(_, until)| now < *until).collect();
        blocked.sort_unstable();
        blocked
    }

    /// Whether it is the same list, not only the same blocks.
    #[cfg(feature = "agent")]
    pub(crate) fn is(&self, other: &BlockList) -> bool {
        Arc::ptr_eq(&self.blocks, &other.blocks)
    }

    /// Takes out what has expired, now and then: memory is what is in force.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        if blocks.clients.len() + blocks.networks.len() >= blocks.sweep_at {
            blocks.clients.retain(|_, until| now < *until);
            blocks.networks.retain(|_, until| now < *until);
            blocks.prefixes = blocks.networks.keys().map(IpNet::prefix_len).collect();
            blocks.sweep_at = blocks.clients.len() + blocks.networks.len() + SWEEP;
        }
    }
}

impl Blocks {
    fn has_network_of(&self, address: IpAddr, now: Timestamp) -> bool {
        self.prefixes.iter().any(|prefix| {
            let network = IpNet::new(address, *prefix).ok().map(|network| network.trunc());
            network.and_then(|network| self.networks.get(&network)).is_some_and(|until| now < *until)
        })
    }
}

/// Whom the alerts of a batch block, and until when: at most so long after each came.
pub(crate) fn blocks_in<'a>(
    batch: &'a Batch,
    now: Timestamp,
    longest: Duration,
) -> impl Iterator<Item = (Text, Timestamp)> + 'a {
    batch.records.iter().filter_map(move |record| {
        // What is no alert is none of its business.
        let alert = Alert::parse(record).ok()?;
        let until = alert.blocked_until()?.min(record.arrival + longest);
        (now < until).then_some((alert.ip?, until))
    })
}

impl RecordProcessor for BlockList {
    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        for (client, until) in blocks_in(batch, ctx.now, LONGEST_BLOCK) {
            self.block_client(client.raw(), until);
        }
        self.sweep(ctx.now);
        Ok(())
    }
}

impl fmt::Debug for BlockList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "block list of {} entries", blocks.clients.len() + blocks.networks.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    #[test]
    fn the_later_end_stands_and_the_expired_leave() {
        let at = Timestamp::from_secs;
        let list = BlockList::new();
        list.block("a", at(20)).unwrap();
        list.block("a", at(10)).unwrap();
        list.block("b", at(5)).unwrap();
        assert_eq!(list.blocked(at(7)), [("a".into(), at(20))]);
        list.sweep(at(7));
        assert_eq!(format!("{list:?}"), "block list of 1 entries");
        list.pardon("a").unwrap();
        assert!(!list.is_blocked("a", at(7)));
    }

    /// Each was an entry that nobody's address is, in silence.
    #[test]
    fn one_network_however_it_is_written() {
        let until = Timestamp::from_secs(9);
        for (spelling, form) in [
            ("198.51.100.0/255.255.255.0", "198.51.100.0/24"),
            ("198.51.100.0 / 24", "198.51.100.0/24"),
            ("::ffff:198.51.100.0/120", "198.51.100.0/24"),
            ("[2001:DB8::]/64", "2001:db8::/64"),
        ] {
            let list = BlockList::new();
            list.block(spelling, until).unwrap();
            assert_eq!(list.blocked(Timestamp::MIN), [(form.into(), until)], "{spelling}");
            list.pardon(spelling).unwrap();
            assert!(list.blocked(Timestamp::MIN).is_empty());
        }
    }

    #[test]
    fn one_client_however_it_is_written() {
        let (at, spellings) = (
            Timestamp::from_secs,
            [
                ("192.0.2.66", ["::ffff:192.0.2.66", "::FFFF:c000:242", "192.0.2.66:443"]),
                ("2001:db8::1", ["2001:DB8::1", "[2001:db8::1]:443", "2001:db8:0:0::1"]),
            ],
        );
        for (client, others) in spellings {
            for other in others {
                let list = BlockList::new();
                list.block(other, at(20)).unwrap();
                assert_eq!(list.blocked(at(7)), [(client.into(), at(20))]);
                assert!(list.is_blocked(client, at(7)) && list.is_blocked(other, at(7)));
                list.pardon(client).unwrap();
                list.block(client, at(20)).unwrap();
                list.pardon(other).unwrap();
                assert!(!list.is_blocked(client, at(7)), "{other}");
            }
        }
    }

    #[test]
    fn a_network_is_all_its_addresses() {
        let at = Timestamp::from_secs;
        let list = BlockList::new();
        for network in ["198.51.100.7/24", "2001:DB8::/64", "::ffff:203.0.113.0/120"] {
            list.block(network, at(20)).unwrap();
        }
        for inside in ["198.51.100.255", "::ffff:198.51.100.1", "2001:db8::ffff", "203.0.113.9"] {
            assert!(list.is_blocked(inside, at(7)) && !list.is_blocked(inside, at(20)), "{inside}");
        }
        for outside in ["198.51.101.1", "2001:db8:0:1::1", "-", "198.51.100.0/24x"] {
            assert!(!list.is_blocked(outside, at(7)), "{outside}");
        }
        let names: Vec<Text> = list.blocked(at(7)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["198.51.100.0/24", "2001:db8::/64", "203.0.113.0/24"]);
        list.pardon("198.51.100.0/24").unwrap();
        assert!(!list.is_blocked("198.51.100.255", at(7)));
    }

    /// Whoever may write to the stream of alerts names no network, and blocks nobody for ever.
    #[test]
    fn an_alert_blocks_one_address_for_a_day_at_most() {
        let came = Timestamp::from_secs(1_536_220_800);
        let alert = |ip: &str| {
            let data = format!(
                r#"{{"v":1,"id":"1","playbook":"p","key":"k","ip":"{ip}","time":"{came}","start":"{came}",
                    "end":"{came}","count":1,"threshold":1,"response":"block","until":"9999-01-01T00:00:00Z",
                    "evidence":""}}"#
            );
            Record::new("k", data, "1", came)
        };
        let batch = Batch::new("alerts", "s", vec![alert("0.0.0.0/0"), alert("::ffff:192.0.2.66")]);
        let mut list = BlockList::new();
        list.process(&batch, &mut Context::at(came)).unwrap();
        assert!(!list.is_blocked("192.0.2.7", came));
        let last = came + LONGEST_BLOCK;
        assert!(
            list.is_blocked("192.0.2.66", last - Duration::from_secs(1))
                && !list.is_blocked("192.0.2.66", last)
        );
    }
}
