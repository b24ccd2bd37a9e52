//! Takes the network away from a command, to prove that nothing needs it after the set-up.

use std::process::{Command, Stdio};

use crate::{Place, setup};

/// How the network is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Away {
    /// A network namespace of its own, in which only loopback is up: no way out at all. With the options
    /// that `unshare` takes here.
    Namespace(&'static [&'static str]),
    /// Proxies that nobody answers at, for systems that allow no namespace (macOS, most containers).
    /// Only what honours them is cut off: cargo, pip and browsers do.
    Proxies,
}

impl Away {
    /// The best that this system allows.
    pub fn best(place: &Place) -> Away {
        let works = |options: &[&str]| {
            let output = namespace(place, options).arg("true").stdin(Stdio::null()).output();
            output.is_ok_and(|output| output.status.success())
        };
        // Who is not root gets the right to it from a user namespace.
        let ways: [&[&str]; 2] = [&["--net"], &["--net", "--map-root-user"]];
        ways.into_iter().find(|options| works(options)).map_or(Away::Proxies, Away::Namespace)
    }

    /// The same command without a network; all that it starts has none either, and shares its loopback.
    ///
    /// `CARGO_NET_OFFLINE` is not set: a reader on a train hasn't set it.
    pub fn wrap(self, place: &Place, command: Command) -> Command {
        match self {
            Away::Namespace(options) => {
                let mut wrapped = namespace(place, options);
                wrapped.arg(command.get_program()).args(command.get_args());
                for (name, value) in command.get_envs() {
                    match value {
                        Some(value) => wrapped.env(name, value),
                        None => wrapped.env_remove(name),
                    };
                }
                if let Some(folder) = command.get_current_dir() {
                    wrapped.current_dir(folder);
                }
                wrapped
            }
            Away::Proxies => {
                let mut wrapped = command;
                for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
                    // Port 9 is `discard`, where nobody listens. Both spellings are in use.
                    wrapped.env(name, "http://127.0.0.1:9");
                    wrapped.env(name.to_lowercase(), "http://127.0.0.1:9");
                }
                wrapped.env("NO_PROXY", "127.0.0.1,localhost").env("no_proxy", "127.0.0.1,localhost");
                wrapped
            }
        }
    }
}

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Away::Namespace(_) => "without a network: in a namespace of its own, proved to have no way out",
            Away::Proxies => {
                "without a network as far as proxies that don't answer can take it away \
                 (this system does not allow `unshare --net`)"
            }
        })
    }
}

/// `unshare`, up to where the program follows.
fn namespace(place: &Place, options: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(options).arg(place.python());
    // `-I`: neither the current folder nor the user's Python has a part in it.
    command.arg("-I").arg(place.checkout.join("xtask/src/offline.py"));
    command
}

/// `cargo xtask`, as the user would type it. Not this program's own file: `cargo test` may have built it
/// anew meanwhile, and then that file is gone.
pub fn ourselves(place: &Place) -> Command {
    let mut command = setup::cargo(place);
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        command.env("CARGO_TARGET_DIR", folder);
    }
    command.arg("xtask");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The namespace proves itself where it is used; this is the other way.
    #[test]
    fn proxies_are_for_everything_but_this_machine() {
        let place = Place { checkout: "/nowhere".into(), cache: "/nowhere".into() };
        let mut command = Command::new("sh");
        command.args(["-c", "echo $1 $HTTPS_PROXY $all_proxy $no_proxy", "sh", "an argument"]);
        let output = Away::Proxies.wrap(&place, command).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "an argument http://127.0.0.1:9 http://127.0.0.1:9 127.0.0.1,localhost\n"
        );
    }
}
