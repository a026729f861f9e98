//! What the environment says, and what it cannot say.

use std::ffi::OsString;

use super::Options;

fn options(variables: &[(&str, &str)]) -> Result<Options, String> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    Options::from_variables(variable).map_err(|error| error.to_string())
}

#[test]
fn what_is_not_said_is_left_open() {
    let options = options(&[("GOSSAMER_LISTEN", "127.0.0.1:7000")]).unwrap();
    assert_eq!(options.listen, Some("127.0.0.1:7000".parse().unwrap()));
    assert!(options.bind.is_none() && options.data.is_none() && options.join.is_none());
}

#[test]
fn an_address_that_is_none_is_refused_by_name() {
    let error = options(&[("GOSSAMER_BIND", "here")]).unwrap_err();
    assert_eq!(error, "GOSSAMER_BIND is not an address and a port");
}

#[test]
fn a_token_is_never_printed() {
    let options = options(&[("GOSSAMER_JOIN", "gossamer1.secret")]).unwrap();
    assert!(!format!("{options:?}").contains("secret"));
}

#[test]
fn the_command_line_goes_before_the_environment() {
    let options = options(&[("GOSSAMER_DATA", "/there")]).unwrap().with(None, Some("/here".into()));
    assert_eq!(options.data, Some("/here".into()));
}
