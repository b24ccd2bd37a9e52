//! Certificates of a test's own, by openssl.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// An authority, and a certificate of its for `localhost`, in a folder; nothing, visibly, without openssl.
pub(crate) fn make_certificates(folder: &Path) -> Option<()> {
    let openssl = |arguments: &str| {
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        made.is_ok_and(|output| output.status.success())
    };
    fs::write(folder.join("name"), "subjectAltName = DNS:localhost\n").unwrap();
    let done = ["ca", "other"].iter().all(|name| {
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        ))
    }) && openssl(
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
    ) && openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -set_serial 2 -days 2 -extfile name -out server.crt",
    );
    if !done {
        let _ = writeln!(std::io::stderr(), "SKIPPED: no openssl that makes certificates");
    }
    done.then_some(())
}

/// Into the folder of a server's data.
pub(crate) fn copy_certificate(folder: &Path, data: &Path) {
    for file in ["server.crt", "server.key"] {
        fs::copy(folder.join(file), data.join(file)).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(data.join(file), private).unwrap();
    }
}
