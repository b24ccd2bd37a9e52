//! The command line, which the daemon's children have, too: by way of its environment, since the daemon starts them without
//! arguments.

use std::ffi::OsString;

use kinesis_lab::prelude::*;

/// In the environment of the daemon, which its children inherit: an argument a line.
pub(crate) const CHILD: &str = "KINESIS_LAB_WORKER";

/// Of this process, where the daemon has started it.
pub(crate) fn of_a_child() -> Option<Vec<String>> {
    Some(std::env::var(CHILD).ok()?.split('\n').map(str::to_owned).collect())
}

/// For the environment of the daemon.
pub(crate) fn joined(line: &[String]) -> String {
    line.join("\n")
}

/// Arguments that can be handed on, and that everybody may see. Before anybody else reads them: what clap refuses, it
/// quotes.
pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Vec<String>, Error> {
    let refused = |why: &str| Err(Error::new(ErrorKind::InvalidInput, why));
    let mut line = Vec::new();
    for argument in arguments {
        let Ok(argument) = argument.into_string() else {
            return refused("an argument is no UTF-8");
        };
        if argument.contains('\n') {
            return refused("an argument has a line break in it");
        }
        if has_password(&argument) {
            return refused(
                "a database's address has a password in it, and everybody on this machine can read a command line: write \
                 postgres://user@host/database, and the password into the environment variable PGPASSWORD",
            );
        }
        line.push(argument);
    }
    Ok(line)
}

/// In doubt, it has one. The driver takes what is before the first `@` for user and password; and a name of what follows
/// the address may be written with percent signs.
fn has_password(argument: &str) -> bool {
    let address = ["postgres://", "postgresql://"].iter().find_map(|scheme| argument.split_once(scheme));
    let Some((_, rest)) = address else {
        // The other form of an address: `host=db password=…`.
        return argument.contains("password=") || argument.contains("password =");
    };
    let before = rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    let mut names = rest.split(['?', '&']).skip(1).filter_map(|pair| pair.split('=').next());
    before || names.any(|name| name.to_ascii_lowercase().contains("password") || name.contains('%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(arguments: &[&str]) -> Result<Vec<String>, Error> {
        read(arguments.iter().map(|argument| OsString::from(*argument)))
    }

    #[test]
    fn a_password_is_refused_wherever_it_stands_and_not_quoted() {
        for argument in [
            "postgres://ann:s3cret@db/shop",
            "postgresql://ann:s3cret@db:6432/shop?sslmode=require",
            "--postgres=postgres://ann:s3cret@db/shop",
            "--postgress=postgres://ann:s3cret@db/shop",
            "postgres://:s3cret@db/shop",
            "postgres://ann:s3@cret@db/shop",
            "postgres://ann:s3/c?ret@db/shop",
            "postgres://ann@db/shop?password=s3cret",
            "postgres://ann@db/shop?connect_timeout=3&password=s3cret",
            "postgres://ann@db/shop?p%61ssword=s3cret",
            "host=db user=ann password=s3cret",
            "host=db user=ann password = s3cret",
        ] {
            let error = read_of(&["worker", "--postgres", argument, "count"]).unwrap_err();
            assert!(error.to_string().contains("PGPASSWORD"), "{argument}: {error}");
            assert!(!format!("{error} {error:?}").contains("cret"), "{argument}: {error}");
        }
    }

    #[test]
    fn what_holds_no_password_is_handed_on_as_it_is() {
        let line = [
            "worker",
            "--postgres",
            "postgres://ann@db:6432,db2/shop?sslmode=verify-full&sslrootcert=%2Fr.pem",
            "--endpoint",
            "http://127.0.0.1:4567",
            "count",
            "--key",
            "a b",
            "",
        ];
        let read = read_of(&line).unwrap();
        assert_eq!(read, line);
        assert_eq!(joined(&read).split('\n').collect::<Vec<_>>(), line);
    }

    #[test]
    fn what_can_not_be_handed_on_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;

        assert!(read_of(&["worker", "--name", "a\nb"]).unwrap_err().to_string().contains("line break"));
        let error = read([OsString::from_vec(vec![0xff])].into_iter()).unwrap_err();
        assert!(error.to_string().contains("UTF-8"), "{error}");
    }
}
