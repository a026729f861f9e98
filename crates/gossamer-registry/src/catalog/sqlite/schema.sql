-- Version 1. Digests, names and media types are their text; times are microseconds since 1970.

CREATE TABLE repositories (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- What the disk has. `touched` is when it was last linked: a collector leaves the young alone.
CREATE TABLE blobs (
    digest  TEXT PRIMARY KEY,
    size    INTEGER NOT NULL,
    touched INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a repository has of it.
CREATE TABLE blob_links (
    repository INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    digest     TEXT    NOT NULL REFERENCES blobs,
    touched    INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_links_by_digest ON blob_links (digest, repository);

-- The bytes of manifests, for `manifests` and `events`, which may outlive them.
CREATE TABLE contents (
    digest TEXT NOT NULL UNIQUE,
    bytes  BLOB NOT NULL
) STRICT;

-- `artifact_type` is what events are routed by: artifactType, else the media type of the config.
CREATE TABLE manifests (
    repository    INTEGER NOT NULL REFERENCES repositories ON DELETE CASCADE,
    digest        TEXT    NOT NULL REFERENCES contents (digest),
    media_type    TEXT    NOT NULL,
    artifact_type TEXT,
    pushed        INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;

-- What a manifest needs: blobs, and for an index its manifests.
CREATE TABLE manifest_references (
    repository INTEGER NOT NULL,
    manifest   TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    PRIMARY KEY (repository, manifest, target),
    FOREIGN KEY (repository, manifest) REFERENCES manifests (repository, digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_references_by_target ON manifest_references (repository, target);

CREATE TABLE tags (
    repository INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    moved      INTEGER NOT NULL,
    PRIMARY KEY (repository, name),
    FOREIGN KEY (repository, digest) REFERENCES manifests (repository, digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_digest ON tags (repository, digest);

-- Manifests by what they are about; `descriptor` is the JSON that a listing shows.
CREATE TABLE referrers (
    repository    INTEGER NOT NULL,
    subject       TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    artifact_type TEXT,
    descriptor    TEXT    NOT NULL,
    PRIMARY KEY (repository, subject, digest),
    FOREIGN KEY (repository, digest) REFERENCES manifests (repository, digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX referrers_by_digest ON referrers (repository, digest);

-- `size` bytes of the file are acknowledged; what the file has beyond is not part of the upload.
CREATE TABLE uploads (
    id         TEXT PRIMARY KEY,
    repository TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    algorithm  TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    touched    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: the last sequence given out. Kept apart so that trimming the log never gives one out twice.
CREATE TABLE log (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    head INTEGER NOT NULL
) STRICT;
INSERT INTO log (only, head) VALUES (1, 0);

-- No reference to `repositories`: an event outlives its repository.
CREATE TABLE events (
    sequence    INTEGER PRIMARY KEY,
    repository  TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    digest      TEXT    NOT NULL,
    tag         TEXT,
    media_type  TEXT,
    plugin      TEXT,
    principal   TEXT,
    time        INTEGER NOT NULL,
    traceparent TEXT,
    CHECK ((plugin IS NULL) <> (principal IS NULL))
) STRICT;
CREATE INDEX events_by_repository ON events (repository, sequence);

CREATE TABLE low_water_marks (
    plugin   TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lane_cursors (
    plugin     TEXT    NOT NULL,
    repository TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    PRIMARY KEY (plugin, repository)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
    plugin     TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    repository TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    PRIMARY KEY (plugin, sequence)
) STRICT, WITHOUT ROWID;
