//! Listings, page by page.

use gossamer_oci::Digest;
use serde_json::json;

use crate::testing::{Fixture, IMAGE, author, descriptor, digest_of, image, name};
use crate::{Error, Listing, Page};

fn page(after: &str, limit: usize) -> Page {
    Page { after: Some(after.into()), limit: Some(limit) }
}

#[tokio::test]
async fn tags_come_sorted_and_in_pages() {
    let fixture = Fixture::with(|config| config.limits.page_max = 3).await;
    for tag in ["b", "a", "C", "d", "e"] {
        fixture.image("r", tag, b"layer").await;
    }
    let tags = async |page: Page| {
        let Listing { items, more } = fixture.registry.tags(&name("r"), &page).await.unwrap();
        assert_eq!(fixture.registry.tag_names(&name("r"), &page).unwrap().items, items);
        (items.iter().map(|tag| tag.to_string()).collect::<Vec<_>>().concat(), more)
    };
    assert_eq!(tags(Page::default()).await, ("Cab".into(), true), "byte order, and no more than allowed");
    assert_eq!(tags(page("", usize::MAX)).await, ("Cab".into(), true));
    assert_eq!(tags(page("b", 9)).await, ("de".into(), false));
    assert_eq!(tags(page("b", 2)).await, ("de".into(), false));
    assert_eq!(tags(page("b", 1)).await, ("d".into(), true));
    assert_eq!(tags(page("../../x", 1)).await, ("C".into(), true), "it need not be a tag");
    assert_eq!(tags(page("", 0)).await, (String::new(), false), "a page of none has no next");
    assert_eq!(tags(page("z", 9)).await, (String::new(), false));
    assert!(matches!(fixture.registry.tags(&name("s"), &Page::default()).await, Err(Error::NameUnknown(_))));
}

#[tokio::test]
async fn repositories_are_those_with_something_in_them() {
    let fixture = Fixture::new().await;
    fixture.registry.start_upload(&name("begun"), "ann", gossamer_oci::Algorithm::Sha256).await.unwrap();
    for repository in ["b", "a/x", "a"] {
        fixture.blob(repository, b"x").await;
    }
    let all = fixture.registry.repositories(&Page::default()).await.unwrap();
    assert_eq!(all.items, [name("a"), name("a/x"), name("b")]);
    let next = fixture.registry.repositories(&page("a", 1)).await.unwrap();
    assert_eq!((next.items, next.more), (vec![name("a/x")], true));
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_forgotten() {
    let fixture = Fixture::new().await;
    let subject = image(b"layer");
    fixture.image("r", "v1", b"layer").await;
    let mut digests = Vec::new();
    for (number, kind) in
        [(1, "application/vnd.sbom"), (2, "application/vnd.sig"), (3, "application/vnd.sig")]
    {
        let mut referrer = image(b"layer");
        referrer["subject"] = descriptor(IMAGE, subject.to_string().as_bytes());
        referrer["artifactType"] = json!(kind);
        referrer["annotations"] = json!({ "number": number.to_string() });
        let digest = digest_of(&referrer);
        fixture.put("r", &digest.to_string(), IMAGE, &referrer).await.unwrap();
        digests.push(digest);
    }
    let about = digest_of(&subject);
    let list = async |repository: &str, kind: Option<&str>, page: Page| {
        let kind = kind.map(|kind| kind.parse().unwrap());
        fixture.registry.referrers(&name(repository), &about, kind.as_ref(), &page).await.unwrap()
    };
    let all = list("r", None, Page::default()).await;
    let mut sorted = digests.clone();
    sorted.sort();
    assert_eq!(all.items.iter().map(|item| item.digest).collect::<Vec<_>>(), sorted);
    let first = &all.items[0];
    assert_eq!(first.media_type.as_str(), IMAGE);
    assert!(first.annotations.contains_key("number") && first.artifact_type.is_some());

    let signatures = list("r", Some("application/vnd.sig"), Page::default()).await;
    assert_eq!(signatures.items.len(), 2);
    let one = list("r", None, page("", 1)).await;
    assert_eq!((one.items.len(), one.more), (1, true));
    let rest = list("r", None, page(&one.items[0].digest.to_string(), 9)).await;
    assert_eq!((rest.items.len(), rest.more), (2, false));
    assert!(list("elsewhere", None, Page::default()).await.items.is_empty());

    fixture.registry.delete_manifest(&name("r"), &digests[0], author()).await.unwrap();
    assert!(list("r", Some("application/vnd.sbom"), Page::default()).await.items.is_empty());
    // A subject that is gone keeps its referrers; they never needed it.
    fixture.registry.delete_manifest(&name("r"), &about, author()).await.unwrap();
    assert_eq!(list("r", None, Page::default()).await.items.len(), 2);
    let nobody = Digest::sha256(b"nobody");
    let none = fixture.registry.referrers(&name("r"), &nobody, None, &Page::default()).await.unwrap();
    assert!(none.items.is_empty());
}
