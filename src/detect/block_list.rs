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
/// Nor of a larger network than these, in bits of an address of IPv4 and of IPv6: nobody should have the world
/// refused.
pub(super) const LARGEST_BLOCK: (u8, u8) = (16, 32);

/// The addresses whose requests are refused, each until its time is over. Clones are the same list.
///
/// One client has one entry, however it is written: `::ffff:192.0.2.66`, `192.0.2.66:443` and `192.0.2.66` are
/// the same. A network (`198.51.100.0/24`, `2001:db8::/64`) stands for all addresses in it.
///
/// It is also a [`RecordProcessor`] over the stream of alerts, so that every web server that reads the
/// stream has the same list. One that starts reads the stream from its oldest record: what is still in
/// force is in it, as no alert blocks for longer than 24 hours after its arrival, which is how long a stream
/// keeps its records if nothing else was set. An alert that comes twice changes nothing. Its texts come from
/// strangers: it blocks an address, or a network no larger than `/16` of IPv4 or `/32` of IPv6.
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
                self.block_networks(networks, until);
            }
            BlockEntry::Client(client) => {
                self.block_client(&client, until);
            }
        }
        Ok(())
    }

    /// The same of whom an alert names; false when it was refused until then already, is larger than an alert may
    /// block, or is nobody.
    pub(crate) fn block_named(&self, name: &str, until: Timestamp) -> bool {
        let is_small = |network: &IpNet| {
            let largest = if network.addr().is_ipv4() { LARGEST_BLOCK.0 } else { LARGEST_BLOCK.1 };
            network.prefix_len() >= largest
        };
        match BlockEntry::parse(name) {
            // Of one network: a range may be the world in a hundred pieces.
            Ok(BlockEntry::Networks(networks)) if networks.len() == 1 && networks.iter().all(is_small) => {
                self.block_networks(networks, until)
            }
            Ok(BlockEntry::Client(client)) => self.block_client(&client, until),
            _ => false,
        }
    }

    fn block_networks(&self, networks: Vec<IpNet>, until: Timestamp) -> bool {
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        let mut news = false;
        for network in networks {
            blocks.prefixes.insert(network.prefix_len());
            let known = blocks.networks.entry(network).or_insert(Timestamp::MIN);
            news |= *known < until;
            *known = until.max(*known);
        }
        news
    }

    /// Refuses one client until a time; false when it was refused until then already.
    fn block_client(&self, client: &str, until: Timestamp) -> bool {
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
            self.block_named(client.raw(), until);
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
mod tests;
