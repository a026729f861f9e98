//! The limits of a policy's text.

use super::*;

fn parse(module: &str, data: &str) -> Result<PolicySource, InvalidSource> {
    PolicySource::parse(Digest::sha256(module.as_bytes()), module, data)
}

#[test]
fn no_data_is_an_empty_document() {
    assert_eq!(parse("package router", " ").unwrap().data(), &serde_json::json!({}));
}

#[test]
fn the_data_document_is_an_object() {
    assert_eq!(parse("package router", "[]"), Err(InvalidSource::DataNotAnObject));
    assert!(matches!(parse("package router", "{"), Err(InvalidSource::DataMalformed(_))));
}

#[test]
fn texts_are_bounded() {
    let module = "#".repeat(PolicySource::MODULE_BYTES_MAX + 1);
    assert_eq!(parse(&module, ""), Err(InvalidSource::ModuleTooLarge { bytes: module.len() }));
    let data = " ".repeat(PolicySource::DATA_BYTES_MAX + 1);
    assert_eq!(parse("package router", &data), Err(InvalidSource::DataTooLarge { bytes: data.len() }));
}
