//! [`Renewable`]: credentials that are asked for again when the service says that they have expired.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;

/// They are asked for again so long before they expire …
const MARGIN: Duration = Duration::from_secs(60);
/// … and so long after they were, when nobody says when they expire; as the SDK does.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// How a sentence begins that is about a key itself.
const ODD_KEY: &str = "the AWS credentials can't be right";

/// The SDK keeps credentials until the time that they carry, and a profile's file as it was when it was first
/// read. When the service says that they have expired before (a role's session was revoked, another program wrote
/// new ones into the file), a call that is made again must not be made with the same.
pub(super) struct Renewable {
    make: MakeProvider,
    held: Mutex<Held>,
    refused: AtomicBool,
}

type MakeProvider =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = SharedCredentialsProvider> + Send>> + Send + Sync>;

#[derive(Default)]
struct Held {
    provider: Option<SharedCredentialsProvider>,
    /// And until when they are good.
    credentials: Option<(Credentials, SystemTime)>,
}

impl Renewable {
    /// `make` makes a provider that has read nothing yet.
    pub(super) fn new(make: MakeProvider) -> Arc<Renewable> {
        Arc::new(Renewable { make, held: Mutex::default(), refused: AtomicBool::new(false) })
    }

    /// They are not good any more, whatever they say.
    pub(super) fn refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    pub(super) async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        // Held while it asks: all others wait for the same answer.
        let mut held = self.held.lock().await;
        if self.refused.swap(false, Ordering::Relaxed) {
            *held = Held::default();
        }
        let now = SystemTime::now();
        if let Some((credentials, until)) = &held.credentials
            && now < *until
        {
            return Ok(credentials.clone());
        }
        let provider = match &held.provider {
            Some(provider) => provider.clone(),
            None => held.provider.insert((self.make)().await).clone(),
        };
        let credentials = provider.provide_credentials().await?;
        check(&credentials).map_err(CredentialsError::invalid_configuration)?;
        let until = match credentials.expiry() {
            Some(expiry) => expiry.checked_sub(MARGIN).unwrap_or(now),
            None => now + LIFETIME,
        };
        held.credentials = Some((credentials.clone(), until));
        Ok(credentials)
    }
}

/// What the SDK is given.
#[derive(Debug, Clone)]
pub(super) struct Provider(pub(super) Arc<Renewable>);

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.credentials())
    }
}

impl fmt::Debug for Renewable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("credentials (not shown)")
    }
}

/// A key with a character that can't be sent: the SDK would panic while it signs. Nothing of the key is shown.
fn check(credentials: &Credentials) -> Result<(), String> {
    for (name, value) in [
        ("access key id", Some(credentials.access_key_id())),
        ("secret access key", Some(credentials.secret_access_key())),
        ("session token", credentials.session_token()),
    ] {
        let Some(value) = value else { continue };
        let what = match value.chars().find(|c| !c.is_ascii_graphic()) {
            None if value.is_empty() => "is empty".to_owned(),
            None => continue,
            Some('\n' | '\r') => "has a line break in it".to_owned(),
            Some(' ' | '\t') => "has a space in it".to_owned(),
            Some(c) => format!("has the character U+{:04X} in it", u32::from(c)),
        };
        return Err(format!(
            "{ODD_KEY}: the {name} {what}, which no key has; it came along when the key was copied, perhaps: set \
             the environment variable or the line of ~/.aws/credentials again"
        ));
    }
    Ok(())
}

/// The sentence about a key itself that is among an error's words.
pub(super) fn odd_key(words: &str) -> Option<&str> {
    words.find(ODD_KEY).map(|at| &words[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_can_not_be_sent_is_told_and_not_shown() {
        let keys = |id: &str, secret: &str, token: Option<&str>| {
            check(&Credentials::new(id, secret, token.map(str::to_owned), None, "test"))
        };
        assert_eq!(keys("AKIDEXAMPLE", "wJalr/+=EXAMPLE", Some("IQoJ==")), Ok(()));
        for (odd, said) in [
            (keys("AKID\n", "s", None), "access key id has a line break"),
            (keys("AKID", "s\r\n", None), "secret access key has a line break"),
            (keys("AKID", "s", Some("to ken")), "session token has a space"),
            (keys("AKID\u{200b}", "s", None), "access key id has the character U+200B"),
            (keys("", "s", None), "access key id is empty"),
        ] {
            let sentence = odd.unwrap_err();
            assert!(sentence.contains(said) && !sentence.contains("AKID"), "{sentence}");
            assert_eq!(odd_key(&format!("dispatch failure: {sentence}")), Some(&*sentence));
        }
    }

    #[tokio::test]
    async fn what_was_refused_is_asked_for_again_of_another_provider() {
        let made = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = made.clone();
        let renewable = Renewable::new(Box::new(move || {
            let n = count.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                SharedCredentialsProvider::new(Credentials::new(format!("KEY{n}"), "s", None, None, "test"))
            })
        }));
        for want in ["KEY0", "KEY0"] {
            assert_eq!(renewable.credentials().await.unwrap().access_key_id(), want);
        }
        renewable.refused();
        for want in ["KEY1", "KEY1"] {
            assert_eq!(renewable.credentials().await.unwrap().access_key_id(), want);
        }
    }
}
