//! The generated types, laid out as their packages refer to each other. They never leave this crate.

#![expect(unreachable_pub, reason = "prost generates `pub`; the modules are private")]

pub(crate) mod event {
    pub(crate) mod v1 {
        include!(concat!(env!("OUT_DIR"), "/gossamer.event.v1.rs"));
    }
}
pub(crate) mod join {
    pub(crate) mod v1 {
        include!(concat!(env!("OUT_DIR"), "/gossamer.join.v1.rs"));
    }
}
pub(crate) mod mesh {
    pub(crate) mod v1 {
        include!(concat!(env!("OUT_DIR"), "/gossamer.mesh.v1.rs"));
    }
}
