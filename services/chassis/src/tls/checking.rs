//! Everything that is wrong with the files, for who looks before a start. It must not know what they are used for.

use super::{
    Purpose, TlsConfig, TlsError, expiry,
    files::{Files, View},
    material::Material,
};

/// Reads the files as a start does, and one by one; nothing is followed and nothing is kept.
pub fn check(purpose: Purpose, config: &TlsConfig) -> Vec<TlsError> {
    let files = Files::of(purpose, config);
    let contents = files.read();
    let view = files.view(&contents);
    let wrong = one_by_one(view);
    if !wrong.is_empty() {
        return wrong;
    }
    // What is right by itself may not fit together.
    match Material::of(view, &[], config.name.as_deref()) {
        Err(wrong) => vec![wrong],
        Ok(made) => expiry::unusable(&made.chain)
            .map(|problem| view.wrong("cert", problem))
            .into_iter()
            .collect(),
    }
}

fn one_by_one(view: View<'_>) -> Vec<TlsError> {
    let looks = [
        view.certificates("cert").map(drop),
        view.key("key").map(drop),
        view.authorities("client_ca").map(drop),
        view.authorities("ca").map(drop),
    ];
    looks.into_iter().filter_map(Result::err).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use tempfile::TempDir;
    use troika_tests::certificates::Authority;

    use super::*;

    const PURPOSE: Purpose = Purpose {
        label: "services",
        section: "tls",
    };

    fn kept(folder: &TempDir) -> TlsConfig {
        let authority = Authority::new("the authority");
        authority.write(folder.path());
        authority.issue(&["localhost"]).write(folder.path());
        let file = |name| Some(folder.path().join(name));
        TlsConfig {
            cert: file("cert.pem"),
            key: file("key.pem"),
            client_ca: file("ca.pem"),
            ca: file("ca.pem"),
            name: None,
        }
    }

    fn told(config: &TlsConfig) -> Vec<String> {
        let wrong = check(PURPOSE, config);
        wrong.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn files_that_can_be_used_are_right() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(told(&kept(&folder)), [""; 0]);
        assert_eq!(told(&TlsConfig::default()), [""; 0]);
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = kept(&folder);
        fs::remove_file(folder.path().join("cert.pem")).unwrap();
        fs::write(folder.path().join("key.pem"), "no key").unwrap();
        let empty = folder.path().join("empty.pem");
        fs::write(&empty, "").unwrap();
        config.ca = Some(empty);
        let told = told(&config);
        for (at, (setting, file, problem)) in [
            ("tls.cert", "cert.pem", "cannot be read"),
            ("tls.key", "key.pem", "no private key"),
            ("tls.ca", "empty.pem", "no certificate in it"),
        ]
        .into_iter()
        .enumerate()
        {
            let line = &told[at];
            assert!(line.starts_with(&format!("{setting}: ")), "{line}");
            assert!(line.contains(file) && line.contains(problem), "{line}");
        }
        assert_eq!(told.len(), 3, "{told:?}");
    }

    #[test]
    fn a_key_of_another_certificate_and_one_that_is_over_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let config = kept(&folder);
        let key = fs::read(config.key.as_deref().unwrap()).unwrap();
        let authority = Authority::new("another");
        let over = authority.issue_until(&["localhost"], 2021);
        over.write(folder.path());
        let line = told(&config);
        assert!(line[0].contains("2021-01-01T00:00:00Z"), "{line:?}");
        fs::write(config.key.as_deref().unwrap_or(Path::new("")), key).unwrap();
        let line = told(&config);
        assert!(line[0].contains("does not fit its private key"), "{line:?}");
        assert_eq!(line.len(), 1, "{line:?}");
    }
}
